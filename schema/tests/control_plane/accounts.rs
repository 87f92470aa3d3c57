//! Signing up, in and out; refresh tokens; the operator's commands.

use std::sync::atomic::Ordering;

use chrono::Duration;
use footfall_schema::{
    password,
    ports::{Limits, SignUp},
    user,
};
use serde_json::{Value, json};

use crate::app::App;

const SIGN_UP: &str = "mutation($email: EmailAddress!, $password: String!) {
    signUp(input: { email: $email, password: $password }) { accessToken refreshToken expiresAt user { email defaultTeam { name role } websites { totalCount } } }
}";
const SIGN_IN: &str = "mutation($email: EmailAddress!, $password: String!) {
    signIn(input: { email: $email, password: $password }) { accessToken refreshToken expiresAt user { email } }
}";
const REFRESH: &str = "mutation($token: String!) { tokenRefresh(input: { refreshToken: $token }) { accessToken refreshToken expiresAt } }";

fn who(email: &str) -> Value {
    json!({ "email": email, "password": "correct horse" })
}

#[tokio::test]
async fn a_new_account_owns_a_team_and_is_signed_in() {
    let app = App::new().await;
    let data = app.anonymous().ok(SIGN_UP, who("Ada@Shop.Example")).await;
    assert_eq!(data["signUp"]["user"]["email"], json!("ada@shop.example"));
    assert_eq!(data["signUp"]["user"]["defaultTeam"], json!({ "name": "ada's team", "role": "OWNER" }));
    assert_eq!(data["signUp"]["expiresAt"], json!("2026-03-04T05:21:07.000Z"));
    let client = app.token(data["signUp"]["accessToken"].as_str().unwrap());
    let data = client
        .ok("{ viewer { email fullName authProvider planLimits { plan maxWebsites requestsPerMonth } } }", json!({}))
        .await;
    assert_eq!(
        data["viewer"],
        json!({ "email": "ada@shop.example", "fullName": null, "authProvider": "PASSWORD",
                "planLimits": { "plan": "ENTERPRISE", "maxWebsites": null, "requestsPerMonth": 1_000_000 } })
    );
    assert_eq!(app.anonymous().code(SIGN_UP, who("ADA@shop.example")).await, "CONFLICT");
    assert_eq!(app.anonymous().code("{ viewer { email } }", json!({})).await, "UNAUTHORIZED");
}

#[tokio::test]
async fn passwords_of_the_wrong_length_are_refused_by_name() {
    let app = App::new().await;
    for password in ["short", &"x".repeat(201)] {
        let vars = json!({ "email": "ada@shop.example", "password": password });
        assert_eq!(app.anonymous().refusal(SIGN_UP, vars).await.1, "password");
    }
}

#[tokio::test]
async fn closed_means_all_but_the_first_who_becomes_the_operator() {
    for mode in [SignUp::Closed, SignUp::Invite] {
        let app = App::with(mode, Limits::Off).await;
        app.anonymous().ok(SIGN_UP, who("first@shop.example")).await;
        let (code, _, message) = app.anonymous().refusal(SIGN_UP, who("second@shop.example")).await;
        assert_eq!(code, "FORBIDDEN");
        assert!(message.contains("operator"), "{message}");
        assert_eq!(user::count(&app.ports, &app.operator()).await.unwrap(), 1);
        let row = entity_user(&app, "first@shop.example").await;
        assert!(row.is_operator);
    }
}

async fn entity_user(app: &App, email: &str) -> entity::user::Model {
    use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
    let found = entity::user::Entity::find().filter(entity::user::Column::Email.eq(email));
    found.one(app.ports.database.reader(&app.operator())).await.unwrap().unwrap()
}

