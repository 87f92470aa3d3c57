//! Hostile tokens, ours and the trusted issuer's, and the people who sign in with that issuer.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Json, Router, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Duration;
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    app::{Person, TestApp, repository},
    auth::{log, refusal, send},
};

const ME: &str = "/api/users/me";
const ISSUER: &str = "https://id.example/auth/v1";
const SECRET: &str = "a secret of the issuer, of 32 bytes or more";

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn signed(header: &Header, claims: &Value, key: &EncodingKey) -> String {
    jsonwebtoken::encode(header, claims, key).unwrap()
}

/// A header with members that the library does not write.
fn signed_with(header: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn without(claims: &Value, claim: &str) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().remove(claim).unwrap();
    claims
}

fn with(claims: &Value, claim: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[claim] = value;
    claims
}

async fn status(app: &TestApp, token: &str) -> u16 {
    app.token(token).get(ME).await.0.as_u16()
}

/// Every way in refuses the token alike, and it opens nothing that anyone may use either.
async fn is_refused(app: &TestApp, token: &str, why: &str) {
    let answer = app.token(token).get(ME).await;
    assert_eq!((refusal(&answer).0, refusal(&answer).1), (401, "UNAUTHORIZED"), "{why}");
    let answer = app.token(token).gql("{ viewer { email } }", json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHORIZED", "{why}: {answer}");
    assert_eq!(answer["data"]["viewer"], Value::Null, "{why}");
}

/// The installation's own signing key, as somebody has it who holds the data folder: to reach the checks behind the signature.
fn own_key(app: &TestApp) -> (Header, EncodingKey, Vec<u8>) {
    let file = std::fs::read_dir(app.data().join("keys")).unwrap().next().unwrap().unwrap().path();
    let file: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(file[name].as_str().unwrap()).unwrap();
    let key = SigningKey::from_bytes(&bytes("d").try_into().unwrap());
    let header = Header { kid: Some(file["kid"].as_str().unwrap().to_owned()), ..Header::new(Algorithm::EdDSA) };
    (header, EncodingKey::from_ed_der(key.to_pkcs8_der().unwrap().as_bytes()), bytes("x"))
}

fn claims_of(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn our_own_tokens_are_refused_unless_everything_about_them_is_right() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let claims = claims_of(&owner.token);
    let (header, key, public) = own_key(&app);
    assert_eq!(status(&app, &signed(&header, &claims, &key)).await, 200, "the key is the right one");
    for claim in ["exp", "iss", "aud", "sub", "sid", "nbf"] {
        is_refused(&app, &signed(&header, &without(&claims, claim), &key), &format!("without {claim}")).await;
    }
    let now = app.ports.now().timestamp();
    for (claim, value) in [
        ("aud", json!("another-service")),
        ("iss", json!("somebody")),
        ("nbf", json!(now + 60)),
        ("exp", json!(now - 60)),
        ("sub", json!("00000000-0000-4000-8000-000000000000")),
        ("sid", json!("00000000-0000-4000-8000-000000000000")),
    ] {
        is_refused(&app, &signed(&header, &with(&claims, claim, value), &key), claim).await;
    }
    let kid = header.kid.clone().unwrap();
    for alg in ["none", "None", "NONE", ""] {
        let token = format!("{}.{}.", part(&json!({ "alg": alg, "typ": "JWT", "kid": kid })), part(&claims));
        is_refused(&app, &token, alg).await;
    }
    let confused = Header { kid: Some(kid.clone()), ..Header::new(Algorithm::HS256) };
    is_refused(&app, &signed(&confused, &claims, &EncodingKey::from_secret(&public)), "HS256 with the public key")
        .await;
    for kid in [None, Some("unknown".to_owned()), Some("../../etc/passwd".to_owned())] {
        is_refused(&app, &signed(&Header { kid, ..header.clone() }, &claims, &key), "an unknown kid").await;
    }
    let (own, jwk) = stranger();
    for header in [
        json!({ "alg": "EdDSA", "typ": "JWT", "jwk": jwk }),
        json!({ "alg": "EdDSA", "typ": "JWT", "kid": kid, "jwk": jwk }),
        json!({ "alg": "EdDSA", "typ": "JWT", "kid": "mine", "jku": "https://evil.example/jwks.json" }),
    ] {
        is_refused(&app, &signed_with(&header, &claims, &own, Algorithm::EdDSA), &header.to_string()).await;
    }
    // A public field answers whoever holds a bad token, as nobody.
    let answer = app.token(&signed(&header, &without(&claims, "exp"), &key)).gql("{ plans { name } }", json!({})).await;
    assert!(answer["data"]["plans"].is_array(), "{answer}");
}

#[tokio::test]
async fn our_own_tokens_end_with_their_session_and_their_account() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let out = send(&app.token(&owner.token), Method::POST, "/api/auth/sign-out", None).await;
    assert_eq!(out.0, 200);
    is_refused(&app, &owner.token, "a revoked session").await;
    let second = app.sign_up("second@shop.example").await;
    assert_eq!(send(&app.token(&second.token), Method::DELETE, ME, None).await.0, 200);
    is_refused(&app, &second.token, "a deleted account").await;
    let third = app.sign_up("third@shop.example").await;
    app.pass(Duration::minutes(15) + Duration::seconds(5));
    is_refused(&app, &third.token, "an expired token").await;
}

