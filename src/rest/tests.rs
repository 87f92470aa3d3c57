//! The adapter through its public interface: requests to a router over the real schema.

use std::{net::IpAddr, sync::Arc, time::Duration};

use ::schema::{
    error::Error,
    schema_index::{SchemaIndex, named_type},
};
use async_graphql::parser::types::{BaseType, Type};
use axum::{Router, body::Body, http::HeaderMap, http::Request};
use serde_json::json;

use super::{Auth, Gate, Pass, Refusal, Rest, Shell};
use crate::{
    rate_limit::Meter,
    test_server::{Does, Got, INDEX, Server, send},
};

/// The documents of the External API.
const EXTERNAL: &str = include_str!("../../schema/rest/external.graphql");

/// No website.
const NOWHERE: &str = "7f0c2d1e-8b7a-4c6d-9e10-a1b2c3d4e5f6";

const OTHERS: &str = r#"
# Changes a website. It comes back.
mutation Change($websiteId: ID!, $input: WebsiteUpdateGeneralInput!, $quiet: Boolean = false)
@rest(method: POST, path: "/api/changes/:websiteId", auth: BEARER, status: 201, body: "input") {
  first: websiteUpdateGeneral(websiteId: $websiteId, input: $input) @skip(if: $quiet) { website { id: databaseId kpi: kpiGoal } }
  typename: __typename
}
query Ingest($websiteId: ID!) @rest(method: GET, path: "/api/ingest/:websiteId", auth: BEARER) {
  data: website(id: $websiteId) { ingest { accepted } }
}
query Bare @rest(method: GET, path: "/e/bare", auth: KEY, envelope: BARE, nulls: OMIT) { u: apiUsage { name website_id: websiteDatabaseId } }
query Picked @rest(method: GET, path: "/api/picked", auth: KEY, pick: "websites.nodes") {
  data: apiUsage { websites(first: 1) { nodes { domain } } }
}
query Nothing @rest(method: GET, path: "/api/nothing", auth: NONE) { data: plans @skip(if: true) { name } }
"#;

fn rest(documents: &[&str]) -> Rest {
    Rest::load(documents, INDEX.clone()).unwrap()
}

impl Server {
    fn shell(&self) -> Shell {
        Shell {
            executor: Arc::new(::schema::build_trusted()),
            gate: Arc::new(self.door.clone()),
            clock: self.ports.clock.clone(),
            timeout: Duration::from_secs(60),
            answer_bytes: usize::MAX,
        }
    }

    fn rest(&self, documents: &[&str]) -> Router {
        rest(documents).router(self.shell())
    }

    /// A request with the key.
    async fn get(&self, router: &Router, path: &str) -> Got {
        let request = Request::get(path).header("x-api-key", &self.key).body(Body::empty()).unwrap();
        send(router, request).await
    }

    /// A request with the token.
    async fn get_as_user(&self, router: &Router, path: &str) -> Got {
        let bearer = format!("Bearer {}", self.token);
        send(router, Request::get(path).header("authorization", bearer).body(Body::empty()).unwrap()).await
    }

    async fn change(&self, id: &str, media_type: &str, body: impl Into<Body>) -> Got {
        let request = Request::post(format!("/api/changes/{id}?quiet=false"))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", media_type)
            .body(body.into())
            .unwrap();
        send(&self.rest(&[OTHERS]), request).await
    }
}

impl Got {
    fn error(&self) -> (u16, String, String) {
        let error = &self.json()["error"];
        let text = |name: &str| error[name].as_str().unwrap_or_else(|| panic!("{}", self.text)).to_owned();
        (self.status, text("code"), text("message"))
    }
}

