//! Rules on input values: what `@constraint` states in the SDL is what the rules of the server accept, at each bound and beyond it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use async_graphql::{Request, Value as Graph, Variables, indexmap::IndexMap};
use async_trait::async_trait;
use schema::{Cx, access::Caller, auth::caller_of_token, ports::Mail, schema_index::SchemaIndex};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{Person, TestApp};

/// Each input object with constraints, the field that takes it, and a value that every rule accepts. `<SITE>` and
/// `<CONVERSATION>` stand for IDs, `<N>` for a number that is new in each request.
fn fields() -> Vec<(&'static str, String, Value)> {
    let site = "websiteId: \"<SITE>\", ";
    let of_site = |name: &str| format!("{name}({site}input: $input)");
    let goal_rule = |rule: &str| format!("goalUpdate({site}input: {{ goalId: \"<GOAL>\", rule: {{ {rule} }} }})");
    let message = json!({ "role": "user", "content": "A" });
    vec![
        ("ApiKeyCreateInput", "apiKeyCreate(input: $input)".to_owned(), json!({ "name": "A" })),
        ("ApiKeyRotateInput", "apiKeyRotate(input: $input)".to_owned(), json!({ "apiKeyId": "<KEY>" })),
        ("WebhookCreateInput", "webhookCreate(input: $input)".to_owned(), json!({ "url": HOOK })),
        ("WebhookUpdateInput", "webhookUpdate(input: $input)".to_owned(), json!({ "webhookId": "<HOOK>" })),
        ("WebhookFilterInput", "webhookUpdate(input: { webhookId: \"<HOOK>\", filter: $input })".to_owned(), json!({})),
        ("WebhookTestInput", "webhookTest(input: $input)".to_owned(), json!({ "webhookId": "<HOOK>" })),
        ("WebhookRotateSecretInput", "webhookRotateSecret(input: $input)".to_owned(), json!({ "webhookId": "<HOOK>" })),
        (
            "InvitationCreateInput",
            "invitationCreate(input: $input)".to_owned(),
            json!({ "email": "guest<N>@shop.example" }),
        ),
        (
            "TeamInviteMemberInput",
            "teamInviteMember(teamId: \"<TEAM>\", input: $input)".to_owned(),
            json!({ "email": FORGETFUL }),
        ),
        ("WebsiteInviteMemberInput", of_site("websiteInviteMember"), json!({ "email": FORGETFUL })),
        ("TeamCreateInput", "teamCreate(input: $input)".to_owned(), json!({ "name": "A" })),
        ("TeamUpdateInput", "teamUpdate(teamId: \"<TEAM>\", input: $input)".to_owned(), json!({ "name": "A" })),
        ("ConversationCreateInput", "conversationCreate(input: $input)".to_owned(), json!({ "title": "A" })),
        (
            "ConversationUpdateInput",
            "conversationUpdate(conversationId: \"<CONVERSATION>\", input: $input)".to_owned(),
            json!({ "title": "A", "messages": [] }),
        ),
        (
            "ConversationMessageInput",
            "conversationUpdate(conversationId: \"<CONVERSATION>\", input: { messages: [$input] })".to_owned(),
            message.clone(),
        ),
        (
            "ConversationAppendMessageInput",
            "conversationAppendMessage(conversationId: \"<CONVERSATION>\", input: $input)".to_owned(),
            message,
        ),
        ("OnboardingSaveInput", "onboardingSave(input: $input)".to_owned(), json!({ "currentStep": "A", "data": {} })),
        (
            "UserUpdateInput",
            "userUpdate(input: $input)".to_owned(),
            json!({ "fullName": "A", "email": "owner@shop.example" }),
        ),
        (
            "SignUpInput",
            "signUp(input: $input)".to_owned(),
            json!({ "email": "a<N>@shop.example", "password": "correct horse", "fullName": "A" }),
        ),
        (
            "PasswordResetInput",
            "passwordReset(input: $input)".to_owned(),
            json!({ "secret": "<SECRET>", "newPassword": "correct horse" }),
        ),
        (
            "PasswordChangeInput",
            "passwordChange(input: $input)".to_owned(),
            json!({ "currentPassword": "<PASSWORD>", "newPassword": "correct horse" }),
        ),
        (
            "WebsiteCreateInput",
            "websiteCreate(input: $input)".to_owned(),
            json!({ "domain": "s<N>.example", "name": "A" }),
        ),
        ("WebsiteUpdateGeneralInput", of_site("websiteUpdateGeneral"), json!({})),
        ("WebsiteSettingsInput", format!("websiteUpdateGeneral({site}input: {{ settings: $input }})"), json!({})),
        ("WebsiteUpdateDomainsInput", of_site("websiteUpdateDomains"), json!({})),
        ("WebsiteUpdateRevenueInput", of_site("websiteUpdateRevenue"), json!({})),
        ("WebsiteUpdateNotificationsInput", of_site("websiteUpdateNotifications"), json!({ "preferences": {} })),
        ("WebsiteUpdateRetentionInput", of_site("websiteUpdateRetention"), json!({})),
        ("WebsiteExcludeIpInput", of_site("websiteExcludeIp"), json!({ "ipAddress": "2001:db8::<N>" })),
        ("GoalCreateInput", of_site("goalCreate"), json!({ "name": "A<N>", "rule": { "call": { "name": "A" } } })),
        ("GoalUpdateInput", of_site("goalUpdate"), json!({ "goalId": "<GOAL>" })),
        ("PageRuleInput", goal_rule("page: $input"), json!({ "pattern": "/A" })),
        ("EventRuleInput", goal_rule("event: $input"), json!({ "name": "A" })),
        ("CallRuleInput", goal_rule("call: $input"), json!({ "name": "A" })),
        (
            "PropertyConditionInput",
            goal_rule("event: { name: \"A\", properties: [$input] }"),
            json!({ "property": "A", "operator": "IS", "values": ["A"] }),
        ),
        (
            "GoalValueInput",
            format!("goalUpdate({site}input: {{ goalId: \"<GOAL>\", value: $input }})"),
            json!({ "amount": "1" }),
        ),
        ("WebsiteExcludePathInput", of_site("websiteExcludePath"), json!({ "pathPattern": "/<N>" })),
        (
            "FilterInput",
            "website(id: \"<SITE>\") { analytics(range: { preset: TODAY }, filters: [$input]) { totals { visits } } }"
                .to_owned(),
            json!({ "dimension": "EVENT", "operator": "IS", "values": ["A"], "property": "A" }),
        ),
        (
            "PersonFilterInput",
            "website(id: \"<SITE>\") { people(filter: $input) { nodes { userId } } }".to_owned(),
            json!({}),
        ),
        (
            "TraitConditionInput",
            "website(id: \"<SITE>\") { people(filter: { traits: [$input] }) { nodes { userId } } }".to_owned(),
            json!({ "name": "A", "operator": "IS", "values": ["A"] }),
        ),
        (
            "ForgetSubjectInput",
            "visitorForget(input: { websiteId: \"<SITE>\", subject: $input })".to_owned(),
            json!({}),
        ),
    ]
}

