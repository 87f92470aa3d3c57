//! Validation rules of the specification that the executor's own validation lacks; found by comparing it with
//! graphql-js.
//!
//! - A variable must fit every position it is used in, also inside lists and input objects, and be non-null in a
//!   `@oneOf` input.
//! - `__typename` takes neither arguments nor a selection set.
//! - An enum value is a name, not a string. Variable definitions take no directives.

use std::collections::HashSet;

use async_graphql::{
    Name, Pos, Positioned, Value as ConstValue,
    parser::types::{
        BaseType, Directive, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet, Type,
    },
};
use async_graphql_value::Value;
use schema::error_code::ErrorCode;

use super::{
    refusal::Refusal,
    schema_index::{InputInfo, SchemaIndex},
};

/// Maximum number of unknown fields and arguments in a document: the executor's validation lists each, with similar
/// names.
const MAX_UNKNOWN: usize = 5;

/// Checks every operation of a document whose fragments are known to be acyclic. Errors: the first violation.
pub fn extra_rules(shape: &SchemaIndex, document: &ExecutableDocument) -> Result<(), Refusal> {
    let mut unknown = 0;
    for (_, operation) in document.operations.iter() {
        if let Some(directive) = operation.node.variable_definitions.iter().find_map(|it| it.node.directives.first()) {
            let name = &directive.node.name.node;
            return Err(invalid(
                format!("The directive `@{name}` cannot be used on a variable definition."),
                directive.pos,
            ));
        }
        let mut walk = Walk { shape, document, operation: &operation.node, fragments: HashSet::new(), unknown };
        for definition in &operation.node.variable_definitions {
            if let Some(default) = &definition.node.default_value {
                let (name, ty) = (&definition.node.name.node, &definition.node.var_type.node);
                walk.value(&default.node.clone().into_value(), ty, false, name, default.pos)?;
            }
        }
        walk.directives(&operation.node.directives)?;
        walk.set(&operation.node.selection_set.node, Some(shape.root(operation.node.ty)))?;
        unknown = walk.unknown;
    }
    Ok(())
}

fn invalid(message: String, place: Pos) -> Refusal {
    Refusal::document(ErrorCode::GraphqlValidationFailed, message).at(place)
}

struct Walk<'d> {
    shape: &'d SchemaIndex,
    document: &'d ExecutableDocument,
    operation: &'d OperationDefinition,
    fragments: HashSet<&'d Name>,
    unknown: usize,
}

