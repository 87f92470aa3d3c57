//! The access matrix: every root field, every REST route and every nested field with a rule of its own, asked by every kind of
//! caller. What happens is committed as `schema/access.txt`, and must be what the schema states.
//!
//! - Questions are made from the SDL and the documents, so that a new field is in the matrix without anybody's help.
//! - Arguments are valid for the schema and empty for the rules: whoever gets past the access check hears 400 or 404, and nothing changes.

mod callers;
mod questions;

use std::{collections::HashMap, fmt::Write as _};

use callers::{Kind, World};
use footfall::rest::Auth;
use questions::{Nested, Question, by_other_ways, nested, open_fields, rest_routes, root_fields};
use schema::access::{On, Role};

use crate::app::repository;

/// Fields that answer 401 for a reason of their own: a wrong password, an unknown token.
const REFUSE_BY_THEMSELVES: &[&str] = &["signIn", "tokenRefresh", "AuthSignIn", "AuthRefresh"];

/// What a caller must hear by what is stated: `Some` refusal, or `None` for whatever the rule says.
fn refusal(kind: Kind, on: On, min: Option<Role>, of_own_team: bool) -> Option<&'static str> {
    let role = |held: Option<Role>| match held {
        Some(held) if held >= min.unwrap_or(Role::Viewer) => None,
        _ => Some("403"),
    };
    match on {
        On::Public => None,
        // Where the path names no team, the caller's own is meant.
        On::Team if of_own_team => (!kind.is_user()).then_some("403"),
        _ if !kind.is_known() => Some("401"),
        On::User => (!kind.is_user()).then_some("403"),
        // The first account is the operator's.
        On::Operator => (kind != Kind::Owner).then_some("403"),
        On::ApiKey => kind.is_user().then_some("403"),
        On::Caller => None,
        // People talk; keys read figures.
        On::Conversation => role(kind.role_in_team().filter(|_| kind.is_user())),
        // The owner is the author.
        On::AuthoredConversation => {
            (!kind.is_user() || kind.role_in_team().is_none_or(|held| held < Role::Admin)).then_some("403")
        }
        On::Team => role(kind.role_in_team()),
        On::Website | On::Node => role(kind.role_on_website()),
    }
}

fn expected(kind: Kind, question: &Question) -> Option<&'static str> {
    // REST routes take one kind of credential.
    match question.auth {
        Some(Auth::Key) if kind.is_user() || !kind.is_known() => return Some("401"),
        Some(Auth::Bearer) if !kind.is_user() => return Some("401"),
        // Nobody is asked for a credential, so nobody has a role on the closed website.
        Some(Auth::None) => return question.access.iter().any(|(on, _)| *on == On::Website).then_some("403"),
        _ => {}
    }
    // An old credential is told that it is old.
    if question.is_open && kind.is_refused() {
        return Some("401");
    }
    // Live figures are open to anyone else, whatever they hold.
    if question.is_open && question.name.ends_with("liveWebsite") {
        return None;
    }
    // A key reads, and changes nothing.
    let is_change = question.name.starts_with("Mutation") && question.access.iter().all(|(on, _)| *on != On::Public);
    if is_change && kind.is_key() {
        return Some("403");
    }
    if question.is_open {
        let least = question.access.iter().filter_map(|(_, min)| *min).max().unwrap_or(Role::Viewer);
        let has_part = kind.role_in_team().is_some_and(|role| role >= least) && !kind.is_key_of_one_website();
        let reads_people = question.name.contains("members") && !kind.is_user();
        // A key reads what it was made for and is nobody elsewhere; everybody else reads what is open.
        let refused = if question.public { kind.is_key() && !has_part } else { !has_part || reads_people };
        return refused.then_some("403");
    }
    question.access.iter().find_map(|(on, min)| refusal(kind, *on, *min, question.of_own_team))
}

