//! Validation rules of the specification that the executor's own validation lacks, or whose errors it only has as sentences;
//! compared with graphql-js.
//!
//! - Arguments are known, the required ones are there, and their values fit; see [`super::values_of_correct_type`].
//! - A variable fits every position it is used in, also inside lists and input objects, and is non-null in a `@oneOf` input.
//! - `__typename` takes neither arguments nor a selection set.
//! - An enum value is a name, not a string. Variable definitions take no directives.

use std::collections::HashSet;

use async_graphql::{
    Name, Pos, Positioned, Value as ConstValue, Variables,
    parser::types::{
        BaseType, Directive, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet, Type,
    },
};
use async_graphql_value::Value;
use schema::{
    error_code::ErrorCode,
    schema_index::{FieldInfo, SchemaIndex},
};

use super::{
    refusal::Refusal,
    values_of_correct_type::{Path, Position, check},
};

/// Maximum number of unknown fields in a document: the executor's validation lists each, with similar names.
const MAX_UNKNOWN: usize = 5;

/// Checks every operation of a document whose fragments are known to be acyclic; `variables` are those of the `selected`
/// one. `names`: whether an error may name what the schema has. Errors: the first violation.
pub fn extra_rules(
    index: &SchemaIndex,
    document: &ExecutableDocument,
    selected: &OperationDefinition,
    variables: &Variables,
    names: bool,
) -> Result<(), Refusal> {
    let mut unknown = 0;
    for (_, operation) in document.operations.iter() {
        if let Some(directive) = operation.node.variable_definitions.iter().find_map(|it| it.node.directives.first()) {
            let name = &directive.node.name.node;
            return Err(invalid(
                format!("The directive `@{name}` cannot be used on a variable definition."),
                directive.pos,
            ));
        }
        let given = std::ptr::eq(&raw const operation.node, selected).then_some(variables);
        let mut walk = Walk {
            index,
            document,
            operation: &operation.node,
            given,
            names,
            fragments: HashSet::new(),
            coerced: HashSet::new(),
            unknown,
        };
        for definition in &operation.node.variable_definitions {
            if let Some(default) = &definition.node.default_value {
                let (name, ty) = (&definition.node.name.node, &definition.node.var_type.node);
                let literal = default.node.clone().into_value();
                walk.value(&literal, Position::of_type(ty), name, default.pos)?;
            }
        }
        walk.directives(&operation.node.directives)?;
        walk.set(&operation.node.selection_set.node, Some(index.root(operation.node.ty)))?;
        // Introspection's arguments are not in the index.
        for definition in &operation.node.variable_definitions {
            let name = &definition.node.name.node;
            walk.coerce(name, &definition.node.var_type.node, Path::Root(name))
                .map_err(|refusal| refusal.at(definition.pos))?;
        }
        unknown = walk.unknown;
    }
    Ok(())
}

fn invalid(message: String, place: Pos) -> Refusal {
    Refusal::document(ErrorCode::GraphqlValidationFailed, message).at(place)
}

struct Walk<'d> {
    index: &'d SchemaIndex,
    document: &'d ExecutableDocument,
    operation: &'d OperationDefinition,
    /// The variables of the request, for the operation that it selects.
    given: Option<&'d Variables>,
    names: bool,
    fragments: HashSet<&'d Name>,
    /// Variables whose values were checked.
    coerced: HashSet<Name>,
    unknown: usize,
}