impl<'d> Walk<'d> {
    fn set(&mut self, set: &'d SelectionSet, parent: Option<&'d str>) -> Result<(), Refusal> {
        for item in &set.items {
            self.directives(item.node.directives())?;
            match &item.node {
                Selection::Field(field) => {
                    leaf(field)?;
                    let known = parent.and_then(|parent| self.shape.field(parent, &field.node.name.node));
                    // Introspection types are not in the index: the executor's validation reports their errors.
                    let is_outlined = parent.is_some_and(|parent| self.shape.is_composite(parent));
                    if known.is_none() && is_outlined && !field.node.name.node.starts_with("__") {
                        self.unknown(field.pos)?;
                    }
                    for (name, value) in &field.node.arguments {
                        if known.is_some_and(|known| !known.arguments.contains_key(name.node.as_str())) {
                            self.unknown(name.pos)?;
                        }
                        if let Some(input) = known.and_then(|known| known.arguments.get(name.node.as_str())) {
                            self.value(&value.node, &input.ty, input.default, &name.node, value.pos)?;
                        }
                    }
                    self.set(&field.node.selection_set.node, known.map(|known| known.of.as_str()))?;
                }
                Selection::InlineFragment(inline) => {
                    let on = inline.node.type_condition.as_ref().map(|on| on.node.on.node.as_str());
                    self.set(&inline.node.selection_set.node, on.or(parent))?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if self.fragments.insert(name)
                        && let Some(fragment) = self.document.fragments.get(name)
                    {
                        let on = fragment.node.type_condition.node.on.node.as_str();
                        self.set(&fragment.node.selection_set.node, Some(on))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn unknown(&mut self, place: Pos) -> Result<(), Refusal> {
        self.unknown += 1;
        if self.unknown <= MAX_UNKNOWN {
            return Ok(());
        }
        Err(invalid(format!("The document uses more than {MAX_UNKNOWN} unknown fields and arguments."), place))
    }

    fn directives(&self, directives: &[Positioned<Directive>]) -> Result<(), Refusal> {
        for directive in directives.iter().filter(|it| matches!(it.node.name.node.as_str(), "include" | "skip")) {
            if let Some(condition) = directive.node.get_argument("if") {
                let boolean = Type { base: BaseType::Named(Name::new("Boolean")), nullable: false };
                self.value(&condition.node, &boolean, false, "if", condition.pos)?;
            }
        }
        Ok(())
    }

    /// Checks a value against its position; `default`: whether the position has a default.
    fn value(&self, value: &Value, place: &Type, default: bool, argument: &str, pos: Pos) -> Result<(), Refusal> {
        match (value, &place.base) {
            (Value::Variable(name), _) => self.variable(name, place, default, argument, pos),
            (Value::List(items), BaseType::List(of)) => {
                items.iter().try_for_each(|item| self.value(item, of, false, argument, pos))
            }
            (single, BaseType::List(of)) => self.value(single, of, false, argument, pos),
            (Value::String(text), BaseType::Named(name)) => match self.shape.values(name) {
                None => Ok(()),
                Some(values) => Err(Refusal::document(
                    ErrorCode::ValidationError,
                    format!(
                        "{argument}: must be an enum value without quotes, one of {} (got \"{text}\")",
                        values.join(", ")
                    ),
                )
                .about(argument)
                .at(pos)),
            },
            (Value::Object(members), BaseType::Named(name)) => {
                let Some(input) = self.shape.input(name) else { return Ok(()) };
                members.iter().try_for_each(|(key, member)| self.member(input, place, key, member, pos))
            }
            _ => Ok(()),
        }
    }

    /// Checks one field of an input object at `place`.
    fn member(&self, input: &InputInfo, place: &Type, key: &str, value: &Value, pos: Pos) -> Result<(), Refusal> {
        let Some(field) = input.fields.get(key) else { return Ok(()) };
        if let Value::Variable(name) = value
            && input.one_of
            && self.type_of(name).is_some_and(|(ty, _)| ty.nullable)
        {
            return Err(invalid(
                format!("The variable `${name}` must be of a non-null type to be used in the @oneOf input `{place}`."),
                pos,
            )
            .about(key));
        }
        self.value(value, &field.ty, field.default, key, pos)
    }

    /// Declared type of a variable, and whether it has a non-null default.
    fn type_of(&self, name: &Name) -> Option<(&'d Type, bool)> {
        let definition = self.operation.variable_definitions.iter().find(|it| it.node.name.node == *name)?;
        let default = definition.node.default_value.as_ref().is_some_and(|value| value.node != ConstValue::Null);
        Some((&definition.node.var_type.node, default))
    }

    fn variable(&self, name: &Name, place: &Type, default: bool, argument: &str, pos: Pos) -> Result<(), Refusal> {
        // The executor's validation reports undefined variables.
        let Some((ty, has_value)) = self.type_of(name) else { return Ok(()) };
        let fit = if !place.nullable && ty.nullable && (has_value || default) {
            fits_base(&ty.base, &place.base)
        } else {
            fits(ty, place)
        };
        if fit {
            return Ok(());
        }
        let message = format!("The variable `${name}` of type `{ty}` is used where `{place}` is expected.");
        Err(invalid(message, pos).about(argument))
    }
}

/// Errors: `__typename` with arguments or a selection set. (Its directives are judged where they stand after merging.)
fn leaf(field: &Positioned<Field>) -> Result<(), Refusal> {
    let Field { name, arguments, selection_set, .. } = &field.node;
    if name.node != "__typename" || (arguments.is_empty() && selection_set.node.items.is_empty()) {
        return Ok(());
    }
    let message = "`__typename` is a string: it takes no arguments and nothing can be selected below it.";
    Err(invalid(message.to_owned(), field.pos))
}

fn fits(ty: &Type, place: &Type) -> bool {
    (place.nullable || !ty.nullable) && fits_base(&ty.base, &place.base)
}

fn fits_base(base: &BaseType, place: &BaseType) -> bool {
    match (base, place) {
        (BaseType::Named(one), BaseType::Named(other)) => one == other,
        (BaseType::List(one), BaseType::List(other)) => fits(one, other),
        _ => false,
    }
}