/// A key that nobody trusts, and how it would be published.
fn stranger() -> (EncodingKey, Value) {
    let key = SigningKey::from_bytes(&[9; 32]);
    let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "mine", "x": x });
    (EncodingKey::from_ed_der(key.to_pkcs8_der().unwrap().as_bytes()), jwk)
}

/// The key that the issuer signs with.
fn issuers() -> (EncodingKey, Value) {
    let key = SigningKey::from_bytes(&[7; 32]);
    let x = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "ed", "x": x });
    (EncodingKey::from_ed_der(key.to_pkcs8_der().unwrap().as_bytes()), jwk)
}

/// The issuer's other keys, whose private parts are in DER.
fn file() -> Value {
    serde_json::from_slice(&std::fs::read(repository("tests/data/issuer.json")).unwrap()).unwrap()
}

/// The issuer's JWK set. Answers its address and how often it was asked for.
async fn jwks() -> (String, Arc<AtomicUsize>) {
    let mut published = json!({ "keys": file()["keys"] });
    published["keys"].as_array_mut().unwrap().push(issuers().1);
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let answer = async move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Json(published)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/jwks.json", get(answer))).await });
    (url, asked)
}

async fn trusting(jwks_url: Option<String>, secret: Option<&str>) -> TestApp {
    TestApp::with(|flags| {
        flags.auth_external_issuer = Some(ISSUER.to_owned());
        flags.auth_external_audience = Some("authenticated".to_owned());
        flags.auth_external_jwks_url = jwks_url;
        flags.auth_external_hs256_secret = secret.map(str::to_owned);
    })
    .await
}

/// What Supabase says of somebody who signed in with Google.
fn claims(app: &TestApp, sub: &str, email: &str) -> Value {
    let now = app.ports.now().timestamp();
    json!({
        "iss": ISSUER, "aud": "authenticated", "sub": sub, "exp": now + 3600, "iat": now, "email": email, "phone": "",
        "role": "authenticated", "aal": "aal1", "session_id": "7f0c2d1e-8b7a-4c6d-9e10-a1b2c3d4e5f6", "is_anonymous": false,
        "app_metadata": { "provider": "Google", "providers": ["google"] },
        "user_metadata": { "full_name": "Ada Lovelace", "avatar_url": "https://id.example/ada.png", "email_verified": true }
    })
}

fn hs256(claims: &Value) -> String {
    signed(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET.as_bytes()))
}

async fn count(app: &TestApp) -> u64 {
    schema::user::count(&app.ports, &app.operator()).await.unwrap()
}

