//! Exclusions over REST: shapes, statuses, and who is told what in which order.

use reqwest::{Method, StatusCode};
use schema::access::Role;
use serde_json::{Value, json};

use crate::app::{Caller, NOW, TestApp};

pub const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

pub async fn send(caller: &Caller<'_>, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let request = caller.request(method, path);
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

pub fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    let (status, body) = answer;
    assert_eq!(body["success"], false, "{body}");
    assert!(body["error"]["timestamp"].as_str().is_some_and(|text| text.ends_with('Z')), "{body}");
    (status.as_u16(), body["error"]["code"].as_str().unwrap())
}

#[tokio::test]
async fn excluding_listing_and_removing_have_the_documented_shapes() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let base = format!("/api/websites/{site}/exclusions");
    let caller = app.token(&owner.token);
    let (status, list) = caller.get(&base).await;
    assert_eq!(status, 200);
    assert_eq!(
        list,
        json!({ "success": true, "data": { "ip_exclusions": [], "path_exclusions": [] }, "timestamp": NOW })
    );
    let body = json!({ "ip_address": "192.168.1.1", "description": "Office IP" });
    let (status, made) = send(&caller, Method::POST, &format!("{base}/ip"), Some(body.clone())).await;
    assert_eq!(status, 201, "{made}");
    let ip = made["data"].clone();
    let expected = json!({ "id": ip["id"], "website_id": site, "ip_address": "192.168.1.1", "description": "Office IP", "created_at": NOW });
    assert_eq!(ip, expected);
    let again = send(&caller, Method::POST, &format!("{base}/ip"), Some(body)).await;
    assert_eq!(code(&again), (409, "CONFLICT"));
    let body = json!({ "path_pattern": "/admin/*" });
    let (status, made) = send(&caller, Method::POST, &format!("{base}/path"), Some(body.clone())).await;
    assert_eq!(status, 201, "{made}");
    let path = made["data"].clone();
    let expected = json!({ "id": path["id"], "website_id": site, "path_pattern": "/admin/*", "description": null, "created_at": NOW });
    assert_eq!(path, expected);
    let again = send(&caller, Method::POST, &format!("{base}/path"), Some(body)).await;
    assert_eq!(code(&again), (409, "CONFLICT"));
    let (_, list) = caller.get(&base).await;
    assert_eq!(list["data"], json!({ "ip_exclusions": [ip], "path_exclusions": [path] }));
    for (kind, id) in [("ip", &ip["id"]), ("path", &path["id"])] {
        let path = format!("{base}/{kind}/{}", id.as_str().unwrap());
        let (status, gone) = send(&caller, Method::DELETE, &path, None).await;
        assert_eq!((status.as_u16(), &gone["data"]), (200, &json!({ "deleted": true })));
        let again = send(&caller, Method::DELETE, &path, None).await;
        assert_eq!(code(&again), (404, "NOT_FOUND"));
    }
    let (_, list) = caller.get(&base).await;
    assert_eq!(list["data"], json!({ "ip_exclusions": [], "path_exclusions": [] }));
}

#[tokio::test]
async fn a_faulty_body_is_refused_by_the_fields_rest_name() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let site = app.website(&owner, "shop.example", "UTC").await;
    let base = format!("/api/websites/{site}/exclusions");
    let caller = app.token(&owner.token);
    for (kind, body, field) in [
        ("ip", json!({}), "ip_address: "),
        ("ip", json!({ "ip_address": "office" }), "ip_address: "),
        ("ip", json!({ "ip_address": 7 }), "ip_address: "),
        ("ip", json!({ "ip_address": "10.0.0.1", "descripton": "Office" }), "descripton: "),
        ("path", json!({ "path_pattern": "admin" }), "path_pattern: "),
        ("path", json!({ "path_pattern": "/a", "description": "x".repeat(201) }), "description: "),
        ("path", json!([]), "body: "),
    ] {
        let answer = send(&caller, Method::POST, &format!("{base}/{kind}"), Some(body)).await;
        assert_eq!(code(&answer), (400, "VALIDATION_ERROR"), "{answer:?}");
        let message = answer.1["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(field), "{message}");
    }
}

