//! Invitations to sign up, offers of ownership, what a team sees of its members, and that nobody is locked out by others.

use chrono::Duration;
use footfall::config::{Flags, choices::SignUpSetting};
use reqwest::{Method, StatusCode};
use schema::access::Role;
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    auth::{log, send},
    mail::{Mailbox, link, mail_server, secret, submit},
    members::{accept, code, data},
};

const PASSWORD: &str = "correct horse battery";
const PAGE: &str = "/account/invitation";

async fn with(sign_up: SignUpSetting) -> (TestApp, Person) {
    let app = TestApp::with(|flags| flags.signup = Some(sign_up)).await;
    let operator = app.sign_up("operator@shop.example").await;
    (app, operator)
}

async fn create(app: &TestApp, by: &Person, input: Value) -> Value {
    let mutation = "mutation($input: InvitationCreateInput!) { invitationCreate(input: $input) { link token invitation { email role expiresAt } } }";
    app.token(&by.token).gql(mutation, json!({ "input": input })).await
}

fn token(answer: &Value) -> String {
    answer["data"]["invitationCreate"]["token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

async fn sign_up(app: &TestApp, email: &str, invitation: Option<&str>) -> (StatusCode, Value) {
    let mut body = json!({ "email": email, "password": PASSWORD });
    if let Some(token) = invitation {
        body["invitation"] = json!(token);
    }
    send(&app.anon(), Method::POST, "/api/auth/sign-up", Some(body)).await
}

/// The person that a sign-up has made.
fn person(answer: &(StatusCode, Value), team: &str) -> Person {
    let token = data(answer, 201)["access_token"].as_str().unwrap().to_owned();
    Person { token, refresh_token: String::new(), team: team.to_owned() }
}

async fn verified(app: &TestApp, person: &Person) -> Value {
    let answer = app.token(&person.token).gql("{ viewer { emailVerified isOperator } }", json!({})).await;
    answer["data"]["viewer"].clone()
}

#[tokio::test]
async fn only_invited_people_sign_up_where_that_is_the_rule() {
    let (app, operator) = with(SignUpSetting::Invite).await;
    assert_eq!(verified(&app, &operator).await, json!({ "emailVerified": false, "isOperator": true }));
    assert_eq!(code(&sign_up(&app, "ada@shop.example", None).await), (403, "FORBIDDEN"));
    assert_eq!(code(&sign_up(&app, "ada@shop.example", Some("nonsense")).await), (400, "VALIDATION_ERROR"));
    let made = create(&app, &operator, json!({ "email": "Ada@shop.example", "role": "EDITOR" })).await;
    let link = made["data"]["invitationCreate"]["link"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let first = token(&made);
    assert!(link.starts_with("http://127.0.0.1:8787/account/invitation?token=") && link.ends_with(&first), "{link}");
    let answer = sign_up(&app, "ben@shop.example", Some(&first)).await;
    assert_eq!(code(&answer), (400, "VALIDATION_ERROR"), "an invitation is for one address");
    // A newer invitation to the address ends the one before.
    let second = token(&create(&app, &operator, json!({ "email": "ada@shop.example", "role": "EDITOR" })).await);
    assert_eq!(code(&sign_up(&app, "ada@shop.example", Some(&first)).await), (400, "VALIDATION_ERROR"));
    let answer = sign_up(&app, "ada@shop.example", Some(&second)).await;
    let ada = person(&answer, &operator.team);
    assert_eq!(verified(&app, &ada).await, json!({ "emailVerified": true, "isOperator": false }));
    let query = "query($id: ID!) { team(id: $id) { role } viewer { defaultTeam { role } } }";
    let answer = app.token(&ada.token).gql(query, json!({ "id": operator.team })).await;
    assert_eq!(
        answer["data"],
        json!({ "team": { "role": "EDITOR" }, "viewer": { "defaultTeam": { "role": "OWNER" } } })
    );
    assert_eq!(
        code(&sign_up(&app, "ada@shop.example", Some(&second)).await),
        (400, "VALIDATION_ERROR"),
        "it works once"
    );
    let answer = create(&app, &operator, json!({ "email": "ada@shop.example" })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "CONFLICT", "{answer}");

    // Whoever holds the link of another member has proven nothing: only the operator and mail do.
    let made = create(&app, &ada, json!({ "email": "cto@a.example" })).await;
    let cto = person(&sign_up(&app, "cto@a.example", Some(&token(&made))).await, "");
    assert_eq!(verified(&app, &cto).await["emailVerified"], json!(false));
    // Withdrawn, late, or of a maker who may not invite any more.
    let revoke = "mutation { invitationRevoke(input: { email: \"eve@shop.example\" }) { email } }";
    let eve = token(&create(&app, &operator, json!({ "email": "eve@shop.example" })).await);
    let answer = app.token(&operator.token).gql(revoke, json!({})).await;
    assert_eq!(answer["data"]["invitationRevoke"]["email"], "eve@shop.example", "{answer}");
    assert_eq!(code(&sign_up(&app, "eve@shop.example", Some(&eve)).await), (400, "VALIDATION_ERROR"));
    let answer = app.token(&operator.token).gql(revoke, json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "NOT_FOUND");
    let fay = token(&create(&app, &operator, json!({ "email": "fay@shop.example" })).await);
    app.pass(Duration::days(7));
    assert_eq!(code(&sign_up(&app, "fay@shop.example", Some(&fay)).await), (400, "VALIDATION_ERROR"));
}

#[tokio::test]
async fn who_invites_whom_as_what() {
    let (app, operator) = with(SignUpSetting::Open).await;
    let admin = app.sign_up("admin@shop.example").await;
    let part = app.join(&operator, &admin, Role::Admin).await;
    let editor = app.sign_up("editor@shop.example").await;
    app.join(&operator, &editor, Role::Editor).await;
    let stranger = app.sign_up("stranger@else.example").await;
    let input = |role: &str| json!({ "email": "new@shop.example", "role": role, "teamId": operator.team });
    for (by, role, heard) in
        [(&editor, "VIEWER", "FORBIDDEN"), (&stranger, "VIEWER", "FORBIDDEN"), (&admin, "OWNER", "VALIDATION_ERROR")]
    {
        let answer = create(&app, by, input(role)).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], heard, "{answer}");
    }
    let made = token(&create(&app, &admin, input("ADMIN")).await);
    // The maker is no admin any more: what they gave out ends with it.
    app.deactivate(part).await;
    assert_eq!(code(&sign_up(&app, "new@shop.example", Some(&made)).await), (400, "VALIDATION_ERROR"));

    let (app, operator) = with(SignUpSetting::Closed).await;
    let made = token(&create(&app, &operator, json!({ "email": "ada@shop.example", "role": "ADMIN" })).await);
    let ada = person(&sign_up(&app, "ada@shop.example", Some(&made)).await, &operator.team);
    let answer = create(&app, &ada, json!({ "email": "new@shop.example" })).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"], "FORBIDDEN",
        "only the operator where it is closed: {answer}"
    );
}