#[tokio::test]
async fn of_many_first_accounts_at_once_one_becomes_the_operator() {
    let app = App::with(SignUp::Closed, Limits::Off).await;
    let emails: Vec<String> = (0..8).map(|number| format!("u{number}@shop.example")).collect();
    let client = app.anonymous();
    let answers = futures_util::future::join_all(emails.iter().map(|email| client.gql(SIGN_UP, who(email)))).await;
    let made = answers.iter().filter(|answer| answer.get("errors").is_none()).count();
    assert_eq!((made, user::count(&app.ports, &app.operator()).await.unwrap()), (1, 1));
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_look_alike() {
    let app = App::new().await;
    app.user("ada").await;
    let client = app.anonymous();
    client.ok(SIGN_IN, who("ADA@shop.example")).await;
    let before = app.passwords.0.load(Ordering::SeqCst);
    let wrong = client.refusal(SIGN_IN, json!({ "email": "ada@shop.example", "password": "wrong horse" })).await;
    let unknown = client.refusal(SIGN_IN, who("nobody@shop.example")).await;
    assert_eq!(wrong, unknown);
    assert_eq!(wrong.0, "UNAUTHORIZED");
    assert_eq!(app.passwords.0.load(Ordering::SeqCst) - before, 2, "both cost one comparison");
}

#[tokio::test]
async fn refresh_tokens_rotate_and_an_old_one_ends_the_session() {
    let app = App::new().await;
    let client = app.anonymous();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let data = client.ok(SIGN_UP, who("ada@shop.example")).await;
    let first = text(&data["signUp"]["refreshToken"]);
    app.clock.advance(Duration::minutes(10));
    let data = client.ok(REFRESH, json!({ "token": first })).await;
    let (second, access) = (text(&data["tokenRefresh"]["refreshToken"]), text(&data["tokenRefresh"]["accessToken"]));
    assert_ne!(first, second);
    assert_eq!(data["tokenRefresh"]["expiresAt"], json!("2026-03-04T05:31:07.000Z"));
    let data = client.ok(REFRESH, json!({ "token": second })).await;
    let third = text(&data["tokenRefresh"]["refreshToken"]);
    app.token(&access).ids().await;
    // The first of three: long gone, and still proof that there is a copy.
    assert_eq!(client.code(REFRESH, json!({ "token": first })).await, "UNAUTHORIZED");
    assert_eq!(client.code(REFRESH, json!({ "token": third })).await, "UNAUTHORIZED");
    assert_eq!(app.token(&access).code("{ viewer { email } }", json!({})).await, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_forged_refresh_token_ends_nothing() {
    let app = App::new().await;
    let client = app.anonymous();
    let data = client.ok(SIGN_UP, who("ada@shop.example")).await;
    let token = data["signUp"]["refreshToken"].as_str().unwrap().to_owned();
    // Knows the session, as anybody does who has seen an access token, and guesses the rest.
    let forged = format!("{}{}", &token[..35], "B".repeat(64));
    for token in [forged.as_str(), "", "fr_", "zv_x", &"é".repeat(60)] {
        assert_eq!(client.code(REFRESH, json!({ "token": token })).await, "UNAUTHORIZED", "{token}");
    }
    client.ok(REFRESH, json!({ "token": token })).await;
}

#[tokio::test]
async fn parallel_refreshes_of_one_token_get_one_successor_and_a_later_one_ends_the_session() {
    let mut app = App::new().await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let data = app.anonymous().ok(SIGN_UP, who("ada@shop.example")).await;
    let vars = json!({ "token": data["signUp"]["refreshToken"] });
    let client = app.anonymous();
    let answers = futures_util::future::join_all((0..3).map(|_| client.ok(REFRESH, vars.clone()))).await;
    let successors: Vec<String> = answers.iter().map(|answer| text(&answer["tokenRefresh"]["refreshToken"])).collect();
    assert!(successors.iter().all(|successor| *successor == successors[0]), "{successors:?}");
    assert_ne!(successors[0], text(&vars["token"]));
    for answer in &answers {
        app.token(answer["tokenRefresh"]["accessToken"].as_str().unwrap()).ids().await;
    }
    // The same after a restart, as long as ten seconds have not passed; no token is kept as it is.
    app.reopen(|_| {}).await;
    app.clock.advance(Duration::milliseconds(9_999));
    let data = app.anonymous().ok(REFRESH, vars.clone()).await;
    assert_eq!(text(&data["tokenRefresh"]["refreshToken"]), successors[0]);
    use sea_orm::EntityTrait as _;
    let row = entity::session::Entity::find().one(app.ports.database.reader(&app.operator())).await.unwrap().unwrap();
    let kept = format!("{row:?}");
    assert!(!kept.contains(&successors[0]) && !kept.contains(&successors[0][60..]), "{kept}");
    app.clock.advance(Duration::milliseconds(1));
    assert_eq!(app.anonymous().code(REFRESH, vars).await, "UNAUTHORIZED");
    assert_eq!(app.anonymous().code(REFRESH, json!({ "token": successors[0] })).await, "UNAUTHORIZED");
    let access = text(&data["tokenRefresh"]["accessToken"]);
    assert_eq!(app.token(&access).code("{ viewer { email } }", json!({})).await, "UNAUTHORIZED");
}

#[tokio::test]
async fn refresh_tokens_survive_a_restart_and_end_after_sixty_days() {
    let mut app = App::new().await;
    let data = app.anonymous().ok(SIGN_UP, who("ada@shop.example")).await;
    let token = data["signUp"]["refreshToken"].clone();
    app.reopen(|_| {}).await;
    let data = app.anonymous().ok(REFRESH, json!({ "token": token })).await;
    app.clock.advance(Duration::days(60));
    let vars = json!({ "token": data["tokenRefresh"]["refreshToken"] });
    assert_eq!(app.anonymous().code(REFRESH, vars).await, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_sign_out_ends_its_session_at_once_and_no_other() {
    let app = App::new().await;
    let first = app.user("ada").await;
    let data = app.anonymous().ok(SIGN_IN, who("ada@shop.example")).await;
    let second = app.token(data["signIn"]["accessToken"].as_str().unwrap());
    let data2 = second.ok("mutation { signOut { signedOutAt } }", json!({})).await;
    assert_eq!(data2["signOut"]["signedOutAt"], json!("2026-03-04T05:06:07.000Z"));
    assert_eq!(second.code("{ viewer { email } }", json!({})).await, "UNAUTHORIZED");
    assert_eq!(app.anonymous().code(REFRESH, json!({ "token": data["signIn"]["refreshToken"] })).await, "UNAUTHORIZED");
    first.ids().await;
    assert_eq!(app.anonymous().code("mutation { signOut { signedOutAt } }", json!({})).await, "UNAUTHORIZED");
}

#[tokio::test]
async fn the_operator_makes_accounts_where_signing_up_is_closed_and_resets_passwords() {
    let app = App::with(SignUp::Closed, Limits::Off).await;
    let operator = app.operator();
    for email in ["ada@shop.example", "ben@shop.example"] {
        user::creation::create(&app.ports, &operator, email, "correct horse".to_owned(), None).await.unwrap();
    }
    let error = user::creation::create(&app.ports, &operator, "ADA@shop.example", "correct horse".to_owned(), None)
        .await
        .unwrap_err();
    assert_eq!(error.status(), 409);
    let error =
        user::creation::create(&app.ports, &operator, "ada", "correct horse".to_owned(), None).await.unwrap_err();
    assert_eq!(error.field(), Some("email"));
    let data = app.anonymous().ok(SIGN_IN, who("ada@shop.example")).await;
    let client = app.token(data["signIn"]["accessToken"].as_str().unwrap());
    password::set_by_operator(&app.ports, &operator, "Ada@shop.example", "another horse".to_owned()).await.unwrap();
    assert_eq!(client.code("{ viewer { email } }", json!({})).await, "UNAUTHORIZED", "old sessions are out");
    assert_eq!(app.anonymous().code(SIGN_IN, who("ada@shop.example")).await, "UNAUTHORIZED");
    app.anonymous().ok(SIGN_IN, json!({ "email": "ada@shop.example", "password": "another horse" })).await;
    let team = operator.default_team(&app.ports, "ada@shop.example").await.unwrap();
    let new = footfall_schema::website::NewWebsite {
        domain: "Shop.Example".into(),
        name: "Shop".into(),
        timezone: None,
        currency: None,
    };
    let site = footfall_schema::website::create(&app.ports, &team, new).await.unwrap();
    for name in ["shop.example", &site.id().to_string()] {
        assert_eq!(operator.site(&app.ports, name).await.unwrap().id(), site.id());
    }
    assert_eq!(operator.site(&app.ports, "other.example").await.unwrap_err().status(), 404);
    let (_, secret) =
        footfall_schema::api_key::create(&app.ports, &team, "Nightly", Some(&site.lower()), Default::default())
            .await
            .unwrap();
    let data = app.key(&secret).ok("{ apiUsage { websiteDatabaseId } }", json!({})).await;
    assert_eq!(data["apiUsage"]["websiteDatabaseId"], json!(site.id().to_string()));
}
