//! Index of the schema for the HTTP layer: field types, page arguments and enum values, read once from the SDL.

use std::collections::{HashMap, HashSet};

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, InputValueDefinition, OperationType, Type, TypeKind, TypeSystemDefinition},
};
use async_graphql::{Positioned, Value};

/// One output field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldInfo {
    /// Name of the type below lists and non-null marks.
    pub of: String,
    /// Its type.
    pub ty: Type,
    /// Number of items it returns.
    pub items: Items,
    /// Whether its items are scalars or enum values.
    pub is_leaf: bool,
    /// Its own cost, from `@cost`; 1 by default.
    pub weight: u64,
    /// Its arguments.
    pub arguments: HashMap<String, InputField>,
}

/// Number of items that a field returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Items {
    /// One, or the page size of the enclosing connection.
    One,
    /// A page: `first` or `last`, else this many.
    Page(u64),
    /// The length of the list in this argument; from `@listSize(slicingArguments:)`.
    Argument(String),
    /// At most this many; from `@listSize(assumedSize:)`.
    AtMost(u64),
    /// One per bucket of `interval`, at most this many; from `@listSize(assumedSize:)`.
    Buckets(u64),
}

/// An argument, or a field of an input object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputField {
    /// Its type.
    pub ty: Type,
    /// Whether it has a default.
    pub default: bool,
}

/// An input object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputInfo {
    /// Its fields.
    pub fields: HashMap<String, InputField>,
    /// Whether exactly one of them must be given (`@oneOf`).
    pub one_of: bool,
}

/// The schema index.
#[derive(Debug, Clone, Default)]
pub struct SchemaIndex {
    fields: HashMap<String, HashMap<String, FieldInfo>>,
    abstracts: HashSet<String>,
    enums: HashMap<String, Vec<String>>,
    inputs: HashMap<String, InputInfo>,
    types: u64,
    query: String,
    mutation: String,
    subscription: String,
}

/// Default page size, in rows.
const USUAL_PAGE: u64 = 20;

/// Types that every schema has: those of introspection and the built-in scalars.
const BUILT_IN_TYPES: u64 = 13;

impl SchemaIndex {
    /// Reads an SDL text. Errors: the parser's message, for the operator; never for a client.
    pub fn read(sdl: &str) -> Result<Self, async_graphql::parser::Error> {
        let mut shape = Self {
            query: "Query".into(),
            mutation: "Mutation".into(),
            subscription: "Subscription".into(),
            types: BUILT_IN_TYPES,
            ..Self::default()
        };
        let mut composites = HashSet::new();
        for definition in parse_schema(sdl)?.definitions {
            match definition {
                TypeSystemDefinition::Schema(roots) => {
                    let name = |root: Option<Positioned<_>>, usual: String| {
                        root.map_or(usual, |name: Positioned<async_graphql::Name>| name.node.to_string())
                    };
                    shape.query = name(roots.node.query, shape.query);
                    shape.mutation = name(roots.node.mutation, shape.mutation);
                    shape.subscription = name(roots.node.subscription, shape.subscription);
                }
                TypeSystemDefinition::Type(definition) => {
                    shape.types += 1;
                    let name = definition.node.name.node.to_string();
                    if let TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_) = definition.node.kind {
                        composites.insert(name.clone());
                    }
                    match definition.node.kind {
                        TypeKind::Object(object) => shape.add(name, &object.fields),
                        TypeKind::Interface(interface) => {
                            shape.abstracts.insert(name.clone());
                            shape.add(name, &interface.fields);
                        }
                        TypeKind::Union(_) => {
                            shape.abstracts.insert(name.clone());
                            shape.add(name, &[]);
                        }
                        TypeKind::Enum(values) => {
                            let values = values.values.iter().map(|value| value.node.value.node.to_string()).collect();
                            shape.enums.insert(name, values);
                        }
                        TypeKind::InputObject(input) => {
                            let one_of = definition.node.directives.iter().any(|it| it.node.name.node == "oneOf");
                            shape.inputs.insert(name, InputInfo { fields: inputs(&input.fields), one_of });
                        }
                        TypeKind::Scalar => {}
                    }
                }
                TypeSystemDefinition::Directive(_) => {}
            }
        }
        for fields in shape.fields.values_mut() {
            for field in fields.values_mut() {
                field.is_leaf = !composites.contains(&field.of);
            }
        }
        Ok(shape)
    }

    fn add(&mut self, type_name: String, fields: &[Positioned<FieldDefinition>]) {
        let fields = fields.iter().map(|field| (field.node.name.node.to_string(), field_shape(&field.node)));
        self.fields.entry(type_name).or_default().extend(fields);
    }

    /// The root type of an operation.
    #[must_use]
    pub fn root(&self, operation: OperationType) -> &str {
        match operation {
            OperationType::Query => &self.query,
            OperationType::Mutation => &self.mutation,
            OperationType::Subscription => &self.subscription,
        }
    }

    /// A field of a type; `None` for unknown fields (reported later by validation) and for introspection.
    #[must_use]
    pub fn field(&self, type_name: &str, field: &str) -> Option<&FieldInfo> {
        self.fields.get(type_name)?.get(field)
    }

    /// Whether a type is an object type.
    #[must_use]
    pub fn is_object(&self, type_name: &str) -> bool {
        self.is_composite(type_name) && !self.abstracts.contains(type_name)
    }

    /// Whether a type is an object type, an interface or a union.
    #[must_use]
    pub fn is_composite(&self, type_name: &str) -> bool {
        self.fields.contains_key(type_name)
    }

    /// Approximate number of types.
    #[must_use]
    pub fn types(&self) -> u64 {
        self.types
    }

    /// An input object.
    #[must_use]
    pub fn input(&self, type_name: &str) -> Option<&InputInfo> {
        self.inputs.get(type_name)
    }

    /// The values of an enum.
    #[must_use]
    pub fn values(&self, type_name: &str) -> Option<&[String]> {
        self.enums.get(type_name).map(Vec::as_slice)
    }
}

