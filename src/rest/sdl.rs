//! The schema as a lookup table: the fields of a type and their types.

use std::collections::BTreeMap;

use async_graphql::parser::{
    parse_schema,
    types::{
        BaseType, ConstDirective, FieldDefinition, InputValueDefinition, OperationType, Type, TypeDefinition, TypeKind,
        TypeSystemDefinition,
    },
};
use async_graphql::{Positioned, Value};

/// The input field that bodies do not have: REST's endpoints are not repeated by key.
const IDEMPOTENCY_KEY: &str = "clientMutationId";

/// The types of a schema by name.
pub struct Sdl {
    named: BTreeMap<String, TypeDefinition>,
    query: String,
    mutation: String,
}

impl Sdl {
    /// Reads SDL. Errors: a message about what cannot be parsed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let document = parse_schema(text).map_err(|error| format!("the schema cannot be read: {error}"))?;
        let mut sdl = Self { named: BTreeMap::new(), query: "Query".to_owned(), mutation: "Mutation".to_owned() };
        for definition in document.definitions {
            match definition {
                TypeSystemDefinition::Schema(schema) => {
                    if let Some(name) = schema.node.query {
                        sdl.query = name.node.to_string();
                    }
                    if let Some(name) = schema.node.mutation {
                        sdl.mutation = name.node.to_string();
                    }
                }
                TypeSystemDefinition::Type(definition) => {
                    sdl.named.insert(definition.node.name.node.to_string(), definition.node);
                }
                TypeSystemDefinition::Directive(_) => {}
            }
        }
        Ok(sdl)
    }

    /// The root type of an operation.
    #[must_use]
    pub fn root(&self, operation: OperationType) -> &str {
        if operation == OperationType::Mutation { &self.mutation } else { &self.query }
    }

    /// A field of an object or interface.
    #[must_use]
    pub fn field(&self, parent: &str, name: &str) -> Option<&FieldDefinition> {
        let fields = match &self.named.get(parent)?.kind {
            TypeKind::Object(object) => &object.fields,
            TypeKind::Interface(interface) => &interface.fields,
            _ => return None,
        };
        fields.iter().map(|field| &field.node).find(|field| field.name.node == name)
    }

    /// Whether a type has fields to select.
    #[must_use]
    pub fn is_composite(&self, name: &str) -> bool {
        self.named.get(name).is_some_and(|definition| {
            matches!(definition.kind, TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_))
        })
    }

    /// The values of an enum, in order.
    #[must_use]
    pub fn enum_values(&self, name: &str) -> Option<Vec<&str>> {
        match &self.named.get(name)?.kind {
            TypeKind::Enum(definition) => {
                Some(definition.values.iter().map(|value| value.node.value.node.as_str()).collect())
            }
            _ => None,
        }
    }

    /// The fields of an input object that a body can have, in order.
    #[must_use]
    pub fn input_fields(&self, name: &str) -> Option<Vec<&InputValueDefinition>> {
        match &self.named.get(name)?.kind {
            TypeKind::InputObject(input) => {
                let fields = input.fields.iter().map(|field| &field.node);
                Some(fields.filter(|field| field.name.node != IDEMPOTENCY_KEY).collect())
            }
            _ => None,
        }
    }

    /// A field's description in the schema.
    #[must_use]
    pub fn about(&self, name: &str) -> Option<&str> {
        self.named.get(name)?.description.as_ref().map(|text| text.node.as_str())
    }
}

/// The innermost name of a type: `Website` of `[Website!]!`.
#[must_use]
pub fn base_name(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(item) => base_name(item),
    }
}

/// Whether a type is a list.
#[must_use]
pub const fn is_list(ty: &Type) -> bool {
    matches!(ty.base, BaseType::List(_))
}

/// The `min` of a field's `@access(on:, min:)`, if declared.
#[must_use]
pub fn access_of(directives: &[Positioned<ConstDirective>]) -> Option<Access> {
    let access = directives.iter().find(|directive| directive.node.name.node == "access")?;
    let word = |name| match access.node.get_argument(name).map(|value| &value.node) {
        Some(Value::Enum(word)) => Some(word.to_string()),
        Some(Value::String(word)) => Some(word.clone()),
        _ => None,
    };
    Some(Access { on: word("on")?, min: word("min") })
}

/// Access required by a root field, as declared in the SDL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The target of the role, such as `WEBSITE`.
    pub on: String,
    /// The minimum role, such as `VIEWER`; `None` if authentication suffices.
    pub min: Option<String>,
}
