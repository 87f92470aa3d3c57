//! Signing up, in and out, and passwords, over REST and GraphQL: shapes, refusals, mails, and bursts.

use std::collections::HashSet;

use chrono::Duration;
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    app::{Caller, NOW, TestApp},
    mail::{Mailbox, secret, with_mail},
};

const PASSWORD: &str = "correct horse battery";

pub async fn send(caller: &Caller<'_>, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let request = caller.request(method, path);
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

/// Status, code and message of a refusal.
pub fn refusal(answer: &(StatusCode, Value)) -> (u16, &str, &str) {
    let (status, body) = answer;
    assert_eq!(body["success"], false, "{body}");
    assert!(body.get("data").is_none(), "{body}");
    let text = |key: &str| body["error"][key].as_str().unwrap_or_else(|| panic!("{body}"));
    (status.as_u16(), text("code"), text("message"))
}

pub fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap_or_else(|| panic!("{value}")).keys().map(String::as_str).collect()
}

async fn post(app: &TestApp, path: &str, body: Value) -> (StatusCode, Value) {
    send(&app.anon(), Method::POST, path, Some(body)).await
}

async fn sign_in(app: &TestApp, email: &str, password: &str) -> (StatusCode, Value) {
    post(app, "/api/auth/sign-in", json!({ "email": email, "password": password })).await
}

fn text<'a>(body: &'a Value, key: &str) -> &'a str {
    body["data"][key].as_str().unwrap_or_else(|| panic!("{body}"))
}

