//! Values against their types (specification: "Values of Correct Type", "Coercing Variable Values"), before execution, so that
//! an error has the path of the value as data. The executor's own errors only have a sentence.

use std::fmt::{self, Display, Formatter};

use async_graphql::{
    Name, Value as ConstValue,
    indexmap::IndexMap,
    parser::types::{BaseType, Type},
};
use async_graphql_value::Value;
use schema::{
    error_code::ErrorCode,
    scalars::coercion_fault,
    schema_index::{InputField, InputInfo, SchemaIndex},
};

use super::refusal::Refusal;

/// Where a value stands: `range.between.start`, `filters[0].values`.
#[derive(Clone, Copy)]
pub enum Path<'p> {
    /// An argument or a variable.
    Root(&'p str),
    /// A field of an input object.
    Field(&'p Self, &'p str),
    /// An item of a list.
    Item(&'p Self, usize),
}

impl Display for Path<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(name) => write!(out, "{name}"),
            Self::Field(parent, name) => write!(out, "{parent}.{name}"),
            Self::Item(parent, index) => write!(out, "{parent}[{index}]"),
        }
    }
}

impl Path<'_> {
    /// The refusal of the value here. `why` says what is allowed.
    pub fn refuse(&self, code: ErrorCode, why: &str) -> Refusal {
        Refusal::document(code, format!("{self}: {why}")).about(self.to_string())
    }
}

/// What a position takes.
#[derive(Clone, Copy)]
pub struct Position<'p> {
    /// Its type.
    pub ty: &'p Type,
    /// Whether it has a default.
    pub has_default: bool,
    /// Whether it is the only field of a `@oneOf` input.
    pub is_one_of: bool,
}

impl<'p> Position<'p> {
    /// An argument, or a field of an input object.
    #[must_use]
    pub const fn new(input: &'p InputField) -> Self {
        Self { ty: &input.ty, has_default: input.default.is_some(), is_one_of: false }
    }

    /// A position of this type, without a default.
    #[must_use]
    pub const fn of_type(ty: &'p Type) -> Self {
        Self { ty, has_default: false, is_one_of: false }
    }
}

/// A literal in a document, or the value of a variable.
pub trait InputValue: Sized {
    /// Whether it is a literal, in which enum values are no strings.
    const IS_LITERAL: bool;

    /// Its form.
    fn form(&self) -> Form<'_, Self>;

    /// The value, without variables; null for a variable.
    fn leaf(&self) -> ConstValue;
}

/// The form of a value.
pub enum Form<'v, V> {
    /// A variable.
    Variable(&'v Name),
    /// Null.
    Null,
    /// A list.
    List(&'v [V]),
    /// An input object.
    Object(&'v IndexMap<Name, V>),
    /// An enum value.
    Enum(&'v str),
    /// A text.
    Text(&'v str),
    /// A number, a boolean or bytes.
    Other,
}

macro_rules! input_value {
    ($value:ident, $is_literal:literal, $leaf:expr $(, $variable:pat => $form:expr)?) => {
        impl InputValue for $value {
            const IS_LITERAL: bool = $is_literal;

            fn form(&self) -> Form<'_, Self> {
                match self {
                    $( $variable => $form, )?
                    Self::Null => Form::Null,
                    Self::List(items) => Form::List(items),
                    Self::Object(members) => Form::Object(members),
                    Self::Enum(name) => Form::Enum(name),
                    Self::String(text) => Form::Text(text),
                    Self::Number(_) | Self::Boolean(_) | Self::Binary(_) => Form::Other,
                }
            }

            fn leaf(&self) -> ConstValue {
                let leaf: fn(Self) -> ConstValue = $leaf;
                leaf(self.clone())
            }
        }
    };
}

input_value!(ConstValue, false, |value| value);
input_value!(Value, true, |value| value.into_const().unwrap_or_default(), Self::Variable(name) => Form::Variable(name));

/// Checks a value against its position. `variable` checks a variable in it. Errors: the first misfit.
pub fn check<V: InputValue>(
    index: &SchemaIndex,
    value: &V,
    position: Position<'_>,
    path: Path<'_>,
    variable: &mut dyn FnMut(&Name, Position<'_>, Path<'_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let wrong = |why: &str| Err(path.refuse(ErrorCode::ValidationError, why));
    match (value.form(), &position.ty.base) {
        (Form::Variable(name), _) => variable(name, position, path),
        (Form::Null, _) if position.ty.nullable => Ok(()),
        (Form::Null, _) => wrong("cannot be null"),
        (Form::List(items), BaseType::List(of)) => items.iter().enumerate().try_for_each(|(number, item)| {
            check(index, item, Position::of_type(of), Path::Item(&path, number), variable)
        }),
        (_, BaseType::List(of)) => check(index, value, Position::of_type(of), path, variable),
        (form, BaseType::Named(name)) => match (form, index.input(name), index.values(name)) {
            (Form::Object(members), Some(input), _) => object(index, members, (name, input), path, variable),
            (_, Some(_), _) => wrong(&format!("must be an input object of type `{name}`")),
            (Form::Enum(given), _, Some(values)) if values.iter().any(|value| value == given) => Ok(()),
            (Form::Text(given), _, Some(values)) if V::IS_LITERAL => {
                let allowed = values.join(", ");
                wrong(&format!("must be an enum value without quotes, one of {allowed} (got \"{given}\")"))
            }
            (Form::Text(given), _, Some(values)) if values.iter().any(|value| value == given) => Ok(()),
            (_, _, Some(values)) => wrong(&format!("must be one of {}", values.join(", "))),
            // The executor's validation reports types that are not for input.
            _ if index.is_composite(name) => Ok(()),
            (form, ..) => {
                let leaf = match form {
                    // What is in them matters to JSON only, which takes everything.
                    Form::List(_) | Form::Object(_) => ConstValue::List(Vec::new()),
                    _ => value.leaf(),
                };
                coercion_fault(name, &leaf).map_or(Ok(()), wrong)
            }
        },
    }
}

fn object<V: InputValue>(
    index: &SchemaIndex,
    members: &IndexMap<Name, V>,
    (name, input): (&str, &InputInfo),
    path: Path<'_>,
    variable: &mut dyn FnMut(&Name, Position<'_>, Path<'_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let wrong = |path: Path<'_>, why: &str| Err(path.refuse(ErrorCode::ValidationError, why));
    let is_one = members.len() == 1 && members.values().all(|member| !matches!(member.form(), Form::Null));
    if input.one_of && !is_one {
        return wrong(path, "must have exactly one field, with a value other than null");
    }
    for (key, member) in members {
        let path = Path::Field(&path, key);
        let Some(field) = input.fields.get(key.as_str()) else {
            return wrong(path, &format!("is not a field of `{name}`"));
        };
        let position = Position { is_one_of: input.one_of, ..Position::new(field) };
        check(index, member, position, path, variable)?;
    }
    match input.fields.iter().find(|(key, field)| field.is_required() && !members.contains_key(key.as_str())) {
        Some((key, _)) => wrong(Path::Field(&path, key), "is required"),
        None => Ok(()),
    }
}
