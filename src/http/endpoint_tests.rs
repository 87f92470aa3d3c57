//! Tests of the endpoint as clients see it, over a toy schema.

mod leaving;
mod suites;
mod toy;

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use serde_json::{Value, json};
use tower::ServiceExt;

use self::toy::app;
use super::{HttpConfig, limits::Limits};

/// What came back.
struct Got {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Got {
    fn code(&self) -> &str {
        self.body["errors"][0]["extensions"]["code"].as_str().unwrap_or("no code")
    }

    fn message(&self) -> &str {
        self.body["errors"][0]["message"].as_str().unwrap_or("no message")
    }
}

async fn send(app: &Router, request: Request<Body>) -> Got {
    let response = app.clone().oneshot(request).await.expect("infallible");
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Got { status: parts.status, headers: parts.headers, body }
}

async fn ask(app: &Router, body: Value) -> Got {
    let request = Request::post("/graphql")
        .header("content-type", "application/json")
        .header("accept", "application/graphql-response+json")
        .body(Body::from(body.to_string()));
    send(app, request.expect("a request")).await
}

async fn query(text: &str) -> Got {
    ask(&app(HttpConfig::default()), json!({ "query": text })).await
}

#[tokio::test]
async fn an_answer_carries_cost_and_request_id() {
    let got = query("{ rows(first: 3) { name } }").await;
    assert_eq!(got.status, StatusCode::OK);
    assert_eq!(got.body["data"], json!({ "rows": [{ "name": "0" }, { "name": "1" }, { "name": "2" }] }));
    assert_eq!(got.body["extensions"]["cost"], json!({ "requested": 4, "limit": 5000, "remaining": 4996 }));
    assert_eq!(got.headers["x-request-id"], "00000000-0000-0000-0000-000000000001");
    assert_eq!(got.headers["x-content-type-options"], "nosniff");
    assert_eq!(got.headers["content-type"], "application/graphql-response+json; charset=utf-8");
}

#[tokio::test]
async fn a_client_may_choose_a_request_id_that_is_a_uuid() {
    let app = app(HttpConfig::default());
    let mut ids = Vec::new();
    for given in ["6FA459EA-EE8A-3CA4-894E-DB77E160355E", "../../etc", ""] {
        let request = Request::get("/graphql?query=%7B__typename%7D").header("x-request-id", given);
        let got = send(&app, request.body(Body::empty()).expect("a request")).await;
        ids.push(got.headers["x-request-id"].to_str().expect("text").to_owned());
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
    let cases = [
        ("{", "GRAPHQL_PARSE_FAILED", "line 1, column 2"),
        ("{ rows() { name } }", "GRAPHQL_PARSE_FAILED", "empty"),
        ("query A { me { caller } } query A { caller }", "GRAPHQL_PARSE_FAILED", "two operations"),
        ("query A { caller } query B { caller }", "OPERATION_RESOLUTION_FAILURE", "operationName"),
        ("{ nope }", "GRAPHQL_VALIDATION_FAILED", "nope"),
        ("{ size(size: TINY) }", "VALIDATION_ERROR", "SMALL, LARGE"),
        ("{ echo }", "GRAPHQL_VALIDATION_FAILED", "text"),
        ("query($x: String!) { echo(text: $x) }", "VALIDATION_ERROR", "$x"),
        ("{ caller when(when: { at: \"yesterday\" }) }", "VALIDATION_ERROR", "2026-03-04T05:06:07Z"),
        ("{ rows(first: 101) { name } }", "VALIDATION_ERROR", "100"),
        ("{ rows(first: -1) { name } }", "VALIDATION_ERROR", "between 1 and 100"),
        ("{ me { ...F } } fragment F on Query { me { ...F } }", "GRAPHQL_VALIDATION_FAILED", "must not spread itself"),
        ("subscription { x }", "GRAPHQL_VALIDATION_FAILED", "text/event-stream"),
        ("{ x: caller ... on Query { x: __typename } }", "GRAPHQL_VALIDATION_FAILED", "x"),
    ];
    for (text, code, word) in cases {
        let got = query(text).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{text}: {}", got.body);
        assert_eq!(got.code(), code, "{text}: {}", got.body);
        assert!(got.message().contains(word), "{text}: {}", got.message());
        assert!(got.body.get("data").is_none(), "{text}: {}", got.body);
        assert!(got.body["errors"][0]["extensions"]["requestId"].is_string(), "{text}");
    }
}

#[tokio::test]
async fn json_clients_get_200_for_every_well_formed_request() {
    let request =
        Request::post("/graphql").header("content-type", "application/json").header("accept", "application/json");
    let got =
        send(&app(HttpConfig::default()), request.body(Body::from(r#"{"query":"{ nope }"}"#)).expect("a request"))
            .await;
    assert_eq!((got.status, got.code()), (StatusCode::OK, "GRAPHQL_VALIDATION_FAILED"));
    assert!(got.body.get("data").is_none());
}

#[tokio::test]
async fn resolvers_errors_keep_their_code_and_leave_the_rest() {
    let got = query("{ secret broken caller }").await;
    assert_eq!(got.status, StatusCode::OK);
    assert_eq!(got.body["data"], json!({ "secret": null, "broken": null, "caller": "None" }), "{}", got.body);
    let codes: Vec<_> =
        got.body["errors"].as_array().expect("errors").iter().map(|it| &it["extensions"]["code"]).collect();
    assert!(codes.contains(&&json!("FORBIDDEN")) && codes.contains(&&json!("INTERNAL_SERVER_ERROR")), "{codes:?}");
    assert!(!got.body.to_string().contains("SELECT"));
}

#[tokio::test]
async fn data_that_the_shell_forgot_is_no_fault_of_the_caller() {
    let got = query("{ forgotten }").await;
    assert_eq!(got.code(), "INTERNAL_SERVER_ERROR", "{}", got.body);
    assert!(!got.message().contains("u8"), "{}", got.message());
}

#[tokio::test]
async fn a_panic_is_an_internal_error() {
    let got = query("{ panics }").await;
    assert_eq!((got.status, got.code()), (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR"));
    assert!(!got.body.to_string().contains("boom"));
}

#[tokio::test]
async fn an_execution_has_a_time_limit() {
    let quick = HttpConfig { timeout: Duration::from_millis(1), ..HttpConfig::default() };
    let app = app(quick);
    let got = ask(&app, json!({ "query": "{ never }" })).await;
    assert_eq!((got.status, got.code()), (StatusCode::GATEWAY_TIMEOUT, "TIMEOUT"));
    assert!(got.body.get("data").is_none());
    let got = ask(&app, json!({ "query": "mutation { never }" })).await;
    let message =
        "The request took longer than 1 seconds; the change may have taken effect, so check before you retry.";
    assert_eq!((got.code(), &got.body["errors"][0]["message"]), ("TIMEOUT", &json!(message)));
}

#[tokio::test]
async fn an_answer_has_a_limit_of_bytes() {
    let app = app(HttpConfig { answer_bytes: 400, ..HttpConfig::default() });
    let text = |rows: u32| json!({ "query": format!("{{ rows(first: {rows}) {{ name note }} }}") });
    let got = ask(&app, text(2)).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.body);
    let got = ask(&app, text(50)).await;
    assert_eq!((got.status, got.code()), (StatusCode::UNPROCESSABLE_ENTITY, "ANSWER_TOO_LARGE"));
    assert!(got.body.get("data").is_none() && got.message().contains("400 bytes"), "{}", got.body);
    assert!(!got.message().contains("was made"), "{}", got.message());
    // A mutation has taken effect by then, and the error must say so.
    let got = ask(&app, json!({ "query": "mutation { verbose }" })).await;
    assert_eq!((got.status, got.code()), (StatusCode::UNPROCESSABLE_ENTITY, "ANSWER_TOO_LARGE"));
    assert!(got.message().contains("The change took effect"), "{}", got.message());
    let got = ask(&app, json!({ "query": "mutation { count }" })).await;
    assert_eq!(got.body["data"], json!({ "count": 2 }), "{}", got.body);
    let event_stream =
        Request::post("/graphql").header("accept", "text/event-stream").header("content-type", "application/json");
    let response = app.oneshot(event_stream.body(Body::from(text(50).to_string())).unwrap()).await.unwrap();
    let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
    let body = String::from_utf8_lossy(&body).into_owned();
    assert!(body.contains("ANSWER_TOO_LARGE") && !body.contains("\"data\""), "{body}");
}

#[tokio::test]
async fn what_is_unknown_is_named_a_few_times() {
    let unknown =
        |count: usize| format!("{{ caller {} }}", (0..count).map(|n| format!("callr{n} ")).collect::<String>());
    let got = query(&unknown(5)).await;
    assert_eq!(got.body["errors"].as_array().map(Vec::len), Some(5), "{}", got.body);
    let got = query(&unknown(6)).await;
    assert_eq!((got.body["errors"].as_array().map(Vec::len), got.code()), (Some(1), "GRAPHQL_VALIDATION_FAILED"));
    let arguments: String = (0..6).map(|n| format!("x{n}: 1 ")).collect();
    let got = query(&format!("{{ rows({arguments}) {{ name }} }}")).await;
    assert!(got.message().contains("more than 5"), "{}", got.message());
}

#[tokio::test]
async fn work_before_execution_does_not_multiply() {
    let fields: String = (0..800).map(|n| format!("f{n} ")).collect();
    let fragments: String = (0..120).map(|n| format!(" fragment F{n} on Query {{ ...F{} }}", n + 1)).collect();
    let chain = format!("{{ ...F0 }}{fragments} fragment F120 on Query {{ {fields} }}");
    let nested = format!("{{ {}{fields}{} }}", "... on Query { ".repeat(50), "} ".repeat(50));
    let uses = "$v ".repeat(900);
    let values = format!("query($v: [Int]) {{ echo(text: [{uses}]) }}");
    for (text, word) in [(chain, "fragments"), (nested, "fragments"), (values, "values in its arguments")] {
        let variables = json!({ "v": vec![0; 20] });
        let got = ask(&app(HttpConfig::default()), json!({ "query": text, "variables": variables })).await;
        assert_eq!((got.status, got.code()), (StatusCode::BAD_REQUEST, "QUERY_TOO_LARGE"), "{}", got.body);
        assert!(got.message().contains(word), "{}", got.message());
    }
}

#[tokio::test]
async fn an_execution_is_dropped_with_its_request() {
    let app = app(HttpConfig::default());
    let asked = ask(&app, json!({ "query": "{ never }" }));
    // One poll starts the resolver; then the client disconnects.
    assert!(tokio::time::timeout(Duration::ZERO, asked).await.is_err());
    let got = ask(&app, json!({ "query": "mutation { count }" })).await;
    assert_eq!(got.body["data"], json!({ "count": 1_001_001 }), "{}", got.body);
}

#[tokio::test]
async fn a_mutation_runs_each_field_once() {
    let got = query("mutation { count count ...F ... on Mutation { count } } fragment F on Mutation { count }").await;
    assert_eq!(got.body["data"], json!({ "count": 1 }), "{}", got.body);
    let got = query("mutation { a: count b: count }").await;
    assert_eq!(got.body["data"], json!({ "a": 1, "b": 2 }), "{}", got.body);
    let got = query("mutation { count count @include(if: true) }").await;
    assert_eq!((got.status, got.code()), (StatusCode::BAD_REQUEST, "GRAPHQL_VALIDATION_FAILED"));
    let got = query("mutation { count(by: 1) count(by: 2) }").await;
    assert_eq!((got.status, got.code()), (StatusCode::BAD_REQUEST, "GRAPHQL_VALIDATION_FAILED"));
}

#[tokio::test]
async fn conditions_see_the_defaults_of_variables() {
    let got = query("query($more: Boolean = true) { a: __typename @include(if: $more) b: __typename }").await;
    assert_eq!(got.body["data"], json!({ "a": "Query", "b": "Query" }), "{}", got.body);
    let app = app(HttpConfig::default());
    let dry = "mutation($dry: Boolean = true) { count @skip(if: $dry) ... @skip(if: $dry) { more: count } }";
    let got = ask(&app, json!({ "query": dry })).await;
    assert_eq!(got.body["data"], json!({}), "{}", got.body);
    let got = ask(&app, json!({ "query": dry, "variables": { "dry": false } })).await;
    assert_eq!(got.body["data"], json!({ "count": 1, "more": 2 }), "what was skipped did not run: {}", got.body);
    let event_stream =
        Request::post("/graphql").header("accept", "text/event-stream").header("content-type", "application/json");
    let request = event_stream.body(Body::from(json!({ "query": dry }).to_string())).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
    assert!(String::from_utf8_lossy(&body).contains(r#""data":{}"#), "{body:?}");
}

#[tokio::test]
async fn merged_selections_keep_what_each_asked_for() {
    let got =
        query("{ me { caller } me { size(size: SMALL) } ...F } fragment F on Query { me { echo(text: \"x\") } }").await;
    assert_eq!(got.body["data"], json!({ "me": { "caller": "None", "size": "SMALL", "echo": "x" } }), "{}", got.body);
    let got = query("{ caller } fragment Unused on Query { caller }").await;
    assert_eq!(got.code(), "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn what_a_document_may_ask_for_is_limited() {
    let aliases = |count: usize| (0..count).fold(String::new(), |text, n| text + &format!(" a{n}: me {{ caller }}"));
    let deep = |levels: usize| format!("{{ {} caller {} }}", "me {".repeat(levels - 1), "}".repeat(levels - 1));
    let spread = (0..40).fold(String::from("{ ...F0 }"), |text, n| {
        text + &format!(" fragment F{n} on Query {{ me {{ ...F{} }} x: me {{ ...F{} }} }}", n + 1, n + 1)
    }) + " fragment F40 on Query { caller }";
    let wide = |count: usize| format!("{{ {} }}", "caller ".repeat(count));
    let cases = [
        (wide(1_999), "QUERY_TOO_LONG", "2000 "),
        ("[".repeat(100), "QUERY_TOO_DEEP", "64"),
        (spread, "QUERY_TOO_LARGE", "2000"),
        (deep(16), "QUERY_TOO_DEEP", "15"),
        (
            format!(
                "{{ {} }}",
                (0..31)
                    .fold(String::new(), |text, n| {
                        if n % 8 == 0 { text + &format!(" }} m{n}: me {{ ") } else { text + &format!(" a{n}: caller") }
                    })
                    .replacen('}', "", 1)
                    + "}"
            ),
            "TOO_MANY_ALIASES",
            "30",
        ),
        (format!("{{ {} }}", aliases(11)), "TOO_MANY_REPEATS", "10"),
        (format!("{{ caller {} }}", "@include(if: true) ".repeat(4)), "TOO_MANY_DIRECTIVES", "3"),
        (format!("{{ {} }}", "caller @include(if: true) ".repeat(21)), "TOO_MANY_DIRECTIVES", "20"),
        ("mutation { a: count b: count c: count d: count e: count f: count }".into(), "TOO_MANY_MUTATIONS", "5"),
    ];
    for (text, code, limit) in cases {
        let got = query(&text).await;
        assert_eq!((got.status, got.code()), (StatusCode::BAD_REQUEST, code), "{text}: {}", got.message());
        assert!(got.message().contains(limit.trim()), "{}", got.message());
    }
    for text in [deep(15), wide(1_990), format!("{{ {} }}", aliases(10))] {
        let got = query(&text).await;
        assert_eq!(got.status, StatusCode::OK, "{}", got.body);
    }
}

#[tokio::test]
async fn introspection_nests_and_multiplies_no_further_than_tools_need() {
    let limits = Limits { introspection_values: 50_000, ..Limits::default() };
    let app = app(HttpConfig { limits, ..HttpConfig::default() });
    let chain = "ofType { ".repeat(12) + "name" + &" }".repeat(12);
    let usual =
        format!("{{ __schema {{ types {{ fields {{ args {{ type {{ {chain} }} }} type {{ {chain} }} }} }} }} }}");
    let everything = "types { fields { args { type { name } } type { fields { args { name } } } } }";
    let copies = |count: usize| (0..count).fold(String::new(), |text, n| text + &format!(" t{n}: {everything}"));
    let refused = [
        ("{ __type(name: \"Query\") { possibleTypes { interfaces { possibleTypes { name } } } } }".to_owned(), "QUERY_TOO_DEEP", "nest at most 2 deep (got 3)"),
        ("{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }".to_owned(), "QUERY_TOO_DEEP", "at most 2"),
        (
            "{ __schema { types { ...F } } } fragment F on __Type { fields { type { ...G ...G } } } fragment G on __Type { inputFields { type { interfaces { name } } } }".to_owned(),
            "QUERY_TOO_DEEP",
            "at most 2",
        ),
        ("{ a: __schema { queryType { name } } b: __schema { queryType { name } } c: __type(name: \"Row\") { name } ... on Query { d: __schema { queryType { name } } } }".to_owned(), "QUERY_TOO_LARGE", "at most 3"),
        (format!("{{ __schema {{ {} }} }}", copies(30)), "QUERY_TOO_LARGE", "values"),
        (format!("{{ __schema {{ {} }} }}", format!("... on __Schema {{ {everything} }} ").repeat(30)), "QUERY_TOO_LARGE", "values"),
    ];
    for (text, code, word) in refused {
        let got = ask(&app, json!({ "query": text })).await;
        assert_eq!((got.status, got.code()), (StatusCode::BAD_REQUEST, code), "{text}: {}", got.body);
        assert!(got.message().contains(word), "{}", got.message());
    }
    for text in [usual, format!("{{ __schema {{ {everything} }} }}")] {
        let got = ask(&app, json!({ "query": text })).await;
        assert_eq!(got.status, StatusCode::OK, "{text}: {}", got.message());
    }
}

#[tokio::test]
async fn a_document_may_only_cost_so_much() {
    let app = app(HttpConfig { limits: Limits { cost: 200, ..Limits::default() }, ..HttpConfig::default() });
    let got = ask(&app, json!({ "query": "{ me { rows(first: 99) { name note } } }" })).await;
    assert_eq!(got.body["extensions"]["cost"]["remaining"], 0, "{}", got.body);
    let got = ask(&app, json!({ "query": "{ me { rows(first: 100) { name note } } }" })).await;
    assert_eq!((got.status, got.code()), (StatusCode::BAD_REQUEST, "COST_LIMIT_EXCEEDED"));
    assert!(got.message().contains("at most 200 (got 202)"), "{}", got.message());
}

#[tokio::test]
async fn a_page_may_come_from_a_variable() {
    let app = app(HttpConfig::default());
    let text = "query($n: Int = 30) { rows(first: $n) { name note } }";
    let cost = |got: &Got| got.body["extensions"]["cost"]["requested"].clone();
    assert_eq!(cost(&ask(&app, json!({ "query": text })).await), 61);
    assert_eq!(cost(&ask(&app, json!({ "query": text, "variables": { "n": 5 } })).await), 11);
    assert_eq!(cost(&ask(&app, json!({ "query": "{ rows { name } }" })).await), 21);
    let got = ask(&app, json!({ "query": text, "variables": { "n": 1000 } })).await;
    assert_eq!(got.code(), "VALIDATION_ERROR");
    assert_eq!(got.body["errors"][0]["extensions"]["field"], "first");
}

#[tokio::test]
async fn every_character_may_be_escaped_and_half_a_character_is_refused() {
    for (escaped, meant) in [("\\uD83D\\uDE00", "\u{1F600}"), ("\\u{1F600}", "\u{1F600}"), ("\\u{22}", "\"")] {
        let got = query(&format!("{{ echo(text: \"{escaped}\") }}")).await;
        assert_eq!(got.body["data"], json!({ "echo": meant }), "{}", got.body);
    }
    let got = query("{ echo(text: \"\\uD83D\") }").await;
    assert_eq!(got.code(), "GRAPHQL_PARSE_FAILED", "{}", got.body);
    assert!(got.message().contains("surrogate"), "{}", got.message());
}

#[tokio::test]
async fn a_whole_number_may_be_written_with_a_point() {
    let app = app(HttpConfig::default());
    let text = "query($n: Int) { rows(first: $n) { name } }";
    let got = ask(&app, json!({ "query": text, "variables": { "n": 1.0 } })).await;
    assert_eq!(got.body["data"], json!({ "rows": [{ "name": "0" }] }), "{}", got.body);
    let got = ask(&app, json!({ "query": text, "variables": { "n": 1.5 } })).await;
    assert_eq!(got.code(), "VALIDATION_ERROR", "{}", got.body);
}

#[tokio::test]
async fn errors_of_input_name_the_argument_and_carry_no_path() {
    for (text, field) in [
        ("{ caller me { when(when: { at: \"yesterday\" }) } }", "when.at"),
        ("{ me { rows(first: \"x\") { name } } }", "first"),
        ("{ size(size: TINY) }", "size"),
        ("{ echo }", "text"),
        ("{ echo(text: \"x\", nope: 1) }", "nope"),
        ("query($t: Int) { echo(text: $t) }", "text"),
    ] {
        let got = query(text).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{text}: {}", got.body);
        let error = &got.body["errors"][0];
        assert_eq!(error["extensions"]["field"], field, "{text}: {error}");
        assert!(error.get("path").is_none() && got.body.get("data").is_none(), "{text}: {error}");
    }
}

#[tokio::test]
async fn credentials_reach_resolvers_and_bad_ones_are_refused() {
    let app = app(HttpConfig::default());
    let with = |name: &'static str, value: &'static str| {
        Request::get("/graphql?query=%7Bcaller%7D").header(name, value).body(Body::empty()).expect("a request")
    };
    assert_eq!(send(&app, with("x-api-key", "zv_1")).await.body["data"]["caller"], "Key(hidden)");
    for (name, value) in [("authorization", "Bearer expired"), ("authorization", "nonsense"), ("x-api-key", "nonsense")]
    {
        let got = send(&app, with(name, value)).await;
        assert_eq!((got.status, got.code()), (StatusCode::UNAUTHORIZED, "UNAUTHORIZED"), "{value}");
        assert_eq!(got.headers["www-authenticate"], "Bearer");
    }
}

#[tokio::test]
async fn what_is_no_graphql_request_keeps_its_status() {
    let app = app(HttpConfig::default());
    let json =
        |body: Vec<u8>| Request::post("/graphql").header("content-type", "application/json").body(Body::from(body));
    let large = format!(r#"{{"query":"{{ __typename }}","x":"{}"}}"#, "x".repeat(64 * 1024));
    let long = format!("/graphql?query={}", "x".repeat(8 * 1024));
    let cases = [
        (json(b"\xff\xfe".to_vec()), 400, "BAD_REQUEST"),
        (json(b"[{\"query\":\"{caller}\"}]".to_vec()), 400, "BAD_REQUEST"),
        (json(b"{\"query\":1}".to_vec()), 400, "VALIDATION_ERROR"),
        (json(large.into_bytes()), 413, "PAYLOAD_TOO_LARGE"),
        (
            Request::post("/graphql").header("content-type", "text/plain").body("{}".into()),
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (Request::post("/graphql").body("{}".into()), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (Request::get("/graphql?query=mutation%7Bcount%7D").body(Body::empty()), 405, "METHOD_NOT_ALLOWED"),
        (Request::put("/graphql").body(Body::empty()), 405, "METHOD_NOT_ALLOWED"),
        (Request::get(long).body(Body::empty()), 414, "URI_TOO_LONG"),
        (
            Request::get("/graphql?query=%7Bcaller%7D").header("accept", "image/png").body(Body::empty()),
            406,
            "NOT_ACCEPTABLE",
        ),
    ];
    for (request, status, code) in cases {
        let got = send(&app, request.expect("a request")).await;
        assert_eq!((got.status.as_u16(), got.code()), (status, code), "{}", got.body);
        assert_eq!(got.status == StatusCode::METHOD_NOT_ALLOWED, got.headers.contains_key("allow"));
    }
}

#[tokio::test]
async fn an_unknown_path_is_a_404_that_says_so() {
    for path in ["/nothing", "/graphql/nothing", "/%00", "/%FF"] {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let got = send(&app(HttpConfig::default()), request).await;
        assert_eq!(got.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(got.body["error"], json!({ "code": "NOT_FOUND", "message": "This path was not found." }), "{path}");
    }
}

#[tokio::test]
async fn introspection_can_be_switched_off() {
    let off = app(HttpConfig { introspection: false, ..HttpConfig::default() });
    for text in
        ["{ __schema { queryType { name } } }", "{ ...F } fragment F on Query { __type(name: \"Query\") { name } }"]
    {
        let got = ask(&off, json!({ "query": text })).await;
        assert_eq!(got.code(), "INTROSPECTION_DISABLED", "{}", got.body);
    }
    let got = ask(&off, json!({ "query": "{ row { name } __typename }" })).await;
    assert!(!got.message().contains("Did you mean"), "{}", got.message());
    assert!(query("{ row { name } }").await.message().contains("Did you mean"));
}

#[tokio::test]
async fn only_configured_origins_see_cors_headers() {
    let app = app(HttpConfig { cors_origins: vec!["https://board.example/".into()], ..HttpConfig::default() });
    let preflight = |origin: &'static str, path: &'static str| {
        let request = Request::options(path).header("origin", origin).header("access-control-request-method", "POST");
        request.body(Body::empty()).expect("a request")
    };
    let got = send(&app, preflight("https://board.example", "/graphql")).await;
    assert_eq!(got.status, StatusCode::NO_CONTENT);
    assert_eq!(got.headers["access-control-allow-origin"], "https://board.example");
    assert!(got.headers["access-control-allow-headers"].to_str().expect("text").contains("authorization"));
    for (origin, path) in [("https://evil.example", "/graphql"), ("https://board.example", "/playground/examples.json")]
    {
        let got = send(&app, preflight(origin, path)).await;
        assert!(!got.headers.keys().any(|name| name.as_str().starts_with("access-control")), "{origin} {path}");
        assert_ne!(got.status, StatusCode::NO_CONTENT);
    }
    let request = Request::get("/graphql?query=%7Bcaller%7D").header("origin", "https://board.example");
    let got = send(&app, request.body(Body::empty()).expect("a request")).await;
    assert!(got.headers["access-control-expose-headers"].to_str().expect("text").contains("x-request-id"));
    assert!(got.headers.get_all("vary").iter().any(|value| value == "origin"));
}