#[tokio::test]
async fn an_answer_is_limited_in_time_and_bytes() {
    let server = Server::new().await;
    let websites = "/api/external/v1/websites";
    let whole = server.get(&server.rest(&[EXTERNAL]), websites).await;
    let limited = |answer_bytes| rest(&[EXTERNAL]).router(Shell { answer_bytes, ..server.shell() });
    let got = server.get(&limited(100), websites).await;
    assert_eq!((got.status, got.error().1.as_str()), (422, "ANSWER_TOO_LARGE"));
    assert!(got.error().2.contains("100 bytes"), "{}", got.text);
    assert_eq!(server.get(&limited(whole.text.len()), websites).await.text, whole.text);
    server.script.set(Does::Hang);
    let quick = rest(&[OTHERS]).router(Shell { timeout: Duration::from_millis(500), ..server.shell() });
    let got = server.get_as_user(&quick, &format!("/api/ingest/{}", server.website)).await;
    assert_eq!((got.status, got.error().1.as_str()), (504, "TIMEOUT"));
}

#[tokio::test]
async fn refusals_come_in_order_and_name_the_field() {
    let server = Server::new().await;
    let router = server.rest(&[EXTERNAL]);
    let stranger = server.sign_up("stranger@else.example").await;
    let body = json!({ "query": "mutation { websiteCreate(input: { domain: \"else.example\", name: \"Else\" }) { website { databaseId } } }" });
    let made = send(&server.graphql(Default::default()), crate::test_server::post(&stranger, &body)).await.json();
    let foreign = made["data"]["websiteCreate"]["website"]["databaseId"].as_str().unwrap();
    let own = &server.website;
    let base = "/api/external/v1";
    let uuid = "id: must be a UUID such as 5f0c2d1e-8b7a-4c6d-9e10-a1b2c3d4e5f6";
    let no_access = "This API key doesn't have access to this website.";
    for (path, status, code, message) in [
        (format!("/websites/{NOWHERE}"), 404, "NOT_FOUND", "The website was not found."),
        (format!("/websites/{foreign}"), 403, "FORBIDDEN", no_access),
        ("/websites/1".into(), 400, "VALIDATION_ERROR", uuid),
        ("/websites/%FF".into(), 400, "VALIDATION_ERROR", "path: is not valid percent-encoded UTF-8"),
        (format!("/analytics/{own}?range=5d"), 400, "VALIDATION_ERROR", "range: must be one of 24h, 7d, 30d, 90d, 1y"),
        (format!("/analytics/{foreign}?range=5d"), 403, "FORBIDDEN", no_access),
        (format!("/analytics/{NOWHERE}?range="), 404, "NOT_FOUND", "The website was not found."),
        (format!("/analytics/{own}?range=7d&range=7d"), 400, "VALIDATION_ERROR", "range: must be given only once"),
        (
            format!("/analytics/{own}/visitors?limit=-1"),
            400,
            "VALIDATION_ERROR",
            "limit: must be an integer between 1 and 1000",
        ),
        (
            format!("/analytics/{own}/pages?limit=101"),
            400,
            "VALIDATION_ERROR",
            "limit: must be an integer between 1 and 100",
        ),
        ("/nowhere".into(), 404, "NOT_FOUND", "This path was not found."),
    ] {
        let got = server.get(&router, &format!("{base}{path}")).await;
        assert_eq!(got.error(), (status, code.to_owned(), message.to_owned()), "{path}");
        assert_eq!(got.json()["success"], false, "{path}");
    }
    for path in ["/api", "/api/", "/api/external/v1/usage/"] {
        assert_eq!(server.get(&router, path).await.status, 404, "{path}");
    }
}

/// Refuses a caller that is over its limit.
struct Spent;

#[async_trait::async_trait]
impl Gate for Spent {
    async fn admit(&self, _: &HeaderMap, _: Option<IpAddr>, _: Auth) -> Result<Pass, Refusal> {
        let now = "2026-03-04T05:06:07Z".parse().unwrap();
        let meter = Some(Meter {
            limit: 30,
            remaining: 0,
            resets_at: now,
            monthly: 7,
            monthly_limit: 10_000,
            monthly_resets_at: now,
            total: 9,
            now,
        });
        Err(Refusal { error: Error::RateLimited { retry_after: 17, limit: 30 }, meter: meter.map(Box::new) })
    }
}

