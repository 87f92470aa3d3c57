//! Tests of the endpoint as clients see it, over the real schema.

mod leaving;
mod limits;

use std::time::Duration;

use axum::{Router, body::Body, http::Request};
use serde_json::{Value, json};

use super::HttpConfig;
use crate::test_server::{Does, Got, Server, post, send};

impl Got {
    fn code(&self) -> String {
        self.json()["errors"][0]["extensions"]["code"].as_str().unwrap_or("no code").to_owned()
    }

    fn message(&self) -> String {
        self.json()["errors"][0]["message"].as_str().unwrap_or("no message").to_owned()
    }
}

/// An endpoint, and the token of its account.
struct App {
    server: Server,
    router: Router,
}

impl App {
    async fn new(config: HttpConfig) -> Self {
        let server = Server::new().await;
        let router = server.graphql(config);
        Self { server, router }
    }

    async fn send(&self, request: Request<Body>) -> Got {
        send(&self.router, request).await
    }

    async fn ask(&self, body: Value) -> Got {
        self.send(post(&self.server.token, &body)).await
    }

    /// The document with the website's ID in place of `ID`, asked by the account.
    async fn query(&self, text: &str) -> Got {
        self.ask(json!({ "query": text.replace("ID\"", &format!("{}\"", self.server.website)) })).await
    }
}

async fn query(text: &str) -> Got {
    App::new(HttpConfig::default()).await.query(text).await
}

/// A field of the website that waits for a port.
const INGEST: &str = "{ website(id: \"ID\") { ingest { accepted } } }";

/// A mutation that waits for a port.
const VERIFY: &str = "mutation { websiteVerifyDomain(input: { websiteId: \"ID\" }) { method } }";

#[tokio::test]
async fn an_answer_carries_cost_and_request_id() {
    let got = query("{ websites(first: 3) { nodes { name } } }").await;
    assert_eq!(got.status, 200);
    assert_eq!(got.json()["data"], json!({ "websites": { "nodes": [{ "name": "Shop" }] } }));
    assert_eq!(got.json()["extensions"]["cost"], json!({ "requested": 7, "limit": 50_000, "remaining": 49_993 }));
    assert_eq!(got.header("x-request-id"), "00000000-0000-0000-0000-000000000001");
    assert_eq!(got.header("x-content-type-options"), "nosniff");
    assert_eq!(got.header("content-type"), "application/graphql-response+json; charset=utf-8");
}

#[tokio::test]
async fn a_client_may_choose_a_request_id_that_is_a_uuid() {
    let app = App::new(HttpConfig::default()).await;
    let mut ids = Vec::new();
    for given in ["6FA459EA-EE8A-3CA4-894E-DB77E160355E", "../../etc", ""] {
        let request = Request::get("/graphql?query=%7B__typename%7D").header("x-request-id", given);
        let got = app.send(request.body(Body::empty()).expect("a request")).await;
        ids.push(got.header("x-request-id").to_owned());
    }
    assert_eq!(
        ids,
        [
            "6fa459ea-ee8a-3ca4-894e-db77e160355e",
            "00000000-0000-0000-0000-000000000001",
            "00000000-0000-0000-0000-000000000002"
        ]
    );
}

