//! Index of the schema, read once from the SDL at start: HTTP, REST and the access tests look up types, fields, inputs and
//! their rules here.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    InputType, Positioned, Value,
    indexmap::IndexMap,
    parser::{
        parse_schema,
        types::{
            BaseType, ConstDirective, FieldDefinition, InputValueDefinition, OperationType, Type, TypeDefinition,
            TypeKind, TypeSystemDefinition,
        },
    },
};

use crate::access::{Access, On};

/// One output field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldInfo {
    /// Its description.
    pub description: Option<String>,
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
    /// Its access rule, from `@access`.
    pub access: Option<Access>,
    /// Its arguments, in order.
    pub arguments: IndexMap<String, InputField>,
}

impl FieldInfo {
    /// Its description without the line about access.
    #[must_use]
    pub fn description_without_access(&self) -> Option<String> {
        let text = self.description.as_deref()?;
        let line = self.access.map(|access| format!("\n\n{}", access.line()));
        Some(line.and_then(|line| text.strip_suffix(line.as_str())).unwrap_or(text).to_owned())
    }
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
    /// Its description.
    pub description: Option<String>,
    /// Its type.
    pub ty: Type,
    /// Its default.
    pub default: Option<Value>,
    /// The arguments of its `@constraint`, which are keywords of JSON Schema.
    pub constraint: IndexMap<String, Value>,
}

impl InputField {
    /// Whether a value must be given.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        !self.ty.nullable && self.default.is_none()
    }
}

/// An input object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputInfo {
    /// Its description.
    pub description: Option<String>,
    /// Its fields, in order.
    pub fields: IndexMap<String, InputField>,
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
    scalars: Vec<String>,
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
    /// Reads an SDL text. Errors: a message for the operator, never for a client, when the text does not parse or
    /// states an access rule that does not exist.
    pub fn read(sdl: &str) -> Result<Self, String> {
        let mut index = Self {
            query: "Query".into(),
            mutation: "Mutation".into(),
            subscription: "Subscription".into(),
            types: BUILT_IN_TYPES,
            ..Self::default()
        };
        let document = parse_schema(sdl).map_err(|error| format!("the SDL cannot be parsed: {error}"))?;
        for definition in document.definitions {
            match definition {
                TypeSystemDefinition::Schema(roots) => {
                    let name = |root: Option<Positioned<_>>, usual: String| {
                        root.map_or(usual, |name: Positioned<async_graphql::Name>| name.node.to_string())
                    };
                    index.query = name(roots.node.query, index.query);
                    index.mutation = name(roots.node.mutation, index.mutation);
                    index.subscription = name(roots.node.subscription, index.subscription);
                }
                TypeSystemDefinition::Type(definition) => index.add(definition.node)?,
                TypeSystemDefinition::Directive(_) => {}
            }
        }
        let composites: HashSet<String> = index.fields.keys().cloned().collect();
        for fields in index.fields.values_mut() {
            for field in fields.values_mut() {
                field.is_leaf = !composites.contains(&field.of);
            }
        }
        Ok(index)
    }

    fn add(&mut self, definition: TypeDefinition) -> Result<(), String> {
        self.types += 1;
        let name = definition.name.node.to_string();
        match definition.kind {
            TypeKind::Object(object) => self.add_fields(name, &object.fields)?,
            TypeKind::Interface(interface) => {
                self.abstracts.insert(name.clone());
                self.add_fields(name, &interface.fields)?;
            }
            TypeKind::Union(_) => {
                self.abstracts.insert(name.clone());
                self.add_fields(name, &[])?;
            }
            TypeKind::Enum(values) => {
                let values = values.values.iter().map(|value| value.node.value.node.to_string()).collect();
                self.enums.insert(name, values);
            }
            TypeKind::InputObject(input) => {
                let one_of = definition.directives.iter().any(|it| it.node.name.node == "oneOf");
                let description = definition.description.map(|text| text.node);
                self.inputs.insert(name, InputInfo { description, fields: inputs(&input.fields), one_of });
            }
            TypeKind::Scalar => self.scalars.push(name),
        }
        Ok(())
    }

    fn add_fields(&mut self, type_name: String, fields: &[Positioned<FieldDefinition>]) -> Result<(), String> {
        let known = self.fields.entry(type_name.clone()).or_default();
        for field in fields {
            let name = field.node.name.node.to_string();
            let info = field_info(&field.node).map_err(|why| format!("{type_name}.{name}: {why}"))?;
            known.insert(name, info);
        }
        Ok(())
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

    /// All input objects, by name.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &InputInfo)> {
        self.inputs.iter().map(|(name, input)| (name.as_str(), input))
    }

    /// The values of an enum, in order.
    #[must_use]
    pub fn values(&self, type_name: &str) -> Option<&[String]> {
        self.enums.get(type_name).map(Vec::as_slice)
    }

    /// The scalars that the schema defines.
    #[must_use]
    pub fn scalars(&self) -> &[String] {
        &self.scalars
    }

    /// The access rule that a field states.
    #[must_use]
    pub fn access(&self, type_name: &str, field: &str) -> Option<Access> {
        self.field(type_name, field)?.access
    }
}

/// The type below lists and non-null marks: `Website` of `[Website!]!`.
#[must_use]
pub fn named_type(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(of) => named_type(of),
    }
}

