//! `@constraint`: what an input value must keep beyond its type. The rule that checks a value and the SDL that states it are
//! made from one [`Constraint`].
//!
//! - The directive's arguments are keywords of JSON Schema, so that OpenAPI takes them over as they are.

use async_graphql::{
    MaybeUndefined, TypeDirective,
    registry::{MetaDirectiveInvocation, Registry, location_traits::Directive_At_INPUT_FIELD_DEFINITION},
};

use crate::error::{Error, Result};

#[expect(clippy::too_many_arguments, reason = "one per keyword; only `Constrained` calls it")]
mod directive {
    use async_graphql::TypeDirective;

    /// A rule on the values of an input field. On a list, all but `minItems`, `maxItems` and `nullable` concern its items.
    #[TypeDirective(location = "InputFieldDefinition")]
    pub fn constraint(
        #[graphql(name = "minLength", desc = "Minimum length of a text, in characters.")] min_length: Option<u32>,
        #[graphql(name = "maxLength", desc = "Maximum length of a text, in characters.")] max_length: Option<u32>,
        #[graphql(desc = "Regular expression (ECMA-262) that a text matches.")] pattern: Option<String>,
        #[graphql(desc = "Formats of JSON Schema. A text has one of them, or matches `pattern`.")] formats: Option<
            Vec<String>,
        >,
        #[graphql(name = "enum", desc = "The allowed values.")] values: Option<Vec<String>>,
        #[graphql(desc = "Minimum of a number.")] minimum: Option<i32>,
        #[graphql(name = "minItems", desc = "Minimum length of a list.")] min_items: Option<u32>,
        #[graphql(name = "maxItems", desc = "Maximum length of a list.")] max_items: Option<u32>,
        #[graphql(name = "type", desc = "Type of a JSON value: `object`.")] json_type: Option<String>,
        #[graphql(desc = "False if the field can be omitted but not null.")] nullable: Option<bool>,
    ) {
    }
}

use directive::constraint;

/// A rule on the values of an input field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Constraint {
    min_length: Option<u32>,
    max_length: Option<u32>,
    pattern: Option<&'static str>,
    formats: Option<&'static [&'static str]>,
    values: Option<&'static [&'static str]>,
    minimum: Option<i32>,
    min_items: Option<u32>,
    max_items: Option<u32>,
    json_type: Option<&'static str>,
    nullable: Option<bool>,
}

/// One line with a character that is no white space.
const NAME: &str = r"^[^\u0000-\u001F\u007F-\u009F]*[^\s\u0000-\u001F\u007F-\u009F][^\u0000-\u001F\u007F-\u009F]*$";

/// One line, which may be empty.
const LINE: &str = r"^[^\u0000-\u001F\u007F-\u009F]*$";

/// Several lines with a character that is no white space.
const TEXT: &str = r"^[^\u0000]*[^\s\u0000][^\u0000]*$";

impl Constraint {
    /// Any value of the type.
    pub(crate) const ANY: Self = Self {
        min_length: None,
        max_length: None,
        pattern: None,
        formats: None,
        values: None,
        minimum: None,
        min_items: None,
        max_items: None,
        json_type: None,
        nullable: None,
    };

    /// Any value of the type but null; the field can be omitted.
    pub(crate) const NOT_NULL: Self = Self::ANY.not_null();

    /// A JSON object.
    pub(crate) const OBJECT: Self = Self { json_type: Some("object"), ..Self::ANY };

    /// Between these many characters.
    pub(crate) const fn length(min: u32, max: u32) -> Self {
        Self { min_length: Some(min), max_length: Some(max), ..Self::ANY }
    }

    /// One line that is not blank, of at most `max` characters.
    pub(crate) const fn name(max: u32) -> Self {
        Self { pattern: Some(NAME), ..Self::length(1, max) }
    }

    /// One line of at most `max` characters, which may be empty.
    pub(crate) const fn line(max: u32) -> Self {
        Self { max_length: Some(max), pattern: Some(LINE), ..Self::ANY }
    }

    /// A text that is not blank, of at most `max` characters.
    pub(crate) const fn text(max: u32) -> Self {
        Self { pattern: Some(TEXT), ..Self::length(1, max) }
    }

