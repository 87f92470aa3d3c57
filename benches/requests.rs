//! Requests of a hostile client, by kind and size.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{
    LAST_MS,
    rows::DAY_MS,
    wire::{Wire, beacon_of, request},
};

/// Whom the requests are about: a website of the hostile client's own team, with everything that may be stored there.
#[derive(Clone)]
pub struct Target {
    pub site: String,
    /// An API key.
    pub key: String,
    /// The address and an access token of the owner.
    pub email: String,
    pub token: String,
    pub code: String,
    pub conversation: String,
}

/// One kind of request.
pub struct Kind {
    pub what: &'static str,
    /// The largest size that is tried.
    pub most: usize,
    /// Whether some size of it is allowed; otherwise it is all about what happens before a request runs.
    pub is_allowed: bool,
    /// A request of a size; each number makes another, so that no remembered answer is told.
    pub make: fn(&Target, usize, u64) -> Vec<u8>,
}

impl Target {
    /// Opens the website to the public, and fills what has a limit of its own up to it: exclusions and a conversation.
    pub async fn prepare(address: &str, email: &str, site: &str, key: &str) -> Self {
        let input = json!({ "email": email, "password": "correct horse battery" });
        let signed = say(
            address,
            "",
            "mutation($input: SignInInput!) { signIn(input: $input) { accessToken } }",
            json!({ "input": input }),
        )
        .await;
        let token = text(&signed["signIn"]["accessToken"]);
        let mutation = "mutation($id: ID!) { websiteUpdateGeneral(websiteId: $id, input: { publicDashboard: true }) { website { trackingCode } } }";
        let opened = say(address, &token, mutation, json!({ "id": site })).await;
        for block in 0..100 {
            let mut exclude = String::from("mutation($id: ID!) {");
            for number in 0..5 {
                let at = block * 5 + number;
                let address = format!("198.51.{}.{}", at / 250, at % 250);
                let _ = write!(
                    exclude,
                    " m{number}: websiteExcludeIp(websiteId: $id, input: {{ ipAddress: \"{address}\", description: \"{}\" }}) {{ __typename }}",
                    "x".repeat(200)
                );
            }
            say(address, &token, &(exclude + " }"), json!({ "id": site })).await;
        }
        let created = say(
            address,
            &token,
            "mutation { conversationCreate(input: { title: \"long\" }) { conversation { id } } }",
            json!({}),
        )
        .await;
        let conversation = text(&created["conversationCreate"]["conversation"]["id"]);
        for _ in 0..100 {
            let append = "mutation($id: ID!, $text: String!) { conversationAppendMessage(conversationId: $id, input: { role: \"user\", content: $text }) { __typename } }";
            say(address, &token, append, json!({ "id": conversation, "text": "x".repeat(39_000) })).await;
        }
        Self {
            site: site.to_owned(),
            key: key.to_owned(),
            email: email.to_owned(),
            token,
            code: text(&opened["websiteUpdateGeneral"]["website"]["trackingCode"]),
            conversation,
        }
    }

    fn graphql(&self, body: &str) -> Vec<u8> {
        let headers = format!("authorization: Bearer {}\r\ncontent-type: application/json\r\n", self.token);
        request("POST", "/graphql", &headers, body)
    }

    fn query(&self, text: impl Into<String>) -> Vec<u8> {
        self.graphql(&json!({ "query": text.into() }).to_string())
    }

    /// A question about the website over so many days.
    fn question(&self, days: i64, number: u64, arguments: &str, selection: &str) -> String {
        let end_ms = LAST_MS - 60_000 * i64::try_from(number % 100_000).unwrap_or(0);
        let at = |ms: i64| chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default().to_rfc3339();
        format!(
            "website(id: \"{}\") {{ analytics(range: {{ between: {{ start: \"{}\", end: \"{}\" }} }}{arguments}) {{ {selection} }} }}",
            self.site,
            at(end_ms - days * DAY_MS),
            at(end_ms)
        )
    }
}