#[tokio::test]
async fn without_a_credential_nothing_else_is_said() {
    let server = Server::new().await;
    let router = server.rest(&[EXTERNAL]);
    for path in ["/usage", "/websites/1", &format!("/analytics/{}?range=5d", server.website)] {
        let request = Request::get(format!("/api/external/v1{path}")).body(Body::empty()).unwrap();
        let got = send(&router, request).await;
        assert_eq!(got.status, 401);
        assert_eq!(
            got.text,
            r#"{"success":false,"error":{"message":"API key is missing or not valid. Send a key that starts with `zv_` in the header `X-API-Key`.","code":"UNAUTHORIZED","timestamp":"2026-03-04T05:06:07.000Z"}}"#
        );
    }
    let spent = rest(&[EXTERNAL]).router(Shell { gate: Arc::new(Spent), ..server.shell() });
    let got = server.get(&spent, "/api/external/v1/usage").await;
    assert_eq!((got.status, got.header("retry-after")), (429, "17"));
    assert_eq!(got.header("x-ratelimit-limit"), "30");
}

#[tokio::test]
async fn a_wrong_method_hears_which_are_right_and_head_is_a_get_without_body() {
    let server = Server::new().await;
    let router = server.rest(&[EXTERNAL]);
    let request = |method: &str| {
        let request = Request::builder().method(method).uri("/api/external/v1/usage").header("x-api-key", &server.key);
        request.body(Body::empty()).unwrap()
    };
    let got = send(&router, request("DELETE")).await;
    assert_eq!((got.status, got.header("allow")), (405, "GET, HEAD"));
    assert_eq!(got.error().1, "METHOD_NOT_ALLOWED");
    let got = send(&router, request("HEAD")).await;
    assert_eq!((got.status, got.text.as_str()), (200, ""));
}

#[tokio::test]
async fn a_panic_and_a_fault_are_a_500_in_the_envelope() {
    let server = Server::new().await;
    let router = server.rest(&[OTHERS]);
    for does in [Does::Panic, Does::Fail] {
        server.script.set(does);
        let got = server.get_as_user(&router, &format!("/api/ingest/{}", server.website)).await;
        assert_eq!((got.status, got.error().1.as_str()), (500, "INTERNAL_SERVER_ERROR"), "{does:?}");
        assert!(!got.text.contains("boom") && !got.text.contains("SELECT"), "{}", got.text);
    }
}

#[tokio::test]
async fn bodies_become_input_and_bad_ones_are_refused() {
    let server = Server::new().await;
    let own = server.website.clone();
    let json = "application/json; charset=utf-8";
    let got = server.change(&own, json, r#"{"kpi_goal":7,"settings":{"heatmaps":false}}"#).await;
    assert_eq!(got.status, 201, "{}", got.text);
    let website = |kpi: serde_json::Value| json!({ "website": { "id": own, "kpi": kpi } });
    assert_eq!(got.json()["data"], json!({ "first": website(json!(7)), "typename": "Mutation" }));
    assert_eq!(server.change(&own, json, "{}").await.json()["data"]["first"], website(json!(7)), "absent is not null");
    let got = server.change(&own, json, r#"{"kpi_goal":null}"#).await;
    assert_eq!(got.json()["data"]["first"], website(json!(null)));
    for (id, media_type, body, status) in [
        (own.as_str(), json, r#"{"note":1}"#.to_owned(), 400),
        (&own, json, "{\"name\":\"\u{fffd}".to_owned(), 400),
        (&own, "text/plain", "{}".to_owned(), 415),
        (&own, "", "{}".to_owned(), 415),
        (&own, json, format!("{{\"name\":\"{}\"}}", "x".repeat(64 * 1024)), 413),
        (NOWHERE, json, "{}".to_owned(), 404),
        (NOWHERE, "text/plain", "{}".to_owned(), 404),
    ] {
        assert_eq!(server.change(id, media_type, body).await.status, status, "{id} {media_type}");
    }
    let request = Request::post(format!("/api/changes/{own}?quiet=true"));
    let request = request.header("authorization", format!("Bearer {}", server.token)).header("content-type", json);
    let got = send(&server.rest(&[OTHERS]), request.body(Body::from("{}")).unwrap()).await;
    assert_eq!(got.json()["data"], json!({ "typename": "Mutation" }), "what is skipped has no key");
    let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 4096]));
    assert_eq!(server.change(&own, json, Body::from_stream(endless)).await.status, 413);
    let got = server.change(&own, json, vec![b'"', 0xFF, b'"']).await;
    assert_eq!(got.error().2, "body: is not valid JSON (line 1, column 2)");
}

