//! Two hundred `kill -9` between storing an event and sending its message: each answered event is reported, under one ID.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use reqwest::Client;
use serde_json::{Value, json};

use super::{Receiver, until};
use crate::command_line::{Server, footfall, json_of};

/// Times that the server is killed.
const KILLS: usize = 200;

/// Events that are sent before each kill.
const EVENTS: usize = 6;

async fn ask(base: &str, token: Option<&str>, document: &str, variables: Value) -> Value {
    let request = Client::new().post(format!("{base}/graphql"));
    let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
    let body = json!({ "query": document, "variables": variables });
    let answer: Value = request.json(&body).send().await.unwrap().json().await.unwrap();
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"].clone()
}

fn event(number: usize) -> Value {
    json!({
        "type": "event", "name": "signup", "session_id": "session-1234", "event_id": format!("event-{number:08}"),
        "visitor_id": format!("visitor-{:04}", number % 3), "url": "https://shop.example/", "data": { "number": number },
        "device_type": "desktop", "browser": "Firefox", "os": "Linux",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"
    })
}

/// Sends an event until it is answered or the server is gone. Returns whether it was answered.
async fn send(base: &str, code: &str, number: usize) -> bool {
    let request = Client::new().post(format!("{base}/e/{code}")).header("origin", "https://shop.example");
    request.json(&event(number)).send().await.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test]
async fn two_hundred_kills_between_store_and_send_lose_and_double_no_message() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    json_of(&data, &["user", "create", "--email", "ops@shop.example"]);
    let site = json_of(&data, &["website", "create", "shop.example", "--email", "ops@shop.example"]);
    let receiver = Receiver::new().await;
    let mut command = footfall(&data);
    command.arg("serve").env("FOOTFALL_WEBHOOK_PRIVATE", "true").env("FOOTFALL_WEBHOOK_HTTP", "true");
    let mut server = Server::start(&mut command);
    let sign_in = "mutation($input: SignInInput!) { signIn(input: $input) { accessToken } }";
    let input = json!({ "input": { "email": "ops@shop.example", "password": "correct horse battery" } });
    let token = ask(&server.base, None, sign_in, input).await["signIn"]["accessToken"].as_str().unwrap().to_owned();
    let create = "mutation($input: WebhookCreateInput!) { webhookCreate(input: $input) { secret } }";
    let input = json!({ "input": { "url": receiver.url, "websiteId": site["id"] } });
    let made = ask(&server.base, Some(&token), create, input).await;
    let secret = made["webhookCreate"]["secret"].as_str().unwrap();
    let verifier = standardwebhooks::Webhook::new(secret).unwrap();
    let document = format!("{{ website(id: {}) {{ trackingCode }} }}", site["id"]);
    let code = ask(&server.base, Some(&token), &document, json!({})).await["website"]["trackingCode"].clone();
    let code = code.as_str().unwrap();
    let (mut moment, mut next, mut answered) = (11_u64, 0, BTreeSet::new());
    for _ in 0..KILLS {
        for number in next..next + EVENTS {
            if send(&server.base, code, number).await {
                answered.insert(number);
            }
        }
        next += EVENTS;
        // Random moments, the same in every run: up to 20 milliseconds after the last answer.
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        tokio::time::sleep(Duration::from_micros((moment >> 33) % 20_000)).await;
        server.kill();
        server = Server::start(&mut command);
    }
    assert_eq!(answered.len(), KILLS * EVENTS);
    let reported = || {
        let calls = receiver.heard();
        calls
            .iter()
            .map(|call| call.json()["data"]["properties"]["number"].as_u64().unwrap() as usize)
            .collect::<BTreeSet<_>>()
    };
    until("every answered event is reported", || reported() == answered).await;
    // The newest requests are young enough for the library's limit of five minutes.
    let newest = receiver.heard().pop().unwrap();
    verifier.verify(newest.body.as_bytes(), &newest.headers).unwrap();
    let mut ids: BTreeMap<u64, HashSet<String>> = BTreeMap::new();
    let mut order: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for call in receiver.heard() {
        let number = call.json()["data"]["properties"]["number"].as_u64().unwrap();
        let known = ids.entry(number).or_default();
        if known.is_empty() {
            order.entry(number % 3).or_default().push(number);
        }
        known.insert(call.header("webhook-id").to_owned());
    }
    assert!(ids.values().all(|ids| ids.len() == 1), "an event has two messages: {ids:?}");
    assert!(order.values().all(|numbers| numbers.is_sorted()), "{order:?}");
    let all: HashSet<&String> = ids.values().flatten().collect();
    assert_eq!(all.len(), answered.len());
}
