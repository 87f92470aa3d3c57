//! The published artefacts are what the code says.

use crate::app::repository;

fn committed(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_default()
}

#[test]
fn the_published_schema_is_the_codes() {
    assert!(
        committed("schema/schema.graphql").trim_end() == schema::sdl().trim_end(),
        "run `make contract` and commit what changes"
    );
}

#[test]
fn the_published_description_of_rest_is_the_codes() {
    let openapi = footfall::cli::openapi().unwrap();
    assert!(
        committed("schema/openapi.json").trim_end() == openapi.trim_end(),
        "run `make contract` and commit what changes"
    );
}

#[test]
fn every_root_field_states_its_access_and_says_it_in_words() {
    let sdl = schema::sdl();
    let stated = schema::stated();
    for root in ["Query", "Mutation"] {
        let body = sdl.split(&format!("type {root} {{")).nth(1).unwrap().split("\n}").next().unwrap();
        let fields =
            body.lines().filter(|line| line.starts_with('\t') && !line.starts_with("\t\t") && line.contains(':'));
        let fields: Vec<&str> = fields
            .filter(|line| !line.starts_with("\t\""))
            .map(|line| line.trim().split(['(', ':']).next().unwrap())
            .collect();
        for field in &fields {
            if field.chars().all(char::is_alphanumeric) {
                assert!(
                    stated.iter().any(|row| row.root == root && row.field == *field),
                    "{root}.{field} states no @access"
                );
            }
        }
    }
    assert!(stated.len() >= 14, "{stated:?}");
}