    /// A text that matches a regular expression.
    pub(crate) const fn pattern(pattern: &'static str) -> Self {
        Self { pattern: Some(pattern), ..Self::ANY }
    }

    /// One of these values.
    pub(crate) const fn one_of(values: &'static [&'static str]) -> Self {
        Self { values: Some(values), ..Self::ANY }
    }

    /// A number of at least this.
    pub(crate) const fn at_least(minimum: i32) -> Self {
        Self { minimum: Some(minimum), ..Self::ANY }
    }

    /// A list of at most this many items.
    pub(crate) const fn list(max_items: u32) -> Self {
        Self { max_items: Some(max_items), ..Self::ANY }
    }

    /// The same for a text of at most `max` characters.
    pub(crate) const fn at_most(self, max: u32) -> Self {
        Self { max_length: Some(max), ..self }
    }

    /// The same, or a text in one of these formats of JSON Schema.
    pub(crate) const fn or_formats(self, formats: &'static [&'static str]) -> Self {
        Self { formats: Some(formats), ..self }
    }

    /// The same for a list that cannot be empty.
    pub(crate) const fn not_empty(self) -> Self {
        Self { min_items: Some(1), ..self }
    }

    /// The same for the items of a list of at most this many.
    pub(crate) const fn each(self, max_items: u32) -> Self {
        Self { max_items: Some(max_items), ..self }
    }

    /// The same for a field that can be omitted but not null.
    pub(crate) const fn not_null(self) -> Self {
        Self { nullable: Some(false), ..self }
    }

    /// Maximum length of a text, in characters.
    pub(crate) fn max_length(&self) -> usize {
        self.max_length.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX)
    }

    /// Checks the length of a text. Errors: `Invalid` for `field`.
    pub(crate) fn check_length(&self, field: &str, text: &str) -> Result<()> {
        let min = self.min_length.and_then(|min| usize::try_from(min).ok()).unwrap_or(0);
        let (max, length) = (self.max_length(), text.chars().count());
        if (min..=max).contains(&length) {
            return Ok(());
        }
        Err(Error::invalid(field, format!("must have {min} to {max} characters (got {length})")))
    }

    /// Maximum length of a list.
    pub(crate) fn max_items(&self) -> usize {
        self.max_items.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX)
    }

    /// Checks the length of a list of `what`. Errors: `Invalid` for `field`.
    pub(crate) fn check_items(&self, field: &str, length: usize, what: &str) -> Result<()> {
        let max = self.max_items();
        if length <= max {
            return Ok(());
        }
        Err(Error::invalid(field, format!("must have at most {max} {what} (got {length})")))
    }

    /// Whether the value is one of the allowed ones.
    pub(crate) fn allows(&self, value: &str) -> bool {
        self.values.is_none_or(|values| values.contains(&value))
    }

    /// Whether the number is not too small.
    pub(crate) fn reaches(&self, number: i32) -> bool {
        self.minimum.is_none_or(|minimum| number >= minimum)
    }
}

/// The value of a field that states [`Constraint::NOT_NULL`]. Errors: `Invalid` for null.
pub(crate) fn not_null<T>(field: &str, value: MaybeUndefined<T>) -> Result<Option<T>> {
    match value {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Value(value) => Ok(Some(value)),
        MaybeUndefined::Null => Err(Error::invalid(field, "cannot be null; omit it to keep the current value")),
    }
}

/// States a [`Constraint`] in the SDL: `#[graphql(directive = Constrained::apply(TITLE))]`.
#[derive(Debug)]
pub struct Constrained;

impl TypeDirective for Constrained {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        constraint.name()
    }

    fn register(&self, registry: &mut Registry) {
        constraint.register(registry);
    }
}

impl Directive_At_INPUT_FIELD_DEFINITION for Constrained {}

impl Constrained {
    /// The directive that states this rule.
    #[must_use]
    pub fn apply(rule: Constraint) -> MetaDirectiveInvocation {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        constraint::apply(
            rule.min_length,
            rule.max_length,
            rule.pattern.map(str::to_owned),
            rule.formats.map(texts),
            rule.values.map(texts),
            rule.minimum,
            rule.min_items,
            rule.max_items,
            rule.json_type.map(str::to_owned),
            rule.nullable,
        )
    }
}