#[tokio::test]
async fn bare_answers_omitted_nulls_and_picked_parts() {
    let server = Server::new().await;
    let router = server.rest(&[OTHERS]);
    assert_eq!(server.get(&router, "/e/bare").await.text, r#"{"u":{"name":"Nightly"}}"#);
    assert_eq!(server.get(&router, "/api/picked").await.json()["data"], json!([{ "domain": "shop.example" }]));
    let got = server.get(&router, "/api/nothing").await;
    assert_eq!((got.status, got.header("x-ratelimit-limit")), (404, "120"));
}

#[test]
fn the_table_lists_what_is_mounted() {
    let rows: Vec<String> = rest(&[EXTERNAL, OTHERS])
        .table()
        .into_iter()
        .map(|row| {
            let least = row.access.first().and_then(|access| access.min).map_or("", |role| role.name());
            format!("{} {} {} {} {} {least}", row.method, row.path, row.auth.as_str(), row.status, row.operation)
        })
        .collect();
    assert_eq!(rows[0], "GET /api/external/v1/usage KEY 200 ApiUsage ");
    assert_eq!(rows[7], "GET /api/external/v1/analytics/:websiteId/technology KEY 200 AnalyticsTechnology viewer");
    assert_eq!(rows[8], "POST /api/changes/:websiteId BEARER 201 Change editor");
    assert_eq!(rows.len(), 13);
}

/// A minimal value that a variable of this type accepts.
fn sample(ty: &Type, index: &SchemaIndex) -> async_graphql::Value {
    use async_graphql::Value;
    match &ty.base {
        _ if ty.nullable => return Value::Null,
        BaseType::List(_) => return Value::List(Vec::new()),
        BaseType::Named(_) => {}
    }
    let name = named_type(ty);
    if let Some(values) = index.values(name) {
        return Value::Enum(async_graphql::Name::new(&values[0]));
    }
    if let Some(input) = index.input(name) {
        let required = input.fields.iter().filter(|(_, field)| field.is_required());
        let fields = required.map(|(name, field)| (async_graphql::Name::new(name), sample(&field.ty, index)));
        return Value::Object(fields.collect());
    }
    match name {
        "ID" => NOWHERE.into(),
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
async fn the_documents_fit_the_schema_by_its_own_rules() {
    let rest = rest(crate::DOCUMENTS);
    let written: usize = crate::DOCUMENTS.iter().map(|document| document.matches("@rest(").count()).sum();
    assert_eq!(rest.table().len(), written);
    for stored in rest.stored() {
        assert!(stored.id.starts_with("sha256:") && stored.id.len() == 71, "{}", stored.id);
        let document = async_graphql::parser::parse_query(stored.text).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let mut request = async_graphql::Request::new(stored.text);
        for variable in &operation.node.variable_definitions {
            let variable = &variable.node;
            request.variables.insert(variable.name.node.clone(), sample(&variable.var_type.node, &INDEX));
        }
        // No caller is in the request: all that may fail is what resolvers say, each at its place in the answer.
        let response = ::schema::build(true).execute(request).await;
        assert!(response.errors.iter().all(|error| !error.path.is_empty()), "{}: {:?}", stored.name, response.errors);
    }
}

#[test]
fn a_broken_document_stops_the_server_with_a_sentence() {
    let route = r#"@rest(method: GET, path: "/a/:id", auth: NONE)"#;
    for (document, message) in [
        ("query A { plans { name } }".to_owned(), "operation A: needs @rest"),
        (format!("query A {route} {{ plans {{ name }} }}"), "operation A: @rest names `id`, but there is no variable `$id`"),
        (format!("query A($id: ID!) {route} {{ plans {{ name }} }}"), "operation A: the variable `$id` is not used"),
        (format!("query A($id: ID!) {route} {{ website(id: $id) {{ nope }} }}"), "operation A: `Website` has no field `nope`"),
        (format!("query A($id: ID!) {route} {{ website(id: $id) }}"), "operation A: `Query.website` needs fields to be selected"),
        (format!("query A($id: ID!) {route} {{ website {{ name }} }}"), "operation A: `Query.website` needs the argument `id`"),
        (format!("query A($id: ID!) {route} {{ website(id: $id, x: 1) {{ name }} }}"), "operation A: `Query.website` has no argument `x`"),
        (format!("query A($id: ID!) {route} {{ website(id: $od) {{ name }} }}"), "operation A: there is no variable `$od`"),
        (format!("query A($id: ID!) {route} {{ website(id: $id) {{ a: name ... @nest(as: \"a\") {{ domain }} }} }}"), "operation A: the key `a` stands twice in one object"),
        (format!("query A($id: ID!) {route} {{ website(id: $id) {{ name @lift }} }}"), "operation A: there is no directive @lift"),
        (format!("query A($id: ID!) {route} {{ website(id: $id) {{ name @flatten }} }}"), "operation A: @flatten cannot stand there"),
        (format!("query A($id: ID!) {route} {{ website(id: $id) {{ name @spell(as: UPPER) }} }}"), "operation A: @spell needs `as: LOWER`, `as: TITLE` or `as: EVENT`"),
        (format!("query A($id: ID!) {route} {{ website(id: $id) {{ t: __typename @echo(variable: \"x\") }} }}"), "operation A: there is no variable `$x`"),
        (format!("query A($id: ID!) {route} {{ website(id: $id) {{ t: __typename @constant }} }}"), "operation A: @constant needs `value`"),
        (format!("query A($id: ID!) {route} @key(of: \"TeamCreateInput\", field: \"x\", is: \"y\") {{ website(id: $id) {{ name }} }}"), "operation A: @key: `TeamCreateInput` has no field `x`"),
        (r#"query A @rest(method: GET, path: "/a", auth: NONE, then: "B") { plans { name } }"#.to_owned(), "operation A: @rest: there is no operation `B`"),
        (r#"query A @rest(method: GET, path: "/a", auth: NONE, then: "B") { plans { name } } query B($id: ID!) @rest(method: GET, path: "/b/:id", auth: NONE) { data: website(id: $id) { name } }"#.to_owned(), "operation A: @rest: the path has no `id` for `B`"),
        (r#"query A @rest(method: GET, path: "/a", auth: NONE, role: ADMIN) { plans { name } }"#.to_owned(), "operation A: @rest has no argument `role`"),
        (r#"query A @rest(method: GET, path: "/a", auth: ADMIN) { plans { name } }"#.to_owned(), "operation A: @rest needs `auth`: KEY, BEARER or NONE"),
        (r#"query A @rest(method: GET, path: "/a", auth: NONE) { plans { name } } query B @rest(method: GET, path: "/a", auth: NONE) { plans { name } }"#.to_owned(), "operations A and B clash in name or route"),
        (r#"query A @rest(method: GET, path: "/a", auth: NONE) { ...F } fragment F on Query { ...F }"#.to_owned(), "operation A: is nested deeper than 32, or a fragment holds itself"),
        (r#"query A @rest(method: GET, path: "/a", auth: NONE, pick: "x") { data: apiUsage { plan } }"#.to_owned(), "operation A: @rest: there is no field `x` to pick"),
        (r#"mutation A($input: TeamCreateInput!) @rest(method: GET, path: "/a", auth: NONE) { teamCreate(input: $input) { team { id } } }"#.to_owned(), "operation A: `$input` of type TeamCreateInput! can only come from the body"),
    ] {
        assert_eq!(Rest::load(&[&document], INDEX.clone()).err().as_deref(), Some(message), "{document}");
    }
}

#[test]
fn the_description_types_parameters_answers_and_bodies() {
    let api = rest(&[EXTERNAL, OTHERS]).openapi();
    assert_eq!(api, rest(&[EXTERNAL, OTHERS]).openapi());
    let visitors = &api["paths"]["/api/external/v1/analytics/{websiteId}/visitors"]["get"];
    assert_eq!(visitors["operationId"], "analyticsVisitors");
    assert_eq!(visitors["summary"], "Lists visitors of one website, the latest first");
    assert_eq!(visitors["description"], "Minimum role on the website: viewer.");
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 });
    assert_eq!((&visitors["parameters"][2]["name"], &visitors["parameters"][2]["schema"]), (&json!("limit"), &limit));
    assert_eq!(
        visitors["parameters"][1]["schema"],
        json!({ "type": "string", "enum": ["24h", "7d", "30d", "90d", "1y"], "default": "7d" })
    );
    let data =
        &visitors["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["data"]["properties"];
    assert_eq!(data["visitors"]["items"]["properties"]["city"]["type"], json!(["string", "null"]));
    let pages = &api["paths"]["/api/external/v1/analytics/{websiteId}/pages"]["get"]["responses"]["200"];
    let page = &pages["content"]["application/json"]["schema"]["properties"]["data"]["properties"]["pages"]["items"]["properties"];
    assert!(page["bounce_rate"]["description"].as_str().unwrap().contains("in percent, 0 to 100"), "{page}");
    assert_eq!(
        page["entries"]["type"],
        json!(["integer", "null"]),
        "what is flattened from a nullable object may be null"
    );
    let change = &api["paths"]["/api/changes/{websiteId}"]["post"];
    assert_eq!(change["description"], "It comes back.\n\nMinimum role on the website: editor.");
    assert_eq!(
        change["requestBody"]["content"]["application/json"]["schema"],
        json!({ "$ref": "#/components/schemas/WebsiteUpdateGeneralInput" })
    );
    let input = &api["components"]["schemas"]["WebsiteUpdateGeneralInput"]["properties"];
    assert_eq!((&input["name"]["maxLength"], &input["name"]["type"]), (&json!(100), &json!("string")), "not null");
    assert_eq!((&input["kpi_goal"]["minimum"], &input["kpi_goal"]["type"]), (&json!(1), &json!(["integer", "null"])));
    let domains = &input["allowed_domains"];
    assert_eq!((&domains["maxItems"], &domains["items"]["maxLength"]), (&json!(100), &json!(253)));
    assert_eq!(
        change["responses"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["201", "400", "401", "403", "404", "409", "413", "415", "429", "500", "503", "504"]
    );
}

#[tokio::test]
async fn the_description_is_public_and_every_reference_resolves() {
    let server = Server::new().await;
    let got = server.get(&server.rest(&[EXTERNAL, OTHERS]), super::OPENAPI_PATH).await;
    assert_eq!(got.status, 200);
    let api = got.json();
    let references = got.text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
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
    let others = Router::new()
        .route("/e/{code}", said("beacon"))
        .route("/e/heartbeat/{code}", said("heartbeat"))
        .route("/e/live/{p3}", said("same path"));
    let router = Server::new().await.rest(&[document]).merge(others);
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