fn field_info(field: &FieldDefinition) -> Result<FieldInfo, String> {
    let argument = |name: &str| field.arguments.iter().find(|argument| argument.node.name.node == name);
    let default = argument("first").and_then(|first| number(&first.node.default_value.as_ref()?.node));
    let pages = argument("first").is_some() || argument("last").is_some();
    Ok(FieldInfo {
        description: field.description.as_ref().map(|text| text.node.clone()),
        of: named_type(&field.ty.node).to_owned(),
        ty: field.ty.node.clone(),
        items: if pages { Items::Page(default.unwrap_or(USUAL_PAGE)) } else { list_size(field) },
        is_leaf: false,
        weight: stated(&field.directives, "cost", "weight").and_then(number).unwrap_or(1),
        access: access(&field.directives)?,
        arguments: inputs(&field.arguments),
    })
}

/// The `@access` of a field. Errors: a message, if it states a target or a role that does not exist.
fn access(directives: &[Positioned<ConstDirective>]) -> Result<Option<Access>, String> {
    let word = |name| stated(directives, "access", name);
    let Some(on) = word("on") else { return Ok(None) };
    Ok(Some(Access {
        on: parsed::<On>(on)?,
        min: word("min").map(parsed).transpose()?,
        public: word("public") == Some(&Value::Boolean(true)),
    }))
}

fn parsed<T: InputType>(value: &Value) -> Result<T, String> {
    T::parse(Some(value.clone())).map_err(|_| format!("@access has no {} {value}", T::type_name()))
}

/// The `@listSize` of a field.
fn list_size(field: &FieldDefinition) -> Items {
    if let Some(size) = stated(&field.directives, "listSize", "assumedSize").and_then(number) {
        let is_series = field.arguments.iter().any(|argument| argument.node.name.node == "interval");
        return if is_series { Items::Buckets(size) } else { Items::AtMost(size) };
    }
    match stated(&field.directives, "listSize", "slicingArguments") {
        Some(Value::List(names)) => match names.as_slice() {
            [Value::String(name)] => Items::Argument(name.clone()),
            _ => Items::One,
        },
        _ => Items::One,
    }
}

/// The argument of a directive.
fn stated<'d>(directives: &'d [Positioned<ConstDirective>], name: &str, argument: &str) -> Option<&'d Value> {
    let directive = directives.iter().find(|it| it.node.name.node == name)?;
    directive.node.get_argument(argument).map(|value| &value.node)
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        _ => None,
    }
}

fn inputs(definitions: &[Positioned<InputValueDefinition>]) -> IndexMap<String, InputField> {
    let input = |it: &InputValueDefinition| InputField {
        description: it.description.as_ref().map(|text| text.node.clone()),
        ty: it.ty.node.clone(),
        default: it.default_value.as_ref().map(|value| value.node.clone()),
        constraint: it
            .directives
            .iter()
            .filter(|directive| directive.node.name.node == "constraint")
            .flat_map(|directive| &directive.node.arguments)
            .map(|(name, value)| (name.node.to_string(), value.node.clone()))
            .collect(),
    };
    definitions.iter().map(|it| (it.node.name.node.to_string(), input(&it.node))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Role;

    #[test]
    fn the_outline_of_an_sdl() {
        let index = SchemaIndex::read(
            r#"
            type Root { rows(first: Int, after: String): [Row!]! top(first: Int! = 10): Row plain: Row! @access(on: TEAM, min: ADMIN)
              all: [Row!]! @listSize(assumedSize: 500) @cost(weight: 7) series(interval: Size!): [Row!]! @listSize(assumedSize: 9) by(ids: [ID!]!): [Row]! @listSize(slicingArguments: ["ids"]) }
            "A row"
            type Row { name: String }
            enum Size { SMALL LARGE }
            input Choice @oneOf { a: Int b: String @constraint(maxLength: 3, pattern: "^\\d$") }
            schema { query: Root }
            "#,
        )
        .unwrap();
        assert_eq!(index.root(OperationType::Query), "Root");
        let field =
            |name: &str| index.field("Root", name).map(|field| (field.of.as_str(), field.items.clone(), field.weight));
        assert_eq!(field("rows"), Some(("Row", Items::Page(20), 1)));
        assert_eq!(field("top"), Some(("Row", Items::Page(10), 1)));
        assert_eq!(field("plain"), Some(("Row", Items::One, 1)));
        assert_eq!(field("all"), Some(("Row", Items::AtMost(500), 7)));
        assert_eq!(field("series"), Some(("Row", Items::Buckets(9), 1)));
        assert_eq!(field("by"), Some(("Row", Items::Argument("ids".into()), 1)));
        assert!(index.field("Row", "name").unwrap().is_leaf);
        let first = &index.field("Root", "top").unwrap().arguments["first"];
        assert_eq!((first.ty.to_string().as_str(), &first.default), ("Int!", &Some(10.into())));
        let access = Access { on: On::Team, min: Some(Role::Admin), public: false };
        assert_eq!((index.access("Root", "plain"), index.access("Root", "all")), (Some(access), None));
        let choice = index.input("Choice").unwrap();
        assert!(choice.one_of);
        let keywords: Vec<_> = choice.fields["b"].constraint.clone().into_iter().collect();
        assert_eq!(keywords, [("maxLength".to_owned(), 3.into()), ("pattern".to_owned(), r"^\d$".into())]);
        assert_eq!(index.field("Row", "nope"), None);
        assert_eq!(index.values("Size"), Some(&["SMALL".to_owned(), "LARGE".to_owned()][..]));
    }

    #[test]
    fn an_access_rule_that_does_not_exist_is_an_error() {
        for (rule, message) in [
            ("on: MOON", "Query.a: @access has no AccessTarget MOON"),
            ("on: TEAM, min: KING", "Query.a: @access has no Role KING"),
        ] {
            let sdl = format!("type Query {{ a: Int @access({rule}) }}");
            assert_eq!(SchemaIndex::read(&sdl).unwrap_err(), message);
        }
    }
}
