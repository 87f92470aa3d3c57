//! In which order the schema's modules import each other, and that nothing points back.
//!
//! - An arrow is a path that a source names outside its comments and unit tests: `use`d, or written out.

use std::collections::{BTreeMap, BTreeSet};

use super::all;

type Graph = BTreeMap<String, BTreeSet<String>>;

/// The crate's root, as a module.
const ROOT: &str = "lib";

/// The ground floor, lowest rank first. A module may import its own rank and lower ones. What is not listed is a noun, above all of
/// these; the root is above the nouns. A name stands for the files under it too.
const GROUND: [&[&str]; 5] = [
    &["error", "error_code"],
    &[
        "analytics::event",
        "analytics::event_kind",
        "analytics::path",
        "analytics::plan",
        "analytics::query",
        "attempts",
        "background",
        "caller",
        "changes",
        "connection",
        "constraint",
        "cost",
        "delivery_queue",
        "goal_rule",
        "host",
        "id",
        "idempotency",
        "key_usage",
        "list",
        "message_broadcast",
        "occurrence",
        "people::traits",
        "rate_window",
        "role",
        "scalars",
        "text",
        "traffic",
        "transaction",
        "website_row",
    ],
    &["database"],
    &["ports"],
    &["access"],
];

/// Modules that may import each other, for one reason: their object types have fields of each other. A team lists its websites,
/// members, API keys and conversations, and each of those names its team. Everything else imports one way.
const OBJECT_TYPES: [&str; 6] = ["api_key", "conversation", "team", "team::members", "webhook", "website"];

fn is_word(one: char) -> bool {
    one.is_alphanumeric() || one == '_'
}

/// The module of a source file: `website::domains` for `schema/src/website/domains.rs`.
fn module_of(file: &str) -> Option<String> {
    let module = file.strip_prefix("schema/src/")?.strip_suffix(".rs")?;
    (!module.ends_with("_tests")).then(|| module.replace('/', "::"))
}

/// The source without its comments and its unit tests.
pub(super) fn code_of(source: &str) -> String {
    let (mut code, mut is_test) = (String::new(), false);
    let mut lines = source.lines().peekable();
    while let Some(line) = lines.next() {
        is_test |= line == "#[cfg(test)]" && lines.peek().is_some_and(|next| next.ends_with('{'));
        if is_test {
            is_test = line != "}";
            continue;
        }
        // A comment, unless it is the `//` of an address.
        let comment = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
        code.push_str(comment.map_or(line, |(at, _)| &line[..at]));
        code.push('\n');
    }
    code
}

/// Reads the path that `code` begins with, with a branch for each item of its braces. Returns what follows it.
fn read_path<'a>(code: &'a str, before: &[String], paths: &mut Vec<Vec<String>>) -> &'a str {
    let mut path = before.to_vec();
    let mut rest = code.trim_start();
    loop {
        if let Some(mut items) = rest.strip_prefix('{') {
            while !items.trim_start().starts_with('}') {
                let read = read_path(items, &path, paths).trim_start();
                assert!(read.len() < items.len(), "not a path: {items:.40}");
                items = read.strip_prefix(',').unwrap_or(read);
            }
            return items.trim_start().strip_prefix('}').unwrap_or("");
        }
        let word = rest.find(|one| !is_word(one)).unwrap_or(rest.len());
        path.push(rest[..word].to_owned());
        rest = &rest[word..];
        match rest.strip_prefix("::") {
            Some(next) if next.starts_with(|one| is_word(one) || one == '{') => rest = next,
            _ => break,
        }
    }
    paths.push(path);
    let renamed = rest.strip_prefix(" as ").map(|name| name.trim_start_matches(is_word));
    renamed.unwrap_or(rest)
}

/// The paths in the code that begin in the crate: with `crate`, `super` or `self`, or with one of `children`.
pub(super) fn paths_in(code: &str, children: &BTreeSet<&str>) -> Vec<Vec<String>> {
    let (mut paths, mut rest, mut before) = (Vec::new(), code, ' ');
    while let Some(one) = rest.chars().next() {
        let word = rest.find(|one| !is_word(one)).unwrap_or(rest.len());
        let is_start = word > 0 && before != ':' && rest[word..].starts_with("::");
        let next =
            if is_start && (["crate", "super", "self"].contains(&&rest[..word]) || children.contains(&rest[..word])) {
                read_path(rest, &[], &mut paths)
            } else {
                &rest[word.max(one.len_utf8())..]
            };
        before = rest[..rest.len() - next.len()].chars().last().unwrap_or(' ');
        rest = next;
    }
    paths
}

/// The module that a path in `module` leads to.
fn target(module: &str, path: &[String], modules: &BTreeSet<&str>) -> String {
    let mut at: Vec<&str> = if module == ROOT { Vec::new() } else { module.split("::").collect() };
    for step in path {
        match step.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => drop(at.pop()),
            name => at.push(name),
        }
    }
    // What is left at the end of the path is an item of the module.
    while !at.is_empty() && !modules.contains(at.join("::").as_str()) {
        at.pop();
    }
    if at.is_empty() { ROOT.to_owned() } else { at.join("::") }
}

fn graph_of(sources: &[(String, String)]) -> Graph {
    let modules: BTreeSet<&str> = sources.iter().map(|(module, _)| module.as_str()).collect();
    let mut graph = Graph::new();
    for (module, source) in sources {
        let above = if module == ROOT { String::new() } else { format!("{module}::") };
        let children = modules.iter().filter_map(|each| each.strip_prefix(above.as_str()));
        let children = children.filter(|name| !name.contains("::")).collect();
        let paths = paths_in(&code_of(source), &children);
        let mut arrows: BTreeSet<String> = paths.iter().map(|path| target(module, path, &modules)).collect();
        arrows.remove(module);
        graph.insert(module.clone(), arrows);
    }
    graph
}

