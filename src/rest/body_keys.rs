//! `@key(of:, field:, is:)` on an operation: a key of the body that is not the snake_case name of its input field.
//!
//! With `also: true` the body can have the field under both keys, but not at once.

use schema::schema_index::{InputField, InputInfo, SchemaIndex};

use super::{document::Arguments, rest_names::snake};

/// The fields of an input object that a body can have, in order: without GraphQL's idempotency key.
pub fn fields(input: &InputInfo) -> impl Iterator<Item = (&String, &InputField)> {
    input.fields.iter().filter(|(name, _)| *name != "clientMutationId")
}

/// A key of its own for a field of an input object.
#[derive(Debug, Clone, PartialEq, Eq)]
struct BodyKey {
    input: String,
    field: String,
    key: String,
    /// Whether it is accepted in addition to the snake_case name rather than instead of it.
    also: bool,
}

/// The keys of an operation's body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BodyKeys(Vec<BodyKey>);

impl BodyKeys {
    /// Reads one directive. Errors: a message if the input object has no such field.
    pub fn add(&mut self, mut arguments: Arguments, index: &SchemaIndex) -> Result<(), String> {
        let input = arguments.text("of")?.ok_or("@key needs `of`")?;
        let field = arguments.text("field")?.ok_or("@key needs `field`")?;
        let key = arguments.text("is")?.ok_or("@key needs `is`")?;
        let also = arguments.flag("also")?;
        arguments.end()?;
        if !index.input(&input).is_some_and(|known| known.fields.contains_key(&field)) {
            return Err(format!("@key: `{input}` has no field `{field}`"));
        }
        self.0.push(BodyKey { input, field, key, also });
        Ok(())
    }

    fn find(&self, input: &str, field: &str) -> Option<&BodyKey> {
        self.0.iter().find(|known| known.input == input && known.field == field)
    }

    /// The key of a field.
    #[must_use]
    pub fn key(&self, input: &str, field: &str) -> String {
        match self.find(input, field) {
            Some(own) if !own.also => own.key.clone(),
            _ => snake(field),
        }
    }

    /// The name of a field in an error about it, whose input object is unknown.
    #[must_use]
    pub fn name(&self, field: &str) -> String {
        match self.0.iter().find(|known| known.field == field) {
            Some(own) => self.key(&own.input, field),
            None => snake(field),
        }
    }

    /// The second key of a field, if it has one.
    #[must_use]
    pub fn second(&self, input: &str, field: &str) -> Option<&str> {
        self.find(input, field).filter(|own| own.also).map(|own| own.key.as_str())
    }
}
