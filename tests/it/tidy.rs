//! House rules that the compiler does not hold: who may name whom, and how large a room may grow.

use std::{collections::BTreeSet, fs, path::Path};

use crate::app::repository;

mod fuzz;
mod imports;
mod proofs;

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

fn all() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["src", "schema/src", "entity/src", "migration/src"] {
        sources(&repository(folder), &mut found);
    }
    assert!(found.len() > 50);
    found
}

#[test]
fn nobody_names_what_lies_outside_its_walls() {
    let rules: [(&str, &[&str]); 7] = [
        ("schema/src/", &["axum::", "tower::", "duckdb::", "reqwest::", "jsonwebtoken::", "std::fs", "std::env"]),
        ("entity/src/", &["async_graphql", "axum", "footfall"]),
        ("migration/src/", &["entity::"]),
        ("src/rest", &["crate::http", "crate::events", "crate::ingest", "entity::"]),
        ("src/ingest", &["duckdb", "crate::events"]),
        // The endpoints alone know HTTP and the envelope of their answers.
        ("src/ingest/", &["crate::http", "crate::rest"]),
        ("src/events", &["crate::http", "crate::rest", "crate::ingest", "sea_orm"]),
    ];
    for (name, text) in all() {
        // Unit tests may bring the real neighbour.
        if name.ends_with("tests.rs") {
            continue;
        }
        let code = imports::code_of(&text);
        let used: Vec<String> =
            imports::paths_in(&code, &BTreeSet::new()).into_iter().map(|path| path.join("::")).collect();
        for (room, forbidden) in &rules {
            let is_free = *room == "src/ingest/" && name.starts_with("src/ingest/endpoints");
            for word in forbidden.iter().filter(|_| name.starts_with(room) && !is_free) {
                let is_named = text.contains(word) || used.iter().any(|path| path.starts_with(word));
                assert!(!is_named, "{name} names {word}");
            }
        }
    }
}

/// Kinds of events stand in their table: statements get their numbers from it.
#[test]
fn no_statement_spells_the_number_of_an_event_kind() {
    for (name, text) in all() {
        for operator in ["=", "<>", "!=", "<", ">", "IN (", "NOT IN (", "BETWEEN "] {
            let compared = format!("kind {operator}");
            let mut values = text.split(compared.as_str()).skip(1).filter_map(|rest| rest.trim_start().chars().next());
            assert!(!values.any(|value| value.is_ascii_digit()), "{name} compares a kind with a number");
        }
    }
}

/// Codes come from their table: in other sources they are no text, so no other code can be answered.
#[test]
fn error_codes_are_spelled_in_their_table_only() {
    for (name, text) in all() {
        let is_table = name == "schema/src/error_code.rs";
        if is_table || name.ends_with("tests.rs") || name.contains("_tests/") {
            continue;
        }
        let code = imports::code_of(&text);
        for known in schema::ErrorCode::ALL {
            assert!(!code.contains(&format!("\"{}\"", known.as_str())), "{name} spells {known:?}");
        }
        // The only places that put a code into an error take it from the table.
        let puts = code.matches("set(\"code\"").count() + code.matches("insert(\"code\"").count();
        let expected = match name.as_str() {
            "schema/src/error.rs" => 1,
            "src/http/refusal.rs" => 2,
            _ => 0,
        };
        assert_eq!(puts, expected, "{name}");
    }
}

/// Lock files contain checksums and no registry hosts, so that packages can also be installed from a mirror.
#[test]
fn lock_files_of_npm_name_no_registry() {
    for folder in [".vendor", "playground", "tests/js"] {
        let lock = fs::read_to_string(repository(folder).join("package-lock.json")).unwrap();
        assert!(lock.contains("\"integrity\""), "{folder}");
        assert!(!lock.contains("\"resolved\""), "{folder}: npm install --omit-lockfile-registry-resolved");
    }
}

/// Where tasks are spawned, and who ends them. Work of the server is a row in the table of `src/jobs.rs`; what a request leaves
/// behind goes through `schema/src/background.rs`.
const SPAWNING: [(&str, &str); 6] = [
    ("schema/src/access/loaders.rs", "batches of one request, aborted with it"),
    ("schema/src/background.rs", "what requests leave behind, awaited at the stop"),
    ("src/http/ws.rs", "operations of one socket, aborted with it"),
    ("src/import/handover.rs", "imports, aborted with their job"),
    ("src/jobs/supervisor.rs", "the jobs of the table"),
    ("src/server.rs", "connections, awaited at the stop"),
];

#[test]
fn tasks_are_spawned_in_named_places_only() {
    let spawns = |code: &str| {
        ["tokio::spawn(", "task::spawn(", "spawn_local(", "JoinSet::new()", "JoinSet<"]
            .iter()
            .any(|way| code.contains(way))
    };
    let sources = all();
    let found = sources.iter().filter(|(name, text)| !name.contains("tests") && spawns(&imports::code_of(text)));
    let found: Vec<&str> = found.map(|(name, _)| &**name).collect();
    let named: Vec<&str> = SPAWNING.iter().map(|(name, _)| *name).collect();
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), named.into_iter().collect(), "see `src/jobs.rs`");
}

#[test]
fn every_file_says_what_it_is_for_and_is_one_room() {
    let mut rooms = all();
    for folder in ["tests/it", "schema/tests", "benches", "fuzz/fuzz_targets"] {
        sources(&repository(folder), &mut rooms);
    }
    for (name, text) in rooms {
        assert!(text.starts_with("//! "), "{name} does not open with its sentence");
        let lines = text.lines().count();
        assert!(lines <= 500, "{name} has {lines} lines: it is two rooms");
    }
}
