//! A website that is open to the public: its aggregates for anyone, and nothing else by any way.

use async_graphql::parser::{
    parse_schema,
    types::{TypeKind, TypeSystemDefinition},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    app::{Caller, line},
    ingest::{shop, view, with},
    settings::{Team, team},
};

/// A website with visits, opened to the public.
async fn open() -> Team {
    let team = team().await;
    let log = [
        line("8.8.8.8", "03/Mar/2026:10:00:00 +0000", "/pricing", "https://www.google.com/"),
        line("8.8.8.8", "03/Mar/2026:10:02:00 +0000", "/docs", "https://shop.example/pricing"),
        line("1.1.1.1", "03/Mar/2026:23:59:00 +0000", "/pricing", "-"),
    ];
    team.app.import(&team.site, log.concat().into_bytes(), false).await;
    let (status, _) = team.put("/general", json!({ "public_dashboard": true, "primary_color": "#4F46E5" })).await;
    assert_eq!(status, 200);
    team
}

impl Team {
    /// Those whom an open website is open to.
    fn public(&self) -> [Caller<'_>; 2] {
        [self.app.anon(), self.app.token(&self.stranger.token)]
    }

    async fn asked(&self, caller: &Caller<'_>, selection: &str) -> Value {
        caller.gql(&format!("{{ website(id: \"{}\") {{ {selection} }} }}", self.site), json!({})).await
    }
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

const RANGE: &str = "range: { preset: LAST_7_DAYS }";

#[tokio::test]
async fn anyone_reads_the_aggregates_and_the_same_numbers_as_members() {
    let team = open().await;
    let selection = format!(
        "id databaseId domain name timezone primaryColor publicDashboard
         realtime {{ visitors {{ current today }} pageviews {{ current }} countries {{ country }} topPages {{ path }} }}
         analytics({RANGE}, compare: PREVIOUS_PERIOD, filters: [{{ dimension: PAGE, operator: STARTS_WITH, values: [\"/\"] }}]) {{
           range {{ start end }} filters {{ dimension }} totals {{ visitors visits pageviews bounceRate conversions }}
           previous {{ visitors }} series(interval: DAY) {{ date metrics {{ visitors }} }}
           breakdown(by: PAGE) {{ nodes {{ value page {{ entries }} metrics {{ pageviews }} }} other {{ pageviews }} }}
         }}"
    );
    let member = team.asked(&team.app.token(&team.viewer.token), &selection).await;
    assert!(member.get("errors").is_none(), "{member}");
    assert_eq!(member["data"]["website"]["analytics"]["totals"]["pageviews"], 3);
    for caller in team.public() {
        let answer = team.asked(&caller, &selection).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        assert_eq!(answer["data"], member["data"]);
    }
}

#[tokio::test]
async fn everything_else_is_for_members() {
    let team = open().await;
    let fields = [
        "trackingCode",
        "isActive",
        "team { name }",
        "teamDatabaseId",
        "userDatabaseId",
        "createdAt",
        "updatedAt",
        "kpiGoal",
        "allowedDomains",
        "allowLocalhost",
        "publicRealtime",
        "publicDetails",
        "settings { heatmaps }",
        "exclusions { ipExclusions { ipAddress } }",
        "notifications { preferences }",
        "domains { primaryDomain }",
        "revenueSettings { currency }",
        "currency",
        "ingest { received }",
        "limits { __typename }",
        "people { nodes { email } }",
        "retentionDays",
        "goals { name }",
    ];
    let analytics = [
        "visitors(first: 1) { nodes { visitorId } }",
        "breakdown(by: EVENT, property: \"user_id\") { nodes { value } }",
        "breakdown(by: PAGE, orderBy: { metric: REVENUE }) { nodes { value } }",
        "breakdown(by: TITLE) { nodes { value } }",
        "breakdown(by: EVENT) { nodes { value } }",
        "breakdown(by: GOAL) { nodes { value } }",
    ];
    let mut hidden: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
    hidden.extend(analytics.iter().map(|field| format!("analytics({RANGE}) {{ {field} }}")));
    hidden.push(format!(
        "analytics({RANGE}, filters: [{{ dimension: EVENT, property: \"user_id\", operator: IS, values: [\"7\"] }}]) {{ totals {{ visitors }} }}"
    ));
    for dimension in ["TITLE", "EVENT", "GOAL"] {
        hidden.push(format!(
            "analytics({RANGE}, filters: [{{ dimension: {dimension}, operator: CONTAINS, values: [\"a\"] }}]) {{ totals {{ visitors }} }}"
        ));
    }
    // Every field of the type is either open or tested here, whoever adds one.
    let document = parse_schema(schema::sdl()).unwrap();
    let website = document.definitions.into_iter().find_map(|definition| match definition {
        TypeSystemDefinition::Type(ty) if ty.node.name.node == "Website" => Some(ty.node.kind),
        _ => None,
    });
    let Some(TypeKind::Object(website)) = website else { panic!("Website is an object") };
    let names = website.fields.iter().map(|field| field.node.name.node.as_str());
    let open =
        ["id", "databaseId", "domain", "name", "timezone", "primaryColor", "publicDashboard", "analytics", "realtime"];
    for name in names {
        let known = open.contains(&name) || fields.iter().any(|field| field.split(' ').next() == Some(name));
        assert!(
            known || name == "members" || name == "webhooks",
            "the public's access to Website.{name} is not tested"
        );
    }
    for selection in &hidden {
        for caller in team.public() {
            let answer = team.asked(&caller, selection).await;
            assert_eq!(code(&answer), "FORBIDDEN", "{selection}: {answer}");
            let text = answer["data"].to_string();
            assert!(!text.contains("ZV_") && !text.contains(&team.owner.team), "{selection}: {answer}");
        }
        let answer = team.asked(&team.app.token(&team.viewer.token), selection).await;
        assert!(answer.get("errors").is_none(), "a member: {selection}: {answer}");
    }
    // One hidden field hides only itself where it can be null.
    let answer = team.asked(&team.app.anon(), "name kpiGoal").await;
    assert_eq!(answer["data"]["website"], json!({ "name": "shop.example", "kpiGoal": null }), "{answer}");
}

/// A client with an old token must hear that it is old, or it never renews it.
#[tokio::test]
async fn a_credential_that_does_not_work_is_unauthorized() {
    let team = open().await;
    let live = format!("{{ liveWebsite(id: \"{}\") {{ __typename }} }}", team.site);
    for caller in [team.app.token("nonsense"), team.app.key("zv_nonsense")] {
        for selection in ["name", "trackingCode", &format!("analytics({RANGE}) {{ totals {{ visitors }} }}")] {
            assert_eq!(code(&team.asked(&caller, selection).await), "UNAUTHORIZED", "{selection}");
        }
        assert_eq!(code(&caller.gql(&live, json!({})).await), "UNAUTHORIZED");
        // What nobody needs a credential for still answers, so that a client can sign in again.
        let answer = caller.gql("{ plans { name } }", json!({})).await;
        assert!(answer.get("errors").is_none(), "{answer}");
    }
    let answer = team.app.anon().gql(&live, json!({})).await;
    assert!(answer.get("errors").is_none(), "{answer}");
}

#[tokio::test]
async fn money_is_not_shown() {
    let team = open().await;
    let selection = format!("analytics({RANGE}) {{ totals {{ visitors revenue {{ amount }} }} }}");
    for caller in team.public() {
        let answer = team.asked(&caller, &selection).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        assert_eq!(answer["data"]["website"]["analytics"]["totals"], json!({ "visitors": 2, "revenue": null }));
    }
}

#[tokio::test]
async fn no_other_way_leads_in() {
    let team = open().await;
    let site = &team.site;
    let global = team.asked(&team.app.anon(), "id").await["data"]["website"]["id"].as_str().unwrap().to_owned();
    let ways = [
        format!("{{ node(id: \"{global}\") {{ id ... on Website {{ name trackingCode }} }} }}"),
        format!("{{ nodes(ids: [\"{global}\"]) {{ id }} }}"),
        format!("{{ a: website(id: \"{site}\") {{ n: name c: trackingCode }} }}"),
        format!("{{ website(id: \"{site}\") {{ ...F }} }} fragment F on Node {{ ... on Website {{ trackingCode }} }}"),
        format!(
            "mutation {{ websiteUpdateGeneral(websiteId: \"{site}\", input: {{ name: \"Mine\" }}) {{ website {{ name }} }} }}"
        ),
        format!("mutation {{ websiteDelete(input: {{ websiteId: \"{site}\" }}) {{ deletedId }} }}"),
    ];
    for query in &ways {
        for caller in team.public() {
            let answer = caller.gql(query, json!({})).await;
            let is_hidden_node = answer["data"]["nodes"] == json!([null]);
            assert!(is_hidden_node || ["FORBIDDEN", "UNAUTHORIZED"].contains(&code(&answer)), "{query}: {answer}");
            assert!(!answer["data"].to_string().contains("ZV_"), "{query}: {answer}");
        }
    }
    // Keys reach their own team's websites, through REST and GraphQL alike.
    let key = team.app.api_key(&team.stranger, None).await;
    for path in ["websites/ID", "analytics/ID", "analytics/ID/visitors", "analytics/ID/pages"] {
        let (status, body) = team.app.key(&key).get(&format!("/api/external/v1/{}", path.replace("ID", site))).await;
        assert_eq!(status, 403, "{path}: {body}");
    }
    assert_eq!(code(&team.asked(&team.app.key(&key), "name").await), "FORBIDDEN");
    for path in ["notifications", "exclusions", "domains"] {
        assert_eq!(team.ask(&team.stranger, Method::GET, &format!("/{path}"), None).await.0, 403, "{path}");
    }
}

#[tokio::test]
async fn titles_and_names_of_events_are_shown_where_the_website_wants_them() {
    let shop = shop().await;
    let set = async |input: &str| {
        let query = format!(
            "mutation {{ websiteUpdateGeneral(websiteId: \"{}\", input: {{ {input} }}) {{ website {{ id }} }} }}",
            shop.id
        );
        let answer = shop.app.token(&shop.owner.token).gql(&query, json!({})).await;
        assert!(answer.get("errors").is_none(), "{answer}");
    };
    set("publicDashboard: true").await;
    assert_eq!(shop.send(with(view("/invoice"), json!({ "title": "Invoice of Alice Smith" }))).await.status, 200);
    shop.totals(1).await;
    let ask = async |selection: &str| {
        let query =
            format!("{{ website(id: \"{}\") {{ analytics(range: {{ preset: TODAY }}) {{ {selection} }} }} }}", shop.id);
        shop.app.anon().gql(&query, json!({})).await
    };
    let pages = "breakdown(by: PAGE) { nodes { value page { title } } }";
    let row = |answer: &Value| answer["data"]["website"]["analytics"]["breakdown"]["nodes"][0].clone();
    assert_eq!(row(&ask(pages).await), json!({ "value": "/invoice", "page": { "title": null } }));
    assert_eq!(code(&ask("breakdown(by: TITLE) { nodes { value } }").await), "FORBIDDEN");
    set("publicDetails: true").await;
    assert_eq!(row(&ask(pages).await), json!({ "value": "/invoice", "page": { "title": "Invoice of Alice Smith" } }));
    assert_eq!(
        row(&ask("breakdown(by: TITLE) { nodes { value } }").await),
        json!({ "value": "Invoice of Alice Smith" })
    );
}

#[tokio::test]
async fn it_ends_with_the_setting_and_live_figures_have_their_own() {
    let team = open().await;
    let own = team.app.api_key(&team.owner, None).await;
    let code_of = async |caller: &Caller<'_>, selection: &str| {
        let answer = team.asked(caller, selection).await;
        answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("none").to_owned()
    };
    // What a member was told is not told to the next who asks.
    let (_, before) = team.app.key(&own).get(&format!("/api/external/v1/websites/{}", team.site)).await;
    assert!(before["data"]["website"]["tracking_code"].is_string(), "{before}");
    assert_eq!(code_of(&team.app.anon(), "trackingCode").await, "FORBIDDEN");

    let realtime = "realtime { visitors { current } }";
    assert_eq!(code_of(&team.app.anon(), realtime).await, "none");
    let mutation = "mutation($id: ID!) { websiteUpdateGeneral(websiteId: $id, input: { publicRealtime: false }) { website { id } } }";
    team.app.token(&team.owner.token).gql(mutation, json!({ "id": team.site })).await;
    assert_eq!(code_of(&team.app.anon(), realtime).await, "FORBIDDEN");
    assert_eq!(code_of(&team.app.token(&team.viewer.token), realtime).await, "none");

    team.put("/general", json!({ "public_dashboard": false })).await;
    assert_eq!(code_of(&team.app.anon(), "name").await, "UNAUTHORIZED");
    assert_eq!(code_of(&team.app.token("nonsense"), "name").await, "UNAUTHORIZED");
    assert_eq!(code_of(&team.app.token(&team.stranger.token), "name").await, "FORBIDDEN");
    assert_eq!(code_of(&team.app.token(&team.viewer.token), "name").await, "none");
    for (id, anonymous, stranger) in
        [(crate::exclusions::UNKNOWN, "UNAUTHORIZED", "NOT_FOUND"), ("nonsense", "UNAUTHORIZED", "VALIDATION_ERROR")]
    {
        let query = format!("{{ website(id: \"{id}\") {{ name }} }}");
        assert_eq!(code(&team.app.anon().gql(&query, json!({})).await), anonymous);
        assert_eq!(code(&team.app.token(&team.stranger.token).gql(&query, json!({})).await), stranger);
    }
}

#[tokio::test]
async fn a_credential_that_does_not_work_buys_no_dearer_question() {
    let app = crate::app::TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let open = format!(
        "mutation {{ websiteUpdateGeneral(websiteId: \"{site}\", input: {{ publicDashboard: true }}) {{ __typename }} }}"
    );
    assert!(app.token(&owner.token).gql(&open, json!({})).await.get("errors").is_none());
    let metrics = "visitors visits pageviews events bounceRate visitDurationSeconds viewsPerVisit conversions";
    let panels: Vec<String> = (0..10)
        .map(|number| {
            format!("p{number}: breakdown(by: PAGE, first: 100) {{ nodes {{ value metrics {{ {metrics} }} }} }}")
        })
        .collect();
    let dear = format!(
        "{{ website(id: \"{site}\") {{ analytics(range: {{ preset: LAST_7_DAYS }}) {{ {} }} }} }}",
        panels.join(" ")
    );
    let code = |answer: &Value| answer["errors"][0]["extensions"]["code"].clone();
    let junk = "eyJhbGciOiJFZERTQSJ9.e30.AAAA";
    for caller in [app.anon(), app.token(junk), app.token("zv_junk"), app.key("zv_junk")] {
        let answer = caller.gql(&dear, json!({})).await;
        assert_eq!(code(&answer), "COST_LIMIT_EXCEEDED", "{answer}");
    }
    assert_eq!(code(&app.token(&owner.token).gql(&dear, json!({})).await), Value::Null);
}
