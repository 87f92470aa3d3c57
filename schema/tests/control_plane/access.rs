//! Who gets what: every kind of caller against websites, teams and nodes.

use footfall_schema::access::Role;
use serde_json::json;

use crate::app::App;

const WEBSITE: &str = "query($id: ID!) { website(id: $id) { domain team { name role } } }";
const RENAME: &str =
    "mutation($id: ID!) { websiteUpdateGeneral(websiteId: $id, input: { name: \"New\" }) { website { name } } }";
const KEY: &str = "mutation($id: ID!) { apiKeyCreate(input: { name: \"k\", websiteId: $id }) { secret } }";

#[tokio::test]
async fn each_role_reaches_its_level_and_no_further() {
    let app = App::new().await;
    let owner = app.user("olga").await;
    let site = owner.site("shop.example").await;
    let (_, team) = owner.ids().await;
    for (name, role, edits, makes_keys) in
        [("vera", Role::Viewer, false, false), ("edda", Role::Editor, true, false), ("ada", Role::Admin, true, true)]
    {
        let member = app.user(name).await;
        let vars = json!({ "id": site });
        assert_eq!(member.code(WEBSITE, vars.clone()).await, "FORBIDDEN", "{name} before");
        let part = app.join(&team, &member.ids().await.0, role).await;
        let data = member.ok(WEBSITE, vars.clone()).await;
        assert_eq!(data["website"]["team"]["role"], json!(role.name().to_uppercase()));
        for (document, may) in [(RENAME, edits), (KEY, makes_keys)] {
            if may {
                member.ok(document, vars.clone()).await;
            } else {
                let (code, _, message) = member.refusal(document, vars.clone()).await;
                assert_eq!(code, "FORBIDDEN");
                assert!(message.ends_with(&format!("yours is {}).", role.name())), "{message}");
            }
        }
        app.deactivate(part).await;
        for document in [WEBSITE, RENAME, KEY] {
            assert_eq!(member.code(document, vars.clone()).await, "FORBIDDEN", "{name} after");
        }
    }
}

#[tokio::test]
async fn missing_credential_then_malformed_then_unknown_then_foreign() {
    let app = App::new().await;
    let owner = app.user("olga").await;
    let site = owner.site("shop.example").await;
    let stranger = app.user("sten").await;
    let unknown = "00000000-0000-7000-8000-000000000000";
    for document in [WEBSITE, RENAME, KEY] {
        for id in ["nonsense", unknown, &site] {
            assert_eq!(app.anonymous().code(document, json!({ "id": id })).await, "UNAUTHORIZED", "{document}");
        }
        assert_eq!(stranger.code(document, json!({ "id": "nonsense" })).await, "VALIDATION_ERROR");
        assert_eq!(stranger.code(document, json!({ "id": unknown })).await, "NOT_FOUND");
        assert_eq!(stranger.code(document, json!({ "id": site })).await, "FORBIDDEN");
    }
    assert_eq!(stranger.refusal(RENAME, json!({ "id": "nonsense" })).await.1, "websiteId");
    assert_eq!(stranger.refusal(WEBSITE, json!({ "id": "nonsense" })).await.1, "id");
}

#[tokio::test]
async fn a_global_id_works_and_one_of_another_kind_does_not() {
    let app = App::new().await;
    let owner = app.user("olga").await;
    let site = owner.site("shop.example").await;
    let data = owner.ok("query($id: ID!) { website(id: $id) { id team { id } } }", json!({ "id": site })).await;
    let (global, team) = (data["website"]["id"].clone(), data["website"]["team"]["id"].clone());
    owner.ok(WEBSITE, json!({ "id": global })).await;
    let (code, field, message) = owner.refusal(WEBSITE, json!({ "id": team })).await;
    assert_eq!((code.as_str(), field.as_str()), ("VALIDATION_ERROR", "id"));
    assert!(message.contains("type Team"), "{message}");
}