#[tokio::test]
async fn access_is_asked_before_anything_that_was_sent_is_read() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    let (site, second) =
        (app.website(&owner, "shop.example", "UTC").await, app.website(&owner, "second.example", "UTC").await);
    let stranger = app.sign_up("stranger@else.example").await;
    let foreign = app.website(&stranger, "else.example", "UTC").await;
    let viewer = app.sign_up("viewer@shop.example").await;
    app.join(&owner, &viewer, Role::Viewer).await;
    let editor = app.sign_up("editor@shop.example").await;
    let part = app.join(&owner, &editor, Role::Editor).await;
    let key = app.api_key(&owner, None).await;
    let body = json!({ "ip_address": "192.168.1.1" });
    let at = |site: &str| format!("/api/websites/{site}/exclusions");
    let (status, made) = send(&app.token(&editor.token), Method::POST, &format!("{}/ip", at(&site)), Some(body)).await;
    assert_eq!(status, 201, "an editor may: {made}");
    let id = made["data"]["id"].as_str().unwrap().to_owned();

    // Whatever the rest of the request looks like.
    let bodies = [None, Some(json!([])), Some(json!({ "ip_address": "10.0.0.1", "path_pattern": "/a" }))];
    for (path, method) in
        [("/ip", Method::POST), ("/path", Method::POST), ("/ip/ID", Method::DELETE), ("/path/ID", Method::DELETE)]
    {
        for exclusion in [id.as_str(), UNKNOWN, "nonsense"] {
            let path = path.replace("ID", exclusion);
            for body in &bodies {
                let ask = async |caller: Caller<'_>, site: &str| {
                    let answer = send(&caller, method.clone(), &format!("{}{path}", at(site)), body.clone()).await;
                    let (status, code) = code(&answer);
                    (status, code.to_owned())
                };
                let told = |status: u16, code: &str| (status, code.to_owned());
                assert_eq!(ask(app.anon(), &site).await, told(401, "UNAUTHORIZED"));
                assert_eq!(ask(app.token("nonsense"), &site).await, told(401, "UNAUTHORIZED"));
                assert_eq!(ask(app.key(&key), &site).await, told(401, "UNAUTHORIZED"), "keys only read");
                assert_eq!(ask(app.token(&stranger.token), &site).await, told(403, "FORBIDDEN"));
                assert_eq!(ask(app.token(&viewer.token), &site).await, told(403, "FORBIDDEN"));
                assert_eq!(ask(app.token(&owner.token), UNKNOWN).await, told(404, "NOT_FOUND"));
                assert_eq!(ask(app.token(&owner.token), "nonsense").await, told(400, "VALIDATION_ERROR"));
            }
        }
    }
    for (caller, status) in [(app.anon(), 401), (app.token(&stranger.token), 403), (app.token(&viewer.token), 200)] {
        assert_eq!(caller.get(&at(&site)).await.0, status);
    }
    // An exclusion is there through its own website only.
    for (caller, site) in [(&owner, &second), (&stranger, &foreign)] {
        let path = format!("{}/ip/{id}", at(site));
        let answer = send(&app.token(&caller.token), Method::DELETE, &path, None).await;
        assert_eq!(code(&answer), (404, "NOT_FOUND"));
    }
    let path = format!("{}/ip/nonsense", at(&site));
    let answer = send(&app.token(&editor.token), Method::DELETE, &path, None).await;
    assert_eq!(code(&answer), (400, "VALIDATION_ERROR"));
    assert!(answer.1["error"]["message"].as_str().unwrap().starts_with("exclusionId: "), "{}", answer.1);
    let (_, list) = app.token(&viewer.token).get(&at(&site)).await;
    assert_eq!(list["data"]["ip_exclusions"][0]["id"], id, "nothing was removed");
    assert_eq!(list["data"]["path_exclusions"], json!([]), "nothing was made");
    app.deactivate(part).await;
    let body = json!({ "ip_address": "192.168.1.2" });
    let answer = send(&app.token(&editor.token), Method::POST, &format!("{}/ip", at(&site)), Some(body)).await;
    assert_eq!(code(&answer), (403, "FORBIDDEN"), "a member that was removed");
}
