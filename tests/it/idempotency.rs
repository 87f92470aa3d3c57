//! `clientMutationId`: mutations that create something create it once. The schema says which they are.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::{
    parse_schema,
    types::{FieldDefinition, TypeDefinition, TypeKind, TypeSystemDefinition},
};
use chrono::Duration;
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use serde_json::{Value, json};

use crate::app::{Person, TestApp};

const KEY: &str = "clientMutationId";

/// Words of mutations that create something.
const CREATING: [&str; 6] = ["append", "create", "exclude", "invite", "rotate", "test"];

/// Words of mutations that create nothing. Signing in and signing up take no key: keys belong to a caller.
const OTHER: [&str; 21] = [
    "accept",
    "acknowledge",
    "change",
    "confirm",
    "decline",
    "delete",
    "forget",
    "forgot",
    "leave",
    "redeliver",
    "refresh",
    "remove",
    "reset",
    "revoke",
    "save",
    "send",
    "sign",
    "transfer",
    "undo",
    "update",
    "verify",
];

fn types() -> BTreeMap<String, TypeDefinition> {
    let definitions = parse_schema(schema::sdl()).unwrap().definitions;
    let named = definitions.into_iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) => Some((definition.node.name.node.to_string(), definition.node)),
        _ => None,
    });
    named.collect()
}

fn fields(types: &BTreeMap<String, TypeDefinition>, name: &str) -> Vec<FieldDefinition> {
    match &types[name].kind {
        TypeKind::Object(object) => object.fields.iter().map(|field| field.node.clone()).collect(),
        _ => Vec::new(),
    }
}

/// `websiteExcludeIp` becomes `website`, `exclude`, `ip`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            words.push(String::new());
        }
        words.last_mut().unwrap().push(letter.to_ascii_lowercase());
    }
    words
}

/// The mutations that create something, by their names.
fn creating() -> Vec<FieldDefinition> {
    let is_creating = |field: &FieldDefinition| {
        let words = words(&field.name.node);
        let is_one_of = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
        let (creates, does_not) = (is_one_of(&CREATING), is_one_of(&OTHER));
        assert!(creates != does_not, "{}: say whether it creates something", field.name.node);
        creates
    };
    fields(&types(), "Mutation").into_iter().filter(is_creating).collect()
}

#[test]
fn all_mutations_that_create_something_take_a_key_and_echo_it() {
    let types = types();
    let with_key = types.values().filter(|definition| match &definition.kind {
        TypeKind::Object(object) => object.fields.iter().any(|field| field.node.name.node == KEY),
        TypeKind::InputObject(input) => input.fields.iter().any(|field| field.node.name.node == KEY),
        _ => false,
    });
    let with_key: BTreeSet<String> = with_key.map(|definition| definition.name.node.to_string()).collect();
    let names = creating().into_iter().map(|field| field.name.node[..1].to_uppercase() + &field.name.node[1..]);
    let expected = names.flat_map(|name| [format!("{name}Input"), format!("{name}Payload")]).collect();
    assert_eq!(with_key, expected);
}

/// All that a payload shows: IDs of nodes, and the scalars of what is none.
fn selection(types: &BTreeMap<String, TypeDefinition>, name: &str) -> String {
    let selected = fields(types, name).into_iter().map(|field| {
        let ty = field.ty.node.to_string().trim_end_matches('!').to_owned();
        match types.get(&ty).map(|definition| &definition.kind) {
            Some(TypeKind::Object(object)) if object.implements.iter().any(|known| known.node == "Node") => {
                format!("{} {{ id }}", field.name.node)
            }
            Some(TypeKind::Object(_)) => format!("{} {{ {} }}", field.name.node, selection(types, &ty)),
            _ => field.name.node.to_string(),
        }
    });
    selected.collect::<Vec<_>>().join(" ")
}

/// A team with all that the mutations refer to.
struct World {
    app: TestApp,
    owner: Person,
    site: String,
    conversation: String,
}