#[tokio::test]
async fn the_first_token_of_the_issuer_makes_an_account_with_its_provider() {
    let app = trusting(None, Some(SECRET)).await;
    let token = hs256(&claims(&app, "ada", "Ada@Shop.Example"));
    let (status, me) = app.token(&token).get(ME).await;
    assert_eq!(status, 200, "{me}");
    let data = &me["data"];
    assert_eq!(
        (&data["email"], &data["full_name"], &data["avatar_url"], &data["auth_provider"]),
        (&json!("ada@shop.example"), &json!("Ada Lovelace"), &json!("https://id.example/ada.png"), &json!("external"))
    );
    let query = "{ viewer { databaseId identityProvider authProvider defaultTeam { databaseId role name } } }";
    let answer = app.token(&token).gql(query, json!({})).await;
    let viewer = &answer["data"]["viewer"];
    assert_eq!(
        (&viewer["identityProvider"], &viewer["authProvider"]),
        (&json!("google"), &json!("EXTERNAL")),
        "{answer}"
    );
    assert_eq!((&viewer["defaultTeam"]["role"], &viewer["databaseId"]), (&json!("OWNER"), &data["id"]), "{answer}");
    assert_eq!(count(&app).await, 1, "made once");
    // The whole dashboard is theirs.
    let person = Person {
        token: token.clone(),
        refresh_token: String::new(),
        team: viewer["defaultTeam"]["databaseId"].as_str().unwrap().to_owned(),
    };
    app.website(&person, "shop.example", "UTC").await;
    let lines = log(&app, &token, &person.team).await;
    assert!(lines.contains(&("SIGN_UP".into(), "ada@shop.example".into())), "{lines:?}");
    // The SSO rule is real.
    let body = json!({ "email": "new@shop.example" });
    let answer = send(&app.token(&token), Method::PUT, "/api/users/me/email", Some(body)).await;
    assert!(refusal(&answer).0 == 400 && refusal(&answer).2.contains("Google"), "{answer:?}");
    let answer = send(&app.token(&token), Method::POST, "/api/auth/sign-out", None).await;
    assert_eq!((refusal(&answer).0, refusal(&answer).1), (409, "CONFLICT"));
    // An address that was changed there changes here.
    let (_, me) = app.token(&hs256(&claims(&app, "ada", "new@shop.example"))).get(ME).await;
    assert_eq!(me["data"]["id"], data["id"]);
    let (_, me) = app.token(&hs256(&claims(&app, "ada", "new@shop.example"))).get(ME).await;
    assert_eq!(me["data"]["email"], "new@shop.example");
    let lines = log(&app, &token, &person.team).await;
    assert!(lines.contains(&("USER_UPDATE_EMAIL".into(), "new@shop.example".into())), "{lines:?}");
    // A token from before that change is still good, and changes nothing back.
    app.pass(Duration::minutes(1));
    let later = hs256(&claims(&app, "ada", "newest@shop.example"));
    app.pass(Duration::seconds(5));
    let email = async |token: &str| app.token(token).get(ME).await.1["data"]["email"].clone();
    email(&later).await;
    assert_eq!(
        (email(&later).await, email(&token).await),
        (json!("newest@shop.example"), json!("newest@shop.example"))
    );
    assert_eq!(email(&later).await, "newest@shop.example");
    app.pass(Duration::hours(1) + Duration::seconds(5));
    is_refused(&app, &token, "an expired token").await;
}

#[tokio::test]
async fn a_stream_ends_with_the_token_that_opened_it() {
    let app = trusting(None, Some(SECRET)).await;
    let token = hs256(&claims(&app, "ada", "ada@shop.example"));
    let answer = app.token(&token).gql("{ viewer { defaultTeam { databaseId } } }", json!({})).await;
    let team = answer["data"]["viewer"]["defaultTeam"]["databaseId"].as_str().unwrap().to_owned();
    let ada = Person { token: token.clone(), refresh_token: String::new(), team };
    let site = app.website(&ada, "shop.example", "UTC").await;
    let query = format!("subscription {{ eventTracked(websiteId: \"{site}\") {{ eventId }} }}");
    let request = app.token(&token).request(Method::POST, "/graphql").header("accept", "text/event-stream");
    let mut stream = request.json(&json!({ "query": query })).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    app.pass(Duration::hours(1) + Duration::seconds(5));
    let mut said = String::new();
    let ended = async {
        while let Some(bytes) = stream.chunk().await.unwrap() {
            said.push_str(&String::from_utf8_lossy(&bytes));
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), ended).await.unwrap();
    assert!(said.contains("UNAUTHORIZED"), "{said}");
}

