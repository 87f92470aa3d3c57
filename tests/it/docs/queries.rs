//! Every query, mutation and subscription of the documents, asked of a real installation.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{Block, document, documents};
use crate::app::{Caller, Person, TestApp};

/// An installation with what the documents' placeholders stand for.
struct World {
    app: TestApp,
    owner: Person,
    site: String,
    code: String,
    key: String,
    conversation: String,
}

impl World {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let owner = app.sign_up("you@shop.example").await;
        let site = app.website(&owner, "shop.example", "UTC").await;
        let key = app.api_key(&owner, None).await;
        let made = "mutation { conversationCreate(input: { title: \"Review\" }) { conversation { databaseId } } }";
        let made = ok("set-up", &app.token(&owner.token).gql(made, json!({})).await);
        let conversation = made["conversationCreate"]["conversation"]["databaseId"].as_str().unwrap().to_owned();
        let code = format!("{{ website(id: \"{site}\") {{ trackingCode }} }}");
        let code = ok("set-up", &app.token(&owner.token).gql(&code, json!({})).await);
        let code = code["website"]["trackingCode"].as_str().unwrap().to_owned();
        Self { app, owner, site, code, key, conversation }
    }

    /// The text with real ids.
    fn filled(&self, text: &str) -> String {
        [
            ("WEBSITE_ID", &self.site),
            ("TEAM_ID", &self.owner.team),
            ("CONVERSATION_ID", &self.conversation),
            ("TRACKING_CODE", &self.code),
            ("ACCESS_TOKEN", &self.owner.token),
            ("'$ID'", &self.site),
        ]
        .iter()
        .fold(text.to_owned(), |text, (placeholder, value)| text.replace(placeholder, value))
    }

    /// Who asks, as the block's first line says.
    fn caller(&self, text: &str) -> Caller<'_> {
        match text.lines().next().unwrap_or_default() {
            "# API key" => self.app.key(&self.key),
            "# anonymous" => self.app.anon(),
            _ => self.app.token(&self.owner.token),
        }
    }

    /// Something for each subscription to tell.
    async fn happen(&self, number: usize) {
        let view = crate::ingest::view(&format!("/{number}")).to_string();
        let sent = self.app.anon().request(Method::POST, &format!("/e/{}", self.code));
        assert_eq!(sent.header("origin", "https://shop.example").body(view).send().await.unwrap().status(), 200);
        let message = "mutation($id: ID!) { conversationAppendMessage(conversationId: $id, input: { role: \"user\", content: \"Why?\" }) { __typename } }";
        let appended = self.app.token(&self.owner.token).gql(message, json!({ "id": self.conversation })).await;
        ok("a message", &appended);
    }

    /// The first thing that a subscription tells.
    async fn first(&self, place: &str, text: &str) -> Value {
        let request = self.caller(text).request(Method::POST, "/graphql").header("accept", "text/event-stream");
        let mut response = request.json(&json!({ "query": text })).send().await.unwrap();
        let mut heard = String::new();
        for number in 0..60 {
            self.happen(number).await;
            listen(&mut response, &mut heard).await;
            let data = heard.lines().find_map(|line| line.strip_prefix("data: {"));
            if let Some(data) = data {
                return serde_json::from_str(&format!("{{{data}")).unwrap();
            }
        }
        panic!("{place}: nothing came: {heard}");
    }
}

/// Adds what comes within a second.
async fn listen(response: &mut Response, heard: &mut String) {
    if let Ok(Ok(Some(bytes))) = tokio::time::timeout(Duration::from_secs(1), response.chunk()).await {
        heard.push_str(&String::from_utf8_lossy(&bytes));
    }
}

/// The data of an answer without errors.
fn ok(place: &str, answer: &Value) -> Value {
    assert!(answer.get("errors").is_none() && answer["data"].is_object(), "{place}: {answer}");
    answer["data"].clone()
}

fn is_subscription(text: &str) -> bool {
    text.lines().find(|line| !line.starts_with('#')).is_some_and(|line| line.starts_with("subscription"))
}

#[tokio::test]
async fn every_query_of_the_documents_is_answered() {
    let world = World::new().await;
    let (mut asked, mut streams) = (0, 0);
    for document in documents() {
        for Block { line, text, .. } in document.blocks().into_iter().filter(|block| block.info == "graphql") {
            let (place, text) = (format!("{}:{line}", document.name), world.filled(&text));
            if is_subscription(&text) {
                ok(&place, &world.first(&place, &text).await);
                streams += 1;
            } else {
                ok(&place, &world.caller(&text).gql(&text, json!({})).await);
            }
            asked += 1;
        }
    }
    assert!(asked >= 12 && streams == 3, "{asked}, {streams} of them subscriptions");
}

/// Requests that are shown without being marked as runnable.
#[tokio::test]
async fn the_request_of_the_readme_is_answered() {
    let world = World::new().await;
    let text = world.filled(&document("README.md").text);
    let (query, _) = text.split_once("-d '{\"query\":").unwrap().1.split_once("}'").unwrap();
    let query: String = serde_json::from_str(query.trim()).unwrap();
    let data = ok("README.md", &world.app.key(&world.key).gql(&query, json!({})).await);
    assert_eq!(data["website"]["name"], "shop.example");
}

#[tokio::test]
async fn the_connection_init_of_the_documents_is_acknowledged() {
    let world = World::new().await;
    let blocks = document("docs/API.md").blocks();
    let block = blocks.iter().find(|block| block.text.contains("connection_init")).unwrap();
    assert_eq!(said_back(&world, &world.filled(&block.text)).await["type"], "connection_ack");
    // The credential of the payload is the one that counts.
    assert_eq!(said_back(&world, &block.text).await, Value::Null);
}

/// What the server answers to the first message of a WebSocket; null where it closes the connection.
async fn said_back(world: &World, message: &str) -> Value {
    let mut socket = TcpStream::connect(world.app.address).await.unwrap();
    let head = format!(
        "GET /graphql/ws HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n",
        world.app.address
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(socket.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    // A text frame with a length of 16 bits, masked by zeros.
    let length = u16::try_from(message.len()).unwrap();
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend(length.to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(message.as_bytes());
    socket.write_all(&frame).await.unwrap();
    let (kind, length) = (socket.read_u8().await.unwrap(), socket.read_u8().await.unwrap());
    let mut payload = vec![0; length.into()];
    socket.read_exact(&mut payload).await.unwrap();
    if kind == 0x81 { serde_json::from_slice(&payload).unwrap() } else { Value::Null }
}