#[tokio::test]
async fn request_errors_have_a_code_a_status_and_no_data() {
    let range = |range: &str| {
        format!("{{ viewer {{ id }} website(id: \"ID\") {{ analytics(range: {range}) {{ totals {{ visits }} }} }} }}")
    };
    let cases = [
        ("{", "GRAPHQL_PARSE_FAILED", "line 1, column 2"),
        ("{ plans() { name } }", "GRAPHQL_PARSE_FAILED", "empty"),
        ("query A { viewer { id } } query A { plans { name } }", "GRAPHQL_PARSE_FAILED", "two operations"),
        ("query A { viewer { id } } query B { viewer { id } }", "OPERATION_RESOLUTION_FAILURE", "operationName"),
        ("{ nope }", "GRAPHQL_VALIDATION_FAILED", "nope"),
        (&range("{ preset: TINY }"), "VALIDATION_ERROR", "LAST_24_HOURS, LAST_7_DAYS"),
        ("{ liveSite { visitors } }", "GRAPHQL_VALIDATION_FAILED", "trackingCode"),
        ("query($x: String!) { liveSite(trackingCode: $x) { visitors } }", "VALIDATION_ERROR", "$x"),
        (
            &range("{ between: { start: \"yesterday\", end: \"2026-03-04T05:06:07Z\" } }"),
            "VALIDATION_ERROR",
            "must be an instant such as 2026-03-04T05:06:07Z",
        ),
        ("{ websites(first: 101) { totalCount } }", "VALIDATION_ERROR", "100"),
        ("{ websites(first: -1) { totalCount } }", "VALIDATION_ERROR", "between 1 and 100"),
        (
            "{ viewer { ...F } } fragment F on User { defaultTeam { websites { nodes { team { ...G } } } } } fragment G on Team { websites { nodes { team { ...G } } } }",
            "GRAPHQL_VALIDATION_FAILED",
            "must not spread itself",
        ),
        ("subscription { x }", "GRAPHQL_VALIDATION_FAILED", "text/event-stream"),
        ("{ x: viewer { id } ... on Query { x: __typename } }", "GRAPHQL_VALIDATION_FAILED", "x"),
    ];
    let app = App::new(HttpConfig::default()).await;
    for (text, code, word) in cases {
        let got = app.query(text).await;
        assert_eq!(got.status, 400, "{text}: {}", got.text);
        assert_eq!(got.code(), code, "{text}: {}", got.text);
        assert!(got.message().contains(word), "{text}: {}", got.message());
        assert!(got.json().get("data").is_none(), "{text}: {}", got.text);
        assert!(got.json()["errors"][0]["extensions"]["requestId"].is_string(), "{text}");
    }
}

