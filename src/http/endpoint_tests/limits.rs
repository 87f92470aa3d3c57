//! Limits of documents: how much text, selections, introspection and cost one may have.

use serde_json::json;

use super::{App, Got, HttpConfig, post, query};
use crate::http::Limits;

#[tokio::test]
async fn what_is_unknown_is_named_a_few_times() {
    let app = App::new(HttpConfig::default()).await;
    let unknown =
        |count: usize| format!("{{ viewer {{ id {} }} }}", (0..count).map(|n| format!("emal{n} ")).collect::<String>());
    let got = app.query(&unknown(5)).await;
    assert_eq!(got.json()["errors"].as_array().map(Vec::len), Some(5), "{}", got.text);
    let got = app.query(&unknown(6)).await;
    let errors = got.json()["errors"].as_array().map(Vec::len);
    assert_eq!((errors, got.code().as_str()), (Some(1), "GRAPHQL_VALIDATION_FAILED"));
    assert!(got.message().contains("more than 5"), "{}", got.message());
    let arguments: String = (0..6).map(|n| format!("x{n}: 1 ")).collect();
    let got = app.query(&format!("{{ websites({arguments}) {{ totalCount }} }}")).await;
    assert_eq!(got.json()["errors"].as_array().map(Vec::len), Some(1), "{}", got.text);
}

#[tokio::test]
async fn work_before_execution_does_not_multiply() {
    let app = App::new(HttpConfig::default()).await;
    let fields: String = (0..800).map(|n| format!("f{n} ")).collect();
    let fragments: String = (0..120).map(|n| format!(" fragment F{n} on Query {{ ...F{} }}", n + 1)).collect();
    let chain = format!("{{ ...F0 }}{fragments} fragment F120 on Query {{ {fields} }}");
    let nested = format!("{{ {}{fields}{} }}", "... on Query { ".repeat(50), "} ".repeat(50));
    let uses = "$v ".repeat(900);
    let values = format!("query($v: [Int]) {{ liveSite(trackingCode: [{uses}]) {{ visitors }} }}");
    for (text, word) in [(chain, "fragments"), (nested, "fragments"), (values, "values in its arguments")] {
        let got = app.ask(json!({ "query": text, "variables": { "v": vec![0; 20] } })).await;
        assert_eq!((got.status, got.code().as_str()), (400, "QUERY_TOO_LARGE"), "{}", got.text);
        assert!(got.message().contains(word), "{}", got.message());
    }
}

#[tokio::test]
async fn what_a_document_may_ask_for_is_limited() {
    let app = App::new(HttpConfig::default()).await;
    let aliases = |count: usize| (0..count).fold(String::new(), |text, n| text + &format!(" a{n}: viewer {{ email }}"));
    let deep = |levels: usize| {
        let team = "team { websites { nodes { ";
        let whole = (levels - 4) / 3;
        let rest = &["", "team { name }", "team { websites { totalCount } }"][(levels - 4) % 3];
        let leaf = if rest.is_empty() { "name" } else { rest };
        format!("{{ viewer {{ websites {{ nodes {{ {}{leaf}{} }} }} }} }}", team.repeat(whole), " } } }".repeat(whole))
    };
    let spread = (0..40).fold(String::from("{ ...F0 }"), |text, n| {
        text + &format!(" fragment F{n} on Query {{ viewer {{ id }} ...F{} ... on Query {{ ...F{} }} }}", n + 1, n + 1)
    }) + " fragment F40 on Query { viewer { id } }";
    let wide = |count: usize| format!("{{ viewer {{ {} }} }}", "email ".repeat(count));
    let many = (0..31).fold(String::from("{"), |text, n| {
        let opened =
            if n % 8 == 0 { format!("{} m{n}: viewer {{", if n == 0 { "" } else { "}" }) } else { String::new() };
        text + &opened + &format!(" a{n}: {} ", ["email", "id", "createdAt", "fullName"][n % 4])
    }) + "} }";
    let create =
        |name: &str| format!("{name}: conversationCreate(input: {{ title: \"A\" }}) {{ conversation {{ id }} }} ");
    let cases = [
        (wide(1_999), "QUERY_TOO_LONG", "2000 "),
        ("[".repeat(100), "QUERY_TOO_DEEP", "64"),
        (spread, "QUERY_TOO_LARGE", "2000"),
        (deep(16), "QUERY_TOO_DEEP", "15"),
        (many, "TOO_MANY_ALIASES", "30"),
        (format!("{{ {} }}", aliases(11)), "TOO_MANY_REPEATS", "10"),
        (format!("{{ viewer {} {{ id }} }}", "@include(if: true) ".repeat(4)), "TOO_MANY_DIRECTIVES", "3"),
        (format!("{{ viewer {{ {} }} }}", "id @include(if: true) ".repeat(21)), "TOO_MANY_DIRECTIVES", "20"),
        (format!("mutation {{ {} }}", ["a", "b", "c", "d", "e", "f"].map(create).concat()), "TOO_MANY_MUTATIONS", "5"),
    ];
    for (text, code, limit) in cases {
        let got = app.query(&text).await;
        assert_eq!((got.status, got.code().as_str()), (400, code), "{text}: {}", got.message());
        assert!(got.message().contains(limit.trim()), "{}", got.message());
    }
    for text in [deep(4), wide(1_980), format!("{{ {} }}", aliases(10))] {
        let got = app.query(&text).await;
        assert_eq!(got.status, 200, "{}", got.text);
    }
}

