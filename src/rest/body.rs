//! Turns a JSON body into an input object: keys from snake_case to camelCase along the input type, never inside a JSON
//! scalar.
//!
//! - An absent key stays absent and null stays null, so that a partial update erases nothing.
//! - An unknown key is refused, so that a misspelled one is not silently ignored.
//! - A key that an operation names by `@key` stands for its field.
//! - If the body is spread, each member is a variable, by the same rules.

use async_graphql::{
    Name, Value,
    indexmap::IndexMap,
    parser::types::{BaseType, Type},
};
use schema::{
    error::{Error, Result},
    scalars::coercion_fault,
    schema_index::{InputField, InputInfo, SchemaIndex},
};
use serde_json::Value as Json;

use super::{
    body_keys::{BodyKeys, fields},
    document::Operation,
    rest_names::{choices, snake},
    variables::{Origin, Variable},
};

/// What a body is read by.
#[derive(Clone, Copy)]
struct Reading<'a> {
    index: &'a SchemaIndex,
    keys: &'a BodyKeys,
}

/// Reads a body into its variables. Errors: `Invalid`, naming the field as spelled by the caller.
pub fn variables(bytes: &[u8], operation: &Operation, index: &SchemaIndex) -> Result<Vec<(Name, Value)>> {
    let reading = Reading { index, keys: &operation.keys };
    let open: Vec<&Variable> = operation.variables.iter().filter(|variable| variable.origin == Origin::Body).collect();
    match open.as_slice() {
        [variable] if !operation.spread => Ok(vec![(variable.name.clone(), read(bytes, variable, reading)?)]),
        _ => spread(bytes, &open, reading),
    }
}

/// Reads a body whose members are variables.
fn spread(bytes: &[u8], open: &[&Variable], reading: Reading<'_>) -> Result<Vec<(Name, Value)>> {
    let mut given: Vec<(Name, Value)> = Vec::new();
    for (key, json) in parsed(bytes)? {
        let Some(variable) = open.iter().find(|variable| snake(&variable.name) == key) else {
            let names: Vec<String> = open.iter().map(|variable| snake(&variable.name)).collect();
            return Err(unknown(&key, &names));
        };
        given.push((variable.name.clone(), convert(json, &variable.ty, &key, reading)?));
    }
    let missing = open.iter().find(|open| open.is_required() && !given.iter().any(|(name, _)| *name == open.name));
    match missing {
        Some(variable) => Err(Error::invalid(snake(&variable.name), MISSING)),
        None => Ok(given),
    }
}

const MISSING: &str = "is required";

fn unknown(field: &str, known: &[String]) -> Error {
    Error::invalid(field, format!("is unknown; must be one of {}", known.join(", ")))
}

/// Reads a body as the members of an object.
fn parsed(bytes: &[u8]) -> Result<serde_json::Map<String, Json>> {
    let json: Json = serde_json::from_slice(bytes).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Error::invalid("body", format!("is not valid JSON ({place})"))
    })?;
    match json {
        Json::Object(members) => Ok(members),
        _ => Err(Error::invalid("body", "must be a JSON object")),
    }
}

/// Reads a body as one variable.
fn read(bytes: &[u8], variable: &Variable, reading: Reading<'_>) -> Result<Value> {
    convert(Json::Object(parsed(bytes)?), &variable.ty, "body", reading)
}