/// Sends a mutation that must work; answers its `data`.
async fn say(address: &str, token: &str, text: &str, variables: Value) -> Value {
    let bearer = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
    let body = json!({ "query": text, "variables": variables }).to_string();
    let headers = format!("{bearer}content-type: application/json\r\n");
    let (_, answer) = Wire::open(address).await.ask(&request("POST", "/graphql", &headers, &body)).await;
    let mut answer: Value = serde_json::from_slice(&answer).expect("JSON");
    assert!(answer.get("errors").is_none(), "{text}: {answer}");
    answer["data"].take()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// So many copies of something that is told its number.
fn times(size: usize, of: impl Fn(usize) -> String) -> String {
    (0..size).map(of).collect::<Vec<_>>().join(" ")
}

const ALL_METRICS: &str = "metrics { visitors visits pageviews events bounceRate visitDurationSeconds viewsPerVisit conversions conversionRate revenue { amount currency } averageScore }";

/// Twenty filters, ten of them patterns that match nearly everything in many ways.
fn filters() -> String {
    let pattern = format!("{}$", "([a-z]*[-/]*)*".repeat(13));
    let filters = times(20, |number| {
        if number < 10 {
            format!("{{ dimension: PAGE, operator: MATCHES, values: [\"{pattern}\"] }}")
        } else {
            let values = times(19, |value| format!("\"/none-{number}-{value}\""));
            format!("{{ dimension: ENTRY_PAGE, operator: NOT_CONTAINS, values: [{values}] }}")
        }
    });
    format!(", compare: PREVIOUS_PERIOD, filters: [{filters}]")
}

const DIMENSIONS: [&str; 10] = [
    "PAGE",
    "ENTRY_PAGE",
    "EXIT_PAGE",
    "REFERRER",
    "SOURCE",
    "COUNTRY",
    "CITY",
    "BROWSER_VERSION",
    "OS_VERSION",
    "TITLE",
];

/// Ten breakdowns of so many rows each.
fn breakdowns(rows: usize) -> String {
    times(DIMENSIONS.len(), |number| {
        let by = DIMENSIONS[number];
        format!(
            "b{number}: breakdown(by: {by}, first: {rows}, search: \"a\") {{ nodes {{ value {ALL_METRICS} }} other {{ visits }} }}"
        )
    })
}

/// Everything that is sent.
pub fn kinds() -> Vec<Kind> {
    allowed().into_iter().chain(refused()).collect()
}

fn allowed() -> Vec<Kind> {
    let kind = |what, most, make| Kind { what, most, is_allowed: true, make };
    vec![
        kind("exclusions and their websites, by levels", 5, |target, size, _| {
            let below = (0..size).fold("id".to_owned(), |below, _| {
                format!("exclusions {{ ipExclusions {{ ipAddress description website {{ {below} }} }} }}")
            });
            target.query(format!("{{ website(id: \"{}\") {{ {below} }} }}", target.site))
        }),
        kind("exclusions, by aliases", 10, |target, size, _| {
            let each = times(size, |number| {
                format!(
                    "e{number}: exclusions {{ ipExclusions {{ id databaseId ipAddress description createdAt websiteDatabaseId }} }}"
                )
            });
            target.query(format!("{{ website(id: \"{}\") {{ {each} }} }}", target.site))
        }),
        kind("nodes, by ids", 100, |target, size, _| {
            let ids = times(size, |_| format!("\"{}\"", target.conversation));
            target.query(format!(
                "{{ nodes(ids: [{ids}]) {{ ... on Conversation {{ messages(first: 100) {{ nodes {{ content }} }} }} }} }}"
            ))
        }),
        kind("messages of a conversation, by aliases", 10, |target, size, _| {
            let each = times(size, |number| format!("m{number}: messages(first: 100) {{ nodes {{ content }} }}"));
            target.query(format!("{{ node(id: \"{}\") {{ ... on Conversation {{ {each} }} }} }}", target.conversation))
        }),
        kind("series by minute, by hours", 83, |target, size, number| {
            let end_ms = LAST_MS - 60_000 * i64::try_from(number % 100_000).unwrap_or(0);
            let at = |ms: i64| chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default().to_rfc3339();
            let start = at(end_ms - i64::try_from(size).unwrap_or(1) * 3_600_000);
            let series = format!("series(interval: MINUTE) {{ start date {ALL_METRICS} }}");
            target.query(format!("{{ website(id: \"{}\") {{ analytics(range: {{ between: {{ start: \"{start}\", end: \"{}\" }} }}) {{ {series} }} }} }}", target.site, at(end_ms)))
        }),
        kind("20 filters with 10 patterns, by breakdowns' rows", 100, |target, size, number| {
            let asked = format!("totals {{ visitors visits bounceRate }} {}", breakdowns(size));
            target.query(format!("{{ {} }}", target.question(88, number, &filters(), &asked)))
        }),
        kind("ten breakdowns, by rows", 100, |target, size, number| {
            target.query(format!("{{ {} }}", target.question(88, number, "", &breakdowns(size))))
        }),
        kind("dashboards of 88 days, by aliases", 20, |target, size, number| {
            let each = times(size, |alias| {
                let number = number * 20 + alias as u64;
                format!("w{alias}: {}", target.question(88, number, ", compare: PREVIOUS_YEAR", "totals { visitors visits pageviews bounceRate } previous { visits } a: breakdown(by: PAGE, first: 5) { nodes { value } }"))
            });
            target.query(format!("{{ {each} }}"))
        }),
        kind("visitors, by rows", 1_000, |target, size, number| {
            let rows = format!(
                "visitors(first: {size}, offset: {}) {{ nodes {{ visitorId country countryName city device browser os valueScore visitedAt lastSeenAt landingPage referrer visits pageviews }} }}",
                number % 1_000
            );
            target.query(format!("{{ {} }}", target.question(88, number, "", &rows)))
        }),
        kind("a dashboard of 88 days by anyone, by rows", 100, |target, size, number| {
            let asked = format!(
                "totals {{ visitors visits bounceRate }} series(interval: DAY) {{ start metrics {{ visitors visits }} }} a: breakdown(by: PAGE, first: {size}) {{ nodes {{ value metrics {{ visitors visits pageviews }} }} }} b: breakdown(by: REFERRER, first: {size}) {{ nodes {{ value metrics {{ visitors visits pageviews }} }} }}"
            );
            let body = json!({ "query": format!("{{ {} }}", target.question(88, number, "", &asked)) }).to_string();
            request("POST", "/graphql", "content-type: application/json\r\n", &body)
        }),
        kind("ingest report of 30 days", 1, |target, _, _| {
            target.query(format!("{{ website(id: \"{}\") {{ ingest(lastMinutes: 43200) {{ received accepted dropped {{ __typename }} warnings }} }} }}", target.site))
        }),
        kind("introspection", 1, |target, _, _| target.query(INTROSPECTION)),
        kind("REST: usage of an account", 1, |target, _, _| {
            request("GET", "/api/users/me/usage", &format!("authorization: Bearer {}\r\n", target.token), "")
        }),
        kind("REST: visitors", 1, |target, _, number| {
            let path = format!(
                "/api/external/v1/analytics/{}/visitors?range=1y&limit=1000&offset={}",
                target.site,
                number % 1_000
            );
            request("GET", &path, &format!("x-api-key: {}\r\n", target.key), "")
        }),
        kind("a beacon, by bytes of its properties", 16_000, |target, size, number| {
            let data: serde_json::Map<String, Value> =
                (0..size.div_ceil(1_000)).map(|at| (format!("p{at}"), "x".repeat(size.min(980)).into())).collect();
            beacon_of(
                &format!("/e/{}", target.code),
                "hostile.example",
                number,
                &json!({ "type": "event", "name": "big", "data": data }),
            )
        }),
        kind("a wrong password", 1, |target, _, _| {
            let body = json!({ "email": target.email, "password": "not the right one" }).to_string();
            request("POST", "/api/auth/sign-in", "content-type: application/json\r\n", &body)
        }),
    ]
}

fn refused() -> Vec<Kind> {
    let kind = |what, most, make| Kind { what, most, is_allowed: false, make };
    vec![
        kind("braces", 65_000, |target, size, _| target.query("{".repeat(size))),
        kind("brackets in an argument", 65_000, |target, size, _| {
            target.query(format!("{{ a(b: {}", "[".repeat(size)))
        }),
        kind("white space", 65_000, |target, size, _| target.query(format!("{}{{ __typename }}", " ".repeat(size)))),
        kind("commas between names", 30_000, |target, size, _| target.query(format!("{{ {} }}", "a,".repeat(size)))),
        kind("a comment", 65_000, |target, size, _| target.query(format!("#{}\n{{ __typename }}", "x".repeat(size)))),
        kind("quotes", 32_000, |target, size, _| target.query("\"".repeat(size))),
        kind("escapes", 10_000, |target, size, _| {
            target.query(format!("{{ website(id: \"{}\") {{ id }} }}", "\\u{41}".repeat(size / 2)))
        }),
        kind("unknown fields", 1_900, |target, size, _| {
            target.query(format!("{{ {} }}", times(size, |number| format!("f{number}"))))
        }),
        kind("one field many times", 280, |target, size, _| {
            target.query(format!("{{ {} }}", times(size, |_| "viewer { id name }".into())))
        }),
        kind("fragments that spread two others", 170, |target, size, _| {
            let fragments = times(size, |number| {
                format!("fragment F{number} on Query {{ ...F{} ...F{} }}", number + 1, number + 2)
            });
            target.query(format!("{{ ...F0 }} {fragments} fragment F{size} on Query {{ __typename }} fragment F{} on Query {{ __typename }}", size + 1))
        }),
        kind("interfaces within interfaces", 12, |target, size, _| {
            let below = (0..size).fold("id".to_owned(), |below, _| {
                format!("... on Website {{ team {{ {below} }} }} ... on ApiKey {{ team {{ id }} }} ... on Conversation {{ team {{ id }} }}")
            });
            target.query(format!("{{ node(id: \"x\") {{ {below} }} }}"))
        }),
        kind("a variable of many values", 30_000, |target, size, _| {
            let values = vec![0; size];
            target.graphql(
                &json!({ "query": "query($ids: [ID!]!) { nodes(ids: $ids) { id } }", "variables": { "ids": values } })
                    .to_string(),
            )
        }),
        kind("a variable of many levels", 120, |target, size, _| {
            let value = format!("{}1{}", "[".repeat(size), "]".repeat(size));
            target.graphql(&format!(
                "{{\"query\": \"query($a: ID!) {{ node(id: $a) {{ id }} }}\", \"variables\": {{ \"a\": {value} }} }}"
            ))
        }),
        kind("a body that is no JSON", 65_000, |target, size, _| target.graphql(&"[".repeat(size))),
    ]
}

const INTROSPECTION: &str = "query IntrospectionQuery { __schema { queryType { name } mutationType { name } subscriptionType { name } types { ...FullType } directives { name description locations args { ...InputValue } } } } \
fragment FullType on __Type { kind name description fields(includeDeprecated: true) { name description args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason } inputFields { ...InputValue } interfaces { ...TypeRef } enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } } \
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue } \
fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } }";