/// The graph of the schema's modules.
fn schema() -> Graph {
    let sources: Vec<_> = all().into_iter().filter_map(|(file, text)| Some((module_of(&file)?, text))).collect();
    let graph = graph_of(&sources);
    for (from, to) in [("access", "access::cx"), ("team", "website"), ("website", "website::domains"), ("lib", "node")]
    {
        assert!(graph[from].contains(to), "the arrow from {from} to {to} was not read");
    }
    graph
}

fn is_under(module: &str, above: &str) -> bool {
    module == above || module.strip_prefix(above).is_some_and(|rest| rest.starts_with("::"))
}

fn rank(module: &str) -> usize {
    let listed = GROUND.iter().position(|names| names.iter().any(|name| is_under(module, name)));
    listed.unwrap_or(if module == ROOT { GROUND.len() + 1 } else { GROUND.len() })
}

fn arrows_back(graph: &Graph) -> Vec<String> {
    let arrows = graph.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to)));
    arrows.filter(|(from, to)| rank(to) > rank(from)).map(|(from, to)| format!("{from} -> {to}")).collect()
}

fn reached_from<'a>(graph: &'a Graph, module: &'a str) -> BTreeSet<&'a str> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![module]);
    while let Some(next) = open.pop() {
        open.extend(graph[next].iter().map(String::as_str).filter(|to| reached.insert(*to)));
    }
    reached
}

/// Modules that import each other, directly or by way of others: each such group once.
fn cycles(graph: &Graph) -> BTreeSet<BTreeSet<&str>> {
    let reached: BTreeMap<&str, _> =
        graph.keys().map(|module| (module.as_str(), reached_from(graph, module))).collect();
    let group =
        |module: &str| reached[module].iter().copied().filter(|other| reached[other].contains(module)).collect();
    reached.keys().map(|module| group(module)).filter(|group: &BTreeSet<&str>| group.len() > 1).collect()
}

/// The noun, or the room of the ground floor, that a module belongs to.
fn room(module: &str) -> &str {
    module.split("::").next().unwrap_or(module)
}

#[test]
fn the_ground_floor_imports_nothing_from_above() {
    let graph = schema();
    for name in GROUND.iter().copied().flatten() {
        assert!(graph.contains_key(*name), "{name} is listed and is no module");
    }
    assert_eq!(arrows_back(&graph), [""; 0], "a lower module imports a higher one");
}

#[test]
fn only_object_types_import_each_other() {
    let rooms: BTreeSet<&str> = OBJECT_TYPES.into_iter().map(room).collect();
    let graph = schema();
    for cycle in cycles(&graph) {
        // A module and the files under it are one room.
        let in_cycle: BTreeSet<&str> = cycle.iter().copied().map(room).collect();
        assert!(in_cycle.len() == 1 || in_cycle.is_subset(&rooms), "these import each other: {cycle:?}");
    }
    // Inside a room a module names the files under it, which may name it back, but not each other in a circle.
    let mut downwards = graph.clone();
    downwards.iter_mut().for_each(|(module, to)| to.retain(|to| !is_under(to, module)));
    let listed = OBJECT_TYPES.into_iter().collect();
    assert_eq!(
        cycles(&downwards),
        BTreeSet::from([listed]),
        "other files import each other, or fewer do than are listed"
    );
}

#[test]
fn arrows_are_read_out_of_uses_and_paths() {
    let source = "//! Names `crate::plan::Plan`.\n\
        use entity::{audit, user};\n\
        use super::{\n    Site,\n    rows::{self, Row as _, page},\n};\n\
        use crate::{access::{self, Role}, id::Kind as Named, text};\n\
        pub use domains::Domains;\n\
        const DOCS: &str = \"https://shop.example\"; fn f() { crate::list::first(ingest::LAST, team::X) } // crate::host\n\
        #[cfg(test)]\nmod tests {\n    use crate::session;\n}\n\
        fn last() -> crate::Result<()> { $crate::cost::apply() }\n";
    let names = [
        "access",
        "audit",
        "cost",
        "host",
        "id",
        "lib",
        "list",
        "plan",
        "session",
        "team",
        "text",
        "user",
        "website",
        "website::rows",
        "website::site",
        "website::site::domains",
        "website::site::ingest",
    ];
    let text = |name: &str| if name == "website::site" { source.to_owned() } else { String::new() };
    let sources: Vec<_> = names.map(|name| (name.to_owned(), text(name))).into();
    let read: Vec<String> = graph_of(&sources).remove("website::site").unwrap().into_iter().collect();
    let arrows = [
        "access",
        "cost",
        "id",
        "lib",
        "list",
        "text",
        "website",
        "website::rows",
        "website::site::domains",
        "website::site::ingest",
    ];
    assert_eq!(read, arrows);
}

#[test]
fn an_arrow_back_and_a_new_circle_are_found() {
    let text = |name: &str, source: &str| (name.to_owned(), source.to_owned());
    let graph = graph_of(&[
        text("access", "use crate::ports::Ports;"),
        text("lib", ""),
        text("ports", "use crate::website::Website;"),
        text("session", "use crate::user;"),
        text("user", "fn f() { crate::session::open() }"),
        text("website", "use crate::access::Site;"),
    ]);
    assert_eq!(arrows_back(&graph), ["ports -> website"]);
    let circles = [BTreeSet::from(["access", "ports", "website"]), BTreeSet::from(["session", "user"])];
    assert_eq!(cycles(&graph), circles.into_iter().collect());
}
