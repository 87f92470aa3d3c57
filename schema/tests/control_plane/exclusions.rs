//! What a website does not count: excluded, listed and removed, through the website only.

use footfall_schema::{
    access::Role,
    website::ingest_rules::{self, Which},
};
use serde_json::{Value, json};

use crate::app::{App, Client};

const LIST: &str = "query($id: ID!) { website(id: $id) { exclusions {
    ipExclusions { id databaseId ipAddress description createdAt websiteDatabaseId }
    pathExclusions { id databaseId pathPattern description createdAt website { databaseId } }
} } }";
const IP: &str = "mutation($id: ID!, $input: WebsiteExcludeIpInput!) { websiteExcludeIp(websiteId: $id, input: $input) {
    ipExclusion { id databaseId ipAddress description createdAt websiteDatabaseId } website { exclusions { ipExclusions { ipAddress } } } } }";
const PATH: &str = "mutation($id: ID!, $input: WebsiteExcludePathInput!) { websiteExcludePath(websiteId: $id, input: $input) {
    pathExclusion { id databaseId pathPattern description } website { exclusions { pathExclusions { pathPattern } } } } }";
const REMOVE_IP: &str =
    "mutation($id: ID!, $gone: ID!) { websiteRemoveIpExclusion(websiteId: $id, input: { exclusionId: $gone }) {
    deletedId website { exclusions { ipExclusions { ipAddress } } } } }";
const REMOVE_PATH: &str =
    "mutation($id: ID!, $gone: ID!) { websiteRemovePathExclusion(websiteId: $id, input: { exclusionId: $gone }) {
    deletedId website { exclusions { pathExclusions { pathPattern } } } } }";

async fn exclude_ip(client: &Client<'_>, site: &str, address: &str) -> Value {
    let vars = json!({ "id": site, "input": { "ipAddress": address, "description": " Office " } });
    client.ok(IP, vars).await["websiteExcludeIp"]["ipExclusion"].clone()
}

async fn exclude_path(client: &Client<'_>, site: &str, pattern: &str) -> Value {
    let vars = json!({ "id": site, "input": { "pathPattern": pattern } });
    client.ok(PATH, vars).await["websiteExcludePath"]["pathExclusion"].clone()
}

#[tokio::test]
async fn what_was_excluded_is_listed_until_it_is_removed() {
    let app = App::new().await;
    let owner = app.user("olga").await;
    let site = owner.site("shop.example").await;
    let nothing = json!({ "ipExclusions": [], "pathExclusions": [] });
    assert_eq!(owner.ok(LIST, json!({ "id": site })).await["website"]["exclusions"], nothing);
    let ip = exclude_ip(&owner, &site, "203.0.113.77/24").await;
    assert_eq!(
        (&ip["ipAddress"], &ip["description"], &ip["createdAt"], &ip["websiteDatabaseId"]),
        (&json!("203.0.113.0/24"), &json!("Office"), &json!("2026-03-04T05:06:07.000Z"), &json!(site))
    );
    let path = exclude_path(&owner, &site, "/admin/*").await;
    assert_eq!(path["description"], json!(null));
    let listed = owner.ok(LIST, json!({ "id": site })).await["website"]["exclusions"].clone();
    assert_eq!(listed["ipExclusions"], json!([ip]));
    assert_eq!(listed["pathExclusions"][0]["pathPattern"], json!("/admin/*"));
    assert_eq!(listed["pathExclusions"][0]["website"]["databaseId"], json!(site));
    let rules = ingest_rules::rules(&app.ports, &app.operator(), Which::All).await.unwrap();
    assert_eq!(rules[0].excluded_ips, ["203.0.113.0/24"]);
    assert_eq!(rules[0].excluded_paths, ["/admin/*"]);
    let gone = owner.ok(REMOVE_IP, json!({ "id": site, "gone": ip["databaseId"] })).await;
    assert_eq!(
        gone["websiteRemoveIpExclusion"],
        json!({ "deletedId": ip["id"], "website": { "exclusions": { "ipExclusions": [] } } })
    );
    let gone = owner.ok(REMOVE_PATH, json!({ "id": site, "gone": path["id"] })).await;
    assert_eq!(gone["websiteRemovePathExclusion"]["deletedId"], path["id"]);
    assert_eq!(owner.code(REMOVE_IP, json!({ "id": site, "gone": ip["id"] })).await, "NOT_FOUND", "gone already");
    assert_eq!(owner.ok(LIST, json!({ "id": site })).await["website"]["exclusions"], nothing);
}