#[tokio::test]
async fn tokens_of_the_issuer_are_refused_unless_everything_about_them_is_right() {
    let (url, _) = jwks().await;
    let app = trusting(Some(url), Some(SECRET)).await;
    let good = claims(&app, "ada", "ada@shop.example");
    let (key, jwk) = issuers();
    let header = Header { kid: Some("ed".to_owned()), ..Header::new(Algorithm::EdDSA) };
    let now = app.ports.now().timestamp();
    // Validly signed, both ways, and still not right.
    for claim in ["exp", "iss", "aud", "sub"] {
        is_refused(&app, &hs256(&without(&good, claim)), &format!("without {claim}")).await;
        is_refused(&app, &signed(&header, &without(&good, claim), &key), &format!("without {claim}")).await;
    }
    for (claim, value) in [
        ("aud", json!("another-service")),
        ("aud", json!(["another-service", "third"])),
        ("aud", json!("")),
        ("iss", json!("https://evil.example")),
        ("iss", json!("footfall")),
        ("nbf", json!(now + 60)),
        ("exp", json!(now - 60)),
        ("exp", json!("tomorrow")),
        ("exp", json!(1e300)),
        ("sub", json!("")),
        ("sub", json!(" ")),
        ("sub", json!("x".repeat(256))),
        ("sub", json!(7)),
    ] {
        let wrong = with(&good, claim, value);
        is_refused(&app, &hs256(&wrong), &wrong.to_string()).await;
        is_refused(&app, &signed(&header, &wrong, &key), &wrong.to_string()).await;
    }
    for alg in ["none", "None", "HS256", ""] {
        let token = format!("{}.{}.", part(&json!({ "alg": alg, "typ": "JWT", "kid": "ed" })), part(&good));
        is_refused(&app, &token, alg).await;
    }
    // A public key is no secret, and a secret of another is none either.
    let x = jwk["x"].as_str().unwrap();
    let set = json!({ "keys": [jwk] }).to_string();
    for secret in [x.as_bytes(), &URL_SAFE_NO_PAD.decode(x).unwrap(), set.as_bytes(), b"", b"another secret"] {
        for kid in [None, Some("ed".to_owned()), Some("rsa".to_owned())] {
            let header = Header { kid, ..Header::new(Algorithm::HS256) };
            is_refused(&app, &signed(&header, &good, &EncodingKey::from_secret(secret)), "HS256 with a public key")
                .await;
        }
    }
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let token = signed(&Header::new(algorithm), &good, &EncodingKey::from_secret(SECRET.as_bytes()));
        is_refused(&app, &token, "another algorithm than HS256").await;
    }
    for kid in [None, Some("unknown".to_owned())] {
        is_refused(&app, &signed(&Header { kid, ..header.clone() }, &good, &key), "an unknown kid").await;
    }
    let (own, own_jwk) = stranger();
    for header in [
        json!({ "alg": "EdDSA", "typ": "JWT", "jwk": own_jwk }),
        json!({ "alg": "EdDSA", "typ": "JWT", "kid": "ed", "jwk": own_jwk }),
        json!({ "alg": "EdDSA", "typ": "JWT", "kid": "mine", "jku": "https://evil.example/jwks.json" }),
    ] {
        is_refused(&app, &signed_with(&header, &good, &own, Algorithm::EdDSA), &header.to_string()).await;
    }
    let critical = json!({ "alg": "EdDSA", "typ": "JWT", "kid": "ed", "crit": ["b64"], "b64": true });
    is_refused(&app, &signed_with(&critical, &good, &key, Algorithm::EdDSA), "crit").await;
    // A key checks the algorithm of its type only.
    let other = Header { kid: Some("rsa".to_owned()), ..Header::new(Algorithm::EdDSA) };
    is_refused(&app, &signed(&other, &good, &key), "EdDSA under the name of an RSA key").await;
    let mut token = signed(&header, &good, &key);
    token.pop();
    is_refused(&app, &token, "a broken signature").await;
    assert_eq!(count(&app).await, 0, "no account was made");
    assert_eq!(status(&app, &signed(&header, &good, &key)).await, 200, "and the good one is taken");
}