/// Actions in a team's audit log, oldest first, and the names of their actors.
pub async fn log(app: &TestApp, token: &str, team: &str) -> Vec<(String, String)> {
    let query = "query($id: ID!) { team(id: $id) { auditLog(first: 100) { nodes { action actor } } } }";
    let answer = app.token(token).gql(query, json!({ "id": team })).await;
    let nodes = answer["data"]["team"]["auditLog"]["nodes"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    nodes.iter().rev().map(|node| (text(&node["action"]), text(&node["actor"]))).collect()
}

#[tokio::test]
async fn a_person_signs_up_in_again_and_out() {
    let app = TestApp::new().await;
    let body = json!({ "email": "Ada@Shop.Example", "password": PASSWORD, "full_name": "Ada Lovelace" });
    let (status, made) = post(&app, "/api/auth/sign-up", body.clone()).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(keys(&made["data"]), ["access_token", "refresh_token", "expires_at", "user"]);
    let user = &made["data"]["user"];
    assert_eq!(
        *user,
        json!({ "id": user["id"], "email": "ada@shop.example", "full_name": "Ada Lovelace", "name": "Ada",
                "avatar_url": null, "auth_provider": "password", "created_at": NOW })
    );
    let again = post(&app, "/api/auth/sign-up", body).await;
    assert_eq!((refusal(&again).0, refusal(&again).1), (409, "CONFLICT"));
    let (status, session) = sign_in(&app, "ada@shop.example", PASSWORD).await;
    assert_eq!((status.as_u16(), keys(&session["data"])), (200, keys(&made["data"])), "{session}");
    assert_eq!(session["data"]["user"], *user);
    let body = json!({ "refresh_token": text(&session, "refresh_token") });
    let (status, fresh) = post(&app, "/api/auth/refresh", body.clone()).await;
    assert_eq!((status.as_u16(), keys(&fresh["data"])), (200, vec!["access_token", "refresh_token", "expires_at"]));
    let token = text(&fresh, "access_token");
    let out = send(&app.token(token), Method::POST, "/api/auth/sign-out", None).await;
    assert_eq!((out.0.as_u16(), &out.1["data"]), (200, &json!({ "signed_out_at": NOW })));
    let gone = app.token(token).get("/api/users/me").await;
    assert_eq!((refusal(&gone).0, refusal(&gone).1), (401, "UNAUTHORIZED"));
    app.pass(Duration::seconds(10));
    let used = post(&app, "/api/auth/refresh", body).await;
    assert_eq!((refusal(&used).0, refusal(&used).1), (401, "UNAUTHORIZED"));
    let nobody = send(&app.anon(), Method::POST, "/api/auth/sign-out", None).await;
    assert_eq!(refusal(&nobody).0, 401);
    // The session of the sign-up lives on, and its team's log has it all.
    let team = app.token(text(&made, "access_token")).gql("{ viewer { defaultTeam { databaseId } } }", json!({})).await;
    let team = team["data"]["viewer"]["defaultTeam"]["databaseId"].as_str().unwrap().to_owned();
    let lines = log(&app, text(&made, "access_token"), &team).await;
    for action in ["SIGN_UP", "SIGN_IN", "SIGN_OUT"] {
        assert!(lines.contains(&(action.to_owned(), "ada@shop.example".to_owned())), "{action}: {lines:?}");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_by_name_and_never_repeated() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let hidden = "hunter2!";
    for (path, body, status, field) in [
        ("sign-up", json!({ "email": "ada", "password": PASSWORD }), 400, "email"),
        (
            "sign-up",
            json!({ "email": "ada@shop.example", "password": "short" }),
            400,
            "password: must have 8 to 200 characters",
        ),
        ("sign-up", json!({ "email": "ada@shop.example" }), 400, "password: is required"),
        ("sign-up", json!({ "email": "ada@shop.example", "password": PASSWORD, "rank": 1 }), 400, "rank: is unknown"),
        ("sign-in", json!({ "email": "owner@shop.example", "password": [hidden] }), 400, "password: must be a string"),
        ("sign-in", json!({ "email": "owner@shop.example", "password": hidden }), 401, "password is incorrect"),
        ("refresh", json!({ "refresh_token": hidden }), 401, "refresh token"),
        ("password/reset", json!({ "secret": hidden, "new_password": PASSWORD }), 400, "secret: is unknown"),
        ("password/forgot", json!({ "email": "nobody" }), 400, "email"),
    ] {
        let answer = post(&app, &format!("/api/auth/{path}"), body.clone()).await;
        let (found, _, message) = refusal(&answer);
        assert_eq!(found, status, "{path} {body}: {message}");
        assert!(message.contains(field) && !message.contains(hidden), "{path} {body}: {message}");
    }
    let wrong = sign_in(&app, "owner@shop.example", "wrong horse battery").await;
    let unknown = sign_in(&app, "nobody@shop.example", "wrong horse battery").await;
    assert_eq!(wrong, unknown, "nobody learns who has an account");
    // A failed sign-in of a known account is noted behind the answer.
    let mut tries = 0;
    while !log(&app, &owner.token, &owner.team).await.contains(&("SIGN_IN_FAILED".into(), "anonymous".into())) {
        tries += 1;
        assert!(tries < 500, "a failed sign-in is not in the log");
    }
}

#[tokio::test]
async fn changing_the_password_ends_all_other_sessions() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let (_, other) = sign_in(&app, "owner@shop.example", PASSWORD).await;
    let change = async |token: &str, current: &str, new: &str| {
        let body = json!({ "current_password": current, "new_password": new });
        send(&app.token(token), Method::PUT, "/api/auth/password", Some(body)).await
    };
    for (current, new, says) in [
        ("wrong horse battery", "another horse battery", "current_password: must be"),
        (PASSWORD, "short", "new_password: must have 8"),
        (PASSWORD, PASSWORD, "new_password: must differ"),
    ] {
        let answer = change(&owner.token, current, new).await;
        let (status, code, message) = refusal(&answer);
        assert_eq!((status, code), (400, "VALIDATION_ERROR"));
        assert!(message.starts_with(says), "{message}");
    }
    let (status, changed) = change(&owner.token, PASSWORD, "another horse battery").await;
    assert_eq!((status.as_u16(), &changed["data"]), (200, &json!({ "changed_at": NOW })));
    assert_eq!(app.token(&owner.token).get("/api/users/me").await.0, 200, "the session that changed it goes on");
    assert_eq!(app.token(text(&other, "access_token")).get("/api/users/me").await.0, 401);
    let refreshed = post(&app, "/api/auth/refresh", json!({ "refresh_token": text(&other, "refresh_token") })).await;
    assert_eq!(refreshed.0, 401);
    assert_eq!(sign_in(&app, "owner@shop.example", PASSWORD).await.0, 401);
    assert_eq!(sign_in(&app, "owner@shop.example", "another horse battery").await.0, 200);
    let lines = log(&app, &owner.token, &owner.team).await;
    assert!(lines.contains(&("PASSWORD_CHANGE".into(), "owner@shop.example".into())), "{lines:?}");
    let nobody = send(&app.anon(), Method::PUT, "/api/auth/password", Some(json!({}))).await;
    assert_eq!(refusal(&nobody).0, 401, "access is asked before the body is read");
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_with_a_mailed_secret_that_works_once() {
    let (app, mut mails) = with_mail(None).await;
    let owner = app.sign_up("owner@shop.example").await;
    let forgot = async |email: &str| post(&app, "/api/auth/password/forgot", json!({ "email": email })).await;
    let reset = async |secret: &str, password: &str| {
        post(&app, "/api/auth/password/reset", json!({ "secret": secret, "new_password": password })).await
    };
    let confirmation = mails.recv().await.unwrap();
    assert!(confirmation.data.contains("/account/confirm-email?token="), "{}", confirmation.data);
    let unknown = forgot("nobody@shop.example").await;
    let known = forgot("Owner@shop.example").await;
    assert_eq!((known.0.as_u16(), &known), (200, &unknown), "the same answer for everybody");
    assert_eq!(keys(&known.1["data"]), ["message"]);
    let mail = mails.recv().await.unwrap();
    assert_eq!(mail.to, "TO:<owner@shop.example>", "no mail is for an unknown address");
    assert!(mail.login.as_ref().is_some_and(|login| login.starts_with("PLAIN ")));
    for header in ["From: Footfall <footfall@shop.example>\n", "To: owner@shop.example\n", "Subject: ", "Date: Wed, "] {
        assert!(mail.data.contains(header), "{header} in {}", mail.data);
    }
    let first = secret(&mail);
    let answer = reset(&first, "short").await;
    assert!(
        refusal(&answer).2.starts_with("new_password: must have 8"),
        "a password that does not fit uses nothing up"
    );
    let (status, done) = reset(&first, "another horse battery").await;
    assert_eq!((status.as_u16(), &done["data"]), (200, &json!({ "reset_at": NOW })));
    let answer = reset(&first, "a third horse battery").await;
    assert_eq!((refusal(&answer).0, refusal(&answer).1), (400, "VALIDATION_ERROR"), "a secret works once");
    assert_eq!(app.token(&owner.token).get("/api/users/me").await.0, 401, "all sessions ended");
    assert_eq!(sign_in(&app, "owner@shop.example", PASSWORD).await.0, 401);
    let (_, session) = sign_in(&app, "owner@shop.example", "another horse battery").await;
    let lines = log(&app, text(&session, "access_token"), &owner.team).await;
    assert!(lines.contains(&("PASSWORD_RESET".into(), "anonymous".into())), "{lines:?}");

    // Two mails more within the hour, then none; each makes the one before void.
    forgot("owner@shop.example").await;
    let second = secret(&mails.recv().await.unwrap());
    forgot("owner@shop.example").await;
    let third = secret(&mails.recv().await.unwrap());
    assert_eq!(HashSet::from([&first, &second, &third]).len(), 3);
    let answer = reset(&second, "a third horse battery").await;
    assert!(refusal(&answer).2.contains("replaced by a newer one"), "{answer:?}");
    assert_eq!(forgot("owner@shop.example").await, known, "nobody hears that no mail was sent");
    app.pass(Duration::minutes(59));
    let body = json!({ "email": "second@shop.example", "password": PASSWORD });
    assert_eq!(post(&app, "/api/auth/sign-up", body).await.0, 201);
    assert_eq!(mails.recv().await.unwrap().to, "TO:<second@shop.example>", "the fourth mail was never sent");
    forgot("second@shop.example").await;
    assert_eq!(mails.recv().await.unwrap().to, "TO:<second@shop.example>");
    app.pass(Duration::minutes(1));
    assert_eq!(refusal(&reset(&third, "a third horse battery").await).0, 400, "an hour is over");
    forgot("owner@shop.example").await;
    let mail = mails.recv().await.unwrap();
    let (status, _) = reset(&secret(&mail), "a third horse battery").await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_mail_names_the_configured_page_and_a_new_address_makes_old_mails_void() {
    let (app, mut mails) = with_mail(Some("https://dashboard.example/reset#{secret}")).await;
    let owner = app.sign_up("owner@shop.example").await;
    // The confirmation of the address.
    mails.recv().await.unwrap();
    let graphql = "mutation { passwordForgot(input: { email: \"owner@shop.example\" }) { message } }";
    let answer = app.anon().gql(graphql, json!({})).await;
    assert!(answer["data"]["passwordForgot"]["message"].is_string(), "{answer}");
    let mail = mails.recv().await.unwrap();
    let forgotten = secret(&mail);
    assert!(mail.data.contains(&format!("https://dashboard.example/reset#{forgotten}\n")), "{}", mail.data);
    let body = json!({ "email": "new@shop.example" });
    let (status, _) = send(&app.token(&owner.token), Method::PUT, "/api/users/me/email", Some(body)).await;
    assert_eq!(status, 200);
    let token = secret(&Mailbox::new(mails).read("new@shop.example", "confirm-email").await);
    let confirm = "mutation($token: String!) { emailConfirm(input: { token: $token }) { email } }";
    let answer = app.anon().gql(confirm, json!({ "token": token })).await;
    assert_eq!(answer["data"]["emailConfirm"]["email"], "new@shop.example", "{answer}");
    let body = json!({ "secret": forgotten, "new_password": "another horse battery" });
    assert_eq!(refusal(&post(&app, "/api/auth/password/reset", body).await).0, 400);
}

#[tokio::test]
async fn without_a_mail_server_the_answer_is_the_same() {
    let app = TestApp::new().await;
    app.sign_up("owner@shop.example").await;
    let known = post(&app, "/api/auth/password/forgot", json!({ "email": "owner@shop.example" })).await;
    let unknown = post(&app, "/api/auth/password/forgot", json!({ "email": "nobody@shop.example" })).await;
    assert_eq!((known.0.as_u16(), &known), (200, &unknown));
}

#[tokio::test]
async fn a_burst_of_sign_ins_is_refused_with_the_time_to_wait() {
    let app = TestApp::new().await;
    app.sign_up("owner@shop.example").await;
    for email in ["owner@shop.example", "nobody@shop.example"] {
        let burst = join_all((0..40).map(|_| {
            let body = json!({ "email": email, "password": "wrong horse battery" });
            app.anon().request(Method::POST, "/api/auth/sign-in").json(&body).send()
        }))
        .await;
        let mut statuses = Vec::new();
        for response in burst {
            let response = response.unwrap();
            let status = response.status().as_u16();
            if status == 429 {
                let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
                assert!((1..=301).contains(&wait), "{wait}");
                let body: Value = response.json().await.unwrap();
                assert_eq!(body["error"]["code"], "RATE_LIMIT_EXCEEDED", "{body}");
            }
            statuses.push(status);
        }
        let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
        assert_eq!((count(401), count(429)), (10, 30), "{email}: {statuses:?}");
    }
    // The right password does not help now, and GraphQL is no way around.
    assert_eq!(sign_in(&app, "owner@shop.example", PASSWORD).await.0, 429);
    let graphql = "mutation { signIn(input: { email: \"owner@shop.example\", password: \"correct horse battery\" }) { accessToken } }";
    let answer = app.anon().gql(graphql, json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "RATE_LIMIT_EXCEEDED", "{answer}");
    assert!(answer["errors"][0]["extensions"]["retryAfter"].is_u64(), "{answer}");
    app.pass(Duration::minutes(5));
    assert_eq!(sign_in(&app, "owner@shop.example", PASSWORD).await.0, 200);
}

#[tokio::test]
async fn a_success_clears_the_count_and_many_accounts_from_one_address_are_counted_together() {
    let app = TestApp::new().await;
    app.sign_up("owner@shop.example").await;
    for _ in 0..2 {
        for _ in 0..9 {
            assert_eq!(sign_in(&app, "owner@shop.example", "wrong horse battery").await.0, 401);
        }
        assert_eq!(sign_in(&app, "owner@shop.example", PASSWORD).await.0, 200);
    }
    for number in 0..12 {
        assert_eq!(sign_in(&app, &format!("n{number}@shop.example"), "wrong horse battery").await.0, 401, "{number}");
    }
    assert_eq!(
        sign_in(&app, "another@shop.example", "wrong horse battery").await.0,
        429,
        "30 failures of this address"
    );
}

#[tokio::test]
async fn a_forwarding_header_counts_only_from_a_trusted_proxy() {
    for (proxies, status) in [(None, 429), (Some(vec!["127.0.0.1".to_owned()]), 401)] {
        let app = TestApp::with(|flags| flags.trusted_proxies = proxies).await;
        app.sign_up("owner@shop.example").await;
        let mut last = 0;
        for number in 0..11 {
            let body = json!({ "email": "owner@shop.example", "password": "wrong horse battery" });
            let request = app.anon().request(Method::POST, "/api/auth/sign-in").json(&body);
            let request = request.header("x-forwarded-for", format!("203.0.113.{number}"));
            last = request.send().await.unwrap().status().as_u16();
        }
        assert_eq!(last, status);
    }
}
