//! What the documents name exists, and their tables leave nothing out.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use schema::error::Error;

use super::{Document, document, documents};
use crate::app::repository;

/// Folders of the repository whose files are named by their path.
const FOLDERS: [&str; 12] = [
    "src",
    "schema",
    "entity",
    "migration",
    "tests",
    "benches",
    "fuzz",
    "playground",
    "docs",
    ".ci",
    ".vendor",
    ".cargo",
];

/// A path of the repository, as written; `None` for what is none.
fn path_of(span: &str) -> Option<&str> {
    let is_plain = span.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
    let is_inside = span.split_once('/').is_some_and(|(first, _)| FOLDERS.contains(&first));
    let is_file = [".rs", ".md"].iter().any(|end| span.ends_with(end));
    (is_plain && (is_inside || is_file)).then_some(span)
}

/// The anchor of a heading, as the forges make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn every_path_exists() {
    let mut found = BTreeSet::new();
    for document in documents() {
        for span in document.code_spans() {
            if let Some(path) = path_of(&span) {
                let beside = Path::new(&document.name).parent().unwrap().join(path);
                let exists = repository(path).exists() || repository(beside.to_str().unwrap()).exists();
                assert!(exists, "{} names {path}", document.name);
                found.insert(path.to_owned());
            }
        }
    }
    assert!(found.len() > 80, "{}", found.len());
}

#[test]
fn every_link_leads_somewhere() {
    let mut found = 0;
    for document in documents() {
        let targets = document.text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() {
                repository(&document.name)
            } else {
                repository(&document.name).parent().unwrap().join(file)
            };
            assert!(file.exists(), "{} links to {target}", document.name);
            if !heading.is_empty() {
                let text = fs::read_to_string(&file).unwrap();
                let mut headings = text.lines().filter_map(|line| line.strip_prefix('#'));
                let is_there = headings.any(|line| anchor(line.trim_start_matches('#')) == heading);
                assert!(is_there, "{} links to {target}", document.name);
            }
            found += 1;
        }
    }
    assert!(found > 40, "{found}");
}

/// The variables that the command line reads.
fn variables() -> BTreeSet<String> {
    let help = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_footfall")).args(arguments).arg("--help").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let texts = [help(&["serve"]), help(&["user", "create"])].concat();
    names_in(&texts).into_iter().collect()
}

/// Names of settings in a text, a closing `*` included.
fn names_in(text: &str) -> Vec<String> {
    let is_part = |letter: char| letter.is_ascii_uppercase() || letter == '_' || letter == '*';
    let starts = text.match_indices("FOOTFALL_").map(|(at, _)| &text[at..]);
    starts.map(|rest| rest.chars().take_while(|letter| is_part(*letter)).collect()).collect()
}

#[test]
fn every_setting_exists_and_the_operators_guide_names_all() {
    let variables = variables();
    assert!(variables.len() > 30, "{variables:?}");
    for document in documents() {
        for name in names_in(&document.text) {
            let is_known = match name.strip_suffix('*') {
                Some(start) => variables.iter().any(|known| known.starts_with(start)),
                None => variables.contains(&name),
            };
            assert!(is_known, "{} names {name}", document.name);
        }
    }
    let named: BTreeSet<String> = names_in(&document("docs/OPERATING.md").text).into_iter().collect();
    let missing: Vec<_> = variables.difference(&named).collect();
    assert!(missing.is_empty(), "docs/OPERATING.md leaves out {missing:?}");
}

fn read_all(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_source =
            path.extension().is_some_and(|end| ["rs", "js", "mjs", "graphql", "toml"].iter().any(|one| end == *one));
        if path.is_dir() {
            read_all(&path, text);
        } else if is_source {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

/// Names of types, functions, fields and settings: what is written like one occurs in the sources.
#[test]
fn every_name_of_the_code_occurs_in_it() {
    let files = ["Cargo.toml", "Makefile"].map(|name| fs::read_to_string(repository(name)).unwrap());
    let mut sources = files.concat() + &schema::sdl();
    for folder in ["src", "schema/src", "schema/rest", "entity/src", "migration/src"] {
        read_all(&repository(folder), &mut sources);
    }
    let words: BTreeSet<&str> =
        sources.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').collect();
    let mut found = 0;
    for document in documents() {
        for span in document.code_spans() {
            let is_name = span.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:".contains(&byte));
            if is_name && !span.ends_with(':') && !span.starts_with("FOOTFALL_") {
                let is_there = span.split("::").all(|part| words.contains(part));
                assert!(is_there, "{} names {span}", document.name);
                found += 1;
            }
        }
    }
    assert!(found > 200, "{found}");
}

/// The values of an enum of the schema.
fn values_of(name: &str) -> Vec<String> {
    let sdl = schema::sdl();
    let (_, rest) = sdl.split_once(&format!("enum {name} {{")).unwrap();
    let body = rest.split("\n}").next().unwrap();
    let is_value = |line: &&str| !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    body.lines().map(str::trim).filter(is_value).map(str::to_owned).collect()
}

fn spans(document: &Document) -> BTreeSet<String> {
    document.code_spans().into_iter().collect()
}

#[test]
fn every_metric_dimension_event_type_and_outcome_is_defined() {
    let named = spans(&document("docs/METRICS.md"));
    for (name, at_least) in [("Metric", 11), ("Dimension", 25), ("EventType", 7), ("Outcome", 15)] {
        let values = values_of(name);
        assert!(values.len() >= at_least, "{name}: {values:?}");
        for value in values {
            assert!(named.contains(&value), "docs/METRICS.md does not define {name} {value}");
        }
    }
}

#[test]
fn every_error_stands_in_the_api_guide_with_its_status() {
    let text = document("docs/API.md").text;
    for (code, status) in Error::TABLE {
        assert!(text.contains(&format!("| `{code}` | {status} |")), "docs/API.md leaves out {code} {status}");
    }
}