impl<'d> Walk<'d> {
    fn set(&mut self, set: &'d SelectionSet, parent: Option<&'d str>) -> Result<(), Refusal> {
        for item in &set.items {
            self.directives(item.node.directives())?;
            match &item.node {
                Selection::Field(field) => {
                    leaf(field)?;
                    let known = parent.and_then(|parent| self.index.field(parent, &field.node.name.node));
                    // Introspection types are not in the index: the executor's validation reports their errors.
                    let is_outlined = parent.is_some_and(|parent| self.index.is_composite(parent));
                    if known.is_none() && is_outlined && !field.node.name.node.starts_with("__") {
                        self.unknown(field.pos)?;
                    }
                    if let Some(known) = known {
                        self.arguments(field, known)?;
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
        Err(invalid(format!("The document uses more than {MAX_UNKNOWN} unknown fields."), place))
    }

    fn arguments(&mut self, field: &Positioned<Field>, known: &FieldInfo) -> Result<(), Refusal> {
        let called = &field.node.name.node;
        for (name, value) in &field.node.arguments {
            let Some(input) = known.arguments.get(name.node.as_str()) else {
                let allowed = known.arguments.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                let allowed = match allowed.as_str() {
                    _ if !self.names => String::new(),
                    "" => ", which has none".to_owned(),
                    allowed => format!("; must be one of {allowed}"),
                };
                return Err(misused(&name.node, &format!("is not an argument of `{called}`{allowed}"), name.pos));
            };
            self.value(&value.node, Position::new(input), &name.node, value.pos)?;
        }
        let missing = known.arguments.iter().find(|(name, input)| {
            input.is_required() && !field.node.arguments.iter().any(|(given, _)| given.node == name.as_str())
        });
        match missing {
            Some((name, input)) => Err(misused(name, &format!("is required by `{called}` ({})", input.ty), field.pos)),
            None => Ok(()),
        }
    }

    fn directives(&mut self, directives: &[Positioned<Directive>]) -> Result<(), Refusal> {
        for directive in directives.iter().filter(|it| matches!(it.node.name.node.as_str(), "include" | "skip")) {
            let called = &directive.node.name.node;
            if let Some((name, _)) = directive.node.arguments.iter().find(|(name, _)| name.node != "if") {
                let why = format!("is not an argument of `@{called}`; must be if");
                return Err(misused(&name.node, &why, name.pos));
            }
            let Some(condition) = directive.node.get_argument("if") else {
                return Err(misused("if", &format!("is required by `@{called}` (Boolean!)"), directive.pos));
            };
            let boolean = Type { base: BaseType::Named(Name::new("Boolean")), nullable: false };
            self.value(&condition.node, Position::of_type(&boolean), "if", condition.pos)?;
        }
        Ok(())
    }

    /// Checks a value of an argument, and the variables in it, against its position.
    fn value(&mut self, value: &Value, position: Position<'_>, name: &str, pos: Pos) -> Result<(), Refusal> {
        let index = self.index;
        let mut variable = |name: &Name, position: Position<'_>, path: Path<'_>| self.variable(name, position, path);
        check(index, value, position, Path::Root(name), &mut variable).map_err(|refusal| refusal.at(pos))
    }

    /// Declared type of a variable, and whether it has a non-null default.
    fn type_of(&self, name: &Name) -> Option<(&'d Type, bool)> {
        let definition = self.operation.variable_definitions.iter().find(|it| it.node.name.node == *name)?;
        let default = definition.node.default_value.as_ref().is_some_and(|value| value.node != ConstValue::Null);
        Some((&definition.node.var_type.node, default))
    }

    fn variable(&mut self, name: &Name, position: Position<'_>, path: Path<'_>) -> Result<(), Refusal> {
        // The executor's validation reports undefined variables.
        let Some((ty, has_value)) = self.type_of(name) else { return Ok(()) };
        let place = position.ty;
        let misfit = |message: String| Refusal::document(ErrorCode::GraphqlValidationFailed, message);
        if position.is_one_of && ty.nullable {
            let message = format!("The variable `${name}` must be of a non-null type to be used in a @oneOf input.");
            return Err(misfit(message).about(path.to_string()));
        }
        let fit = if !place.nullable && ty.nullable && (has_value || position.has_default) {
            fits_base(&ty.base, &place.base)
        } else {
            fits(ty, place)
        };
        if !fit {
            let message = format!("The variable `${name}` of type `{ty}` is used where `{place}` is expected.");
            return Err(misfit(message).about(path.to_string()));
        }
        let value = self.given.and_then(|given| given.get(name));
        if !place.nullable && ty.nullable && value == Some(&ConstValue::Null) {
            return Err(path.refuse(ErrorCode::ValidationError, "cannot be null"));
        }
        self.coerce(name, ty, path)
    }

    /// Checks the value of a variable against its declared type, once.
    fn coerce(&mut self, name: &Name, ty: &Type, path: Path<'_>) -> Result<(), Refusal> {
        match self.given.and_then(|given| given.get(name)) {
            // A missing value is reported with the variable's definition.
            None | Some(ConstValue::Null) => Ok(()),
            Some(_) if !self.coerced.insert(name.clone()) => Ok(()),
            Some(value) => {
                let mut none = |_: &Name, _: Position<'_>, _: Path<'_>| Ok(());
                check(self.index, value, Position::of_type(ty), path, &mut none)
            }
        }
    }
}

/// An argument that is unknown or missing.
fn misused(name: &str, why: &str, place: Pos) -> Refusal {
    Path::Root(name).refuse(ErrorCode::GraphqlValidationFailed, why).at(place)
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