/// The nested fields that some caller is refused who reaches their parent. Each must state its rule, and no other may.
async fn ruled(world: &World) -> Vec<Question> {
    let index = schema::index().unwrap();
    let stated = |name: &str| name.split_once('.').and_then(|(parent, field)| index.access(parent, field));
    let (mut ruled, mut wrong, mut reached) = (Vec::new(), Vec::new(), HashMap::new());
    for Nested { name, parent, mut field, selected } in nested() {
        let mut is_ruled = false;
        for kind in [Kind::Viewer, Kind::FullKey] {
            let way = (parent.text.clone(), kind);
            if !reached.contains_key(&way) {
                let is_reached = world.ask(&parent, kind).await == "ok";
                reached.insert(way.clone(), is_reached);
            }
            is_ruled |= reached[&way] && matches!(world.ask(&field, kind).await.as_str(), "401" | "403");
        }
        // What only the public is refused is asked of a website that is open to it.
        match stated(&name) {
            Some(row) if is_ruled => {
                field.access.push((row.on, row.min));
                ruled.extend(by_other_ways(&name, &selected, row.on, row.min));
            }
            Some(row) if (row.on, row.min) == (On::Website, Some(Role::Viewer)) => continue,
            Some(_) => wrong.push(format!("{name} declares @access, but no caller is refused")),
            None if is_ruled => wrong.push(format!("{name} has its own access rule but no @access")),
            None => continue,
        }
        ruled.push(field);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    ruled
}

#[tokio::test]
async fn every_field_and_route_answers_every_caller_as_the_matrix_says() {
    let (first, second) = tokio::join!(World::new(), World::new());
    let mut text = String::from(
        "# Who hears what: made by tests/it/matrix.rs from the schema and the REST documents.\n\
         # ok: answered. 400, 404, 409: past the access check, refused for what was asked. 401, 403: refused for who asked.\n\n",
    );
    let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    for (number, name) in names.iter().enumerate() {
        let _ = writeln!(text, "#{:>3} {name}", number + 1);
    }
    let mut wrong = Vec::new();
    for (title, world, questions) in [
        ("GraphQL nested fields with a rule of their own", &first, ruled(&first).await),
        ("GraphQL root fields of a website that is open to the public", &first, open_fields()),
        ("GraphQL root fields", &first, root_fields()),
        ("REST routes", &second, rest_routes()),
    ] {
        let _ = write!(text, "\n## {title}\n{:<72}", "");
        for number in 1..=names.len() {
            let _ = write!(text, "{number:>5}");
        }
        text.push('\n');
        for question in questions {
            let _ = write!(text, "{:<72}", question.name);
            // The owner after the keys: whoever deletes the account takes the team along.
            let mut answers = Vec::new();
            for kind in Kind::ALL.iter().rev() {
                answers.push((*kind, world.ask(&question, *kind).await));
            }
            answers.reverse();
            for (kind, heard) in answers {
                let _ = write!(text, "{heard:>5}");
                let by_itself = REFUSE_BY_THEMSELVES.iter().any(|name| question.name.ends_with(name));
                let fits = match expected(kind, &question) {
                    // A list shows nothing of what is refused; whom an open website shuts out is told it is closed.
                    Some(refusal) => {
                        heard == refusal
                            || heard == "null"
                            || (question.public && matches!(heard.as_str(), "401" | "403"))
                    }
                    None => by_itself || !matches!(heard.as_str(), "401" | "403"),
                };
                if !fits || heard == "500" {
                    wrong.push(format!("{} for {}: {heard}", question.name, kind.name()));
                }
            }
            text.push('\n');
            world.restore().await;
        }
    }
    assert!(wrong.is_empty(), "what happens is not what is stated:\n{}", wrong.join("\n"));
    let file = repository("schema/access.txt");
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    if committed != text {
        std::fs::write(file.with_extension("txt.new"), &text).unwrap();
        panic!(
            "schema/access.txt is not what happens; look at schema/access.txt.new, and commit it in its place when it is right"
        );
    }
}