fn convert(json: Json, ty: &Type, field: &str, reading: Reading<'_>) -> Result<Value> {
    let index = reading.index;
    let wrong = |why: &str| Err(Error::invalid(field, why));
    match (&ty.base, json) {
        (_, Json::Null) if ty.nullable => Ok(Value::Null),
        (_, Json::Null) => wrong("must not be null"),
        (BaseType::List(item), Json::Array(items)) => items
            .into_iter()
            .enumerate()
            .map(|(index, json)| convert(json, item, &format!("{field}[{index}]"), reading))
            .collect::<Result<_>>()
            .map(Value::List),
        (BaseType::List(_), _) => wrong("must be an array"),
        (BaseType::Named(name), json) => {
            if let Some(input) = index.input(name) {
                return object(json, (name, input), field, reading);
            }
            if let Some(values) = index.values(name) {
                let choices = choices(name, values);
                let found = choices.iter().find(|(rest, _)| json == rest.as_str());
                let allowed: Vec<&str> = choices.iter().map(|(rest, _)| rest.as_str()).collect();
                return match found {
                    Some((_, value)) => Ok(Value::Enum(Name::new(value))),
                    None => wrong(&format!("must be one of {}", allowed.join(", "))),
                };
            }
            match (name.as_str(), &json) {
                ("String" | "ID", Json::String(text)) if text.contains('\0') => wrong("cannot contain a NUL character"),
                ("String" | "ID", Json::String(_)) | ("Boolean", Json::Bool(_)) => Ok(plain(json)),
                ("Float", Json::Number(_)) => Ok(plain(json)),
                ("Int", Json::Number(number)) => {
                    whole(number).map_or_else(|| wrong("must be an integer of at most 32 bits"), |n| Ok(n.into()))
                }
                ("String" | "ID", _) => wrong("must be a string"),
                ("Boolean", _) => wrong("must be true or false"),
                ("Float", _) => wrong("must be a number"),
                ("Int", _) => wrong("must be an integer of at most 32 bits"),
                (scalar, Json::String(text)) if scalar != "JSON" && text.contains('\0') => {
                    wrong("cannot contain a NUL character")
                }
                _ => {
                    let value = plain(json);
                    coercion_fault(name, &value).map_or(Ok(value), wrong)
                }
            }
        }
    }
}

fn object(
    json: Json,
    (name, input): (&str, &InputInfo),
    field: &str,
    Reading { index, keys }: Reading<'_>,
) -> Result<Value> {
    let Json::Object(members) = json else { return Err(Error::invalid(field, "must be a JSON object")) };
    let within = |key: &str| if field == "body" { key.to_owned() } else { format!("{field}.{key}") };
    let mut object = IndexMap::new();
    let names = fields(input).flat_map(|(own, input)| {
        let second = keys.second(name, own).map(str::to_owned);
        std::iter::once(keys.key(name, own)).chain(second).map(move |key| (key, own, input))
    });
    let names: Vec<(String, &String, &InputField)> = names.collect();
    for (key, json) in members {
        let Some((_, own, input)) = names.iter().find(|(known, ..)| *known == key) else {
            let names: Vec<String> = names.iter().map(|(known, ..)| known.clone()).collect();
            return Err(unknown(&within(&key), &names));
        };
        let value = convert(json, &input.ty, &within(&key), Reading { index, keys })?;
        if object.insert(Name::new(own), value).is_some() {
            let second = keys.second(name, own).unwrap_or(&key);
            return Err(Error::invalid(within(second), format!("cannot be combined with {own}")));
        }
    }
    if input.one_of && (object.len() != 1 || object.values().any(|value| *value == Value::Null)) {
        return Err(Error::invalid(field, "must have exactly one field, with a value other than null"));
    }
    match input.fields.iter().find(|(own, input)| input.is_required() && !object.contains_key(own.as_str())) {
        Some((own, _)) => Err(Error::invalid(within(&keys.key(name, own)), MISSING)),
        None => Ok(Value::Object(object)),
    }
}

/// A number of 32 bits; `3.0` is one to JSON.
fn whole(number: &serde_json::Number) -> Option<i32> {
    let of_float = || number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= f64::from(i32::MAX));
    match number.as_i64() {
        Some(number) => i32::try_from(number).ok(),
        #[expect(clippy::cast_possible_truncation, reason = "whole and within the bounds")]
        None => of_float().map(|float| float as i32),
    }
}

