//! Onboarding over REST: one record per user, kept as it was sent.

use reqwest::Method;
use serde_json::json;

use crate::{
    app::{NOW, TestApp},
    members::{code, data, keys, send},
};

const PATH: &str = "/api/onboarding/progress";

#[tokio::test]
async fn progress_has_its_defaults_and_then_what_was_saved() {
    let app = TestApp::new().await;
    let ada = app.sign_up("ada@shop.example").await;
    let caller = app.token(&ada.token);
    let answer = caller.gql("{ viewer { databaseId } }", json!({})).await;
    let user = answer["data"]["viewer"]["databaseId"].clone();
    let (status, body) = caller.get(PATH).await;
    assert_eq!((status.as_u16(), keys(&body)), (200, vec!["success", "data", "timestamp"]));
    assert_eq!(keys(&body["data"]), ["user_id", "current_step", "completed", "data", "created_at", "updated_at"]);
    assert_eq!(
        body["data"],
        json!({ "user_id": user, "current_step": null, "completed": false, "data": {}, "created_at": null, "updated_at": null })
    );
    let post = async |body| send(&caller, Method::POST, PATH, Some(body)).await;
    let state = json!({ "welcomed": true, "website_added": true });
    let answer = post(json!({ "step": "install_tracking", "data": state, "completed": false })).await;
    let saved = json!({ "user_id": user, "current_step": "install_tracking", "completed": false, "data": state, "created_at": NOW, "updated_at": NOW });
    assert_eq!(data(&answer, 200), &saved);
    assert_eq!(keys(data(&answer, 200)), keys(&body["data"]));
    assert_eq!(caller.get(PATH).await.1["data"], saved);

    // What is left out stays, but for `completed`, whose default is false.
    let answer = post(json!({ "completed": true })).await;
    assert_eq!(
        (&data(&answer, 200)["current_step"], &answer.1["data"]["completed"], &answer.1["data"]["data"]),
        (&json!("install_tracking"), &json!(true), &state)
    );
    let answer = post(json!({ "step": null })).await;
    assert_eq!(
        (&data(&answer, 200)["current_step"], &answer.1["data"]["completed"], &answer.1["data"]["data"]),
        (&json!(null), &json!(false), &state)
    );

    let bob = app.sign_up("bob@shop.example").await;
    let (_, other) = app.token(&bob.token).get(PATH).await;
    assert_eq!(other["data"]["created_at"], json!(null), "each user has a record of their own");
}

#[tokio::test]
async fn the_object_comes_back_as_it_went() {
    let app = TestApp::new().await;
    let ada = app.sign_up("ada@shop.example").await;
    let text = r#"{"zeta":{"snake_key":1,"camelKey":[1,2.5,-3e20,null,true,{"deep":"ü\" \\ \n \u0001"}]},"alpha":"","Ümlaut key":9007199254740993,"":0}"#;
    let request = app.token(&ada.token).request(Method::POST, PATH).header("content-type", "application/json");
    let response = request.body(format!(r#"{{"step":"a","data":{text}}}"#)).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let wanted: serde_json::Value = serde_json::from_str(text).unwrap();
    let wanted = format!(r#""data":{wanted}"#);
    let answer = response.text().await.unwrap();
    assert!(answer.contains(&wanted), "{answer}");
    let shown = app.token(&ada.token).request(Method::GET, PATH).send().await.unwrap().text().await.unwrap();
    assert!(shown.contains(&wanted), "keys in their order: {shown}");
    let answer = app.token(&ada.token).gql("{ viewer { onboarding { data } } }", json!({})).await;
    assert_eq!(answer["data"]["viewer"]["onboarding"]["data"]["zeta"]["snake_key"], 1);
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_by_name() {
    let app = TestApp::new().await;
    let ada = app.sign_up("ada@shop.example").await;
    let caller = app.token(&ada.token);
    for (body, field) in [
        (json!({ "step": "" }), "step: "),
        (json!({ "step": "x".repeat(101) }), "step: "),
        (json!({ "step": 7 }), "step: "),
        (json!({ "step": "a\tb" }), "step: "),
        (json!({ "data": [] }), "data: "),
        (json!({ "data": "text" }), "data: "),
        (json!({ "data": 1 }), "data: "),
        (json!({ "data": null }), "data: "),
        (json!({ "data": { "long": "x".repeat(32 * 1024) } }), "data: "),
        (json!({ "completed": "yes" }), "completed: "),
        (json!({ "completed": null }), "completed: "),
        (json!({ "stepp": "a" }), "stepp: "),
    ] {
        let answer = send(&caller, Method::POST, PATH, Some(body.clone())).await;
        assert_eq!(code(&answer), (400, "VALIDATION_ERROR"), "{body}: {answer:?}");
        let message = answer.1["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(field), "{body}: {message}");
    }
    assert_eq!(caller.get(PATH).await.1["data"]["created_at"], json!(null), "nothing was saved");
    let key = app.api_key(&ada, None).await;
    for caller in [app.anon(), app.token("nonsense"), app.key(&key)] {
        assert_eq!(code(&send(&caller, Method::GET, PATH, None).await), (401, "UNAUTHORIZED"));
        assert_eq!(code(&send(&caller, Method::POST, PATH, Some(json!([]))).await), (401, "UNAUTHORIZED"));
    }
    let save = "mutation { onboardingSave(input: { currentStep: \"a\" }) { onboarding { currentStep } } }";
    let answer = app.key(&key).gql(save, json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "a key speaks for no person: {answer}");
}