#[tokio::test]
async fn every_kind_of_public_key_is_taken_and_asked_for_once() {
    let (url, asked) = jwks().await;
    let app = trusting(Some(url), None).await;
    let private = |name: &str| URL_SAFE_NO_PAD.decode(file()["private"][name].as_str().unwrap()).unwrap();
    let (rsa, ec) = (EncodingKey::from_rsa_der(&private("rsa")), EncodingKey::from_ec_der(&private("ec")));
    let (ed, _) = issuers();
    for (kid, algorithm, key) in
        [("rsa", Algorithm::RS256, &rsa), ("ec", Algorithm::ES256, &ec), ("ed", Algorithm::EdDSA, &ed)]
    {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
        let mut claims = claims(&app, kid, &format!("{kid}@shop.example"));
        claims["aud"] = json!(["another", "authenticated"]);
        assert_eq!(status(&app, &signed(&header, &claims, key)).await, 200, "{kid}");
    }
    let stronger = Header { kid: Some("rsa".to_owned()), ..Header::new(Algorithm::RS512) };
    is_refused(&app, &signed(&stronger, &claims(&app, "rsa", "rsa@shop.example"), &rsa), "RS512").await;
    is_refused(&app, &hs256(&claims(&app, "hs", "hs@shop.example")), "HS256 without a secret").await;
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let header = Header { kid: Some("unknown".to_owned()), ..Header::new(Algorithm::EdDSA) };
    let unknown = signed(&header, &claims(&app, "ed", "ed@shop.example"), &ed);
    for _ in 0..5 {
        is_refused(&app, &unknown, "an unknown kid").await;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "not again within a minute");
    app.pass(Duration::seconds(60));
    for _ in 0..5 {
        is_refused(&app, &unknown, "an unknown kid").await;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn nobody_is_taken_over_and_an_address_is_needed() {
    let app = trusting(None, Some(SECRET)).await;
    let owner = app.sign_up("owner@shop.example").await;
    let says = async |claims: &Value| -> String {
        let answer = app.token(&hs256(claims)).get(ME).await;
        assert_eq!(answer.0, StatusCode::UNAUTHORIZED, "{answer:?}");
        let gql = app.token(&hs256(claims)).gql("{ viewer { email } }", json!({})).await;
        assert_eq!(gql["errors"][0]["message"], answer.1["error"]["message"], "{gql}");
        refusal(&answer).2.to_owned()
    };
    let message = says(&claims(&app, "ada", "Owner@shop.example")).await;
    assert!(message.contains("already exists"), "{message}");
    let mut doubtful = claims(&app, "ada", "ada@shop.example");
    doubtful["user_metadata"]["email_verified"] = json!(false);
    for claims in [
        doubtful,
        with(&claims(&app, "ada", "ada@shop.example"), "email_verified", json!(false)),
        without(&claims(&app, "ada", "ada@shop.example"), "email"),
        claims(&app, "ada", ""),
        claims(&app, "ada", "nobody"),
    ] {
        let message = says(&claims).await;
        assert!(message.contains("e-mail address"), "{message}");
    }
    assert_eq!(count(&app).await, 1);
    // A change of address at the issuer takes no account over either.
    assert_eq!(status(&app, &hs256(&claims(&app, "ada", "ada@shop.example"))).await, 200);
    let (_, me) = app.token(&hs256(&claims(&app, "ada", "owner@shop.example"))).get(ME).await;
    assert_eq!(me["data"]["email"], "ada@shop.example");
    assert_eq!(status(&app, &owner.token).await, 200, "our own tokens work beside the issuer's");
    let sign_in = json!({ "email": "ada@shop.example", "password": "" });
    let answer = send(&app.anon(), Method::POST, "/api/auth/sign-in", Some(sign_in)).await;
    assert_eq!(refusal(&answer).0, 401, "an account without a password has none to guess");
}

#[tokio::test]
async fn a_deleted_account_is_not_made_anew_by_the_tokens_it_had() {
    let app = trusting(None, Some(SECRET)).await;
    let old = claims(&app, "ada", "ada@shop.example");
    assert_eq!(status(&app, &hs256(&old)).await, 200);
    assert_eq!(send(&app.token(&hs256(&old)), Method::DELETE, ME, None).await.0, 200);
    is_refused(&app, &hs256(&old), "a token of a deleted account").await;
    is_refused(&app, &hs256(&without(&old, "iat")), "one that does not say when it was issued").await;
    assert_eq!(count(&app).await, 0);
    app.pass(Duration::seconds(1));
    assert_eq!(
        status(&app, &hs256(&claims(&app, "ada", "ada@shop.example"))).await,
        200,
        "whoever signs in again begins anew"
    );
    assert_eq!(count(&app).await, 1);
}

#[tokio::test]
async fn without_an_issuer_its_tokens_are_nobodys() {
    let app = TestApp::new().await;
    is_refused(&app, &hs256(&claims(&app, "ada", "ada@shop.example")), "no issuer is trusted").await;
    assert_eq!(count(&app).await, 0);
}
