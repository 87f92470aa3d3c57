//! Proven e-mail addresses: confirmed by a mailed link, undone by another, and what an unproven one cannot do.

use chrono::Duration;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    auth::{keys, log, refusal, send},
    command_line::{Server, footfall, run},
    mail::{Mailbox, link, secret, submit, with_mail},
    members::{code, data},
};

const ME: &str = "/api/users/me";
const EMAIL: &str = "/api/users/me/email";
const PASSWORD: &str = "correct horse battery";

const CONFIRM: &str = "/account/confirm-email";
const UNDO: &str = "/account/undo-email";

async fn installation() -> (TestApp, Mailbox) {
    let (app, mails) = with_mail(None).await;
    (app, Mailbox::new(mails))
}

async fn text(answer: reqwest::Response) -> (StatusCode, String) {
    (answer.status(), answer.text().await.unwrap())
}

/// Opens the page of a mailed link and presses its button.
async fn press(app: &TestApp, link: &str) -> (StatusCode, String) {
    let (status, page) = text(app.anon().request(Method::GET, link).send().await.unwrap()).await;
    assert!(status == 200 && page.contains("<form method=\"post\""), "{page}");
    let (path, token) = link.split_once("?token=").unwrap();
    submit(app, path, &[("token", token)]).await
}

/// Signs up and confirms the address.
async fn proven(app: &TestApp, mails: &mut Mailbox, email: &str) -> Person {
    let person = app.sign_up(email).await;
    let mail = mails.read(email, CONFIRM).await;
    let (status, page) = press(app, &link(&mail, CONFIRM)).await;
    assert!(status == 200 && page.contains(email), "{page}");
    person
}

async fn viewer(app: &TestApp, person: &Person) -> Value {
    let answer = app.token(&person.token).gql("{ viewer { email emailVerified pendingEmail } }", json!({})).await;
    answer["data"]["viewer"].clone()
}

async fn change(app: &TestApp, person: &Person, body: Value) -> (StatusCode, Value) {
    send(&app.token(&person.token), Method::PUT, EMAIL, Some(body)).await
}

async fn invite(app: &TestApp, by: &Person, site: &str, email: &str, role: &str) -> (StatusCode, Value) {
    let path = format!("/api/websites/{site}/team-members");
    send(&app.token(&by.token), Method::POST, &path, Some(json!({ "email": email, "role": role }))).await
}

async fn sign_in(app: &TestApp, email: &str, password: &str) -> (StatusCode, Value) {
    let body = json!({ "email": email, "password": password });
    send(&app.anon(), Method::POST, "/api/auth/sign-in", Some(body)).await
}

#[tokio::test]
async fn a_signed_up_address_is_pending_until_its_link_is_opened_and_pressed() {
    let (app, mut mails) = installation().await;
    let body = json!({ "email": "Ada@shop.example", "password": PASSWORD });
    let (status, made) = send(&app.anon(), Method::POST, "/api/auth/sign-up", Some(body)).await;
    assert_eq!((status.as_u16(), &made["data"]["user"]["pending_email"]), (201, &json!("ada@shop.example")), "{made}");
    let ada = Person {
        token: made["data"]["access_token"].as_str().unwrap().to_owned(),
        refresh_token: String::new(),
        team: String::new(),
    };
    let link = link(&mails.read("ada@shop.example", CONFIRM).await, CONFIRM);
    // A mail program that fetches the link ahead confirms nothing.
    for method in [Method::GET, Method::HEAD] {
        let answer = app.anon().request(method, &link).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["cache-control"].to_str().unwrap()), (200, "no-store"));
    }
    let pending = json!({ "email": "ada@shop.example", "emailVerified": false, "pendingEmail": "ada@shop.example" });
    assert_eq!(viewer(&app, &ada).await, pending);
    let (status, page) = press(&app, &link).await;
    assert!(status == 200 && page.contains("Confirmed") && page.contains("ada@shop.example"), "{page}");
    let proven = json!({ "email": "ada@shop.example", "emailVerified": true, "pendingEmail": null });
    assert_eq!(viewer(&app, &ada).await, proven);
    let (_, me) = app.token(&ada.token).get(ME).await;
    assert_eq!(
        keys(&me["data"]),
        ["id", "email", "full_name", "name", "avatar_url", "auth_provider", "created_at"],
        "nothing is pending any more"
    );
    let (status, page) = press(&app, &link).await;
    assert!(status == 400 && page.contains("is unknown, used or expired"), "a link works once: {page}");
    let again = app.token(&ada.token).gql("mutation { emailSendConfirmation { email } }", json!({})).await;
    assert_eq!(again["errors"][0]["extensions"]["code"], "CONFLICT", "{again}");
}

