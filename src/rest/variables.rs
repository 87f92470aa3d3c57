//! Request variables: path, then query string by name, each coerced to its declared type.
//!
//! - A repeated or empty parameter is refused; an unknown one is ignored.
//! - An absent parameter stays absent, so that the document's default applies.

use async_graphql::{
    Name, Value, Variables,
    parser::types::{BaseType, Type, VariableDefinition},
};
use schema::{
    error::{Error, Result},
    scalars::coercion_fault,
    schema_index::{SchemaIndex, named_type},
};
use uuid::Uuid;

use super::{
    document::Operation,
    projection::write_value,
    rest_names::{ALIASES, RANGE_ENUM, choices, snake},
};
use crate::form_encoding;

/// Source of a variable's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A segment of the path.
    Path,
    /// The JSON body.
    Body,
    /// The query string.
    Query,
    /// The adapter, while it walks a connection.
    Cursor,
}

/// Type of a parameter's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A whole number of 32 bits.
    Int {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// A number.
    Float,
    /// `true` or `false`.
    Boolean,
    /// A UUID.
    Id,
    /// A text that its scalar accepts.
    Text,
    /// One of a list: REST spelling and GraphQL value.
    Choice(Vec<(String, String)>),
    /// An input object, from the body only.
    Input,
}

/// A variable of an operation.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its name in the document.
    pub name: Name,
    /// Its name for callers: as in the path, or snake_case in the query string.
    pub parameter: String,
    /// Its declared type.
    pub ty: Type,
    /// Its default in the document.
    pub default: Option<Value>,
    /// Where its value comes from.
    pub origin: Origin,
    /// Type of its text.
    pub kind: Kind,
    /// Description of the argument it is used for; may be empty.
    pub about: String,
}

impl Variable {
    /// Reads a definition. Errors: a message about a type that its source cannot supply.
    pub fn read(
        definition: &VariableDefinition,
        origin: Origin,
        about: String,
        index: &SchemaIndex,
    ) -> Result<Self, String> {
        let name = definition.name.node.clone();
        let ty = definition.var_type.node.clone();
        let base = named_type(&ty);
        let kind = match base {
            "Int" => Kind::Int { min: i32::MIN.into(), max: i32::MAX.into() },
            "Float" => Kind::Float,
            "Boolean" => Kind::Boolean,
            "ID" => Kind::Id,
            _ => match (index.values(base), index.input(base)) {
                (Some(values), _) => Kind::Choice(choices(base, values)),
                (_, Some(_)) => Kind::Input,
                _ => Kind::Text,
            },
        };
        if origin != Origin::Body && (kind == Kind::Input || matches!(ty.base, BaseType::List(_))) {
            return Err(format!("`${name}` of type {ty} can only come from the body"));
        }
        if origin == Origin::Cursor && !ty.nullable {
            return Err(format!("`${name}` takes a cursor and must be nullable"));
        }
        let parameter = if origin == Origin::Query { snake(&name) } else { name.to_string() };
        let default = definition.default_value.as_ref().map(|value| value.node.clone());
        Ok(Self { name, parameter, ty, default, origin, kind, about })
    }

    /// Sets the least and greatest value. Errors: a message if this is not an integer.
    pub fn limit(&mut self, least: i64, greatest: i64) -> Result<(), String> {
        match &mut self.kind {
            Kind::Int { min, max } if least <= greatest => {
                (*min, *max) = (least, greatest);
                Ok(())
            }
            Kind::Int { .. } => Err("@between: `min` is greater than `max`".to_owned()),
            _ => Err(format!("@between: `${}` is no Int", self.name)),
        }
    }

    /// Whether it takes an ID.
    #[must_use]
    pub fn is_id(&self) -> bool {
        self.kind == Kind::Id
    }