#[tokio::test]
async fn nodes_are_reached_through_the_same_proofs() {
    let app = App::new().await;
    let (owner, stranger) = (app.user("olga").await, app.user("sten").await);
    let site = owner.site("shop.example").await;
    let (key, _) = owner.new_key(None).await;
    let data = owner
        .ok(
            "query($id: ID!) { viewer { id } website(id: $id) { id team { id apiKeys { nodes { id databaseId } } members { nodes { id } } } } }",
            json!({ "id": site }),
        )
        .await;
    let team = &data["website"]["team"];
    assert_eq!(team["apiKeys"]["nodes"][0]["databaseId"], json!(key));
    let ids = [
        ("User", &data["viewer"]["id"]),
        ("Website", &data["website"]["id"]),
        ("Team", &team["id"]),
        ("ApiKey", &team["apiKeys"]["nodes"][0]["id"]),
        ("Membership", &team["members"]["nodes"][0]["id"]),
    ];
    let node = "query($id: ID!) { node(id: $id) { __typename id } }";
    for (kind, id) in ids {
        let data = owner.ok(node, json!({ "id": id })).await;
        assert_eq!(data["node"], json!({ "__typename": kind, "id": id }));
        assert_eq!(stranger.code(node, json!({ "id": id })).await, "FORBIDDEN", "{kind}");
        assert_eq!(app.anonymous().code(node, json!({ "id": id })).await, "UNAUTHORIZED", "{kind}");
    }
    assert_eq!(owner.code(node, json!({ "id": site })).await, "VALIDATION_ERROR", "a UUID does not say its kind");
    let ids: Vec<_> = ids.iter().map(|(_, id)| (*id).clone()).collect();
    let nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename } }";
    assert_eq!(stranger.ok(nodes, json!({ "ids": ids })).await["nodes"], json!([null, null, null, null, null]));
    assert_eq!(owner.ok(nodes, json!({ "ids": ids })).await["nodes"].as_array().unwrap().len(), 5);
    let many: Vec<_> = std::iter::repeat_n(ids[0].clone(), 101).collect();
    assert_eq!(owner.refusal(nodes, json!({ "ids": many })).await.1, "ids");
}

#[tokio::test]
async fn below_admin_the_keys_of_a_team_are_closed() {
    let app = App::new().await;
    let (owner, editor) = (app.user("olga").await, app.user("edda").await);
    let (_, team) = owner.ids().await;
    app.join(&team, &editor.ids().await.0, Role::Editor).await;
    let (key, _) = owner.new_key(None).await;
    let document = "query($id: ID!) { team(id: $id) { apiKeys { nodes { name } } } }";
    assert_eq!(editor.code(document, json!({ "id": team })).await, "FORBIDDEN");
    let revoke = "mutation($id: ID!) { apiKeyRevoke(input: { apiKeyId: $id }) { apiKey { revokedAt } } }";
    assert_eq!(editor.code(revoke, json!({ "id": key })).await, "FORBIDDEN");
    let stranger = app.user("sten").await;
    assert_eq!(stranger.code(revoke, json!({ "id": key })).await, "FORBIDDEN");
    assert_eq!(app.anonymous().code(revoke, json!({ "id": "nonsense" })).await, "UNAUTHORIZED");
}

/// What an adapter asks ahead of a body is what the field would answer.
#[tokio::test]
async fn asking_ahead_gives_the_fields_own_refusals() {
    use footfall_schema::{
        Cx,
        access::{Access, Caller, On, authorize},
    };
    let app = App::new().await;
    let (owner, editor) = (app.user("olga").await, app.user("edda").await);
    let site = owner.site("shop.example").await;
    let (_, team) = owner.ids().await;
    app.join(&team, &editor.ids().await.0, Role::Editor).await;
    let cx = |caller| Cx::new(app.ports.clone(), caller);
    let editor = cx(editor.caller().await.unwrap());
    let rule = |on, role| Access { on, min: Some(role), public: false };
    authorize(&editor, rule(On::Website, Role::Editor), "websiteId", &site).await.unwrap();
    authorize(&editor, rule(On::Team, Role::Viewer), "teamId", &team).await.unwrap();
    for (caller, role, id, status) in [
        (&cx(Caller::Anonymous), Role::Viewer, "nonsense", 401),
        (&editor, Role::Viewer, "nonsense", 400),
        (&editor, Role::Viewer, "00000000-0000-7000-8000-000000000000", 404),
        (&editor, Role::Admin, &site, 403),
    ] {
        let refused = authorize(caller, rule(On::Website, role), "websiteId", id).await.unwrap_err();
        assert_eq!(refused.status(), status);
    }
}