#[tokio::test]
async fn a_confirmation_works_for_a_day_and_a_newer_one_replaces_it() {
    let (app, mut mails) = installation().await;
    let ada = app.sign_up("ada@shop.example").await;
    let first = secret(&mails.read("ada@shop.example", CONFIRM).await);
    let resend = "mutation { emailSendConfirmation { email } }";
    let answer = app.token(&ada.token).gql(resend, json!({})).await;
    assert_eq!(answer["data"]["emailSendConfirmation"]["email"], "ada@shop.example", "{answer}");
    let second = secret(&mails.read("ada@shop.example", CONFIRM).await);
    let confirm = "mutation($token: String!) { emailConfirm(input: { token: $token }) { email } }";
    let of = async |token: &str| {
        let answer = app.anon().gql(confirm, json!({ "token": token })).await;
        answer["errors"][0]["extensions"]["field"].as_str().unwrap_or("none").to_owned()
    };
    assert_eq!(of(&first).await, "token");
    app.pass(Duration::hours(24));
    assert_eq!(of(&second).await, "token", "a day is over");
    let (_, session) = sign_in(&app, "ada@shop.example", PASSWORD).await;
    app.token(session["data"]["access_token"].as_str().unwrap()).gql(resend, json!({})).await;
    let third = secret(&mails.read("ada@shop.example", CONFIRM).await);
    // Two requests with one token: one wins.
    let both = tokio::join!(of(&third), of(&third));
    let wins = [both.0, both.1].iter().filter(|field| *field == "none").count();
    assert_eq!(wins, 1);
}

/// The first attack: an account takes the address of a person who is expected, and is invited in that person's place.
#[tokio::test]
async fn an_unproven_address_cannot_be_invited() {
    let (app, mut mails) = installation().await;
    let a = proven(&app, &mut mails, "a@a.example").await;
    let site = app.website(&a, "a.example", "UTC").await;
    let m = proven(&app, &mut mails, "m@evil.example").await;
    let (status, changed) = change(&app, &m, json!({ "email": "new.cto@a.example" })).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(
        (&changed["data"]["email"], &changed["data"]["pending_email"]),
        (&json!("m@evil.example"), &json!("new.cto@a.example"))
    );
    assert_eq!(code(&invite(&app, &a, &site, "new.cto@a.example", "admin").await), (404, "NOT_FOUND"));
    // Nor by signing up with it.
    let squatter = app.sign_up("new.cto@a.example").await;
    assert_eq!(code(&invite(&app, &a, &site, "new.cto@a.example", "admin").await), (404, "NOT_FOUND"));
    for person in [&m, &squatter] {
        assert_eq!(app.token(&person.token).get(&format!("/api/websites/{site}/exclusions")).await.0, 403);
    }
    // The person who reads that mailbox resets the password, which proves the address and ends what the other one had.
    let key = app.api_key(&squatter, None).await;
    let forgot = json!({ "email": "new.cto@a.example" });
    send(&app.anon(), Method::POST, "/api/auth/password/forgot", Some(forgot)).await;
    let mail = mails.read("new.cto@a.example", "new password was requested").await;
    let body = json!({ "secret": secret(&mail), "new_password": "another horse battery" });
    data(&send(&app.anon(), Method::POST, "/api/auth/password/reset", Some(body)).await, 200);
    assert_eq!(app.key(&key).get("/api/external/v1/websites").await.0, 401);
    assert_eq!(app.token(&squatter.token).get(ME).await.0, 401);
    let answer = invite(&app, &a, &site, "new.cto@a.example", "admin").await;
    assert_eq!(data(&answer, 201)["role"], "admin");
}