/// Takes JSON as it is.
fn plain(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Boolean(truth),
        Json::Number(number) => Value::Number(number),
        Json::String(text) => Value::String(text),
        Json::Array(items) => Value::List(items.into_iter().map(plain).collect()),
        Json::Object(members) => {
            Value::Object(members.into_iter().map(|(key, json)| (Name::new(key), plain(json))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{parser::types::VariableDefinition, value};

    use super::super::{document::Arguments, variables::Origin};
    use super::*;

    fn read(body: &str) -> std::result::Result<Value, String> {
        let index = SchemaIndex::read(
            "type Query { a: Int } scalar JSON scalar HexColor enum Role { OWNER VIEWER }
             input In { websiteName: String!, primaryColor: HexColor, role: Role, data: JSON, tags: [String!], deep: Deep, kpiGoal: Int = 3 }
             input Deep { someId: ID!, isRare: Boolean }",
        )
        .unwrap();
        let parsed = async_graphql::parser::parse_query(
            "query A($input: In!) @key(of: \"Deep\", field: \"isRare\", is: \"rare\") @key(of: \"In\", field: \"kpiGoal\", is: \"goal\", also: true) { a }",
        ).unwrap();
        let (_, operation) = parsed.operations.iter().next().unwrap();
        let definition: &VariableDefinition = &operation.node.variable_definitions[0].node;
        let variable = Variable::read(definition, Origin::Body, String::new(), &index).unwrap();
        let mut keys = BodyKeys::default();
        for directive in &operation.node.directives {
            keys.add(Arguments::from_directive(&directive.node), &index).unwrap();
        }
        super::read(body.as_bytes(), &variable, Reading { index: &index, keys: &keys }).map_err(|error| error.message())
    }

    #[test]
    fn keys_change_along_the_type_and_nowhere_else() {
        let body = r#"{"website_name":"A","primary_color":null,"role":"owner","data":{"snake_key":{"a_b":1}},"tags":["x"],"deep":{"some_id":"1"}}"#;
        let expected = value!({
            "websiteName": "A", "primaryColor": null, "role": "OWNER", "data": { "snake_key": { "a_b": 1 } },
            "tags": ["x"], "deep": { "someId": "1" }
        });
        let value = read(body).unwrap();
        assert_eq!(value, expected);
        assert_eq!(
            read(r#"{"website_name":"A","kpi_goal":3.0}"#).unwrap(),
            value!({ "websiteName": "A", "kpiGoal": 3 })
        );
        assert_eq!(
            read(r#"{"website_name":"A","goal":4,"deep":{"some_id":"1","rare":true}}"#).unwrap(),
            value!({ "websiteName": "A", "kpiGoal": 4, "deep": { "someId": "1", "isRare": true } })
        );
        assert_eq!(read(r#"{"website_name":"A"}"#).unwrap(), value!({ "websiteName": "A" }), "absent stays absent");
    }

    #[test]
    fn refusals_name_the_field_as_the_caller_spells_it() {
        for (body, message) in [
            ("{", "body: is not valid JSON (line 1, column 1)"),
            ("[]", "body: must be a JSON object"),
            ("null", "body: must be a JSON object"),
            ("{}", "website_name: is required"),
            (r#"{"website_name":null}"#, "website_name: must not be null"),
            (r#"{"website_name":1}"#, "website_name: must be a string"),
            (r#"{"website_name":"a\u0000"}"#, "website_name: cannot contain a NUL character"),
            (r##"{"website_name":"A","primary_color":7}"##, "primary_color: must be a string"),
            (r#"{"website_name":"A","role":"OWNER"}"#, "role: must be one of owner, viewer"),
            (r#"{"website_name":"A","kpi_goal":3000000000}"#, "kpi_goal: must be an integer of at most 32 bits"),
            (r#"{"website_name":"A","kpi_goal":3.5}"#, "kpi_goal: must be an integer of at most 32 bits"),
            (r#"{"website_name":"A","kpi_goal":3e9}"#, "kpi_goal: must be an integer of at most 32 bits"),
            (r#"{"website_name":"A","tags":"x"}"#, "tags: must be an array"),
            (r#"{"website_name":"A","tags":["x",null]}"#, "tags[1]: must not be null"),
            (r#"{"website_name":"A","deep":{}}"#, "deep.some_id: is required"),
            (
                r#"{"website_name":"A","deep":{"some_id":"1","is_rare":true}}"#,
                "deep.is_rare: is unknown; must be one of some_id, rare",
            ),
            (r#"{"website_name":"A","deep":{"some_id":"1","rare":1}}"#, "deep.rare: must be true or false"),
            (r#"{"website_name":"A","kpi_goal":3,"goal":4}"#, "goal: cannot be combined with kpiGoal"),
            (r#"{"website_name":"A","goal":4,"kpi_goal":3}"#, "goal: cannot be combined with kpiGoal"),
            (r#"{"website_name":"A","deep":{"x_y":1}}"#, "deep.x_y: is unknown; must be one of some_id, rare"),
            (r#"{"website_name":"A","deep":{"someId":"1"}}"#, "deep.someId: is unknown; must be one of some_id, rare"),
        ] {
            assert_eq!(read(body).unwrap_err(), message, "{body}");
        }
    }
}
