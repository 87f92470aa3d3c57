//! The schema's form: what every field states, what every part describes, what introspection says.

use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
use footfall_schema as schema;

/// Fields of the built SDL's objects with description, in order.
fn object_fields() -> Vec<(String, String, String)> {
    let sdl = schema::sdl();
    let mut fields = Vec::new();
    for definition in async_graphql::parser::parse_schema(&sdl).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let parent = definition.node.name.node.to_string();
        let TypeKind::Object(object) = definition.node.kind else { continue };
        for field in object.fields {
            let description = field.node.description.map(|text| text.node).unwrap_or_default();
            fields.push((parent.clone(), field.node.name.node.to_string(), description));
        }
    }
    fields
}

#[test]
fn every_access_is_stated_and_described() {
    let index = schema::index().unwrap();
    let fields = object_fields();
    assert!(fields.len() >= 15, "{fields:#?}");
    for (parent, field, description) in fields {
        let Some(access) = index.access(&parent, &field) else {
            let is_root = matches!(parent.as_str(), "Query" | "Mutation" | "Subscription");
            assert!(!is_root, "{parent}.{field} states no @access");
            assert!(!description.contains("Access: "), "{parent}.{field}: {description}");
            continue;
        };
        assert_eq!(description.lines().last(), Some(access.line().as_str()), "{parent}.{field}: {description}");
    }
}

#[test]
fn everything_has_a_description() {
    let sdl = schema::sdl();
    let mut bare = Vec::new();
    for definition in async_graphql::parser::parse_schema(&sdl).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let (name, node) = (definition.node.name.node.to_string(), definition.node);
        if node.description.is_none() {
            bare.push(name.clone());
        }
        let fields = match node.kind {
            TypeKind::Object(object) => object.fields,
            TypeKind::Interface(interface) => interface.fields,
            TypeKind::InputObject(input) => {
                let bare_fields = input.fields.iter().filter(|field| field.node.description.is_none());
                bare.extend(bare_fields.map(|field| format!("{name}.{}", field.node.name.node)));
                Vec::new()
            }
            TypeKind::Enum(values) => {
                let bare_values = values.values.iter().filter(|value| value.node.description.is_none());
                bare.extend(bare_values.map(|value| format!("{name}.{}", value.node.value.node)));
                Vec::new()
            }
            _ => Vec::new(),
        };
        for field in fields {
            if field.node.description.is_none() {
                bare.push(format!("{name}.{}", field.node.name.node));
            }
            let arguments = field.node.arguments.iter().filter(|argument| argument.node.description.is_none());
            bare.extend(
                arguments.map(|argument| format!("{name}.{}({})", field.node.name.node, argument.node.name.node)),
            );
        }
    }
    assert!(bare.is_empty(), "without a description: {bare:#?}");
}

#[test]
fn scalars_name_their_specification_and_root_queries_are_nullable() {
    let sdl = schema::sdl();
    for scalar in ["DateTime", "EmailAddress", "HexColor", "TimeZone", "URL", "UUID", "BigInt", "Decimal"] {
        assert!(sdl.contains(&format!("scalar {scalar} @specifiedBy(url: ")), "{scalar}\n{sdl}");
    }
    for field in ["viewer: User\n", "team(\n", "apiUsage: ApiUsage\n"] {
        let line = field.trim_end();
        assert!(sdl.contains(line), "{field}");
    }
    assert!(sdl.contains("viewer: User @access(on: USER)"), "{sdl}");
    assert!(sdl.contains("plans: [Plan!]! @access(on: PUBLIC)"), "{sdl}");
}

/// `visitDurationSeconds` becomes `VISIT_DURATION_SECONDS`.
fn upper(camel: &str) -> String {
    let mut name = String::new();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[test]
fn each_metric_is_the_name_of_its_field() {
    let sdl = async_graphql::parser::parse_schema(schema::sdl()).unwrap();
    let (mut fields, mut values) = (Vec::new(), Vec::new());
    for definition in sdl.definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        match (definition.node.name.node.as_str(), definition.node.kind) {
            ("Metrics", TypeKind::Object(object)) => {
                fields.extend(object.fields.into_iter().map(|field| upper(&field.node.name.node)));
            }
            ("Metric", TypeKind::Enum(metric)) => {
                values.extend(metric.values.into_iter().map(|value| value.node.value.node.to_string()));
            }
            _ => {}
        }
    }
    assert_eq!(values, fields);
    assert!(fields.len() >= 11, "{fields:?}");
}

/// Visitors and events are no nodes: their ids are UUIDs.
const NO_NODES: [&str; 4] =
    ["Visitor.visitorId", "TrackedEvent.visitorId", "TrackedEvent.eventId", "ForgetSubjectInput.visitorId"];