/// The second attack: a stolen access token changes the address, and a forgotten password does the rest.
#[tokio::test]
async fn a_stolen_access_token_takes_no_account_over() {
    let (app, mut mails) = installation().await;
    let owner = proven(&app, &mut mails, "owner@shop.example").await;
    app.pass(Duration::minutes(10));
    // Refreshing is no sign-in.
    let body = json!({ "refresh_token": owner.refresh_token });
    let (_, fresh) = send(&app.anon(), Method::POST, "/api/auth/refresh", Some(body)).await;
    let stolen = Person { token: fresh["data"]["access_token"].as_str().unwrap().to_owned(), ..owner.clone() };
    for (path, body) in
        [(EMAIL, json!({ "email": "m@evil.example" })), (ME, json!({ "email": "m@evil.example", "name": "M" }))]
    {
        let answer = send(&app.token(&stolen.token), Method::PUT, path, Some(body)).await;
        let (status, code, message) = refusal(&answer);
        assert_eq!((status, code), (400, "VALIDATION_ERROR"));
        assert!(message.starts_with("password: is required"), "{message}");
    }
    let answer = change(&app, &stolen, json!({ "email": "m@evil.example", "password": "a guess of mine" })).await;
    assert!(refusal(&answer).2.starts_with("password: must be the account's"), "{answer:?}");
    // Right after the sign-in it is mailed to the new address, and nothing is reset there before the link is opened.
    let (_, session) = sign_in(&app, "owner@shop.example", PASSWORD).await;
    let stolen = Person { token: session["data"]["access_token"].as_str().unwrap().to_owned(), ..owner.clone() };
    let (status, _) = change(&app, &stolen, json!({ "email": "m@evil.example" })).await;
    assert_eq!(status, 200);
    let forgot = async |email: &str| {
        send(&app.anon(), Method::POST, "/api/auth/password/forgot", Some(json!({ "email": email }))).await
    };
    forgot("m@evil.example").await;
    let (status, _) = press(&app, &link(&mails.read("m@evil.example", CONFIRM).await, CONFIRM)).await;
    assert_eq!(status, 200);
    forgot("m@evil.example").await;
    let mail = mails.read("m@evil.example", "new password was requested").await;
    let body = json!({ "secret": secret(&mail), "new_password": "a horse battery of mine" });
    data(&send(&app.anon(), Method::POST, "/api/auth/password/reset", Some(body)).await, 200);
    let (_, session) = sign_in(&app, "m@evil.example", "a horse battery of mine").await;
    let thief = Person { token: session["data"]["access_token"].as_str().unwrap().to_owned(), ..owner.clone() };
    // The thief moves on, and tries to occupy the old address with another account.
    app.pass(Duration::minutes(5));
    assert_eq!(change(&app, &thief, json!({ "email": "m2@evil.example" })).await.0, 200);
    press(&app, &link(&mails.read("m2@evil.example", CONFIRM).await, CONFIRM)).await;
    let body = json!({ "email": "owner@shop.example", "password": PASSWORD });
    let answer = send(&app.anon(), Method::POST, "/api/auth/sign-up", Some(body)).await;
    assert_eq!(code(&answer), (409, "CONFLICT"), "the old address waits for its owner");
    let other = app.sign_up("m3@evil.example").await;
    assert_eq!(code(&change(&app, &other, json!({ "email": "owner@shop.example" })).await), (409, "CONFLICT"));

    // The owner's way back ends everything, and the thief's own way back with it.
    let undo = link(&mails.read("owner@shop.example", UNDO).await, UNDO);
    let theirs = link(&mails.read("m@evil.example", UNDO).await, UNDO);
    app.pass(Duration::days(7) - Duration::minutes(6));
    let (status, page) = press(&app, &undo).await;
    assert!(status == 200 && page.contains("owner@shop.example"), "{page}");
    assert_eq!(app.token(&thief.token).get(ME).await.0, 401);
    assert_eq!(press(&app, &theirs).await.0, 400, "what came later is undone too");
    let mail = mails.read("owner@shop.example", "new password was requested").await;
    let body = json!({ "secret": secret(&mail), "new_password": "the owner's horse battery" });
    data(&send(&app.anon(), Method::POST, "/api/auth/password/reset", Some(body)).await, 200);
    assert_eq!(sign_in(&app, "m2@evil.example", "a horse battery of mine").await.0, 401);
    let (_, session) = sign_in(&app, "owner@shop.example", "the owner's horse battery").await;
    let owner = Person { token: session["data"]["access_token"].as_str().unwrap().to_owned(), ..owner };
    let expected = json!({ "email": "owner@shop.example", "emailVerified": true, "pendingEmail": null });
    assert_eq!(viewer(&app, &owner).await, expected);
    let lines = log(&app, &owner.token, &owner.team).await;
    for action in ["USER_UPDATE_EMAIL", "EMAIL_CONFIRM", "EMAIL_UNDO"] {
        assert!(lines.iter().any(|(found, _)| found == action), "{action}: {lines:?}");
    }
}

