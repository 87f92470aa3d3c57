//! REST: what a stored operation costs beside its GraphQL text, and `GET /websites` beside a bare axum handler of the same bytes.

#![expect(clippy::expect_used, reason = "a bench that cannot go on stops")]

mod measure;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, http::header, routing::get};
use footfall::{
    App, Surroundings,
    config::{Config, Flags},
    rest::Auth,
};
use measure::{median, ms, row, set_up};
use reqwest::Client;
use serde_json::json;
use tokio::net::TcpListener;

const ROUNDS: usize = 7;
const CONNECTIONS: usize = 16;
const REQUESTS: usize = 1_500;

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

/// Requests per second over kept-alive connections.
async fn rate(client: &Client, url: &str, key: &str) -> f64 {
    let begun = Instant::now();
    let work = (0..CONNECTIONS).map(|_| {
        let (client, url, key) = (client.clone(), url.to_owned(), key.to_owned());
        tokio::spawn(async move {
            for _ in 0..REQUESTS / CONNECTIONS {
                let response = client.get(&url).header("x-api-key", &key).send().await.expect("an answer");
                assert_eq!(response.status(), 200);
                response.bytes().await.expect("a body");
            }
        })
    });
    for task in work.collect::<Vec<_>>() {
        task.await.expect("no panic");
    }
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    (REQUESTS as f64 / begun.elapsed().as_secs_f64())
}

/// Milliseconds of one hundred requests, one after another.
async fn hundred(send: impl AsyncFn() -> reqwest::Response) -> f64 {
    let begun = Instant::now();
    for _ in 0..100 {
        let response = send().await;
        assert_eq!(response.status(), 200);
        response.bytes().await.expect("a body");
    }
    ms(begun.elapsed())
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let domains: Vec<String> = (0..10).map(|site| format!("site{site}.example")).collect();
    let (websites, key) = set_up(&data, &domains);
    let config = Config::layered(Flags { data: Some(data), ..Flags::default() }).expect("a configuration");
    let app = App::build(config, Surroundings::default()).await.expect("an installation");
    let base = serve(app.router()).await;
    let client = Client::builder()
        .pool_max_idle_per_host(CONNECTIONS)
        .timeout(Duration::from_secs(30))
        .build()
        .expect("a client");

    let url = format!("{base}/api/external/v1/websites");
    let bytes =
        client.get(&url).header("x-api-key", &key).send().await.expect("an answer").bytes().await.expect("a body");
    let bytes: Arc<Bytes> = Arc::new(bytes);
    let bare = Router::new().route(
        "/websites",
        get(move || {
            let bytes = Bytes::clone(&bytes);
            async move { ([(header::CONTENT_TYPE, "application/json")], bytes) }
        }),
    );
    let bare = format!("{}/websites", serve(bare).await);
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (one, other) = (rate(&client, &url, &key).await, rate(&client, &bare, &key).await);
        if round > 0 {
            ours.push(one);
            theirs.push(other);
            ratios.push(one / other);
        }
    }
    println!(
        "GET /websites: {:.0} requests/s; a bare handler {:.0}; {CONNECTIONS} connections, load in the same process",
        median(ours),
        median(theirs)
    );
    let ratio = median(ratios);
    row("GET /websites / bare axum handler", format!("{ratio:.2}"), ">= 0.33", ratio >= 1.0 / 3.0);

    let rest = footfall::rest_api().expect("documents");
    let mut worst: f64 = 0.0;
    // Routes of the external API: the others need a session, or are public and remembered.
    for route in rest.table().into_iter().filter(|route| route.auth == Auth::Key) {
        let text = rest.stored().find(|stored| stored.name == route.operation).expect("a document").text.to_owned();
        let variable = if route.path.contains(":id") { "id" } else { "websiteId" };
        let variables = if route.path.contains(':') { json!({ variable: websites[0] }) } else { json!({}) };
        let path = route.path.replace(":websiteId", &websites[0]).replace(":id", &websites[0]);
        let (url, graphql) = (format!("{base}{path}"), format!("{base}/graphql"));
        let mut ratios = Vec::new();
        for _ in 0..ROUNDS {
            let stored =
                hundred(async || client.get(&url).header("x-api-key", &key).send().await.expect("an answer")).await;
            let body = json!({ "query": text, "variables": variables });
            let free = hundred(async || {
                client.post(&graphql).header("x-api-key", &key).json(&body).send().await.expect("an answer")
            })
            .await;
            ratios.push(stored / free);
        }
        let ratio = median(ratios);
        worst = worst.max(ratio);
        println!("  {:<52} {ratio:.2} of its GraphQL text", route.path);
    }
    row("a stored operation / its GraphQL text, the worst route", format!("{worst:.2}"), "<= 1.10", worst <= 1.1);
}