impl World {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let owner = app.sign_up("owner@shop.example").await;
        let site = app.website(&owner, "shop.example", "UTC").await;
        let create = "mutation { conversationCreate(input: { title: \"First\" }) { conversation { id } } }";
        let made = app.token(&owner.token).gql(create, json!({})).await;
        let conversation = made["data"]["conversationCreate"]["conversation"]["id"].as_str().unwrap().to_owned();
        Self { app, owner, site, conversation }
    }

    async fn restarted(self) -> Self {
        let folder = self.app.stop().await;
        Self { app: TestApp::over(folder, |_| {}).await, ..self }
    }

    async fn gql(&self, document: &str, variables: Value) -> Value {
        self.app.token(&self.owner.token).gql(document, variables).await
    }

    /// An input of a mutation, another one for each number.
    async fn input(&self, mutation: &str, number: usize) -> Value {
        match mutation {
            "websiteCreate" => json!({ "domain": format!("shop{number}.example"), "name": "Shop" }),
            "websiteExcludeIp" => json!({ "ipAddress": format!("203.0.113.{number}") }),
            "websiteExcludePath" => json!({ "pathPattern": format!("/{number}/*"), "description": "Staff" }),
            "goalCreate" => json!({ "name": format!("Goal {number}"), "rule": { "call": { "name": "signup" } } }),
            "teamCreate" | "apiKeyCreate" => json!({ "name": format!("Number {number}") }),
            "conversationCreate" => json!({ "title": format!("Number {number}") }),
            "conversationAppendMessage" => json!({ "role": "user", "content": format!("Number {number}") }),
            "invitationCreate" => json!({ "email": format!("guest{number}@shop.example"), "role": "EDITOR" }),
            "websiteInviteMember" | "teamInviteMember" => {
                let email = format!("{}{number}@shop.example", mutation.to_lowercase());
                self.app.sign_up(&email).await;
                json!({ "email": email })
            }
            "apiKeyRotate" => {
                let create = "mutation { apiKeyCreate(input: { name: \"Old\" }) { apiKey { id } } }";
                let made = self.gql(create, json!({})).await;
                json!({ "apiKeyId": made["data"]["apiKeyCreate"]["apiKey"]["id"] })
            }
            "webhookCreate" => json!({ "url": format!("https://hooks.shop.example/{number}") }),
            "webhookRotateSecret" | "webhookTest" => {
                let create =
                    "mutation { webhookCreate(input: { url: \"https://hooks.shop.example/\" }) { webhook { id } } }";
                let made = self.gql(create, json!({})).await;
                json!({ "webhookId": made["data"]["webhookCreate"]["webhook"]["id"] })
            }
            other => panic!("{other} creates something: give it an input"),
        }
    }

    /// Sends a mutation with a key. Returns its payload, or its errors.
    async fn send(&self, field: &FieldDefinition, input: &Value, key: &str) -> Result<Value, Value> {
        let name = &field.name.node;
        let ty = name[..1].to_uppercase() + &name[1..];
        let parent =
            field.arguments.iter().map(|argument| argument.node.name.node.as_str()).find(|name| *name != "input");
        let (declared, given) = match parent {
            Some(parent) => (format!(", ${parent}: ID!"), format!("{parent}: ${parent}, ")),
            None => Default::default(),
        };
        let selected = selection(&types(), &format!("{ty}Payload"));
        let document =
            format!("mutation($input: {ty}Input!{declared}) {{ {name}({given}input: $input) {{ {selected} }} }}");
        let mut input = input.clone();
        input[KEY] = key.into();
        let mut variables = json!({ "input": input });
        if let Some(parent) = parent {
            variables[parent] = match parent {
                "websiteId" => self.site.as_str().into(),
                "teamId" => self.owner.team.as_str().into(),
                "conversationId" => self.conversation.as_str().into(),
                other => panic!("{other}: say which one"),
            };
        }
        let answer = self.gql(&document, variables).await;
        match answer.get("errors") {
            Some(errors) => Err(errors.clone()),
            None => Ok(answer["data"][name.as_str()].clone()),
        }
    }

    /// Rows of all tables.
    async fn rows(&self) -> BTreeMap<String, i64> {
        let operator = self.app.operator();
        let reader = self.app.ports.database.reader(&operator);
        let backend = reader.get_database_backend();
        let tables = match backend {
            DbBackend::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
            _ => "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = current_schema()",
        };
        let mut counts = BTreeMap::new();
        for row in reader.query_all_raw(Statement::from_string(backend, tables)).await.unwrap() {
            let table: String = row.try_get("", "name").unwrap();
            let count = format!("SELECT COUNT(*) AS count FROM {table}");
            let row = reader.query_one_raw(Statement::from_string(backend, count)).await.unwrap().unwrap();
            counts.insert(table, row.try_get("", "count").unwrap());
        }
        counts
    }

    /// The rows that were added since.
    async fn added(&self, before: &BTreeMap<String, i64>) -> BTreeMap<String, i64> {
        let added = self.rows().await.into_iter().map(|(table, count)| {
            let before = before[&table];
            (table, count - before)
        });
        added.filter(|(_, added)| *added != 0).collect()
    }
}

