//! The adapter through its public interface: requests to a router over a toy schema.

use std::time::Duration;

use async_graphql::parser::types::{BaseType, Type};
use axum::{body::Body, http::Request};
use serde_json::json;

use super::{
    Rest,
    sdl::Sdl,
    toy::{EXTERNAL, FOREIGN, NOWHERE, OWN, get, limited, rest, router, schema, sdl, send},
};

const NOTES: &str = r#"
# Writes a note. It comes back.
query Note($websiteId: ID!, $input: NoteInput!, $loud: Boolean = false)
@rest(method: POST, path: "/api/notes/:websiteId", auth: KEY, status: 201, body: "input") {
  website(id: $websiteId) @skip(if: $loud) { id: databaseId }
  note(input: $input)
}
query Bare @rest(method: GET, path: "/e/bare", auth: NONE, envelope: BARE, nulls: OMIT) { nothing  u: apiUsage { name website_id: websiteDatabaseId } }
query Picked @rest(method: GET, path: "/api/picked", auth: NONE, pick: "websites.nodes") {
  data: apiUsage { websites(first: 1) { nodes { domain } } }
}
query Nothing @rest(method: GET, path: "/api/nothing", auth: NONE) { data: nothing }
"#;

#[tokio::test]
async fn usage_has_the_shape_of_the_contract() {
    let answer = get(&router(&[EXTERNAL]), "/api/external/v1/usage").await;
    assert_eq!(
        answer.text,
        concat!(
            r#"{"success":true,"data":{"api_key":{"id":"ak_00000000-0000-0000-0000-0000000000ab","name":"Nightly","#,
            r#""permission":"full_access","website_id":null},"usage":{"monthly_requests":812,"monthly_limit":10000,"#,
            r#""monthly_remaining":9188,"monthly_reset_at":"2026-04-01T00:00:00.000Z","total_requests":20417},"#,
            r#""rate_limits":{"requests_per_minute":30},"subscription":{"tier":"pro"}},"timestamp":"2026-03-04T05:06:07.000Z"}"#
        )
    );
    assert_eq!(answer.status, 200);
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-ratelimit-limit", "120"),
        ("x-ratelimit-remaining", "119"),
        ("x-ratelimit-reset", "1772600820"),
        ("x-usage-monthly", "7"),
        ("x-usage-limit", "1000000"),
        ("x-usage-reset", "2026-04-01T00:00:00.000Z"),
        ("x-usage-total", "9"),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn an_answer_is_limited_in_time_and_bytes() {
    let slow = "query Slow @rest(method: GET, path: \"/api/slow\", auth: NONE) { data: never }";
    let answer = get(&limited(&[slow], Duration::from_millis(1), usize::MAX), "/api/slow").await;
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (504, Some("TIMEOUT")));
    let whole = get(&router(&[EXTERNAL]), "/api/external/v1/websites").await;
    assert!(whole.text.len() > 10_000, "{}", whole.text.len());
    let minute = Duration::from_secs(60);
    let answer = get(&limited(&[EXTERNAL], minute, 10_000), "/api/external/v1/websites").await;
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (422, Some("ANSWER_TOO_LARGE")));
    assert!(answer.message().contains("10000 bytes"), "{}", answer.message());
    let answer = get(&limited(&[EXTERNAL], minute, whole.text.len()), "/api/external/v1/websites").await;
    assert_eq!(answer.text, whole.text);
}