    /// Whether a request without it is refused.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        !self.ty.nullable && self.default.is_none()
    }

    /// Whether this enum is spelled by the table of ranges.
    #[must_use]
    pub fn is_range(&self) -> bool {
        named_type(&self.ty) == RANGE_ENUM
    }

    /// Reads a text. Errors: `Invalid`, naming the parameter and what is allowed.
    pub fn coerce(&self, text: &str) -> Result<Value> {
        let wrong = |right: String| Error::invalid(&self.parameter, right);
        match &self.kind {
            Kind::Int { min, max } => match text.parse::<i64>() {
                Ok(number) if (*min..=*max).contains(&number) && !text.starts_with('+') => Ok(Value::from(number)),
                _ => Err(wrong(format!("must be an integer between {min} and {max}"))),
            },
            Kind::Float => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Value::from(number)),
                _ => Err(wrong("must be a number".to_owned())),
            },
            Kind::Boolean => match text {
                "true" => Ok(Value::from(true)),
                "false" => Ok(Value::from(false)),
                _ => Err(wrong("must be true or false".to_owned())),
            },
            Kind::Id => match Uuid::try_parse(text) {
                Ok(id) if text.len() == 36 => Ok(Value::from(id.to_string())),
                _ => Err(wrong("must be a UUID such as 5f0c2d1e-8b7a-4c6d-9e10-a1b2c3d4e5f6".to_owned())),
            },
            Kind::Text => {
                let value = Value::from(text);
                match coercion_fault(named_type(&self.ty), &value) {
                    Some(why) => Err(wrong(why.to_owned())),
                    None => Ok(value),
                }
            }
            Kind::Choice(choices) => match choices.iter().find(|(rest, _)| rest == text) {
                Some((_, value)) => Ok(Value::Enum(Name::new(value))),
                None => {
                    let allowed: Vec<&str> = choices.iter().map(|(rest, _)| rest.as_str()).collect();
                    Err(wrong(format!("must be one of {}", allowed.join(", "))))
                }
            },
            Kind::Input => Err(wrong("must be sent in the body".to_owned())),
        }
    }

    /// Writes a value in REST spelling.
    pub fn echo(&self, out: &mut Vec<u8>, value: &Value) {
        if let (Kind::Choice(choices), Value::Enum(word)) = (&self.kind, value)
            && let Some((rest, _)) = choices.iter().find(|(_, value)| value == word.as_str())
        {
            return super::projection::write_text(out, rest);
        }
        write_value(out, value);
    }
}

/// Reads the variables in the path, already decoded, and returns the error of the first malformed one.
pub fn from_path<'a>(
    operation: &Operation,
    path: impl Iterator<Item = (&'a str, &'a str)>,
) -> (Variables, Option<Error>) {
    let (mut variables, mut malformed) = (Variables::default(), None);
    for (name, text) in path {
        let Some(variable) = operation.variables.iter().find(|variable| variable.name == name) else { continue };
        match variable.coerce(text) {
            Ok(value) => {
                variables.insert(variable.name.clone(), value);
            }
            Err(error) => malformed = malformed.or(Some(error)),
        }
    }
    (variables, malformed)
}

/// Adds the variables of the query string. Errors: `Invalid`, naming the parameter.
pub fn add_query(operation: &Operation, query: &str, variables: &mut Variables) -> Result<()> {
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(given) = decode(name) else { continue };
        let meant = ALIASES.iter().find(|(alias, _)| *alias == given).map_or(given.as_str(), |(_, name)| name);
        let mut open = operation.variables.iter().filter(|variable| variable.origin == Origin::Query);
        let Some(variable) = open.find(|variable| variable.parameter == meant) else { continue };
        let wrong = |why: &str| Error::invalid(&variable.parameter, why);
        if variables.contains_key(&variable.name) {
            return Err(wrong("must be given only once"));
        }
        let text = decode(text).ok_or_else(|| wrong("is not valid percent-encoded UTF-8"))?;
        if text.is_empty() {
            return Err(wrong("cannot be empty; omit it or give it a value"));
        }
        variables.insert(variable.name.clone(), variable.coerce(&text)?);
    }
    let missing = operation
        .variables
        .iter()
        .find(|v| v.origin == Origin::Query && v.is_required() && !variables.contains_key(&v.name));
    match missing {
        Some(variable) => Err(Error::invalid(&variable.parameter, "is required")),
        None => Ok(()),
    }
}

/// The REST value of each variable as JSON, by index: the given one, else the default, else null.
#[must_use]
pub fn echoes(operation: &Operation, variables: &Variables) -> Vec<Vec<u8>> {
    operation
        .variables
        .iter()
        .map(|variable| {
            let mut out = Vec::new();
            if variable.origin != Origin::Body {
                let value = variables.get(&variable.name).or(variable.default.as_ref()).unwrap_or(&Value::Null);
                variable.echo(&mut out, value);
            }
            out
        })
        .collect()
}

