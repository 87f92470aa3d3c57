//! Who is told what: 401 without a credential, 404 for the unknown, 403 for a stranger, 400 for a malformed id, everywhere.

use footfall::rest::Auth;
use serde_json::{Value, json};

use crate::app::TestApp;

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

fn envelope(body: &Value, code: &str) {
    assert_eq!(body["success"], false, "{body}");
    assert_eq!(body["error"]["code"], code, "{body}");
    assert!(body["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    assert!(body["error"]["timestamp"].as_str().is_some_and(|text| text.ends_with('Z')), "{body}");
}

#[tokio::test]
async fn every_rest_route_refuses_in_the_envelope() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let second = app.website(&owner, "second.example", "UTC").await;
    let key = app.api_key(&owner, None).await;
    let key_of_second = app.api_key(&owner, Some(&second)).await;
    let stranger = app.sign_up("stranger@else.example").await;
    let strange_key = app.api_key(&stranger, None).await;
    let rest = footfall::rest_api().unwrap();
    for row in rest.table().into_iter().filter(|row| row.auth == Auth::Key) {
        let path = |id: &str| row.path.replace(":websiteId", id).replace(":id", id);
        let (status, body) = app.anon().get(&path(&site)).await;
        assert_eq!(status, 401, "{body}");
        envelope(&body, "UNAUTHORIZED");
        let (status, body) = app.key("zv_wrongwrongwrongwrongwrongwrongwrongwrong").get(&path(&site)).await;
        assert_eq!(status, 401);
        envelope(&body, "UNAUTHORIZED");
        // A malformed parameter beside them changes nothing about who is told what.
        if row.path.contains(':') {
            for query in ["", "?range=nonsense"] {
                for caller in [&strange_key, &key_of_second] {
                    let (status, body) = app.key(caller).get(&format!("{}{query}", path(&site))).await;
                    assert_eq!(status, 403, "{} {query}: {body}", row.path);
                    envelope(&body, "FORBIDDEN");
                }
            }
            let (status, body) = app.key(&key).get(&path(UNKNOWN)).await;
            assert_eq!(status, 404);
            envelope(&body, "NOT_FOUND");
            let (status, body) = app.key(&key).get(&path("not-an-id")).await;
            assert_eq!(status, 400);
            envelope(&body, "VALIDATION_ERROR");
        }
    }
    let (_, list) = app.key(&key_of_second).get("/api/external/v1/websites").await;
    assert_eq!(list["data"]["total"], 1);
    assert_eq!(list["data"]["websites"][0]["id"], second);
}

#[tokio::test]
async fn every_root_field_refuses_the_wrong_caller() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let key = app.api_key(&owner, None).await;
    let stranger = app.sign_up("stranger@else.example").await;
    let analytics = "analytics(range: { preset: LAST_7_DAYS }) { totals { visitors } }";
    let mutation = "websiteUpdateGeneral(websiteId: \"ID\", input: { name: \"Taken over\" }) { website { name } }";
    let create = "apiKeyCreate(input: { name: \"Mine\", websiteId: \"ID\" }) { secret }";
    let team = format!("team(id: \"{}\") {{ name websites {{ nodes {{ domain }} }} }}", owner.team);
    let cases = [
        (format!("{{ website(id: \"{site}\") {{ name {analytics} }} }}"), "FORBIDDEN"),
        (format!("mutation {{ {} }}", mutation.replace("ID", &site)), "FORBIDDEN"),
        (format!("mutation {{ {} }}", create.replace("ID", &site)), "FORBIDDEN"),
        (format!("{{ {team} }}"), "FORBIDDEN"),
        (format!("{{ website(id: \"{UNKNOWN}\") {{ name }} }}"), "NOT_FOUND"),
        (format!("{{ team(id: \"{UNKNOWN}\") {{ name }} }}"), "NOT_FOUND"),
        ("{ website(id: \"nonsense\") { name } }".to_owned(), "VALIDATION_ERROR"),
        ("{ node(id: \"nonsense\") { id } }".to_owned(), "VALIDATION_ERROR"),
    ];
    for (query, code) in &cases {
        let answer = app.token(&stranger.token).gql(query, json!({})).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], *code, "{query}: {answer}");
        assert!(answer["errors"][0]["extensions"]["requestId"].is_string(), "{answer}");
        let answer = app.anon().gql(query, json!({})).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHORIZED", "{query}: {answer}");
    }
    // A key reads and changes nothing.
    for query in [mutation.replace("ID", &site), create.replace("ID", &site)] {
        let answer = app.key(&key).gql(&format!("mutation {{ {query} }}"), json!({})).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{answer}");
    }
    let answer = app.token(&owner.token).gql(&format!("{{ website(id: \"{site}\") {{ name }} }}"), json!({})).await;
    assert_eq!(answer["data"]["website"]["name"], "shop.example", "nothing was changed");
}