/// What is shown once.
const SECRETS: [&str; 3] = ["secret", "link", "token"];

/// A payload as a repetition shows it.
fn without_secrets(payload: &Value) -> Value {
    let mut payload = payload.clone();
    for secret in SECRETS {
        if let Some(shown) = payload.get_mut(secret) {
            assert!(shown.is_string(), "{secret} was shown the first time");
            *shown = Value::Null;
        }
    }
    payload
}

fn assert_key_is_refused(errors: &Value, why: &str) {
    assert_eq!(
        (&errors[0]["extensions"]["code"], &errors[0]["extensions"]["field"]),
        (&json!("VALIDATION_ERROR"), &json!(KEY)),
        "{errors}"
    );
    let message = errors[0]["message"].as_str().unwrap();
    assert!(message.starts_with("clientMutationId: ") && message.contains(why), "{message}");
}

#[tokio::test]
async fn a_repeated_mutation_creates_nothing_and_answers_the_first_result_even_after_a_restart() {
    let mut world = World::new().await;
    let mut first = Vec::new();
    for field in creating() {
        let name = field.name.node.as_str();
        let input = world.input(name, 1).await;
        let payload = world.send(&field, &input, "key-1").await.unwrap_or_else(|errors| panic!("{name}: {errors}"));
        assert_eq!(payload[KEY], "key-1", "{name}");
        let rows = world.rows().await;
        let again = world.send(&field, &input, "key-1").await.unwrap_or_else(|errors| panic!("{name}: {errors}"));
        assert_eq!(again, without_secrets(&payload), "{name}");
        assert_eq!(world.added(&rows).await, BTreeMap::new(), "{name}");
        first.push((field, input, payload));
    }
    world = world.restarted().await;
    let rows = world.rows().await;
    for (field, input, payload) in &first {
        let again = world.send(field, input, "key-1").await.unwrap();
        assert_eq!(again, without_secrets(payload), "{}", field.name.node);
    }
    assert_eq!(world.added(&rows).await, BTreeMap::new());
    // Another input is a mistake of the client.
    for (field, _, _) in &first {
        let other = world.input(field.name.node.as_str(), 2).await;
        let rows = world.rows().await;
        let errors = world.send(field, &other, "key-1").await.unwrap_err();
        assert_key_is_refused(&errors, "was already used");
        assert_eq!(world.added(&rows).await, BTreeMap::new(), "{}", field.name.node);
    }
}

#[tokio::test]
async fn concurrent_repetitions_create_one_row() {
    let world = World::new().await;
    for field in creating() {
        let name = field.name.node.as_str();
        let (alone, together) = (world.input(name, 1).await, world.input(name, 2).await);
        let rows = world.rows().await;
        world.send(&field, &alone, "alone").await.unwrap();
        let of_one = world.added(&rows).await;
        assert_eq!(of_one["idempotency_keys"], 1, "{name}");
        let rows = world.rows().await;
        let answers = join_all((0..8).map(|_| world.send(&field, &together, "together"))).await;
        let answers: Vec<Value> =
            answers.into_iter().map(|answer| answer.unwrap_or_else(|e| panic!("{name}: {e}"))).collect();
        assert_eq!(world.added(&rows).await, of_one, "{name}");
        let secrets = |answer: &Value| SECRETS.iter().any(|secret| answer.get(secret).is_some_and(Value::is_string));
        let with_secret: Vec<&Value> = answers.iter().filter(|answer| secrets(answer)).collect();
        assert!(with_secret.len() <= 1, "{name}: {answers:?}");
        let expected = with_secret.first().map_or_else(|| answers[0].clone(), |answer| without_secrets(answer));
        assert!(
            answers.iter().filter(|answer| !secrets(answer)).all(|answer| *answer == expected),
            "{name}: {answers:?}"
        );
    }
}

const CREATE: &str =
    "mutation($input: WebsiteCreateInput!) { websiteCreate(input: $input) { website { id } clientMutationId } }";

fn shop(key: &str, domain: &str) -> Value {
    json!({ "input": { "domain": domain, "name": "Shop", "clientMutationId": key } })
}