#[tokio::test]
async fn with_mail_the_link_goes_to_the_invited_person_and_its_page_makes_the_account() {
    let (port, mails) = mail_server().await;
    let mut mails = Mailbox::new(mails);
    let app = TestApp::with(|flags: &mut Flags| {
        flags.signup = Some(SignUpSetting::Invite);
        flags.public_url = Some("https://stats.example/".to_owned());
        flags.mail_host = Some("127.0.0.1".to_owned());
        flags.mail_port = Some(port);
        flags.mail_tls = Some(footfall::config::mail::MailTls::None);
        flags.mail_from = Some("footfall@shop.example".to_owned());
    })
    .await;
    let operator = app.sign_up("operator@shop.example").await;
    let made = create(&app, &operator, json!({ "email": "ada@shop.example" })).await;
    let shown = &made["data"]["invitationCreate"];
    assert_eq!((&shown["link"], &shown["token"]), (&Value::Null, &Value::Null), "only the mailbox has it: {made}");
    let mail = mails.read("ada@shop.example", PAGE).await;
    assert!(mail.data.contains("https://stats.example/account/invitation?token="), "{}", mail.data);
    let page = app.anon().request(Method::GET, &link(&mail, PAGE)).send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("form-action 'self'"), "{policy}");
    let page = page.text().await.unwrap();
    assert!(page.contains("name=\"password\"") && !page.contains("<script"), "{page}");
    let post = async |password: &str, name: &str| {
        let token = secret(&mail);
        let form =
            [("token", token.as_str()), ("email", "ada@shop.example"), ("password", password), ("full_name", name)];
        let (status, page) = submit(&app, PAGE, &form).await;
        (status.as_u16(), page)
    };
    let (status, page) = post("short", "<script>alert(1)</script>").await;
    assert!(status == 400 && page.contains("password: must have 8") && !page.contains("<script>"), "{page}");
    let (status, page) = post(PASSWORD, "Ada").await;
    assert!(status == 200 && page.contains("ada@shop.example"), "{page}");
    let body = json!({ "email": "ada@shop.example", "password": PASSWORD });
    let answer = send(&app.anon(), Method::POST, "/api/auth/sign-in", Some(body)).await;
    let token = data(&answer, 200)["access_token"].as_str().unwrap();
    let answer = app.token(token).gql("{ viewer { emailVerified pendingEmail fullName } }", json!({})).await;
    let expected = json!({ "emailVerified": true, "pendingEmail": null, "fullName": "Ada" });
    assert_eq!(answer["data"]["viewer"], expected);
}