#[tokio::test]
async fn an_undo_before_the_confirmation_cancels_the_change_and_ends_after_seven_days() {
    let (app, mut mails) = installation().await;
    let owner = proven(&app, &mut mails, "owner@shop.example").await;
    assert_eq!(change(&app, &owner, json!({ "email": "new@shop.example" })).await.0, 200);
    let confirm = link(&mails.read("new@shop.example", CONFIRM).await, CONFIRM);
    let undo = link(&mails.read("owner@shop.example", UNDO).await, UNDO);
    assert_eq!(press(&app, &undo).await.0, 200);
    assert_eq!(press(&app, &confirm).await.0, 400);
    let (_, session) = sign_in(&app, "owner@shop.example", PASSWORD).await;
    let owner = Person { token: session["data"]["access_token"].as_str().unwrap().to_owned(), ..owner };
    let with_password = json!({ "email": "new@shop.example", "password": PASSWORD });
    app.pass(Duration::minutes(11));
    assert_eq!(change(&app, &owner, with_password).await.0, 200, "the password proves who asks");
    let undo = link(&mails.read("owner@shop.example", UNDO).await, UNDO);
    assert_eq!(press(&app, &link(&mails.read("new@shop.example", CONFIRM).await, CONFIRM)).await.0, 200);
    app.pass(Duration::days(7));
    let (status, page) = press(&app, &undo).await;
    assert!(status == 400 && page.contains("expired"), "{page}");
    // The old address is free again.
    app.sign_up("owner@shop.example").await;
}

#[tokio::test]
async fn without_mail_a_change_takes_effect_at_once_and_shows_as_unproven() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let ada = app.sign_up("ada@shop.example").await;
    app.pass(Duration::minutes(14));
    let (status, changed) = change(&app, &ada, json!({ "email": "new@shop.example" })).await;
    assert_eq!((status.as_u16(), &changed["data"]["email"]), (200, &json!("new@shop.example")));
    let unproven = json!({ "email": "new@shop.example", "emailVerified": false, "pendingEmail": null });
    assert_eq!(viewer(&app, &ada).await, unproven);
    let answer = change(&app, &ada, json!({ "email": "other@shop.example", "password": "wrong horse" })).await;
    assert!(
        refusal(&answer).2.starts_with("password: must be the account's"),
        "a password that is given is checked: {answer:?}"
    );
    data(&invite(&app, &owner, &site, "new@shop.example", "viewer").await, 201);
    let members = "query($id: ID!) { website(id: $id) { members { nodes { user { email emailVerified } } } } }";
    let verified = async || {
        let answer = app.token(&owner.token).gql(members, json!({ "id": site })).await;
        let nodes = answer["data"]["website"]["members"]["nodes"].as_array().unwrap().clone();
        nodes.iter().find(|node| node["user"]["email"] == "new@shop.example").unwrap()["user"]["emailVerified"].clone()
    };
    assert_eq!(verified().await, json!(false));
    // By hand, beside the running server.
    let (ok, said, error) = run(footfall(&app.data()).args(["user", "confirm", "New@shop.example"]));
    assert!(ok && said.contains("new@shop.example"), "{said}{error}");
    assert_eq!(verified().await, json!(true));
    let (ok, _, error) = run(footfall(&app.data()).args(["user", "confirm", "nobody@shop.example"]));
    assert!(!ok && error.contains("not found"), "{error}");
    let answer = app.anon().gql("mutation { emailConfirm(input: { token: \"x\" }) { email } }", json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "VALIDATION_ERROR", "{answer}");
}

#[tokio::test]
async fn address_changes_are_limited_per_hour_with_the_time_to_wait() {
    let app = TestApp::new().await;
    let ada = app.sign_up("ada@shop.example").await;
    for number in 0..10 {
        let (status, answer) = change(&app, &ada, json!({ "email": format!("a{number}@shop.example") })).await;
        assert_eq!(status, 200, "{answer}");
    }
    let body = json!({ "email": "last@shop.example" });
    let answer = app.token(&ada.token).request(Method::PUT, EMAIL).json(&body).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (429, &"3601".parse().unwrap()));
    let (status, answer) = send(&app.token(&ada.token), Method::PUT, ME, Some(body.clone())).await;
    assert_eq!((status.as_u16(), &answer["error"]["code"]), (429, &json!("RATE_LIMIT_EXCEEDED")));
    app.pass(Duration::hours(1));
    let (_, session) = sign_in(&app, "a9@shop.example", PASSWORD).await;
    let ada = Person { token: session["data"]["access_token"].as_str().unwrap().to_owned(), ..ada };
    assert_eq!(change(&app, &ada, body).await.0, 200);
}

/// The server says at its start what open sign-up without mail means.
#[test]
fn open_sign_up_without_mail_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    for (sign_up, warns) in [("open", true), ("invite", false)] {
        let data = folder.path().join(sign_up);
        let mut command = footfall(&data);
        command.arg("serve").env("FOOTFALL_SIGNUP", sign_up).stderr(std::process::Stdio::piped());
        let mut server = Server::start(&mut command);
        server.stop();
        let mut said = String::new();
        std::io::Read::read_to_string(&mut server.child.stderr.take().unwrap(), &mut said).unwrap();
        assert_eq!(said.contains("e-mail addresses are not confirmed"), warns, "{said}");
    }
}