fn field_shape(field: &FieldDefinition) -> FieldInfo {
    let argument = |name: &str| field.arguments.iter().find(|argument| argument.node.name.node == name);
    let default = argument("first").and_then(|first| match &first.node.default_value.as_ref()?.node {
        Value::Number(number) => number.as_u64(),
        _ => None,
    });
    let pages = argument("first").is_some() || argument("last").is_some();
    FieldInfo {
        of: named(&field.ty.node).to_owned(),
        ty: field.ty.node.clone(),
        items: if pages { Items::Page(default.unwrap_or(USUAL_PAGE)) } else { list_size(field) },
        is_leaf: false,
        weight: directive(field, "cost", "weight").and_then(number).unwrap_or(1),
        arguments: inputs(&field.arguments),
    }
}

/// The `@listSize` of a field.
fn list_size(field: &FieldDefinition) -> Items {
    if let Some(size) = directive(field, "listSize", "assumedSize").and_then(number) {
        let is_series = field.arguments.iter().any(|argument| argument.node.name.node == "interval");
        return if is_series { Items::Buckets(size) } else { Items::AtMost(size) };
    }
    match directive(field, "listSize", "slicingArguments") {
        Some(Value::List(names)) => match names.as_slice() {
            [Value::String(name)] => Items::Argument(name.clone()),
            _ => Items::One,
        },
        _ => Items::One,
    }
}

/// The argument of a directive on a field.
fn directive<'f>(field: &'f FieldDefinition, name: &str, argument: &str) -> Option<&'f Value> {
    let directive = field.directives.iter().find(|it| it.node.name.node == name)?;
    directive.node.get_argument(argument).map(|value| &value.node)
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        _ => None,
    }
}

fn inputs(definitions: &[Positioned<InputValueDefinition>]) -> HashMap<String, InputField> {
    let input = |it: &InputValueDefinition| InputField { ty: it.ty.node.clone(), default: it.default_value.is_some() };
    definitions.iter().map(|it| (it.node.name.node.to_string(), input(&it.node))).collect()
}

fn named(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(of) => named(of),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outline_of_an_sdl() {
        let shape = SchemaIndex::read(
            r#"
            type Root { rows(first: Int, after: String): [Row!]! top(first: Int! = 10): Row plain: Row!
              all: [Row!]! @listSize(assumedSize: 500) @cost(weight: 7) series(interval: Size!): [Row!]! @listSize(assumedSize: 9) by(ids: [ID!]!): [Row]! @listSize(slicingArguments: ["ids"]) }
            "A row"
            type Row { name: String }
            enum Size { SMALL LARGE }
            input Choice @oneOf { a: Int b: Int }
            schema { query: Root }
            "#,
        )
        .expect("a schema");
        assert_eq!(shape.root(OperationType::Query), "Root");
        let field =
            |name: &str| shape.field("Root", name).map(|field| (field.of.as_str(), field.items.clone(), field.weight));
        assert_eq!(field("rows"), Some(("Row", Items::Page(20), 1)));
        assert_eq!(field("top"), Some(("Row", Items::Page(10), 1)));
        assert_eq!(field("plain"), Some(("Row", Items::One, 1)));
        assert_eq!(field("all"), Some(("Row", Items::AtMost(500), 7)));
        assert_eq!(field("series"), Some(("Row", Items::Buckets(9), 1)));
        assert_eq!(field("by"), Some(("Row", Items::Argument("ids".into()), 1)));
        assert!(shape.field("Row", "name").expect("a field").is_leaf);
        let first = &shape.field("Root", "top").expect("a field").arguments["first"];
        assert_eq!((first.ty.to_string().as_str(), first.default), ("Int!", true));
        assert!(shape.input("Choice").expect("an input").one_of);
        assert_eq!(shape.field("Row", "nope"), None);
        assert_eq!(shape.values("Size"), Some(&["SMALL".to_owned(), "LARGE".to_owned()][..]));
    }
}