#[tokio::test]
async fn sign_ups_and_invitations_are_limited_per_hour() {
    let (app, operator) = with(SignUpSetting::Open).await;
    let site = app.website(&operator, "shop.example", "UTC").await;
    let path = format!("/api/websites/{site}/team-members");
    let mut statuses = Vec::new();
    for number in 0..60 {
        let body = json!({ "email": format!("n{number}@shop.example") });
        let answer = send(&app.token(&operator.token), Method::POST, &path, Some(body)).await;
        statuses.push(answer.0.as_u16());
    }
    assert_eq!((statuses[49], statuses[50]), (404, 429), "guessing who has an account is limited");
    let answer = create(&app, &operator, json!({ "email": "ada@shop.example" })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "RATE_LIMIT_EXCEEDED", "{answer}");
    assert!(answer["errors"][0]["extensions"]["retryAfter"].is_u64(), "{answer}");
    let mut last = (StatusCode::OK, Value::Null);
    for number in 0..50 {
        last = sign_up(&app, &format!("s{number}@shop.example"), None).await;
    }
    assert_eq!(code(&last), (429, "RATE_LIMIT_EXCEEDED"));
    app.pass(Duration::hours(1));
    data(&sign_up(&app, "late@shop.example", None).await, 201);
}

#[tokio::test]
async fn an_owner_by_invitation_accepts_first_and_can_leave_and_delete_the_account_before() {
    let (app, owner) = with(SignUpSetting::Open).await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let base = format!("/api/websites/{site}/team-members");
    let caller = app.token(&owner.token);
    let invite =
        async |email: &str| send(&caller, Method::POST, &base, Some(json!({ "email": email, "role": "owner" }))).await;
    let victim = app.sign_up("victim@shop.example").await;
    let answer = invite("victim@shop.example").await;
    let made = data(&answer, 201).clone();
    assert_eq!((&made["role"], &made["pending_role"]), (&json!("admin"), &json!("owner")));
    // The one who invited cannot leave the victim behind with the team.
    let leave = format!("/api/teams/{}/leave", owner.team);
    assert_eq!(code(&send(&caller, Method::POST, &leave, None).await), (409, "CONFLICT"));
    assert_eq!(code(&send(&caller, Method::DELETE, "/api/users/me", None).await), (409, "CONFLICT"));
    data(&send(&app.token(&victim.token), Method::POST, &leave, None).await, 200);
    let again = invite("victim@shop.example").await;
    assert_eq!(data(&again, 201)["pending_role"], "owner");
    data(&send(&app.token(&victim.token), Method::DELETE, "/api/users/me", None).await, 200);

    let ada = app.sign_up("ada@shop.example").await;
    let made = invite("ada@shop.example").await;
    let part = format!("{base}/{}", data(&made, 201)["id"].as_str().unwrap());
    let answer_offer = async |mutation: &str, by: &Person| {
        let text = format!(
            "mutation($team: ID!) {{ {mutation}(input: {{ teamId: $team }}) {{ membership {{ role pendingRole }} }} }}"
        );
        let answer = app.token(&by.token).gql(&text, json!({ "team": owner.team })).await;
        answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("none").to_owned()
    };
    assert_eq!(answer_offer("teamAcceptOwnership", &owner).await, "NOT_FOUND", "an offer is for one member");
    assert_eq!(answer_offer("teamDeclineOwnership", &ada).await, "none");
    assert_eq!(answer_offer("teamAcceptOwnership", &ada).await, "NOT_FOUND");
    // Another role takes an offer back.
    data(&send(&caller, Method::PUT, &part, Some(json!({ "role": "owner" }))).await, 200);
    data(&send(&caller, Method::PUT, &part, Some(json!({ "role": "admin" }))).await, 200);
    assert_eq!(answer_offer("teamAcceptOwnership", &ada).await, "NOT_FOUND");
    data(&send(&caller, Method::PUT, &part, Some(json!({ "role": "owner" }))).await, 200);
    accept(&app, &ada, &owner.team).await;
    data(&send(&caller, Method::POST, &leave, None).await, 200);
}