/// IDs that the website's application gives to people: its own text.
const OF_APPLICATIONS: [&str; 2] = ["Person.userId", "ForgetSubjectInput.userId"];

/// Whether a name ends like this, in the singular or the plural; `id` and `databaseId` are whole names of the kind.
fn ends_with(name: &str, end: &str) -> bool {
    let name = name.strip_suffix('s').unwrap_or(name);
    name.ends_with(end) || name == end[..1].to_lowercase() + &end[1..]
}

#[test]
fn ids_of_one_name_are_of_one_kind() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for definition in async_graphql::parser::parse_schema(schema::sdl()).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let parent = definition.node.name.node.to_string();
        let fields: Vec<(String, String)> = match definition.node.kind {
            TypeKind::Object(object) => object
                .fields
                .into_iter()
                .map(|field| (field.node.name.node.to_string(), field.node.ty.node.to_string()))
                .collect(),
            TypeKind::InputObject(input) => input
                .fields
                .into_iter()
                .map(|field| (field.node.name.node.to_string(), field.node.ty.node.to_string()))
                .collect(),
            _ => continue,
        };
        for (field, ty) in fields {
            let place = format!("{parent}.{field}");
            let base = ty.trim_matches(['[', ']', '!'].as_slice());
            let right = match () {
                // The caller's own text, named by Relay.
                () if field == "clientMutationId" || OF_APPLICATIONS.contains(&place.as_str()) => "String",
                () if NO_NODES.contains(&place.as_str()) || ends_with(&field, "DatabaseId") => "UUID",
                () if ends_with(&field, "Id") => "ID",
                () if base == "UUID" || base == "ID" => "a name that ends in Id or DatabaseId",
                () => continue,
            };
            checked += 1;
            if base != right {
                wrong.push(format!("{place}: {ty} must be {right}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 40, "{checked}");
}

#[test]
fn mutations_take_an_input_beside_the_id_of_their_parent_and_nothing_else() {
    let mut checked = 0;
    for definition in async_graphql::parser::parse_schema(schema::sdl()).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        if definition.node.name.node != "Mutation" {
            continue;
        }
        let TypeKind::Object(mutation) = definition.node.kind else { panic!("Mutation is no object") };
        for field in mutation.fields {
            let name = field.node.name.node.to_string();
            let ty = name[..1].to_uppercase() + &name[1..];
            assert_eq!(field.node.ty.node.to_string(), format!("{ty}Payload"), "{name}");
            let arguments = field
                .node
                .arguments
                .iter()
                .map(|argument| (argument.node.name.node.to_string(), argument.node.ty.node.to_string()));
            let arguments: Vec<_> = arguments.collect();
            let input = ("input".to_owned(), format!("{ty}Input!"));
            let fits = match &arguments[..] {
                [] => true,
                [only] => *only == input,
                [(parent, kind), last] => parent.ends_with("Id") && kind == "ID!" && *last == input,
                _ => false,
            };
            assert!(fits, "{name}: {arguments:?}");
            checked += 1;
        }
    }
    assert!(checked > 40, "{checked}");
}

#[test]
fn the_published_codes_are_those_of_the_table() {
    use schema::ErrorCode;

    let document = async_graphql::parser::parse_schema(schema::sdl()).unwrap();
    let published = document.definitions.into_iter().find_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) if definition.node.name.node == "ErrorCode" => {
            match definition.node.kind {
                TypeKind::Enum(codes) => Some(codes.values),
                _ => None,
            }
        }
        _ => None,
    });
    let published: Vec<_> = published.unwrap().into_iter().map(|value| value.node.value.node.to_string()).collect();
    assert_eq!(published, ErrorCode::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>());
    for (code, status) in schema::Error::TABLE {
        let row = ErrorCode::ALL.iter().find(|row| row.as_str() == *code).unwrap();
        assert_eq!(row.status(), *status);
    }
}

#[tokio::test]
async fn introspection_knows_every_type_that_directives_use() {
    let document = "{ __schema { types { name } directives { name args { type { name ofType { name ofType { name ofType { name } } } } } } } }";
    let answer = schema::build(true).execute(document).await;
    let data = serde_json::to_value(answer.data).unwrap();
    let types: Vec<_> = data["__schema"]["types"].as_array().unwrap().iter().map(|each| each["name"].clone()).collect();
    for directive in data["__schema"]["directives"].as_array().unwrap() {
        for argument in directive["args"].as_array().unwrap() {
            let wrapped = std::iter::successors(Some(&argument["type"]), |wrapper| Some(&wrapper["ofType"]));
            let name = wrapped.take(4).map(|each| &each["name"]).find(|name| !name.is_null()).unwrap();
            assert!(types.contains(name), "{}({name}) is unknown to introspection", directive["name"]);
        }
    }
}