#[tokio::test]
async fn json_clients_get_200_for_every_well_formed_request() {
    let app = App::new(HttpConfig::default()).await;
    let request =
        Request::post("/graphql").header("content-type", "application/json").header("accept", "application/json");
    let got = app.send(request.body(Body::from(r#"{"query":"{ nope }"}"#)).expect("a request")).await;
    assert_eq!((got.status, got.code().as_str()), (200, "GRAPHQL_VALIDATION_FAILED"));
    assert!(got.json().get("data").is_none());
}

#[tokio::test]
async fn resolvers_errors_keep_their_code_and_leave_the_rest() {
    let app = App::new(HttpConfig::default()).await;
    app.server.script.set(Does::Fail);
    let text = "{ unknown: website(id: \"00000000-0000-4000-8000-000000000000\") { id } \
        website(id: \"ID\") { ingest { accepted } } viewer { email } }";
    let got = app.query(text).await;
    assert_eq!(got.status, 200);
    let data = json!({ "unknown": null, "website": null, "viewer": { "email": "ada@shop.example" } });
    assert_eq!(got.json()["data"], data, "{}", got.text);
    let errors = got.json()["errors"].as_array().expect("errors").clone();
    let codes: Vec<_> = errors.iter().map(|it| &it["extensions"]["code"]).collect();
    assert!(codes.contains(&&json!("NOT_FOUND")) && codes.contains(&&json!("INTERNAL_SERVER_ERROR")), "{codes:?}");
    assert!(!got.text.contains("SELECT"));
}

#[tokio::test]
async fn a_panic_is_an_internal_error() {
    let app = App::new(HttpConfig::default()).await;
    app.server.script.set(Does::Panic);
    let got = app.query(INGEST).await;
    assert_eq!((got.status, got.code().as_str()), (500, "INTERNAL_SERVER_ERROR"));
    assert!(!got.text.contains("boom"));
}

#[tokio::test]
async fn an_execution_has_a_time_limit() {
    let app = App::new(HttpConfig { timeout: Duration::from_millis(500), ..HttpConfig::default() }).await;
    app.server.script.set(Does::Hang);
    let got = app.query(INGEST).await;
    assert_eq!((got.status, got.code().as_str()), (504, "TIMEOUT"), "{}", got.text);
    assert!(got.json().get("data").is_none());
    let got = app.query(VERIFY).await;
    let message =
        "The request took longer than 1 seconds; the change may have taken effect, so check before you retry.";
    assert_eq!((got.code().as_str(), got.message().as_str()), ("TIMEOUT", message));
}

#[tokio::test]
async fn an_answer_has_a_limit_of_bytes() {
    let app = App::new(HttpConfig { answer_bytes: 400, ..HttpConfig::default() }).await;
    let text = |plans: usize| {
        let plans: String = (0..plans).map(|number| format!(" p{number}: plans {{ name }}")).collect();
        json!({ "query": format!("{{ {plans} }}") })
    };
    let got = app.ask(text(1)).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let got = app.ask(text(9)).await;
    assert_eq!((got.status, got.code().as_str()), (422, "ANSWER_TOO_LARGE"));
    assert!(got.json().get("data").is_none() && got.message().contains("400 bytes"), "{}", got.text);
    assert!(!got.message().contains("was made"), "{}", got.message());
    // A mutation has taken effect by then, and the error must say so.
    let create = format!(
        "mutation {{ conversationCreate(input: {{ title: \"{}\" }}) {{ conversation {{ title again: title }} }} }}",
        "x".repeat(200)
    );
    let got = app.query(&create).await;
    assert_eq!((got.status, got.code().as_str()), (422, "ANSWER_TOO_LARGE"));
    assert!(got.message().contains("The change took effect"), "{}", got.message());
    let got = app.query("{ viewer { defaultTeam { conversations { totalCount } } } }").await;
    assert_eq!(got.json()["data"]["viewer"]["defaultTeam"]["conversations"]["totalCount"], 1, "{}", got.text);
    let event_stream =
        Request::post("/graphql").header("accept", "text/event-stream").header("content-type", "application/json");
    let got = app.send(event_stream.body(Body::from(text(9).to_string())).expect("a request")).await;
    assert!(got.text.contains("ANSWER_TOO_LARGE") && !got.text.contains("\"data\""), "{}", got.text);
}

#[tokio::test]
async fn an_execution_is_dropped_with_its_request() {
    let app = App::new(HttpConfig::default()).await;
    app.server.script.set(Does::Hang);
    let asked = app.query(INGEST);
    let begun = async {
        while app.server.script.hung() != (1, 0) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        got = asked => panic!("{}", got.text),
        // Then the client disconnects.
        () = begun => {}
    }
    assert_eq!(app.server.script.hung(), (1, 1));
}

/// How many conversations a document creates.
async fn created(app: &App, text: &str) -> (Got, u64) {
    let count = async || {
        let got = app.query("{ viewer { defaultTeam { conversations { totalCount } } } }").await;
        got.json()["data"]["viewer"]["defaultTeam"]["conversations"]["totalCount"].as_u64().expect("a count")
    };
    let before = count().await;
    let got = app
        .query(&text.replace("CREATE", "conversationCreate(input: { title: \"A\" }) { conversation { title } }"))
        .await;
    (got, count().await - before)
}

#[tokio::test]
async fn a_mutation_runs_each_field_once() {
    let app = App::new(HttpConfig::default()).await;
    let made = json!({ "conversation": { "title": "A" } });
    let text = "mutation { CREATE CREATE ...F ... on Mutation { CREATE } } fragment F on Mutation { CREATE }";
    let (got, count) = created(&app, text).await;
    assert_eq!((&got.json()["data"], count), (&json!({ "conversationCreate": made }), 1), "{}", got.text);
    let (got, count) = created(&app, "mutation { a: CREATE b: CREATE }").await;
    assert_eq!((&got.json()["data"], count), (&json!({ "a": made, "b": made }), 2), "{}", got.text);
    for text in [
        "mutation { CREATE conversationCreate(input: { title: \"A\" }) @include(if: true) { conversation { title } } }",
        "mutation { CREATE conversationCreate(input: { title: \"B\" }) { conversation { title } } }",
    ] {
        let (got, count) = created(&app, text).await;
        assert_eq!((got.status, got.code().as_str(), count), (400, "GRAPHQL_VALIDATION_FAILED", 0));
    }
}

#[tokio::test]
async fn conditions_see_the_defaults_of_variables() {
    let app = App::new(HttpConfig::default()).await;
    let got = app.query("query($more: Boolean = true) { a: __typename @include(if: $more) b: __typename }").await;
    assert_eq!(got.json()["data"], json!({ "a": "Query", "b": "Query" }), "{}", got.text);
    let dry = "mutation($dry: Boolean = true) { conversationCreate(input: { title: \"A\" }) @skip(if: $dry) { conversation { title } } \
        ... @skip(if: $dry) { more: CREATE } }";
    let (got, count) = created(&app, dry).await;
    assert_eq!((&got.json()["data"], count), (&json!({}), 0), "{}", got.text);
    let (got, count) = created(&app, &dry.replace("= true", "= false")).await;
    assert_eq!(count, 2, "{}", got.text);
    let dry = dry.replace("CREATE", "conversationCreate(input: { title: \"A\" }) { conversation { title } }");
    let event_stream =
        Request::post("/graphql").header("accept", "text/event-stream").header("content-type", "application/json");
    let got = app.send(event_stream.body(Body::from(json!({ "query": dry }).to_string())).expect("a request")).await;
    assert!(got.text.contains(r#""data":{}"#), "{}", got.text);
}

#[tokio::test]
async fn merged_selections_keep_what_each_asked_for() {
    let app = App::new(HttpConfig::default()).await;
    let text = "{ viewer { email } viewer { defaultTeam { role } } ...F } fragment F on Query { viewer { defaultTeam { plan } } }";
    let got = app.query(text).await;
    let viewer = json!({ "email": "ada@shop.example", "defaultTeam": { "role": "OWNER", "plan": "ENTERPRISE" } });
    assert_eq!(got.json()["data"], json!({ "viewer": viewer }), "{}", got.text);
    let got = app.query("{ viewer { id } } fragment Unused on Query { viewer { id } }").await;
    assert_eq!(got.code(), "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn every_character_may_be_escaped_and_half_a_character_is_refused() {
    let app = App::new(HttpConfig::default()).await;
    let text = |escaped: &str| {
        format!("mutation {{ userUpdate(input: {{ fullName: \"{escaped}\" }}) {{ user {{ fullName }} }} }}")
    };
    for (escaped, meant) in [("\\uD83D\\uDE00", "\u{1F600}"), ("\\u{1F600}", "\u{1F600}"), ("\\u{22}", "\"")] {
        let got = app.query(&text(escaped)).await;
        assert_eq!(got.json()["data"]["userUpdate"]["user"]["fullName"], meant, "{}", got.text);
    }
    let got = app.query(&text("\\uD83D")).await;
    assert_eq!(got.code(), "GRAPHQL_PARSE_FAILED", "{}", got.text);
    assert!(got.message().contains("surrogate"), "{}", got.message());
}

#[tokio::test]
async fn a_whole_number_may_be_written_with_a_point() {
    let app = App::new(HttpConfig::default()).await;
    let text = "query($n: Int) { websites(first: $n) { totalCount } }";
    let got = app.ask(json!({ "query": text, "variables": { "n": 1.0 } })).await;
    assert_eq!(got.json()["data"], json!({ "websites": { "totalCount": 1 } }), "{}", got.text);
    let got = app.ask(json!({ "query": text, "variables": { "n": 1.5 } })).await;
    assert_eq!(got.code(), "VALIDATION_ERROR", "{}", got.text);
}

#[tokio::test]
async fn errors_of_input_name_the_value_by_its_path_and_carry_no_path_of_the_answer() {
    let app = App::new(HttpConfig::default()).await;
    let analytics = |definitions: &str, arguments: &str| {
        format!(
            "query{definitions} {{ viewer {{ id }} website(id: \"ID\") {{ ...F }} }} fragment F on Website {{ analytics({arguments}) {{ totals {{ visits }} }} }}"
        )
    };
    let between = "range: { between: { start: \"yesterday\", end: \"2026-03-04T05:06:07Z\" } }";
    let filters = "range: { preset: TODAY }, filters: [{ dimension: PAGE, operator: IS, values: [\"/\", 7] }]";
    let start = json!({ "between": { "start": "2026-03-04", "end": "2026-03-04T05:06:07Z" } });
    for (text, variables, field, message) in [
        (analytics("", between), json!({}), "range.between.start", "must be an instant"),
        (analytics("", filters), json!({}), "filters[0].values[1]", "must be a string"),
        (analytics("", "range: {}"), json!({}), "range", "must have exactly one field"),
        (analytics("", "range: { preset: TODAY, nope: 1 }"), json!({}), "range", "must have exactly one field"),
        (analytics("", "range: { nope: 1 }"), json!({}), "range.nope", "is not a field of `RangeInput`"),
        (
            analytics("", "range: { between: { start: \"2026-03-04T05:06:07Z\" } }"),
            json!({}),
            "range.between.end",
            "is required",
        ),
        (analytics("", "range: { preset: \"TODAY\" }"), json!({}), "range.preset", "without quotes"),
        (analytics("", "range: { preset: TODAY }, timezone: \"Mars\""), json!({}), "timezone", "Europe/Vienna"),
        (analytics("", "range: 1"), json!({}), "range", "must be an input object of type `RangeInput`"),
        (
            analytics("($r: RangeInput!)", "range: $r"),
            json!({ "r": start }),
            "range.between.start",
            "must be an instant",
        ),
        (
            analytics("($r: RangeInput!)", "range: $r"),
            json!({ "r": { "preset": "SOON" } }),
            "range.preset",
            "LAST_7_DAYS",
        ),
        (
            analytics("($f: [FilterInput!])", "range: { preset: TODAY }, filters: $f"),
            json!({ "f": [{ "dimension": "PAGE", "operator": "IS", "values": ["/"], "nope": 1 }] }),
            "filters[0].nope",
            "is not a field of `FilterInput`",
        ),
        ("{ websites(first: \"x\") { totalCount } }".into(), json!({}), "first", "must be an integer"),
        (
            "query($n: Int) { websites(first: $n) { totalCount } }".into(),
            json!({ "n": "x" }),
            "first",
            "must be an integer",
        ),
        (
            "query($n: Boolean!) { a: __typename @skip(if: $n) }".into(),
            json!({ "n": 1 }),
            "if",
            "must be true or false",
        ),
        ("query($n: String!) { __type(name: $n) { name } }".into(), json!({ "n": 1 }), "n", "must be a string"),
        ("{ liveSite { visitors } }".into(), json!({}), "trackingCode", "is required by `liveSite` (String!)"),
        (
            "{ liveSite(trackingCode: \"x\", nope: 1) { visitors } }".into(),
            json!({}),
            "nope",
            "must be one of trackingCode",
        ),
        ("{ viewer @skip(unless: true) { id } }".into(), json!({}), "unless", "must be if"),
        (
            "query($t: Int) { liveSite(trackingCode: $t) { visitors } }".into(),
            json!({}),
            "trackingCode",
            "`String!` is expected",
        ),
    ] {
        let text = text.replace("ID\"", &format!("{}\"", app.server.website));
        let got = app.ask(json!({ "query": text, "variables": variables })).await;
        assert_eq!(got.status, 400, "{text}: {}", got.text);
        let error = &got.json()["errors"][0];
        assert_eq!(error["extensions"]["field"], field, "{text}: {error}");
        assert!(error["message"].as_str().is_some_and(|said| said.contains(message)), "{text}: {error}");
        assert!(error["locations"][0]["line"].is_number(), "{text}: {error}");
        assert!(error.get("path").is_none() && got.json().get("data").is_none(), "{text}: {error}");
    }
}

#[tokio::test]
async fn credentials_reach_resolvers_and_bad_ones_are_refused() {
    let app = App::new(HttpConfig::default()).await;
    let with = |name: &'static str, value: &str| {
        let request = Request::get("/graphql?query=%7BapiUsage%7Bname%7D%7D").header(name, value);
        request.body(Body::empty()).expect("a request")
    };
    let got = app.send(with("x-api-key", &app.server.key)).await;
    assert_eq!(got.json()["data"]["apiUsage"]["name"], "Nightly", "{}", got.text);
    for (name, value) in [("authorization", "nonsense"), ("x-api-key", "nonsense")] {
        let got = app.send(with(name, value)).await;
        assert_eq!((got.status, got.code().as_str()), (401, "UNAUTHORIZED"), "{value}");
        assert_eq!(got.header("www-authenticate"), "Bearer");
    }
    // What is open to anyone is also answered to the bearer of an expired token.
    let got = app.send(with("authorization", "Bearer expired")).await;
    assert_eq!((got.status, got.code().as_str()), (200, "UNAUTHORIZED"));
}

#[tokio::test]
async fn what_is_no_graphql_request_keeps_its_status() {
    let app = App::new(HttpConfig::default()).await;
    let json =
        |body: Vec<u8>| Request::post("/graphql").header("content-type", "application/json").body(Body::from(body));
    let large = format!(r#"{{"query":"{{ __typename }}","x":"{}"}}"#, "x".repeat(64 * 1024));
    let long = format!("/graphql?query={}", "x".repeat(8 * 1024));
    let get = "/graphql?query=%7B__typename%7D";
    let text = Request::post("/graphql").header("content-type", "text/plain");
    let mutation = Request::get("/graphql?query=mutation%7B__typename%7D");
    let cases = [
        (json(b"\xff\xfe".to_vec()), 400, "BAD_REQUEST"),
        (json(b"[{\"query\":\"{__typename}\"}]".to_vec()), 400, "BAD_REQUEST"),
        (json(b"{\"query\":1}".to_vec()), 400, "VALIDATION_ERROR"),
        (json(large.into_bytes()), 413, "PAYLOAD_TOO_LARGE"),
        (text.body("{}".into()), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (Request::post("/graphql").body("{}".into()), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (mutation.body(Body::empty()), 405, "METHOD_NOT_ALLOWED"),
        (Request::put("/graphql").body(Body::empty()), 405, "METHOD_NOT_ALLOWED"),
        (Request::get(long).body(Body::empty()), 414, "URI_TOO_LONG"),
        (Request::get(get).header("accept", "image/png").body(Body::empty()), 406, "NOT_ACCEPTABLE"),
    ];
    for (request, status, code) in cases {
        let got = app.send(request.expect("a request")).await;
        assert_eq!((got.status, got.code().as_str()), (status, code), "{}", got.text);
        assert_eq!(got.status == 405, got.headers.contains_key("allow"));
    }
}

#[tokio::test]
async fn an_unknown_path_is_a_404_that_says_so() {
    let app = App::new(HttpConfig::default()).await;
    for path in ["/nothing", "/graphql/nothing", "/%00", "/%FF"] {
        let got = app.send(Request::get(path).body(Body::empty()).expect("a request")).await;
        assert_eq!(got.status, 404, "{path}");
        let error = json!({ "code": "NOT_FOUND", "message": "This path was not found." });
        assert_eq!(got.json()["error"], error, "{path}");
    }
}

#[tokio::test]
async fn introspection_can_be_switched_off() {
    let off = App::new(HttpConfig { introspection: false, ..HttpConfig::default() }).await;
    for text in
        ["{ __schema { queryType { name } } }", "{ ...F } fragment F on Query { __type(name: \"Query\") { name } }"]
    {
        let got = off.query(text).await;
        assert_eq!(got.code(), "INTROSPECTION_DISABLED", "{}", got.text);
    }
    let on = App::new(HttpConfig::default()).await;
    for (text, name) in [("{ plan { name } }", "Did you mean"), ("{ liveSite(code: 1) { visitors } }", "trackingCode")]
    {
        let got = off.query(text).await;
        assert!(!got.message().contains(name), "{}", got.message());
        let got = on.query(text).await;
        assert!(got.message().contains(name), "{}", got.message());
    }
}

#[tokio::test]
async fn only_configured_origins_see_cors_headers() {
    let config = HttpConfig { cors_origins: vec!["https://board.example/".into()], ..HttpConfig::default() };
    let app = App::new(config).await;
    let preflight = |origin: &'static str, path: &'static str| {
        let request = Request::options(path).header("origin", origin).header("access-control-request-method", "POST");
        request.body(Body::empty()).expect("a request")
    };
    let got = app.send(preflight("https://board.example", "/graphql")).await;
    assert_eq!(got.status, 204);
    assert_eq!(got.header("access-control-allow-origin"), "https://board.example");
    assert!(got.header("access-control-allow-headers").contains("authorization"));
    for (origin, path) in [("https://evil.example", "/graphql"), ("https://board.example", "/playground/examples.json")]
    {
        let got = app.send(preflight(origin, path)).await;
        assert!(!got.headers.keys().any(|name| name.as_str().starts_with("access-control")), "{origin} {path}");
        assert_ne!(got.status, 204);
    }
    let request = Request::get("/graphql?query=%7B__typename%7D").header("origin", "https://board.example");
    let got = app.send(request.body(Body::empty()).expect("a request")).await;
    assert!(got.header("access-control-expose-headers").contains("x-request-id"));
    assert!(got.headers.get_all("vary").iter().any(|value| value == "origin"));
}
