//! Every list in the schema says how many items it holds, so that a document can be priced before it runs.

use std::{collections::BTreeMap, fs, path::Path};

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, TypeKind, TypeSystemDefinition},
};

/// The lists that state how many items they hold at most, and what holds them to it.
const BOUNDS: [(&str, u64, &str); 36] = [
    ("AcknowledgedWarnings.apiEvents", 2, "a closed set of thresholds"),
    ("AcknowledgedWarnings.events", 2, "a closed set of thresholds"),
    ("AcknowledgedWarnings.proxyEvents", 2, "a closed set of thresholds"),
    ("Analytics.filters", 20, "a question with more is refused"),
    ("Analytics.series", 5_000, "a question with more buckets is refused"),
    ("ApiKey.allowedNetworks", 50, "more are refused where they are set"),
    ("ApiKey.allowedOrigins", 50, "more are refused where they are set"),
    ("ApiKey.scopes", 3, "a closed set"),
    ("AuditEntry.changed", 100, "the first of them"),
    ("Domains.allowedDomains", 100, "more are refused where they are set"),
    ("Exclusions.ipExclusions", 500, "more are refused where they are made"),
    ("Exclusions.pathExclusions", 500, "more are refused where they are made"),
    ("Filter.values", 10, "priced by the values of all filters, which are refused beyond 200"),
    ("Goal.properties", 10, "more are refused where they are set"),
    ("Ingest.dropped", 20, "a closed set, counted at compile time"),
    ("Ingest.warnings", 20, "the first of them"),
    ("LiveSite.countries", 250, "the first of them"),
    ("LiveSite.minutes", 30, "the first of them"),
    ("PlanLimits.features", 20, "the first of them"),
    ("PropertyCondition.values", 20, "more are refused where they are set"),
    ("Query.plans", 10, "a closed set, counted at compile time"),
    ("Query.webhooks", 100, "more are refused where they are made"),
    ("Realtime.countries", 250, "the first of them"),
    ("Realtime.minutes", 30, "the first of them"),
    ("Realtime.topPages", 20, "the first of them"),
    ("Team.webhooks", 100, "more are refused where they are made"),
    ("TeamUsage.warnings", 6, "two thresholds of three resources"),
    ("UserDeletePayload.deletedTeamDatabaseIds", 100, "the first of them"),
    ("UserDeletePayload.deletedWebsiteDatabaseIds", 1_000, "the first of them"),
    ("Webhook.events", 5, "a closed set"),
    ("WebhookDelivery.attempts", 24, "the last of them"),
    ("WebhookFilter.eventNames", 100, "more are refused where they are set"),
    ("WebhookFilter.goalDatabaseIds", 100, "more are refused where they are set"),
    ("Website.allowedDomains", 100, "more are refused where they are set"),
    ("Website.goals", 100, "more are refused where they are made"),
    ("Website.webhooks", 100, "more are refused where they are made"),
];

#[test]
fn every_stated_size_is_held() {
    let mut stated = BTreeMap::new();
    for definition in parse_schema(footfall_schema::sdl()).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let TypeKind::Object(object) = &definition.node.kind else { continue };
        for field in &object.fields {
            if let Some(size) = assumed_size(&field.node) {
                stated.insert(format!("{}.{}", definition.node.name.node, field.node.name.node), size);
            }
        }
    }
    let held: BTreeMap<_, _> = BOUNDS.iter().map(|(field, size, _)| ((*field).to_owned(), *size)).collect();
    assert_eq!(stated, held, "say what holds the list to its size, and test it");
}

fn assumed_size(field: &FieldDefinition) -> Option<u64> {
    let directive = field.directives.iter().find(|it| it.node.name.node == "listSize")?;
    match &directive.node.get_argument("assumedSize")?.node {
        async_graphql::Value::Number(number) => number.as_u64(),
        _ => None,
    }
}

/// Resolvers of lists of objects answer a `List`, which is resolved in turns. Items without fields take no time that matters.
#[test]
fn every_list_of_objects_is_resolved_in_turns() {
    const LEAVES: [&str; 7] = ["&str", "ApiKeyScope", "BigInt", "PlanFeature", "String", "Uuid", "WebhookEvent"];
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let (mut lists, mut at_once) = (0, Vec::new());
    for (name, text) in files {
        for block in text.split("Object]\n").skip(1) {
            let Some(first) = block.lines().next().filter(|line| line.trim_start().starts_with("impl ")) else {
                continue;
            };
            let indent = first.len() - first.trim_start().len();
            let end = format!("\n{}}}\n", " ".repeat(indent));
            let block = block.split(&end).next().unwrap_or_default();
            for line in block.lines().filter(|line| line.contains(") -> ") && line.ends_with('{')) {
                let answer = line.rsplit(") -> ").next().unwrap_or_default();
                lists += usize::from(answer.contains("List<"));
                let is_list = answer.contains("Vec<") || answer.contains("&[");
                if is_list && !LEAVES.iter().any(|leaf| answer.contains(&format!("Vec<{leaf}>"))) {
                    at_once.push(format!("{name}: {}", line.trim()));
                }
            }
        }
    }
    assert!(lists > 15, "{lists}");
    assert!(at_once.is_empty(), "answer a `List`: {at_once:#?}");
}

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn every_list_without_pages_states_its_size() {
    let sdl = footfall_schema::sdl();
    let mut unpriced = Vec::new();
    let mut lists = 0;
    for definition in parse_schema(sdl).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let name = definition.node.name.node.to_string();
        let fields = match &definition.node.kind {
            TypeKind::Object(object) => &object.fields,
            TypeKind::Interface(interface) => &interface.fields,
            _ => continue,
        };
        for field in fields {
            let field = &field.node;
            if !matches!(field.ty.node.base, BaseType::List(_)) {
                continue;
            }
            lists += 1;
            let field_name = field.name.node.as_str();
            let of_page = name.ends_with("Connection") && matches!(field_name, "nodes" | "edges");
            let stated = field.directives.iter().any(|it| it.node.name.node == "listSize");
            if of_page == stated {
                unpriced.push(format!("{name}.{field_name}"));
            }
        }
    }
    assert!(lists > 20, "{lists}");
    assert!(unpriced.is_empty(), "state `@listSize` on {unpriced:?}");
}