/// A host name of this many characters.
fn host(length: usize) -> String {
    let labels = ["a".repeat(63), "b".repeat(63), "c".repeat(63)].join(".");
    format!("{labels}.{}", "d".repeat(length - labels.len() - 1))
}

/// Values that keep the rule at its bounds, and values just beyond them. `<N>` keeps the accepted ones apart.
fn at_and_beyond(field: &str, rule: &IndexMap<String, Graph>) -> (Vec<Value>, Vec<Value>) {
    let number = |name: &str| match rule.get(name) {
        Some(Graph::Number(number)) => number.as_u64().map(|number| usize::try_from(number).unwrap()),
        _ => None,
    };
    let text = |length: usize| match field {
        "domain" | "allowedDomains" => host(length),
        "pathPattern" | "pattern" if length > 0 => format!("/{}", "x".repeat(length - 1)),
        _ => "\u{e9}".repeat(length),
    };
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    if let Some(max) = number("maxLength") {
        good.push(json!(text(max)));
        bad.push(json!(text(max + 1)));
    }
    if let Some(min) = number("minLength") {
        good.push(json!(text(min)));
        bad.push(json!(text(min - 1)));
    }
    if let Some(Graph::String(pattern)) = rule.get("pattern") {
        let pattern = regex::Regex::new(pattern).unwrap();
        let formats = rule.contains_key("formats");
        let candidates = [
            " ",
            "A",
            "A b",
            " A ",
            "a\nb",
            "\u{85}",
            "a\0b",
            "x.example",
            "-x.example",
            "x-.example",
            "x..example",
            "a b.example",
            "*.x.example",
            "*.*.example",
            "x.example/a",
            "/",
            "/a*b",
            "/a?b",
            "/a#b",
            "a/b",
            "203.0.113.7",
            "203.0.113.0/24",
            "203.0.113.0/33",
            "2001:db8::1",
            "2001:db8::/48",
            "2001:db8::/129",
            "300.0.0.1",
        ];
        for candidate in candidates {
            let is_address = formats && candidate.parse::<std::net::IpAddr>().is_ok();
            let long_enough = number("minLength").is_none_or(|min| candidate.chars().count() >= min);
            match pattern.is_match(candidate) || is_address {
                true if long_enough => good.push(json!(candidate)),
                true => {}
                // Trimmed before it is checked: the rule states what is stored.
                false if candidate.trim() != candidate && pattern.is_match(candidate.trim()) => {}
                false => bad.push(json!(candidate)),
            }
        }
    }
    if let Some(Graph::List(values)) = rule.get("enum") {
        good.extend(values.iter().map(|value| value.clone().into_json().unwrap()));
        bad.extend([json!("usd"), json!("XXX"), json!("")]);
    }
    if let Some(minimum) = number("minimum") {
        good.push(json!(minimum));
        bad.push(json!(i64::try_from(minimum).unwrap() - 1));
    }
    if rule.get("type") == Some(&Graph::from("object")) {
        good.push(json!({ "a": 1 }));
        bad.extend([json!([]), json!("a"), json!(1)]);
    }
    if let Some(max) = number("maxItems") {
        let item = |index: usize| match field {
            "messages" => json!({ "role": "user", "content": "A" }),
            "properties" => json!({ "property": "A", "operator": "IS", "values": ["A"] }),
            "traits" => json!({ "name": "A", "operator": "IS", "values": ["A"] }),
            "scopes" => json!(["READ", "INGEST", "MANAGE"][index % 3]),
            "allowedOrigins" => json!(format!("https://s{index}.example")),
            "allowedNetworks" => json!(format!("203.0.113.{index}")),
            "events" => json!("EVENT_TRACKED"),
            "goalDatabaseIds" => json!(Uuid::from_u128(index as u128)),
            _ => json!(format!("s{index}.example")),
        };
        let list = |length: usize| (0..length).map(item).collect::<Value>();
        let least = number("minItems").unwrap_or(0);
        // What keeps the rule on one item keeps it on a list of it.
        let one = |value: &Value| json!([value]);
        good = good.iter().map(one).collect();
        bad = bad.iter().map(one).collect();
        good.extend([list(max), list(least)]);
        bad.push(list(max + 1));
        bad.extend(least.checked_sub(1).map(list));
    }
    if rule.contains_key("nullable") {
        bad.push(Value::Null);
    }
    (good, bad)
}