#[tokio::test]
async fn a_team_sees_of_a_member_what_happened_since_they_joined() {
    let (app, owner) = with(SignUpSetting::Open).await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let base = format!("/api/websites/{site}/team-members");
    let ada = app.sign_up("ada@shop.example").await;
    let sign_in = async || {
        let body = json!({ "email": "ada@shop.example", "password": PASSWORD });
        data(&send(&app.anon(), Method::POST, "/api/auth/sign-in", Some(body)).await, 200).clone()
    };
    let seen = async || {
        let lines = log(&app, &owner.token, &owner.team).await;
        lines.iter().filter(|(action, actor)| action.starts_with("SIGN_") && actor == "ada@shop.example").count()
    };
    let invite = async || {
        let answer =
            send(&app.token(&owner.token), Method::POST, &base, Some(json!({ "email": "ada@shop.example" }))).await;
        data(&answer, 201)["id"].as_str().unwrap().to_owned()
    };
    // All in one millisecond of the test's clock: the order decides.
    sign_in().await;
    let part = invite().await;
    assert_eq!(seen().await, 0, "neither the sign-up nor the sign-in before");
    sign_in().await;
    assert_eq!(seen().await, 1);
    app.pass(Duration::minutes(1));
    data(&send(&app.token(&owner.token), Method::DELETE, &format!("{base}/{part}"), None).await, 200);
    sign_in().await;
    assert_eq!(seen().await, 0);
    app.pass(Duration::minutes(1));
    assert_eq!(invite().await, part);
    assert_eq!(seen().await, 0, "nor what happened while they were away");
    sign_in().await;
    assert_eq!(seen().await, 1);
    // An account sees all of its own.
    let lines = log(&app, &ada.token, &ada.team).await;
    assert_eq!(lines.iter().filter(|(action, _)| action.starts_with("SIGN_")).count(), 5, "{lines:?}");
}

/// A hundred networks fail at an account: its owner signs in from where they did before, also after a restart.
#[tokio::test]
async fn failures_elsewhere_lock_no_known_device_out() {
    let proxies = |flags: &mut Flags| flags.trusted_proxies = Some(vec!["127.0.0.1".to_owned()]);
    let app = TestApp::with(proxies).await;
    let from = async |app: &TestApp, address: &str, password: &str| {
        let body = json!({ "email": "owner@shop.example", "password": password });
        let request = app.anon().request(Method::POST, "/api/auth/sign-in").json(&body);
        request.header("x-forwarded-for", address).send().await.unwrap().status().as_u16()
    };
    app.sign_up("owner@shop.example").await;
    assert_eq!(from(&app, "198.51.100.7", PASSWORD).await, 200);
    let folder = app.stop().await;
    let app = TestApp::over(folder, proxies).await;
    for number in 0..100 {
        assert_eq!(from(&app, &format!("203.0.113.{number}"), "wrong horse battery").await, 401, "{number}");
    }
    assert_eq!(from(&app, "203.0.113.200", "wrong horse battery").await, 429, "an unknown network is held up");
    assert_eq!(from(&app, "198.51.100.7", PASSWORD).await, 200, "the owner's device is not");
    for _ in 0..10 {
        assert_eq!(from(&app, "198.51.100.7", "wrong horse battery").await, 401);
    }
    assert_eq!(from(&app, "198.51.100.7", PASSWORD).await, 429, "its own failures count");
}