/// Decodes `%41` and `+`. `None` if it is not valid UTF-8, an escape is malformed, or it contains a NUL.
fn decode(text: &str) -> Option<String> {
    form_encoding::decode(text).filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation() -> Operation {
        let index = SchemaIndex::read(
            "type Query { list(id: ID!, range: RangePreset, first: Int, kind: Kind, deep: Boolean, q: String, ratio: Float): Int }
             enum RangePreset { LAST_24_HOURS LAST_7_DAYS LAST_30_DAYS LAST_90_DAYS LAST_YEAR TODAY }
             enum Kind { GOOD_ONE BAD_ONE }",
        )
        .unwrap();
        let document = r#"query List($siteId: ID!, $range: RangePreset! = LAST_7_DAYS, $pageSize: Int! = 20, $kind: Kind, $deep: Boolean, $q: String!, $ratio: Float)
            @rest(method: GET, path: "/l/:siteId", auth: NONE) @between(variable: "pageSize", min: 1, max: 100)
            { n: list(id: $siteId, range: $range, first: $pageSize, kind: $kind, deep: $deep, q: $q, ratio: $ratio) }"#;
        super::super::document::read(document, &index).unwrap().remove(0)
    }

    fn read(query: &str) -> Result<Variables, String> {
        let mut variables = Variables::default();
        add_query(&operation(), query, &mut variables).map_err(|error| error.message())?;
        Ok(variables)
    }

    #[test]
    fn parameters_become_variables_of_their_type() {
        let read =
            read("range=1y&page_size=100&kind=good_one&deep=false&q=a%20b%2Bc+%C3%BC&ratio=0.5&unknown=1&unknown=")
                .unwrap();
        let expected = async_graphql::value!({
            "range": "LAST_YEAR", "pageSize": 100, "kind": "GOOD_ONE", "deep": false, "q": "a b+c ü", "ratio": 0.5
        });
        assert_eq!(read.into_value(), expected);
        assert_eq!(self::read("q=x").unwrap().len(), 1, "what is absent stays absent");
        assert!(self::read("timeRange=24h&q=x").unwrap().contains_key("range"));
    }

    #[test]
    fn refusals_name_the_parameter_and_what_would_be_right() {
        for (query, message) in [
            ("range=5d&q=x", "range: must be one of 24h, 7d, 30d, 90d, 1y"),
            ("range=LAST_7_DAYS&q=x", "range: must be one of 24h, 7d, 30d, 90d, 1y"),
            ("timeRange=5d&q=x", "range: must be one of 24h, 7d, 30d, 90d, 1y"),
            ("range=7d&timeRange=7d&q=x", "range: must be given only once"),
            ("page_size=-1&q=x", "page_size: must be an integer between 1 and 100"),
            ("page_size=99999999999999999999&q=x", "page_size: must be an integer between 1 and 100"),
            ("page_size=0&q=x", "page_size: must be an integer between 1 and 100"),
            ("page_size=1.5&q=x", "page_size: must be an integer between 1 and 100"),
            ("page_size=+5&q=x", "page_size: must be an integer between 1 and 100"),
            ("page_size=&q=x", "page_size: cannot be empty; omit it or give it a value"),
            ("page_size&q=x", "page_size: cannot be empty; omit it or give it a value"),
            ("deep=yes&q=x", "deep: must be true or false"),
            ("ratio=NaN&q=x", "ratio: must be a number"),
            ("kind=ugly&q=x", "kind: must be one of good_one, bad_one"),
            ("q=%FF", "q: is not valid percent-encoded UTF-8"),
            ("q=%4", "q: is not valid percent-encoded UTF-8"),
            ("q=%00", "q: is not valid percent-encoded UTF-8"),
            ("", "q: is required"),
        ] {
            assert_eq!(read(query).unwrap_err(), message, "{query}");
        }
    }

    #[test]
    fn ids_of_the_path_are_uuids_in_their_usual_form() {
        let operation = operation();
        let id = "5F0C2D1E-8b7a-4c6d-9e10-a1b2c3d4e5f6";
        let (variables, malformed) = from_path(&operation, [("siteId", id)].into_iter());
        assert!(malformed.is_none());
        assert_eq!(variables.get("siteId"), Some(&Value::from(id.to_ascii_lowercase())));
        for bad in ["", "1", "5f0c2d1e8b7a4c6d9e10a1b2c3d4e5f6", "{5f0c2d1e-8b7a-4c6d-9e10-a1b2c3d4e5f6}"] {
            let (variables, malformed) = from_path(&operation, [("siteId", bad)].into_iter());
            assert!(variables.is_empty());
            assert_eq!(malformed.unwrap().field(), Some("siteId"), "{bad}");
        }
    }

    #[test]
    fn echoes_are_spelled_as_rest_spells() {
        let operation = operation();
        let mut variables = Variables::default();
        add_query(&operation, "q=x", &mut variables).unwrap();
        let echoes = echoes(&operation, &variables);
        let echoes: Vec<&str> = echoes.iter().map(|echo| std::str::from_utf8(echo).unwrap()).collect();
        assert_eq!(echoes, ["null", "\"7d\"", "20", "null", "null", "\"x\"", "null"]);
    }
}
