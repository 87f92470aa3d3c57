//! Every list in the schema says how many items it holds, so that a document can be priced before it runs.

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, TypeKind, TypeSystemDefinition},
};

#[test]
fn every_list_without_pages_states_its_size() {
    let sdl = footfall_schema::sdl();
    let mut unpriced = Vec::new();
    let mut lists = 0;
    for definition in parse_schema(&sdl).unwrap().definitions {
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