/// Where no webhook is.
const HOOK: &str = "https://hooks.shop.example/";

/// The account that sets new passwords.
const FORGETFUL: &str = "forgetful@shop.example";

/// Keeps the secrets of mails.
#[derive(Default)]
struct Letters(Mutex<Option<String>>);

#[async_trait]
impl Mail for Letters {
    fn is_set_up(&self) -> bool {
        true
    }
    fn reset_page(&self, secret: &str) -> Option<String> {
        *self.0.lock().unwrap() = Some(secret.to_owned());
        None
    }
    async fn send(&self, _: &str, _: &str, _: &str) -> schema::Result<()> {
        Ok(())
    }
}

/// Executes without HTTP, whose limit of bytes some bounds exceed.
struct World {
    app: TestApp,
    owner: Person,
    caller: Caller,
    site: String,
    conversation: String,
    key: String,
    goal: String,
    hook: String,
    schema: schema::Schema,
    ports: schema::Ports,
    letters: Arc<Letters>,
    number: usize,
    /// The password of the owner.
    password: String,
}

impl World {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let owner = app.sign_up("owner@shop.example").await;
        let site = app.website(&owner, "shop.example", "UTC").await;
        let create = "mutation { conversationCreate(input: { title: \"A\" }) { conversation { databaseId } } }";
        let made = app.token(&owner.token).gql(create, json!({})).await;
        let conversation =
            made["data"]["conversationCreate"]["conversation"]["databaseId"].as_str().unwrap().to_owned();
        let create = "mutation { apiKeyCreate(input: { name: \"A\" }) { apiKey { databaseId } } }";
        let made = app.token(&owner.token).gql(create, json!({})).await;
        let key = made["data"]["apiKeyCreate"]["apiKey"]["databaseId"].as_str().unwrap().to_owned();
        let create = format!(
            "mutation {{ goalCreate(websiteId: \"{site}\", input: {{ name: \"G\", rule: {{ call: {{ name: \"A\" }} }} }}) {{ goal {{ databaseId }} }} }}"
        );
        let made = app.token(&owner.token).gql(&create, json!({})).await;
        let goal = made["data"]["goalCreate"]["goal"]["databaseId"].as_str().unwrap().to_owned();
        let create =
            format!("mutation {{ webhookCreate(input: {{ url: \"{HOOK}\" }}) {{ webhook {{ databaseId }} }} }}");
        let made = app.token(&owner.token).gql(&create, json!({})).await;
        let hook = made["data"]["webhookCreate"]["webhook"]["databaseId"].as_str().unwrap().to_owned();
        let letters = Arc::new(Letters::default());
        let ports = schema::Ports { mail: letters.clone(), ..app.ports.clone() };
        app.sign_up(FORGETFUL).await;
        let caller = caller_of_token(&app.ports, &owner.token).await.unwrap();
        Self {
            app,
            owner,
            caller,
            site,
            conversation,
            key,
            goal,
            hook,
            schema: schema::build(true),
            ports,
            letters,
            number: 0,
            password: "correct horse battery".to_owned(),
        }
    }

    async fn run(&self, query: &str, variables: Value) -> Value {
        let request = Request::new(query).variables(Variables::from_json(variables));
        let answer = self.schema.execute(request.data(Cx::new(self.ports.clone(), self.caller))).await;
        serde_json::to_value(answer).unwrap()
    }

    /// A secret to set a new password, after an hour in which none was asked for.
    async fn secret(&self) -> String {
        self.app.pass(chrono::Duration::hours(2));
        let forgot = format!("mutation {{ passwordForgot(input: {{ email: \"{FORGETFUL}\" }}) {{ message }} }}");
        self.run(&forgot, json!({})).await;
        let found = || self.letters.0.lock().unwrap().take();
        loop {
            if let Some(secret) = found() {
                return secret;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Runs the field with the input. Returns the field at fault, if a rule refuses it.
    async fn refused(&mut self, input_type: &str, field: &str, input: &Value) -> Option<String> {
        self.number += 1;
        // Invitations and reset mails are limited per hour.
        self.app.pass(chrono::Duration::minutes(2));
        let secret = if input_type == "PasswordResetInput" { self.secret().await } else { String::new() };
        let ids = |text: &str| {
            text.replace("<SITE>", &self.site)
                .replace("<TEAM>", &self.owner.team)
                .replace("<CONVERSATION>", &self.conversation)
                .replace("<KEY>", &self.key)
                .replace("<GOAL>", &self.goal)
                .replace("<HOOK>", &self.hook)
                .replace("<SECRET>", &secret)
                .replace("<PASSWORD>", &self.password)
                .replace("<N>", &self.number.to_string())
        };
        let (kind, selection) = if field.ends_with('}') { ("query", "") } else { ("mutation", "{ __typename }") };
        let query = ids(&format!("{kind}($input: {input_type}!) {{ {field} {selection} }}"));
        let input: Value = serde_json::from_str(&ids(&input.to_string())).unwrap();
        let answer = self.run(&query, json!({ "input": input })).await;
        let extensions = &answer["errors"][0]["extensions"];
        match extensions["code"].as_str() {
            Some("VALIDATION_ERROR") => {
                Some(extensions["field"].as_str().unwrap_or_else(|| panic!("{query} {input}: {answer}")).to_owned())
            }
            None if input_type == "PasswordChangeInput" => {
                self.password = input["newPassword"].as_str().unwrap().to_owned();
                None
            }
            // Refused for another reason, such as a value that exists already, or an address that is not confirmed.
            Some("CONFLICT" | "NOT_FOUND") => None,
            None if answer["errors"][0]["message"].is_null() => None,
            _ => panic!("{query} {input}: {answer}"),
        }
    }
}

#[tokio::test]
async fn what_the_schema_states_is_what_the_rules_accept() {
    let (mut world, index) = (World::new().await, schema::index().unwrap());
    let fields = fields();
    assert_eq!(stating(&index), fields.iter().map(|(name, ..)| (*name).to_owned()).collect());
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for (input_type, field, base) in &fields {
        for (name, info) in &index.input(input_type).unwrap().fields {
            let (good, bad) = at_and_beyond(name, &info.constraint);
            for (value, is_good) in good.iter().map(|value| (value, true)).chain(bad.iter().map(|value| (value, false)))
            {
                tried += 1;
                let mut input = base.clone();
                input[name] = value.clone();
                let refused = world.refused(input_type, field, &input).await;
                // A filter is refused as a whole.
                let at_fault = if *input_type == "FilterInput" { "filters" } else { name };
                let names_it = refused.as_deref().is_some_and(|at| at.contains(at_fault));
                if names_it == is_good || refused.is_some() != names_it {
                    let value = value.to_string().chars().take(80).collect::<String>();
                    wrong.push(format!("{input_type}.{name} = {value}: states {is_good}, refused: {refused:?}"));
                }
            }
        }
    }
    assert!(tried > 300, "{tried}");
    assert!(wrong.is_empty(), "what is stated is not what is accepted:\n{}", wrong.join("\n"));
}

/// The input objects with constraints.
fn stating(index: &SchemaIndex) -> BTreeSet<String> {
    let has_rule = |name: &&str| index.input(name).unwrap().fields.values().any(|field| !field.constraint.is_empty());
    index.inputs().map(|(name, _)| name).filter(has_rule).map(str::to_owned).collect()
}

/// A field whose description says that it cannot be null, or how long it may be, states it as a rule too, and no other does.
#[test]
fn descriptions_and_rules_of_input_agree() {
    let index = schema::index().unwrap();
    let mut wrong = Vec::new();
    for (name, input) in index.inputs() {
        for (field, info) in &input.fields {
            let about = info.description.as_deref().unwrap_or_default();
            let states = |keyword: &str| info.constraint.contains_key(keyword);
            if about.contains("Cannot be null") != states("nullable") {
                wrong.push(format!("{name}.{field}: null"));
            }
            let length = about.contains(" characters");
            if length && !states("maxLength") {
                wrong.push(format!("{name}.{field}: length"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Every scalar of the schema is known to the check of values before execution.
#[test]
fn every_scalar_is_checked() {
    let index = schema::index().unwrap();
    for scalar in index.scalars() {
        let fault = schema::scalars::coercion_fault(scalar, &Graph::from(true));
        assert_ne!(fault, Some("must be of a known scalar"), "{scalar}");
    }
    assert!(index.scalars().len() >= 10);
}
