//! What the edge must know of the schema: field types, page arguments and enum values, read once from the SDL.

use std::collections::{HashMap, HashSet};

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, InputValueDefinition, OperationType, Type, TypeKind, TypeSystemDefinition},
};
use async_graphql::{Positioned, Value};

/// One output field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldShape {
    /// Name of the type below lists and non-null marks.
    pub of: String,
    /// Its type.
    pub ty: Type,
    /// Rows of a page when neither `first` nor `last` is given; `None` where the field does not page.
    pub page: Option<u64>,
    /// Its arguments.
    pub arguments: HashMap<String, InputField>,
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
pub struct InputShape {
    /// Its fields.
    pub fields: HashMap<String, InputField>,
    /// Whether exactly one of them must be given.
    pub one_of: bool,
}

/// The schema's outline.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    fields: HashMap<String, HashMap<String, FieldShape>>,
    abstracts: HashSet<String>,
    enums: HashMap<String, Vec<String>>,
    inputs: HashMap<String, InputShape>,
    types: u64,
    query: String,
    mutation: String,
    subscription: String,
}

/// Rows of a page unless the schema says otherwise.
const USUAL_PAGE: u64 = 20;

/// Types that every schema has: those of introspection and the built-in scalars.
const BUILT_IN_TYPES: u64 = 13;

impl Shape {
    /// Reads an SDL text. Errors: the parser's sentence, for the operator; never for a client.
    pub fn read(sdl: &str) -> Result<Self, async_graphql::parser::Error> {
        let mut shape = Self {
            query: "Query".into(),
            mutation: "Mutation".into(),
            subscription: "Subscription".into(),
            types: BUILT_IN_TYPES,
            ..Self::default()
        };
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
                            shape.inputs.insert(name, InputShape { fields: inputs(&input.fields), one_of });
                        }
                        TypeKind::Scalar => {}
                    }
                }
                TypeSystemDefinition::Directive(_) => {}
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

    /// A field of a type; `None` for what the schema does not hold (validation says so later) and for introspection.
    #[must_use]
    pub fn field(&self, type_name: &str, field: &str) -> Option<&FieldShape> {
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

    /// How many types there are, about.
    #[must_use]
    pub fn types(&self) -> u64 {
        self.types
    }

    /// An input object.
    #[must_use]
    pub fn input(&self, type_name: &str) -> Option<&InputShape> {
        self.inputs.get(type_name)
    }

    /// The values of an enum.
    #[must_use]
    pub fn values(&self, type_name: &str) -> Option<&[String]> {
        self.enums.get(type_name).map(Vec::as_slice)
    }
}

fn field_shape(field: &FieldDefinition) -> FieldShape {
    let argument = |name: &str| field.arguments.iter().find(|argument| argument.node.name.node == name);
    let default = argument("first").and_then(|first| match &first.node.default_value.as_ref()?.node {
        Value::Number(number) => number.as_u64(),
        _ => None,
    });
    let pages = argument("first").is_some() || argument("last").is_some();
    FieldShape {
        of: named(&field.ty.node).to_owned(),
        ty: field.ty.node.clone(),
        page: pages.then(|| default.unwrap_or(USUAL_PAGE)),
        arguments: inputs(&field.arguments),
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
        let shape = Shape::read(
            r#"
            type Root { rows(first: Int, after: String): [Row!]! top(first: Int! = 10): Row plain: Row! }
            "A row"
            type Row { name: String }
            enum Size { SMALL LARGE }
            input Choice @oneOf { a: Int b: Int }
            schema { query: Root }
            "#,
        )
        .expect("a schema");
        assert_eq!(shape.root(OperationType::Query), "Root");
        let field = |name: &str| shape.field("Root", name).map(|field| (field.of.as_str(), field.page));
        assert_eq!(field("rows"), Some(("Row", Some(20))));
        assert_eq!(field("top"), Some(("Row", Some(10))));
        assert_eq!(field("plain"), Some(("Row", None)));
        let first = &shape.field("Root", "top").expect("a field").arguments["first"];
        assert_eq!((first.ty.to_string().as_str(), first.default), ("Int!", true));
        assert!(shape.input("Choice").expect("an input").one_of);
        assert_eq!(shape.field("Row", "nope"), None);
        assert_eq!(shape.values("Size"), Some(&["SMALL".to_owned(), "LARGE".to_owned()][..]));
    }
}
