//! Webhooks: what happens on a website arrives at a receiver, signed, at least once, under one ID and in order per visitor.

mod crash;
mod receiver;

use std::collections::HashSet;

use chrono::Duration;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    app::{self, TestApp},
    auth::{keys, send},
    ingest::{Shop, shop_with, view, with},
    mail::mail_server,
};
pub use receiver::{Answer, Call, Receiver, until};

const HOOKS: &str = "/v1/cli/mutate/webhooks";

/// Webhooks may go to this machine. Access tokens last for a week: hours pass in these tests.
fn open(flags: &mut footfall::config::Flags) {
    (flags.webhook_private, flags.webhook_http, flags.token_minutes) = (Some(true), Some(true), Some(10_080));
}

/// A shop whose webhooks may go to this machine.
async fn open_shop() -> Shop {
    shop_with(open).await
}

/// A custom event of a visitor.
fn event(visitor: &str, name: &str) -> Value {
    with(view("/pricing"), json!({ "type": "event", "name": name, "visitor_id": visitor, "data": { "plan": "pro" } }))
}

async fn gql(shop: &Shop, document: &str, variables: Value) -> Value {
    let answer = shop.app.token(&shop.owner.token).gql(document, variables).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"].clone()
}

/// A webhook of the shop to a URL. Returns its ID and its secret.
async fn hook(shop: &Shop, url: &str, more: Value) -> (String, String) {
    let input = with(json!({ "websiteId": shop.id, "url": url }), more);
    let document =
        "mutation($input: WebhookCreateInput!) { webhookCreate(input: $input) { secret webhook { databaseId } } }";
    let made = gql(shop, document, json!({ "input": input })).await["webhookCreate"].clone();
    (made["webhook"]["databaseId"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
}

/// The log of a webhook, newest first.
async fn log(shop: &Shop, id: &str) -> Vec<Value> {
    let document = "query($id: ID!) { webhooks { databaseId isEnabled disabledReason failingSince } node(id: $id) { ... on Webhook { \
                    deliveries(first: 100) { nodes { id databaseId event status nextAttemptAt payload isTest \
                    attempts { startedAt status durationMilliseconds error } } } } } }";
    let global = gql(shop, "{ webhooks { id databaseId } }", json!({})).await;
    let all = global["webhooks"].as_array().unwrap();
    let one = all.iter().find(|webhook| webhook["databaseId"] == id).unwrap();
    let answer = gql(shop, document, json!({ "id": one["id"] })).await;
    answer["node"]["deliveries"]["nodes"].as_array().unwrap().clone()
}

async fn record(shop: &Shop) -> Value {
    let fields = "isEnabled disabledReason failingSince droppedMessages previousSecretExpiresAt";
    gql(shop, &format!("{{ webhooks {{ {fields} }} }}"), json!({})).await["webhooks"][0].clone()
}

/// Waits until the log of a webhook is as expected.
async fn log_until(shop: &Shop, id: &str, is_right: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    for _ in 0..500 {
        let log = log(shop, id).await;
        if is_right(&log) {
            return log;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{:?}", log(shop, id).await);
}

fn statuses(delivery: &Value) -> Vec<Value> {
    delivery["attempts"].as_array().unwrap().iter().map(|attempt| attempt["status"].clone()).collect()
}

#[tokio::test]
async fn an_event_arrives_as_documented_and_the_libraries_of_standard_webhooks_verify_it() {
    let shop = open_shop().await;
    let receiver = Receiver::new().await;
    let (id, secret) = hook(&shop, &receiver.url, json!({})).await;
    shop.send(event("visitor-0001", "signup")).await;
    shop.send(with(event("visitor-0001", ""), json!({ "type": "identify", "data": { "user_id": "u1" } }))).await;
    shop.send(with(view("/only-a-page"), json!({ "visitor_id": "visitor-0001" }))).await;
    let calls = receiver.calls(2).await;
    let [tracked, identified] = &calls[..] else { panic!("{calls:?}") };
    let body = tracked.json();
    assert_eq!(keys(&body), ["event", "timestamp", "data"]);
    assert_eq!((&body["event"], &body["timestamp"]), (&json!("event.tracked"), &json!("2026-03-04T05:06:07Z")));
    let data = &body["data"];
    assert_eq!(
        (&data["name"], &data["page"], &data["properties"]["plan"]),
        (&json!("signup"), &json!("/pricing"), &json!("pro"))
    );
    assert!(data["visitor_id"].as_str().unwrap().starts_with("vis_"));
    assert_eq!(data["website_id"], shop.id);
    let body = identified.json();
    assert_eq!((&body["event"], &body["data"]["traits"]), (&json!("visitor.identified"), &json!({ "user_id": "u1" })));
    assert_eq!(body["data"]["visitor_id"], data["visitor_id"]);
    assert_eq!((tracked.header("content-type"), tracked.header("x-footfall-website")), ("application/json", &*shop.id));
    assert_ne!(tracked.header("webhook-id"), identified.header("webhook-id"));
    // By the crate, by npm's package, and by the recipe of the page for `X-Zenovay-Signature`.
    for call in &calls {
        assert!(call.is_signed(&secret));
        let headers = json!({
            "webhook-id": call.header("webhook-id"), "webhook-timestamp": call.header("webhook-timestamp"),
            "webhook-signature": call.header("webhook-signature"), "x-zenovay-signature": call.header("x-zenovay-signature")
        });
        let said = app::node("webhooks.mjs", &[&secret, &headers.to_string(), &call.body]).await;
        assert!(said.contains("verified"), "{said}");
    }
    let log = log_until(&shop, &id, |log| log.len() == 2 && log.iter().all(|sent| sent["status"] == "DELIVERED")).await;
    let tracked_log = log.iter().find(|sent| sent["event"] == "EVENT_TRACKED").unwrap();
    assert_eq!(tracked_log["databaseId"], tracked.header("webhook-id"));
    assert_eq!((&tracked_log["payload"], &tracked_log["nextAttemptAt"]), (&tracked.json(), &Value::Null));
    assert_eq!(statuses(tracked_log), [json!(200)]);
}

#[tokio::test]
async fn a_webhook_hears_what_it_subscribed_to_and_no_bots() {
    let shop = open_shop().await;
    let (all, some, named) = (Receiver::new().await, Receiver::new().await, Receiver::new().await);
    // Of the whole team.
    hook(&shop, &all.url, json!({ "websiteId": null })).await;
    hook(&shop, &some.url, json!({ "events": ["VISITOR_IDENTIFIED"] })).await;
    hook(&shop, &named.url, json!({ "events": ["EVENT_TRACKED"], "filter": { "eventNames": ["purchase"] } })).await;
    let elsewhere = shop.app.website(&shop.owner, "other.example", "UTC").await;
    let answer =
        gql(&shop, &format!("{{ website(id: \"{elsewhere}\") {{ trackingCode webhooks {{ url }} }} }}"), json!({}))
            .await;
    assert_eq!(answer["website"]["webhooks"], json!([{ "url": all.url }]));
    let bot = "curl/8.0 (bot)";
    shop.send(with(event("visitor-0001", "signup"), json!({ "user_agent": bot }))).await;
    shop.send(event("visitor-0001", "signup")).await;
    shop.send(event("visitor-0001", "purchase")).await;
    shop.send(with(event("visitor-0001", ""), json!({ "type": "identify", "data": { "user_id": "u1" } }))).await;
    let other = with(event("visitor-0009", "elsewhere"), json!({ "url": "https://other.example/" }));
    let path = format!("/e/{}", answer["website"]["trackingCode"].as_str().unwrap());
    assert_eq!(shop.post(&path, other.to_string(), &[("origin", "https://other.example")]).await.status, 200);
    let names =
        |calls: Vec<Call>| -> Vec<Value> { calls.iter().map(|call| call.json()["data"]["name"].clone()).collect() };
    let mut heard = names(all.calls(4).await);
    heard.sort_by_key(Value::to_string);
    assert_eq!(heard, [json!("elsewhere"), json!("purchase"), json!("signup"), Value::Null]);
    assert_eq!(names(some.calls(1).await), [Value::Null]);
    assert_eq!(names(named.calls(1).await), [json!("purchase")]);
    assert_eq!((all.count(), some.count(), named.count()), (4, 1, 1));
}

#[tokio::test]
async fn a_failing_receiver_hears_each_event_again_under_its_id_and_in_order_per_visitor() {
    let shop = open_shop().await;
    let receiver = Receiver::new().await;
    let (id, secret) = hook(&shop, &receiver.url, json!({})).await;
    // The first event of the first visitor fails three times; the second visitor is not held up.
    receiver.answer(|call, before| {
        let is_first = call.body.contains("\"first\"");
        if is_first && before.iter().filter(|before| before.body == call.body).count() < 3 {
            Answer::status(500)
        } else {
            Answer::status(204)
        }
    });
    for name in ["first", "second", "third"] {
        shop.send(event("visitor-0001", name)).await;
    }
    shop.send(event("visitor-0002", "other")).await;
    receiver.calls(2).await;
    for (calls, pause) in [(3, 20), (4, 80)] {
        log_until(&shop, &id, |log| {
            log.iter().any(|sent| sent["status"] == "WAITING" && statuses(sent).len() == calls - 2)
        })
        .await;
        shop.app.pass(Duration::seconds(pause));
        receiver.calls(calls).await;
    }
    log_until(&shop, &id, |log| log.iter().any(|sent| statuses(sent).len() == 3)).await;
    shop.app.pass(Duration::seconds(320));
    let calls = receiver.calls(7).await;
    let name = |call: &Call| call.json()["data"]["name"].as_str().unwrap().to_owned();
    let of_first: Vec<String> = calls.iter().map(name).filter(|name| name != "other").collect();
    assert_eq!(of_first, ["first", "first", "first", "first", "second", "third"]);
    let ids: HashSet<&str> =
        calls.iter().filter(|call| name(call) == "first").map(|call| call.header("webhook-id")).collect();
    assert_eq!(ids.len(), 1, "one ID for all attempts");
    let bodies: HashSet<&str> = calls.iter().filter(|call| name(call) == "first").map(|call| &*call.body).collect();
    assert_eq!(bodies.len(), 1);
    assert!(calls.iter().all(|call| call.is_signed(&secret)));
    let log = log_until(&shop, &id, |log| log.iter().all(|sent| sent["status"] == "DELIVERED")).await;
    let first = log.iter().find(|sent| sent["payload"]["data"]["name"] == "first").unwrap();
    assert_eq!(statuses(first), [500, 500, 500, 204].map(|status| json!(status)));
}

#[tokio::test]
async fn a_receiver_that_vanishes_for_an_hour_hears_everything_in_order_when_it_is_back() {
    let shop = open_shop().await;
    let receiver = Receiver::new().await;
    let (id, _) = hook(&shop, &receiver.url, json!({})).await;
    receiver.vanish().await;
    for number in 0..20 {
        shop.send(event(&format!("visitor-000{}", number % 4), &format!("event-{number:02}"))).await;
    }
    log_until(&shop, &id, |log| log.len() == 20 && log.iter().any(|sent| !statuses(sent).is_empty())).await;
    for _ in 0..6 {
        let before: usize = log(&shop, &id).await.iter().map(|sent| statuses(sent).len()).sum();
        shop.app.pass(Duration::minutes(10));
        log_until(&shop, &id, |log| log.iter().map(|sent| statuses(sent).len()).sum::<usize>() > before).await;
    }
    assert!(log(&shop, &id).await.iter().all(|sent| sent["status"] == "WAITING"));
    assert!(record(&shop).await["failingSince"].is_string());
    receiver.come_back().await;
    for _ in 0..40 {
        if receiver.count() >= 20 {
            break;
        }
        shop.app.pass(Duration::minutes(30));
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
    let calls = receiver.calls(20).await;
    let ids: HashSet<&str> = calls.iter().map(|call| call.header("webhook-id")).collect();
    assert_eq!(ids.len(), 20);
    for visitor in 0..4 {
        let all = calls.iter().map(|call| call.json()["data"]["name"].as_str().unwrap()[6..].parse::<u32>().unwrap());
        let theirs: Vec<u32> = all.filter(|number| number % 4 == visitor).collect();
        assert!(theirs.is_sorted() && theirs.len() == 5, "{theirs:?}");
    }
    log_until(&shop, &id, |log| log.iter().all(|sent| sent["status"] == "DELIVERED")).await;
    assert_eq!(record(&shop).await["failingSince"], Value::Null);
}

#[tokio::test]
async fn a_receiver_that_hangs_delays_no_other() {
    let shop = open_shop().await;
    let (slow, quick) = (Receiver::new().await, Receiver::new().await);
    let (id, _) = hook(&shop, &slow.url, json!({})).await;
    hook(&shop, &quick.url, json!({})).await;
    slow.answer(|_, _| Answer::Hang);
    for number in 0..50 {
        shop.send(event(&format!("visitor-{number:04}"), "signup")).await;
    }
    quick.calls(50).await;
    assert!(slow.count() <= 8, "at most eight at a time: {}", slow.count());
    // After ten seconds it counts as failed, and waits.
    let log = log_until(&shop, &id, |log| log.iter().any(|sent| !statuses(sent).is_empty())).await;
    let failed = log.iter().find(|sent| !statuses(sent).is_empty()).unwrap();
    assert_eq!(failed["attempts"][0]["error"], "No response within 10 seconds.");
    assert!(failed["attempts"][0]["durationMilliseconds"].as_i64().unwrap() >= 10_000);
}

#[tokio::test]
async fn retry_after_is_obeyed() {
    let shop = open_shop().await;
    let receiver = Receiver::new().await;
    let (id, _) = hook(&shop, &receiver.url, json!({})).await;
    receiver.answer(|_, before| match before.len() {
        0 => Answer { retry_after: Some("600"), ..Answer::status(429) },
        _ => Answer::status(200),
    });
    shop.send(event("visitor-0001", "signup")).await;
    receiver.calls(1).await;
    let log = log_until(&shop, &id, |log| statuses(&log[0]).len() == 1).await;
    assert_eq!(log[0]["nextAttemptAt"], "2026-03-04T05:16:07.000Z");
    // A second visitor's event waits too.
    shop.send(event("visitor-0002", "signup")).await;
    log_until(&shop, &id, |log| log.len() == 2).await;
    shop.app.pass(Duration::seconds(601));
    receiver.calls(3).await;
}

#[tokio::test]
async fn what_fails_eight_times_over_a_day_disables_the_webhook_with_a_mail_and_a_line_in_the_audit_log() {
    let (port, mut mails) = mail_server().await;
    let shop = shop_with(|flags| {
        open(flags);
        (flags.mail_host, flags.mail_port) = (Some("127.0.0.1".to_owned()), Some(port));
        (flags.mail_tls, flags.mail_from) =
            (Some(footfall::config::mail::MailTls::None), Some("footfall@shop.example".to_owned()));
    })
    .await;
    let receiver = Receiver::new().await;
    let (id, _) = hook(&shop, &receiver.url, json!({})).await;
    receiver.answer(|_, _| Answer::status(500));
    shop.send(event("visitor-0001", "signup")).await;
    let began = shop.app.ports.now();
    for attempt in 1..=8 {
        let log = log_until(&shop, &id, |log| log.len() == 1 && statuses(&log[0]).len() == attempt).await;
        let Some(next) = log[0]["nextAttemptAt"].as_str() else { continue };
        let pause = next.parse::<chrono::DateTime<chrono::Utc>>().unwrap() - shop.app.ports.now();
        let expected = 16 << (2 * (attempt - 1));
        assert!((expected * 79 / 100..=expected * 121 / 100).contains(&pause.num_seconds()), "{attempt}: {pause}");
        shop.app.pass(pause);
    }
    assert!((19..=30).contains(&(shop.app.ports.now() - began).num_hours()));
    let log = log(&shop, &id).await;
    assert_eq!((&log[0]["status"], receiver.count()), (&json!("FAILED"), 8));
    let shown = record(&shop).await;
    assert_eq!(shown["isEnabled"], false);
    assert_eq!(shown["disabledReason"], "No attempt has succeeded for a day.");
    let mail = loop {
        let mail = mails.recv().await.unwrap();
        if mail.data.contains("webhook") {
            break mail;
        }
    };
    assert!(mail.to.contains("owner@shop.example") && mail.data.contains(&receiver.url), "{}", mail.data);
    let lines =
        gql(&shop, "{ viewer { defaultTeam { auditLog(first: 1) { nodes { action actor } } } } }", json!({})).await;
    assert_eq!(
        lines["viewer"]["defaultTeam"]["auditLog"]["nodes"][0],
        json!({ "action": "WEBHOOK_DISABLE", "actor": "operator" })
    );
    // Nothing new is reported until it is enabled again; then the failed message can be sent by hand, under the same ID.
    shop.send(event("visitor-0002", "unheard")).await;
    receiver.answer(|_, _| Answer::status(200));
    let again = "mutation($input: WebhookRedeliverInput!) { webhookRedeliver(input: $input) { delivery { status } } }";
    let input = json!({ "input": { "deliveryId": log[0]["id"] } });
    let refused = shop.app.token(&shop.owner.token).gql(again, input.clone()).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "CONFLICT");
    let enable = "mutation($id: ID!) { webhookUpdate(input: { webhookId: $id, isEnabled: true }) { webhook { isEnabled disabledReason } } }";
    let enabled = gql(&shop, enable, json!({ "id": id })).await;
    assert_eq!(enabled["webhookUpdate"]["webhook"], json!({ "isEnabled": true, "disabledReason": null }));
    gql(&shop, again, input).await;
    let calls = receiver.calls(9).await;
    assert_eq!(calls[8].header("webhook-id"), calls[0].header("webhook-id"));
    shop.send(event("visitor-0002", "heard")).await;
    assert!(receiver.calls(10).await[9].body.contains("\"heard\""));
}

#[tokio::test]
async fn a_receiver_that_is_gone_disables_its_webhook_at_once() {
    let shop = open_shop().await;
    let receiver = Receiver::new().await;
    let (id, _) = hook(&shop, &receiver.url, json!({})).await;
    receiver.answer(|_, _| Answer::status(410));
    shop.send(event("visitor-0001", "signup")).await;
    let log = log_until(&shop, &id, |log| log.len() == 1 && log[0]["status"] == "FAILED").await;
    assert_eq!(statuses(&log[0]), [json!(410)]);
    assert_eq!(record(&shop).await["disabledReason"], "The URL answered 410 Gone.");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let shop = open_shop().await;
    let (receiver, other) = (Receiver::new().await, Receiver::new().await);
    let (id, _) = hook(&shop, &receiver.url, json!({})).await;
    let location: &'static str = Box::leak(other.url.clone().into_boxed_str());
    receiver.answer(move |_, _| Answer { location: Some(location), ..Answer::status(307) });
    shop.send(event("visitor-0001", "signup")).await;
    log_until(&shop, &id, |log| log.len() == 1 && statuses(&log[0]) == [json!(307)] && log[0]["status"] == "WAITING")
        .await;
    assert_eq!(other.count(), 0);
}

#[tokio::test]
async fn secrets_are_shown_once_stored_encrypted_and_rotate_with_an_overlap() {
    let shop = open_shop().await;
    let receiver = Receiver::new().await;
    let (id, first) = hook(&shop, &receiver.url, json!({})).await;
    let rotate =
        "mutation($id: ID!) { webhookRotateSecret(input: { webhookId: $id }) { secret previousSecretExpiresAt } }";
    let rotated = gql(&shop, rotate, json!({ "id": id })).await["webhookRotateSecret"].clone();
    let second = rotated["secret"].as_str().unwrap();
    assert_ne!(first, second);
    assert_eq!(rotated["previousSecretExpiresAt"], "2026-03-05T05:06:07.000Z");
    shop.send(event("visitor-0001", "signup")).await;
    let call = receiver.calls(1).await.remove(0);
    assert!(call.is_signed(&first));
    assert!(call.is_signed(second));
    assert_eq!(call.header("webhook-signature").split(' ').count(), 2);
    assert_ne!(call.header("x-zenovay-signature"), call.header("x-zenovay-signature-previous"));
    shop.app.pass(Duration::hours(25));
    shop.send(event("visitor-0001", "signup")).await;
    let call = receiver.calls(2).await.remove(1);
    assert!(!call.is_signed(&first));
    assert!(call.is_signed(second));
    // Neither the secrets nor their keys are in any file.
    let folder = shop.app.stop().await;
    for secret in [first.as_str(), second] {
        let text = secret.trim_start_matches("whsec_").as_bytes();
        for file in std::fs::read_dir(folder.path().join("data")).unwrap().flatten() {
            let Ok(bytes) = std::fs::read(file.path()) else { continue };
            assert!(!bytes.windows(text.len()).any(|part| part == text), "{:?}", file.path());
        }
    }
}

#[tokio::test]
async fn a_test_is_sent_and_logged() {
    let shop = open_shop().await;
    let receiver = Receiver::new().await;
    let (id, secret) = hook(&shop, &receiver.url, json!({})).await;
    let path = format!("{HOOKS}/{id}/test");
    let (status, sent) = send(&shop.app.token(&shop.owner.token), Method::POST, &path, None).await;
    assert_eq!(status, 201, "{sent}");
    let call = receiver.calls(1).await.remove(0);
    assert!(call.is_signed(&secret));
    assert_eq!(call.json()["event"], "visitor.high_value");
    assert_eq!(keys(&call.json()["data"]), ["visitor_id", "score", "current_page", "time_on_site"]);
    assert_eq!(call.header("webhook-id"), sent["data"]["id"]);
    let log = log_until(&shop, &id, |log| log[0]["status"] == "DELIVERED").await;
    assert_eq!(log[0]["isTest"], true);
}

#[tokio::test]
async fn webhooks_are_made_and_listed_over_rest() {
    let shop = open_shop().await;
    let owner = shop.app.token(&shop.owner.token);
    let (status, made) =
        send(&owner, Method::POST, HOOKS, Some(json!({ "url": "https://hooks.shop.example/a" }))).await;
    assert_eq!(status, 201, "{made}");
    let mut record = made["data"].clone();
    let secret = record.as_object_mut().unwrap().remove("secret").unwrap();
    assert!(secret.as_str().unwrap().starts_with("whsec_"));
    let events = ["visitor.identified", "visitor.high_value", "event.tracked", "goal.completed", "visitor.converted"];
    assert_eq!(record["events"], json!(events));
    let some =
        json!({ "url": "https://hooks.shop.example/b", "events": ["visitor.high_value"], "website_id": shop.id });
    let (status, second) = send(&owner, Method::POST, HOOKS, Some(some)).await;
    assert_eq!((status.as_u16(), &second["data"]["events"]), (201, &json!(["visitor.high_value"])), "{second}");
    let (_, list) = owner.get(HOOKS).await;
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    assert_eq!(list["data"][0], record, "the secret is shown once");
    let path = format!("{HOOKS}/{}", record["id"].as_str().unwrap());
    let (status, rotated) = send(&owner, Method::POST, &format!("{path}/rotate"), None).await;
    assert!(status == 201 && rotated["data"]["secret"] != secret, "{rotated}");
    let (status, _) = send(&owner, Method::DELETE, &path, None).await;
    assert_eq!((status.as_u16(), owner.get(HOOKS).await.1["data"].as_array().unwrap().len()), (200, 1));
}

#[tokio::test]
async fn urls_into_the_operators_network_are_refused_by_name() {
    let app = TestApp::new().await;
    let owner = app.sign_up("owner@shop.example").await;
    for (url, why) in [
        ("http://hooks.shop.example/", "must begin with https://"),
        ("https://127.0.0.1/", "must be on a public address"),
        ("https://169.254.169.254/latest/meta-data/", "must be on a public address"),
        ("https://2130706433/", "must be on a public address"),
        ("https://[::ffff:10.0.0.1]/", "must be on a public address"),
        ("https://localhost/", "must be on a public address"),
        ("https://user:password@hooks.shop.example/", "cannot contain a user name or password"),
    ] {
        let (status, answer) = send(&app.token(&owner.token), Method::POST, HOOKS, Some(json!({ "url": url }))).await;
        assert_eq!((status.as_u16(), answer["error"]["message"].clone()), (400, json!(format!("url: {why}"))), "{url}");
    }
}