#[tokio::test]
async fn the_same_in_another_spelling_is_a_conflict_and_a_fault_is_named() {
    let app = App::new().await;
    let owner = app.user("olga").await;
    let (site, second) = (owner.site("shop.example").await, owner.site("blog.example").await);
    exclude_ip(&owner, &site, "203.0.113.7").await;
    exclude_path(&owner, &site, "/admin/*").await;
    for same in ["203.0.113.7", "::ffff:203.0.113.7", "203.0.113.7/32"] {
        assert_eq!(owner.code(IP, json!({ "id": site, "input": { "ipAddress": same } })).await, "CONFLICT", "{same}");
    }
    for same in ["/admin/*", " /admin/**"] {
        let vars = json!({ "id": site, "input": { "pathPattern": same } });
        assert_eq!(owner.code(PATH, vars).await, "CONFLICT", "{same}");
    }
    exclude_ip(&owner, &second, "203.0.113.7").await;
    for (document, input, field) in [
        (IP, json!({ "ipAddress": "office" }), "ipAddress"),
        (IP, json!({ "ipAddress": "10.0.0.0/33" }), "ipAddress"),
        (IP, json!({ "ipAddress": "10.0.0.1", "description": "x".repeat(201) }), "description"),
        (PATH, json!({ "pathPattern": "admin" }), "pathPattern"),
        (PATH, json!({ "pathPattern": "" }), "pathPattern"),
        (PATH, json!({ "pathPattern": "/a", "description": "two\nlines" }), "description"),
    ] {
        let (code, named, _) = owner.refusal(document, json!({ "id": site, "input": input })).await;
        assert_eq!((code.as_str(), named.as_str()), ("VALIDATION_ERROR", field));
    }
}

#[tokio::test]
async fn a_website_has_at_most_five_hundred_of_each_kind() {
    let app = App::new().await;
    let owner = app.user("olga").await;
    let site = owner.site("shop.example").await;
    for number in 0..500 {
        exclude_path(&owner, &site, &format!("/{number}")).await;
    }
    let (code, _, message) = owner.refusal(PATH, json!({ "id": site, "input": { "pathPattern": "/one-more" } })).await;
    assert_eq!(code, "CONFLICT");
    assert!(message.contains("500"), "{message}");
    let listed = owner.ok(LIST, json!({ "id": site })).await["website"]["exclusions"]["pathExclusions"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 500, "the refused one is not there");
    exclude_ip(&owner, &site, "203.0.113.7").await;
}

#[tokio::test]
async fn each_is_reached_through_its_own_website_and_by_editors() {
    let app = App::new().await;
    let (owner, stranger) = (app.user("olga").await, app.user("sten").await);
    let (site, second) = (owner.site("shop.example").await, owner.site("blog.example").await);
    let foreign = stranger.site("other.example").await;
    let (_, team) = owner.ids().await;
    let (viewer, editor) = (app.user("vera").await, app.user("edda").await);
    app.join(&team, &viewer.ids().await.0, Role::Viewer).await;
    app.join(&team, &editor.ids().await.0, Role::Editor).await;
    let ip = exclude_ip(&editor, &site, "203.0.113.7").await;
    let path = exclude_path(&editor, &site, "/admin/*").await;
    for (remove, gone) in [(REMOVE_IP, &ip["databaseId"]), (REMOVE_PATH, &path["databaseId"])] {
        assert_eq!(owner.code(remove, json!({ "id": second, "gone": gone })).await, "NOT_FOUND", "another website's");
        assert_eq!(stranger.code(remove, json!({ "id": foreign, "gone": gone })).await, "NOT_FOUND", "another team's");
        assert_eq!(stranger.code(remove, json!({ "id": site, "gone": gone })).await, "FORBIDDEN");
        assert_eq!(viewer.code(remove, json!({ "id": site, "gone": gone })).await, "FORBIDDEN");
        assert_eq!(app.anonymous().code(remove, json!({ "id": site, "gone": gone })).await, "UNAUTHORIZED");
        assert_eq!(editor.refusal(remove, json!({ "id": site, "gone": "nonsense" })).await.1, "exclusionId");
    }
    assert_eq!(editor.refusal(REMOVE_PATH, json!({ "id": site, "gone": ip["id"] })).await.1, "exclusionId");
    for document in [IP, PATH] {
        let input = if document == IP { json!({ "ipAddress": "::1" }) } else { json!({ "pathPattern": "/a" }) };
        for (client, code) in [(&viewer, "FORBIDDEN"), (&stranger, "FORBIDDEN"), (&app.anonymous(), "UNAUTHORIZED")] {
            assert_eq!(client.code(document, json!({ "id": site, "input": input })).await, code);
        }
    }
    let seen = viewer.ok(LIST, json!({ "id": site })).await;
    assert_eq!(seen["website"]["exclusions"]["ipExclusions"][0]["id"], ip["id"], "viewers read");
    let node = "query($id: ID!) { node(id: $id) { __typename id } }";
    for (kind, id) in [("IpExclusion", &ip["id"]), ("PathExclusion", &path["id"])] {
        let found = viewer.ok(node, json!({ "id": id })).await;
        assert_eq!(found["node"], json!({ "__typename": kind, "id": id }));
        assert_eq!(stranger.code(node, json!({ "id": id })).await, "FORBIDDEN");
        assert_eq!(app.anonymous().code(node, json!({ "id": id })).await, "UNAUTHORIZED");
    }
}
