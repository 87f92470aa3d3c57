//! Client libraries that people use, run in Node against the server.

use crate::{app, ingest::shop};

#[tokio::test]
async fn clients_people_use_are_answered_as_they_ask() {
    let shop = shop().await;
    let said = app::node("clients.mjs", &[&shop.app.url(""), &shop.owner.token, &shop.id]).await;
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), 3, "{said}");
}

#[tokio::test]
async fn subscriptions_are_heard_by_the_clients_people_use() {
    let shop = shop().await;
    let base = shop.app.url("");
    let said = app::node("streams.mjs", &[&base, &shop.owner.token, &shop.id, &shop.code]).await;
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), 5, "{said}");
}

#[tokio::test]
async fn subscriptions_are_heard_by_clients_of_the_older_protocol() {
    let shop = shop().await;
    let base = shop.app.url("");
    let said = app::node("older-streams.mjs", &[&base, &shop.owner.token, &shop.id, &shop.code]).await;
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), 5, "{said}");
}