#[tokio::test]
async fn a_key_belongs_to_one_caller_and_one_mutation() {
    let world = World::new().await;
    let first = world.gql(CREATE, shop("mine", "one.example")).await;
    let other = world.app.sign_up("other@shop.example").await;
    let theirs = world.app.token(&other.token).gql(CREATE, shop("mine", "one.example")).await;
    assert!(theirs["data"]["websiteCreate"]["website"]["id"].is_string(), "{theirs}");
    assert_ne!(theirs["data"], first["data"]);
    let team = "mutation { teamCreate(input: { name: \"Mine\", clientMutationId: \"mine\" }) { team { name } } }";
    assert_eq!(world.gql(team, json!({})).await["data"]["teamCreate"]["team"]["name"], "Mine");
    // Members in another order are the same input, and both in one document are one.
    let twice = "mutation {
        a: websiteCreate(input: { name: \"Shop\", clientMutationId: \"mine\", domain: \"one.example\" }) { website { id } clientMutationId }
        b: websiteCreate(input: { clientMutationId: \"mine\", domain: \"one.example\", name: \"Shop\" }) { website { id } clientMutationId } }";
    let answer = world.gql(twice, json!({})).await;
    assert_eq!(answer["data"]["a"], first["data"]["websiteCreate"], "{answer}");
    assert_eq!(answer["data"]["b"], first["data"]["websiteCreate"], "{answer}");
}

#[tokio::test]
async fn a_key_has_a_length_and_a_mutation_that_fails_does_not_use_it_up() {
    let world = World::new().await;
    for (key, why) in [("", "1 to 200 characters"), (&"x".repeat(201), "(got 201)"), ("a\0b", "control")] {
        let answer = world.gql(CREATE, shop(key, "one.example")).await;
        assert_key_is_refused(&answer["errors"], why);
    }
    let longest = "é".repeat(200);
    let answer = world.gql(CREATE, shop(&longest, "one.example")).await;
    assert_eq!(answer["data"]["websiteCreate"][KEY], longest, "{answer}");
    // The team has the domain until its website is deleted; then the same request succeeds.
    let taken = world.gql(CREATE, shop("again", "one.example")).await;
    assert_eq!(taken["errors"][0]["extensions"]["code"], "CONFLICT", "{taken}");
    let delete = "mutation($id: ID!) { websiteDelete(input: { websiteId: $id }) { deletedId } }";
    let gone = world.gql(delete, json!({ "id": answer["data"]["websiteCreate"]["website"]["id"] })).await;
    assert!(gone.get("errors").is_none(), "{gone}");
    let made = world.gql(CREATE, shop("again", "one.example")).await;
    assert!(made["data"]["websiteCreate"]["website"]["id"].is_string(), "{made}");
    // What was deleted since is not made anew.
    let repeated = world.gql(CREATE, shop(&longest, "one.example")).await;
    assert_eq!(repeated["errors"][0]["extensions"]["code"], "NOT_FOUND", "{repeated}");
}

#[tokio::test]
async fn a_key_is_kept_for_a_day() {
    let world = World::new().await;
    let create = "mutation { teamCreate(input: { name: \"Daily\", clientMutationId: \"daily\" }) { team { id } } }";
    let sign_in = "mutation { signIn(input: { email: \"owner@shop.example\", password: \"correct horse battery\" }) { accessToken } }";
    let first = world.gql(create, json!({})).await["data"].clone();
    let keys = async || world.rows().await["idempotency_keys"];
    let sweep = async || {
        let operator = world.app.operator();
        schema::idempotency::sweep(world.app.ports.database.writer(&operator), world.app.ports.now()).await.unwrap()
    };
    let mut answers = Vec::new();
    for time in [Duration::hours(24) - Duration::milliseconds(1), Duration::milliseconds(1)] {
        world.app.pass(time);
        let signed_in = world.app.anon().gql(sign_in, json!({})).await;
        let token = signed_in["data"]["signIn"]["accessToken"].as_str().unwrap().to_owned();
        answers.push(world.app.token(&token).gql(create, json!({})).await["data"].clone());
    }
    assert_eq!(answers[0], first);
    assert!(answers[1]["teamCreate"]["team"]["id"].is_string() && answers[1] != first, "{answers:?}");
    assert_eq!((keys().await, sweep().await, keys().await), (1, 0, 1));
    world.app.pass(Duration::hours(24));
    assert_eq!((sweep().await, keys().await), (1, 0));
}