#[tokio::test]
async fn a_list_without_paging_shows_every_row() {
    let data = get(&router(&[EXTERNAL]), "/api/external/v1/websites").await.json()["data"].take();
    let websites = data["websites"].as_array().unwrap();
    assert_eq!(websites.len(), 250);
    assert_eq!(data["total"], 250);
    assert_eq!(websites[249]["domain"], "249.example");
    let keys: Vec<&String> = websites[0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "domain", "name", "tracking_code", "is_active", "created_at", "team_id"]);
    assert_eq!(data.as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn one_website_is_nested_in_website() {
    let answer = get(&router(&[EXTERNAL]), &format!("/api/external/v1/websites/{OWN}")).await;
    let expected = json!({ "website": {
        "id": OWN, "domain": "shop.example", "name": "Shop", "tracking_code": "ZV_k3Jq9sT1vWxYz", "is_active": true,
        "team_id": "00000000-0000-0000-0000-000000000001", "user_id": null, "created_at": "2026-01-09T08:00:00.000Z",
        "settings": { "track_outbound_links": true, "track_downloads": true, "session_replay": false, "heatmaps": true },
    } });
    assert_eq!(answer.json()["data"], expected);
}

#[tokio::test]
async fn the_summary_echoes_its_range_and_its_website() {
    let row =
        |date| json!({ "date": date, "website_id": OWN, "total_visitors": 3, "unique_visitors": 2, "page_views": 5 });
    for (query, range) in [("", "7d"), ("?range=30d", "30d"), ("?timeRange=90d&x=1", "90d")] {
        let path = format!("/api/external/v1/analytics/{}{query}", OWN.to_ascii_uppercase());
        let expected = json!({
            "website": { "id": OWN, "domain": "shop.example", "name": "Shop" },
            "time_range": range,
            "date_range": { "start": "2026-02-25", "end": "2026-03-04",
                "startDateTime": "2026-02-25T05:06:07.000Z", "endDateTime": "2026-03-04T05:06:07.000Z" },
            "summary": { "total_visitors": 3, "total_page_views": 5, "unique_visitors": 2 },
            "daily_stats": [row("2026-02-25"), row("2026-02-26")],
        });
        assert_eq!(get(&router(&[EXTERNAL]), &path).await.json()["data"], expected);
    }
}

#[tokio::test]
async fn visitors_come_in_pages() {
    let router = router(&[EXTERNAL]);
    let base = format!("/api/external/v1/analytics/{OWN}/visitors");
    let data = get(&router, &format!("{base}?limit=2&offset=2")).await.json()["data"].take();
    assert_eq!(data["pagination"], json!({ "limit": 2, "offset": 2, "has_more": true }));
    assert_eq!(data["visitors"].as_array().unwrap().len(), 2);
    let expected = json!({
        "id": "00000000-0000-0000-0000-000000000002", "country_code": "NL", "country_name": "Netherlands", "city": null,
        "device_type": "mobile", "browser": "Safari", "os": "iOS", "value_score": 63,
        "visited_at": "2026-03-04T04:58:00.000Z", "landing_page": "/pricing\"<", "referrer": null, "had_interaction": true,
    });
    assert_eq!(data["visitors"][0], expected);
    let data = get(&router, &base).await.json()["data"].take();
    assert_eq!(data["pagination"], json!({ "limit": 100, "offset": 0, "has_more": false }));
}

#[tokio::test]
async fn breakdowns_become_plain_lists_with_percentages() {
    let router = router(&[EXTERNAL]);
    let base = format!("/api/external/v1/analytics/{OWN}");
    let data = get(&router, &format!("{base}/pages")).await.json()["data"].take();
    let page = |number: u8, title, time, entries, exits| {
        json!({ "page_url": format!("Page {number}"), "page_title": title, "views": 5, "unique_visitors": 2,
            "bounce_rate": 38.2, "avg_time_on_page": time, "entries": entries, "exits": exits })
    };
    let pages = [
        page(1, json!("Pricing"), json!(41.5), json!(80), json!(55)),
        page(2, json!(null), json!(null), json!(null), json!(null)),
    ];
    assert_eq!(data, json!({ "pages": pages }));
    let data = get(&router, &format!("{base}/countries?limit=1")).await.json()["data"].take();
    let country = json!({ "country_code": "SE", "country_name": null, "visitors": 2, "avg_value_score": 47.25 });
    assert_eq!(data, json!({ "countries": [country] }));
    let data = get(&router, &format!("{base}/technology")).await.json()["data"].take();
    assert_eq!(data["browsers"].as_array().unwrap().len(), 101, "walked past the first page");
    assert_eq!(data["browsers"][100], json!({ "name": "Browser 101", "visitors": 2, "percentage": 64.1 }));
    assert_eq!(data["operating_systems"].as_array().unwrap().len(), 2);
    assert_eq!(data["devices"][1], json!({ "type": "Device 2", "visitors": 2, "percentage": 64.1 }));
    assert_eq!(data.as_object().unwrap().len(), 3);
}

#[tokio::test]
async fn refusals_come_in_order_and_name_the_field() {
    let router = router(&[EXTERNAL]);
    let base = "/api/external/v1";
    for (path, status, code, message) in [
        (format!("/websites/{NOWHERE}"), 404, "NOT_FOUND", "The website was not found."),
        (format!("/websites/{FOREIGN}"), 403, "FORBIDDEN", "This key does not reach the website."),
        (
            "/websites/1".into(),
            400,
            "VALIDATION_ERROR",
            "id: must be a UUID such as 5f0c2d1e-8b7a-4c6d-9e10-a1b2c3d4e5f6",
        ),
        ("/websites/%FF".into(), 400, "VALIDATION_ERROR", "path: is not valid percent-encoded UTF-8"),
        (format!("/analytics/{OWN}?range=5d"), 400, "VALIDATION_ERROR", "range: must be one of 24h, 7d, 30d, 90d, 1y"),
        (format!("/analytics/{FOREIGN}?range=5d"), 403, "FORBIDDEN", "This key does not reach the website."),
        (format!("/analytics/{NOWHERE}?range="), 404, "NOT_FOUND", "The website was not found."),
        (format!("/analytics/{OWN}?range=7d&range=7d"), 400, "VALIDATION_ERROR", "range: must be given only once"),
        (
            format!("/analytics/{OWN}/visitors?limit=-1"),
            400,
            "VALIDATION_ERROR",
            "limit: must be an integer between 1 and 1000",
        ),
        (
            format!("/analytics/{OWN}/pages?limit=101"),
            400,
            "VALIDATION_ERROR",
            "limit: must be an integer between 1 and 100",
        ),
        (
            format!("/analytics/{OWN}?range=1y"),
            504,
            "TIMEOUT",
            "The request took longer than 5 seconds; request a shorter range or fewer fields.",
        ),
        ("/nowhere".into(), 404, "NOT_FOUND", "This path was not found."),
    ] {
        let answer = get(&router, &format!("{base}{path}")).await;
        assert_eq!((answer.status, answer.message().as_str()), (status, message), "{path}");
        assert_eq!(answer.json()["error"]["code"], code, "{path}");
        assert_eq!(answer.json()["success"], false, "{path}");
    }
    for path in ["/api", "/api/", "/api/external/v1/usage/"] {
        assert_eq!(get(&router, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn without_a_credential_nothing_else_is_said() {
    let router = router(&[EXTERNAL]);
    for path in ["/usage", "/websites/1", &format!("/analytics/{FOREIGN}?range=5d")] {
        let request = Request::get(format!("/api/external/v1{path}")).body(Body::empty()).unwrap();
        let answer = send(&router, request).await;
        assert_eq!(answer.status, 401);
        assert_eq!(
            answer.text,
            r#"{"success":false,"error":{"message":"The API key is missing or not valid.","code":"UNAUTHORIZED","timestamp":"2026-03-04T05:06:07.000Z"}}"#
        );
    }
    let request = Request::get("/api/external/v1/usage").header("x-api-key", "zv_spent").body(Body::empty()).unwrap();
    let answer = send(&router, request).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "17"));
    assert_eq!(answer.header("x-ratelimit-limit"), "120");
}

#[tokio::test]
async fn a_wrong_method_hears_which_are_right_and_head_is_a_get_without_body() {
    let router = router(&[EXTERNAL]);
    let request =
        |method| Request::builder().method(method).uri("/api/external/v1/usage").header("x-api-key", "zv_good");
    let answer = send(&router, request("DELETE").body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"));
    assert_eq!(answer.json()["error"]["code"], "METHOD_NOT_ALLOWED");
    let answer = send(&router, request("HEAD").body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
}

#[tokio::test]
async fn a_panic_is_a_500_in_the_envelope() {
    let answer = get(&router(&[EXTERNAL]), &format!("/api/external/v1/analytics/{OWN}?range=24h")).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json()["error"]["code"], "INTERNAL_SERVER_ERROR");
    assert!(!answer.text.contains("toy"));
    assert_eq!(answer.header("x-ratelimit-limit"), "120");
}

async fn post(id: &str, media_type: &str, body: impl Into<Body>) -> super::toy::Answer {
    let request = Request::post(format!("/api/notes/{id}?loud=false"))
        .header("x-api-key", "zv_good")
        .header("content-type", media_type)
        .body(body.into())
        .unwrap();
    send(&router(&[NOTES]), request).await
}

#[tokio::test]
async fn bodies_become_input_and_bad_ones_are_refused() {
    let json = "application/json; charset=utf-8";
    let answer = post(OWN, json, r#"{"note_text":"a","kind":null,"extra":{"keep_me":[1]}}"#).await;
    assert_eq!(answer.status, 201);
    let note = json!({ "note": "a", "kind": "null", "extra": { "keep_me": [1] } });
    assert_eq!(answer.json()["data"], json!({ "website": { "id": OWN }, "note": note }));
    let answer = post(OWN, json, r#"{"note_text":"a","kind":"full_access"}"#).await;
    assert_eq!(answer.json()["data"]["note"]["kind"], "FULL_ACCESS");
    assert_eq!(post(OWN, json, r#"{"note_text":"a"}"#).await.json()["data"]["note"]["kind"], "absent");

    for (id, media_type, body, status) in [
        (OWN, json, "{}".to_owned(), 400),
        (OWN, json, "{\"note_text\":\"\u{fffd}".to_owned(), 400),
        (OWN, "text/plain", "{}".to_owned(), 415),
        (OWN, "", "{}".to_owned(), 415),
        (OWN, json, format!("{{\"note_text\":\"{}\"}}", "x".repeat(64 * 1024)), 413),
        (FOREIGN, json, "{}".to_owned(), 403),
        (FOREIGN, "text/plain", "{}".to_owned(), 403),
        (NOWHERE, json, r#"{"note_text":"a"}"#.to_owned(), 404),
    ] {
        assert_eq!(post(id, media_type, body).await.status, status, "{id} {media_type}");
    }
    let request = Request::post(format!("/api/notes/{OWN}?loud=true")).header("x-api-key", "zv_good");
    let request = request.header("content-type", json).body(Body::from(r#"{"note_text":"a"}"#)).unwrap();
    let answer = send(&router(&[NOTES]), request).await;
    assert!(answer.json()["data"].get("website").is_none(), "what is skipped has no key");
    let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 4096]));
    assert_eq!(post(OWN, json, Body::from_stream(endless)).await.status, 413);
    assert_eq!(post(OWN, json, vec![b'"', 0xFF, b'"']).await.message(), "body: is not valid JSON (line 1, column 2)");
}

#[tokio::test]
async fn bare_answers_omitted_nulls_and_picked_parts() {
    let router = router(&[NOTES]);
    let answer = get(&router, "/e/bare").await;
    assert_eq!(answer.text, r#"{"u":{"name":"Nightly"}}"#);
    assert_eq!(answer.header("x-ratelimit-limit"), "");
    assert_eq!(get(&router, "/api/picked").await.json()["data"], json!([{ "domain": "0.example" }]));
    assert_eq!(get(&router, "/api/nothing").await.status, 404);
}

#[test]
fn the_table_lists_what_is_mounted() {
    let rows: Vec<String> = rest(&[EXTERNAL, NOTES])
        .table()
        .into_iter()
        .map(|row| {
            let least = row.access.first().and_then(|access| access.min.clone()).unwrap_or_default();
            format!("{} {} {} {} {} {least}", row.method, row.path, row.auth.as_str(), row.status, row.operation)
        })
        .collect();
    assert_eq!(rows[0], "GET /api/external/v1/usage KEY 200 ApiUsage ");
    assert_eq!(rows[7], "GET /api/external/v1/analytics/:websiteId/technology KEY 200 AnalyticsTechnology VIEWER");
    assert_eq!(rows[8], "POST /api/notes/:websiteId KEY 201 Note VIEWER");
    assert_eq!(rows.len(), 12);
}

#[tokio::test]
async fn stored_texts_are_valid_by_the_executors_own_rules_and_project_to_what_rest_answers() {
    let rest = rest(&[EXTERNAL]);
    for stored in rest.stored() {
        assert!(stored.id.starts_with("sha256:") && stored.id.len() == 71, "{}", stored.id);
        let mut request = async_graphql::Request::new(stored.text);
        for name in ["id", "websiteId"] {
            request.variables.insert(async_graphql::Name::new(name), OWN.into());
        }
        let response = schema().execute(request).await;
        assert_eq!(response.errors, [], "{}", stored.name);
        let path = rest.table().into_iter().find(|row| row.operation == stored.name).unwrap().path;
        let variables = async_graphql::Variables::from_value(async_graphql::value!({ "websiteId": OWN }));
        let projected = rest.project(stored.name, &response.data, &variables).unwrap();
        let answer = get(&router(&[EXTERNAL]), &path.replace(":websiteId", OWN).replace(":id", OWN)).await;
        if !stored.text.contains("endCursor") {
            assert!(answer.text.starts_with(&format!(r#"{{"success":true,"data":{projected},"#)), "{}", stored.name);
        }
    }
}

/// A minimal value that a variable of this type accepts.
fn sample(ty: &Type, sdl: &Sdl) -> async_graphql::Value {
    use async_graphql::Value;
    let name = match &ty.base {
        _ if ty.nullable => return Value::Null,
        BaseType::List(_) => return Value::List(Vec::new()),
        BaseType::Named(name) => name,
    };
    if let Some(values) = sdl.enum_values(name) {
        return Value::Enum(async_graphql::Name::new(values[0]));
    }
    if let Some(fields) = sdl.input_fields(name) {
        let required = fields.iter().filter(|field| !field.ty.node.nullable && field.default_value.is_none());
        return Value::Object(required.map(|field| (field.name.node.clone(), sample(&field.ty.node, sdl))).collect());
    }
    match name.as_str() {
        "ID" => OWN.into(),
        "Int" | "BigInt" => 1.into(),
        "Float" => 0.5.into(),
        "Boolean" => true.into(),
        "EmailAddress" => "ada@shop.example".into(),
        "TimeZone" => "UTC".into(),
        "DateTime" => "2026-03-04T05:06:07Z".into(),
        _ => "x".into(),
    }
}

#[tokio::test]
async fn the_documents_fit_the_real_schema_by_its_own_rules() {
    let rest = Rest::load(crate::DOCUMENTS, &::schema::sdl()).unwrap();
    let sdl = Sdl::parse(&::schema::sdl()).unwrap();
    let written: usize = crate::DOCUMENTS.iter().map(|document| document.matches("@rest(").count()).sum();
    assert_eq!(rest.table().len(), written);
    for stored in rest.stored() {
        let document = async_graphql::parser::parse_query(stored.text).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let mut request = async_graphql::Request::new(stored.text);
        for variable in &operation.node.variable_definitions {
            let variable = &variable.node;
            request.variables.insert(variable.name.node.clone(), sample(&variable.var_type.node, &sdl));
        }
        // No caller is in the request: all that may fail is what resolvers say, each at its place in the answer.
        let response = ::schema::build().execute(request).await;
        assert!(response.errors.iter().all(|error| !error.path.is_empty()), "{}: {:?}", stored.name, response.errors);
    }
}

#[test]
fn a_broken_document_stops_the_server_with_a_sentence() {
    let route = r#"@rest(method: GET, path: "/a/:id", auth: NONE)"#;
    for (document, message) in [
        ("query A { nothing }".to_owned(), "operation A: needs @rest"),
        (format!("query A {route} {{ nothing }}"), "operation A: @rest names `id`, but there is no variable `$id`"),
        (format!("query A($id: ID!) {route} {{ nothing }}"), "operation A: the variable `$id` is not used"),
        (format!("query A($id: ID!) {route} {{ website(id: $id) {{ nope }} }}"), "operation A: `Website` has no field `nope`"),
        (format!("query A($id: ID!) {route} {{ website(id: $id) }}"), "operation A: `Query.website` needs fields to be selected"),
        (format!("query A($id: ID!) {route} {{ website {{ name }} }}"), "operation A: `Query.website` needs the argument `id`"),
        (format!("query A($id: ID!) {route} {{ website(id: $id, x: 1) {{ name }} }}"), "operation A: `Query.website` has no argument `x`"),
        (format!("query A($id: ID!) {route} {{ website(id: $od) {{ name }} }}"), "operation A: there is no variable `$od`"),
        (format!("query A($id: ID!) {route} {{ website(id: $id) {{ a: name ... @nest(as: \"a\") {{ domain }} }} }}"), "operation A: the key `a` stands twice in one object"),
        (format!("query A($id: ID!) {route} {{ website(id: $id) {{ name @lift }} }}"), "operation A: there is no directive @lift"),
        (format!("query A($id: ID!) {route} {{ website(id: $id) {{ name @flatten }} }}"), "operation A: @flatten cannot stand there"),
        (format!("query A($id: ID!) {route} {{ website(id: $id) {{ name @spell(as: UPPER) }} }}"), "operation A: @spell needs `as: LOWER` or `as: TITLE`"),
        (format!("query A($id: ID!) {route} {{ website(id: $id) {{ t: __typename @echo(variable: \"x\") }} }}"), "operation A: there is no variable `$x`"),
        (format!("query A($id: ID!) {route} {{ website(id: $id) {{ t: __typename @constant }} }}"), "operation A: @constant needs `value`"),
        (format!("query A($id: ID!) {route} @key(of: \"NoteInput\", field: \"x\", is: \"y\") {{ website(id: $id) {{ name }} }}"), "operation A: @key: `NoteInput` has no field `x`"),
        (r#"query A @rest(method: GET, path: "/a", auth: NONE, then: "B") { nothing }"#.to_owned(), "operation A: @rest: there is no operation `B`"),
        (r#"query A @rest(method: GET, path: "/a", auth: NONE, then: "B") { nothing } query B($id: ID!) @rest(method: GET, path: "/b/:id", auth: NONE) { data: website(id: $id) { name } }"#.to_owned(), "operation A: @rest: the path has no `id` for `B`"),
        (r#"query A @rest(method: GET, path: "/a", auth: NONE, role: ADMIN) { nothing }"#.to_owned(), "operation A: @rest has no argument `role`"),
        (r#"query A @rest(method: GET, path: "/a", auth: ADMIN) { nothing }"#.to_owned(), "operation A: @rest needs `auth`: KEY, BEARER or NONE"),
        (r#"query A @rest(method: GET, path: "/a", auth: NONE) { nothing } query B @rest(method: GET, path: "/a", auth: NONE) { nothing }"#.to_owned(), "operations A and B clash in name or route"),
        (r#"query A @rest(method: GET, path: "/a", auth: NONE) { ...F } fragment F on Query { ...F }"#.to_owned(), "operation A: is nested deeper than 32, or a fragment holds itself"),
        (r#"query A @rest(method: GET, path: "/a", auth: NONE, pick: "x") { data: apiUsage { plan } }"#.to_owned(), "operation A: @rest: there is no field `x` to pick"),
        (r#"query A($input: NoteInput!) @rest(method: GET, path: "/a", auth: NONE) { note(input: $input) }"#.to_owned(), "operation A: `$input` of type NoteInput! can only come from the body"),
    ] {
        assert_eq!(Rest::load(&[&document], &sdl()).err().as_deref(), Some(message), "{document}");
    }
}

#[test]
fn the_description_types_parameters_answers_and_bodies() {
    let api = rest(&[EXTERNAL, NOTES]).openapi();
    assert_eq!(api, rest(&[EXTERNAL, NOTES]).openapi());
    let visitors = &api["paths"]["/api/external/v1/analytics/{websiteId}/visitors"]["get"];
    assert_eq!(visitors["operationId"], "analyticsVisitors");
    assert_eq!(visitors["summary"], "Lists visitors of one website, the latest first");
    assert_eq!(visitors["description"], "Minimum role on the website: viewer.");
    let limit = json!({ "name": "limit", "in": "query", "required": false, "description": "Rows at most.",
        "schema": { "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 } });
    assert_eq!(visitors["parameters"][2], limit);
    assert_eq!(
        visitors["parameters"][1]["schema"],
        json!({ "type": "string", "enum": ["24h", "7d", "30d", "90d", "1y"], "default": "7d" })
    );
    let data =
        &visitors["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["data"]["properties"];
    let visitor = &data["visitors"]["items"]["properties"];
    assert_eq!(visitor["visited_at"], json!({ "type": "string", "format": "date-time" }));
    assert_eq!(visitor["city"]["type"], json!(["string", "null"]));
    assert_eq!(data["pagination"]["properties"]["limit"]["type"], "integer");
    let pages = &api["paths"]["/api/external/v1/analytics/{websiteId}/pages"]["get"]["responses"]["200"];
    let rate = &pages["content"]["application/json"]["schema"]["properties"]["data"]["properties"]["pages"]["items"]["properties"]
        ["bounce_rate"];
    let about = "Share of visits that bounced, in percent, 0 to 100.";
    assert_eq!(*rate, json!({ "type": ["number", "null"], "description": about }));
    let entries = &pages["content"]["application/json"]["schema"]["properties"]["data"]["properties"]["pages"]["items"]
        ["properties"]["entries"];
    assert_eq!(entries["type"], json!(["integer", "null"]), "what is flattened from a nullable object may be null");
    let note = &api["paths"]["/api/notes/{websiteId}"]["post"];
    assert_eq!(
        note["requestBody"]["content"]["application/json"]["schema"],
        json!({ "$ref": "#/components/schemas/NoteInput" })
    );
    let input = &api["components"]["schemas"]["NoteInput"];
    assert_eq!(input["required"], json!(["note_text"]));
    assert_eq!(input["properties"]["kind"]["enum"], json!(["full_access", "site_access", null]));
    assert_eq!(
        note["responses"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["201", "400", "401", "403", "404", "409", "413", "415", "429", "500", "503", "504"]
    );
}

#[tokio::test]
async fn the_description_is_public_and_every_reference_resolves() {
    let answer = get(&router(&[EXTERNAL, NOTES]), super::OPENAPI_PATH).await;
    assert_eq!(answer.status, 200);
    let api = answer.json();
    let references = answer.text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
    let mut count = 0;
    for reference in references {
        count += 1;
        assert!(api.pointer(reference).is_some(), "{reference}");
    }
    assert!(count > 20);
}

/// Ingest mounts its routes beside these: the same prefixes, and the same paths with other methods.
#[tokio::test]
async fn routes_of_others_stand_beside_ours_on_one_prefix() {
    use axum::routing::post;

    let document = r#"
        query A($id: ID!) @rest(method: GET, path: "/e/live/:id", auth: NONE, envelope: BARE) { data: website(id: $id) { id: databaseId } }
        query B($id: ID!) @rest(method: GET, path: "/e/:id/status", auth: NONE, envelope: BARE) { data: website(id: $id) { id: databaseId } }"#;
    let said = |text: &'static str| post(async move || text);
    let others = axum::Router::new()
        .route("/e/{code}", said("beacon"))
        .route("/e/heartbeat/{code}", said("heartbeat"))
        .route("/e/live/{p3}", said("same path"));
    let router = router(&[document]).merge(others);
    for (method, path, status) in [
        ("POST", "/e/ZV_1", 200),
        ("POST", "/e/heartbeat/ZV_1", 200),
        ("POST", "/e/live/ZV_1", 200),
        ("GET", "/e/live/1", 400),
        ("GET", "/e/1/status", 400),
        ("DELETE", "/e/live/1", 405),
        ("GET", "/e/ZV_1", 405),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        assert_eq!(send(&router, request).await.status, status, "{method} {path}");
    }
}
