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