#[tokio::test]
async fn tokens_end_with_their_session_and_keys_when_they_are_revoked() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let viewer = "{ viewer { email } }";
    let refresh =
        "mutation($t: String!) { tokenRefresh(input: { refreshToken: $t }) { accessToken refreshToken expiresAt } }";
    let answer = app.anon().gql(refresh, json!({ "t": owner.refresh_token })).await;
    let fresh = answer["data"]["tokenRefresh"]["accessToken"].as_str().unwrap().to_owned();
    let answer = app.token(&fresh).gql(viewer, json!({})).await;
    assert_eq!(answer["data"]["viewer"]["email"], "owner@shop.example");
    // The old refresh token shows up again when no parallel request can have sent it: it may be stolen, so the session ends.
    app.pass(chrono::Duration::seconds(10));
    let answer = app.anon().gql(refresh, json!({ "t": owner.refresh_token })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHORIZED", "{answer}");
    let answer = app.token(&fresh).gql(viewer, json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHORIZED", "{answer}");

    let sign_in =
        "mutation($p: String!) { signIn(input: { email: \"owner@shop.example\", password: $p }) { accessToken } }";
    let answer = app.anon().gql(sign_in, json!({ "p": "wrong horse battery" })).await;
    let wrong = answer["errors"][0]["message"].clone();
    let unknown = "mutation { signIn(input: { email: \"nobody@shop.example\", password: \"wrong horse battery\" }) { accessToken } }";
    assert_eq!(app.anon().gql(unknown, json!({})).await["errors"][0]["message"], wrong);
    let answer = app.anon().gql(sign_in, json!({ "p": "correct horse battery" })).await;
    let token = answer["data"]["signIn"]["accessToken"].as_str().unwrap().to_owned();
    let made = app
        .token(&token)
        .gql("mutation { apiKeyCreate(input: { name: \"K\" }) { secret apiKey { id } } }", json!({}))
        .await;
    let made = &made["data"]["apiKeyCreate"];
    let key = made["secret"].as_str().unwrap();
    assert!(key.starts_with("zv_"));
    assert_eq!(app.key(key).get("/api/external/v1/websites").await.0, 200);
    let revoke =
        format!("mutation {{ apiKeyRevoke(input: {{ apiKeyId: {} }}) {{ apiKey {{ id }} }} }}", made["apiKey"]["id"]);
    let answer = app.token(&token).gql(&revoke, json!({})).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    assert_eq!(app.key(key).get("/api/external/v1/websites").await.0, 401);
    let answer = app.token(&token).gql("mutation { signOut { __typename } }", json!({})).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    assert_eq!(app.token(&token).gql(viewer, json!({})).await["errors"][0]["extensions"]["code"], "UNAUTHORIZED");
}

#[tokio::test]
async fn signing_up_is_closed_once_an_account_exists_unless_it_is_opened() {
    let app = TestApp::with(|flags| flags.signup = None).await;
    app.sign_up("operator@shop.example").await;
    let answer = app
        .anon()
        .gql(
            "mutation { signUp(input: { email: \"second@shop.example\", password: \"correct horse battery\" }) { accessToken } }",
            json!({}),
        )
        .await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{answer}");
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("footfall user create"));
}

#[tokio::test]
async fn tokens_are_signed_with_the_published_keys() {
    let app = TestApp::new().await;
    let (status, keys) = app.anon().get("/.well-known/jwks.json").await;
    assert_eq!(status, 200);
    let key = &keys["keys"][0];
    assert_eq!((&key["kty"], &key["crv"]), (&json!("OKP"), &json!("Ed25519")));
    assert!(key["kid"].is_string() && key.get("d").is_none(), "{keys}");
}

#[tokio::test]
async fn an_old_token_keeps_nobody_from_signing_in() {
    let app = TestApp::new().await;
    app.sign_up("owner@shop.example").await;
    let stale = app.token("eyJhbGciOiJFZERTQSJ9.e30.AAAA");
    let sign_in = "mutation { signIn(input: { email: \"owner@shop.example\", password: \"correct horse battery\" }) { accessToken } }";
    let answer = stale.gql(sign_in, json!({})).await;
    assert!(answer["data"]["signIn"]["accessToken"].is_string(), "{answer}");
    let answer = stale.gql("{ plans { name } viewer { email } }", json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHORIZED", "{answer}");
    assert_eq!(answer["data"]["viewer"], Value::Null);
    assert!(
        answer["data"]["plans"].as_array().is_some_and(|plans| !plans.is_empty()),
        "one failure empties nothing else: {answer}"
    );
}