#[tokio::test]
async fn introspection_nests_and_multiplies_no_further_than_tools_need() {
    let app = App::new(HttpConfig::default()).await;
    let chain = "ofType { ".repeat(12) + "name" + &" }".repeat(12);
    let usual =
        format!("{{ __schema {{ types {{ fields {{ args {{ type {{ {chain} }} }} type {{ {chain} }} }} }} }} }}");
    let everything = "types { fields { args { type { name } } type { fields { args { name } } } } }";
    let copies = |count: usize| (0..count).fold(String::new(), |text, n| text + &format!(" t{n}: {everything}"));
    let refused = [
        ("{ __type(name: \"Query\") { possibleTypes { interfaces { possibleTypes { name } } } } }".to_owned(), "QUERY_TOO_DEEP", "nest at most 2 deep (got 3)"),
        ("{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }".to_owned(), "QUERY_TOO_DEEP", "at most 2"),
        (
            "{ __schema { types { ...F } } } fragment F on __Type { fields { type { ...G ...G } } } fragment G on __Type { inputFields { type { interfaces { name } } } }".to_owned(),
            "QUERY_TOO_DEEP",
            "at most 2",
        ),
        ("{ a: __schema { queryType { name } } b: __schema { queryType { name } } c: __type(name: \"Team\") { name } ... on Query { d: __schema { queryType { name } } } }".to_owned(), "QUERY_TOO_LARGE", "at most 3"),
        (format!("{{ __schema {{ {} }} }}", copies(30)), "QUERY_TOO_LARGE", "values"),
        (format!("{{ __schema {{ {} }} }}", format!("... on __Schema {{ {everything} }} ").repeat(30)), "QUERY_TOO_LARGE", "values"),
    ];
    for (text, code, word) in refused {
        let got = app.ask(json!({ "query": text })).await;
        assert_eq!((got.status, got.code().as_str()), (400, code), "{text}: {}", got.text);
        assert!(got.message().contains(word), "{}", got.message());
    }
    for text in [usual, format!("{{ __schema {{ {everything} }} }}")] {
        let got = app.ask(json!({ "query": text })).await;
        assert_eq!(got.status, 200, "{text}: {}", got.message());
    }
}

#[tokio::test]
async fn a_document_of_an_anonymous_caller_may_only_cost_so_much() {
    let limits = Limits { cost: 199, ..Limits::default() };
    let app = App::new(HttpConfig { limits, ..HttpConfig::default() }).await;
    let ask = async |first: u32| {
        let text = format!("{{ websites(first: {first}) {{ nodes {{ id name }} }} }}");
        app.send(post("", &json!({ "query": text }))).await
    };
    let got = ask(66).await;
    assert_eq!(
        got.json()["extensions"]["cost"],
        json!({ "requested": 199, "limit": 199, "remaining": 0 }),
        "{}",
        got.text
    );
    let got = ask(67).await;
    assert_eq!((got.status, got.code().as_str()), (400, "COST_LIMIT_EXCEEDED"));
    assert!(got.message().contains("at most 199 (got 202)"), "{}", got.message());
}

#[tokio::test]
async fn a_page_may_come_from_a_variable() {
    let app = App::new(HttpConfig::default()).await;
    let text = "query($n: Int = 30) { websites(first: $n) { nodes { name } } }";
    let cost = |got: &Got| got.json()["extensions"]["cost"]["requested"].clone();
    assert_eq!(cost(&app.ask(json!({ "query": text })).await), 61);
    assert_eq!(cost(&app.ask(json!({ "query": text, "variables": { "n": 5 } })).await), 11);
    assert_eq!(cost(&query("{ websites { nodes { name } } }").await), 41);
    let got = app.ask(json!({ "query": text, "variables": { "n": 1000 } })).await;
    assert_eq!(got.code(), "VALIDATION_ERROR");
    assert_eq!(got.json()["errors"][0]["extensions"]["field"], "first");
}
