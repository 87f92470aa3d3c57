//! Projection: from a result of the schema to the JSON of REST, written while walking and without copies.

use async_graphql::{Value, parser::types::Type};

/// One member of a REST object, or a group of members.
pub struct Slot {
    /// Its key; unused for [`Source::Flat`].
    pub key: String,
    /// The key as JSON with its colon.
    pub quoted: String,
    /// Where the value comes from.
    pub source: Source,
    /// Only present if the object is of a certain type; otherwise the key is omitted.
    pub optional: bool,
    /// Its description in the schema.
    pub about: Option<String>,
}

/// Source of a member's value.
pub enum Source {
    /// A field of the result, by response key.
    Field {
        /// The response key.
        name: String,
        /// Shape of its value.
        shape: Shape,
    },
    /// The value of a variable, by index.
    Echo(usize),
    /// A value that is always the same.
    Constant(Value),
    /// An object made of members of the same object.
    Nest(Vec<Slot>),
    /// Members of an open JSON object, by response key of the field that holds it, inlined with their own keys. A key
    /// that the enclosing object already has is skipped.
    Open(String),
    /// Members of a nested object, inlined.
    Flat {
        /// The response key of the nested object.
        name: String,
        /// Its members.
        slots: Vec<Slot>,
        /// Whether the nested object may be null, and so each of its members.
        nullable: bool,
    },
}

/// Shape of a value. Lists are written item by item.
pub enum Shape {
    /// Unchanged, after the steps.
    Leaf {
        /// Transformations, in order.
        steps: Vec<Step>,
        /// Its type in the schema.
        ty: Type,
    },
    /// As an object.
    Object {
        /// Its members, in order.
        slots: Vec<Slot>,
        /// Its type in the schema.
        ty: Type,
    },
}

/// Transformation of a leaf by a directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// `@spell(as: LOWER)`.
    Lower,
    /// `@spell(as: EVENT)`.
    Event,
    /// `@spell(as: TITLE)`.
    Title,
    /// `@firstWord`: the text up to its first white space.
    FirstWord,
    /// `@percent`: times 100, one decimal.
    Percent,
    /// `@round(digits:)`.
    Round(u32),
    /// `@prefix(with:)`.
    Prefix(String),
    /// `@optional`: the member is omitted if it is null.
    OmitNull,
    /// `@nonNull`: described as never null.
    NonNull,
    /// `@orElse(number:)`: in place of null.
    OrElse(i64),
}

impl Shape {
    /// Whether a member of this shape is omitted if it is null.
    #[must_use]
    pub fn omits_null(&self) -> bool {
        matches!(self, Self::Leaf { steps, .. } if steps.contains(&Step::OmitNull))
    }
}

impl Slot {
    /// A member with a key.
    #[must_use]
    pub fn new(key: &str, source: Source, optional: bool, about: Option<String>) -> Self {
        let mut quoted = Vec::with_capacity(key.len() + 3);
        write_text(&mut quoted, key);
        quoted.push(b':');
        let quoted = String::from_utf8_lossy(&quoted).into_owned();
        Self { key: key.to_owned(), quoted, source, optional, about }
    }
}

/// Data for a projection besides the result.
pub struct Writing<'a> {
    /// The variables' REST values as JSON, by index.
    pub echoes: &'a [Vec<u8>],
    /// Whether null members are omitted.
    pub omit_nulls: bool,
    /// Number of bytes after which list items are skipped: the response is refused then.
    pub limit: usize,
}

impl Writing<'_> {
    /// Writes a value in its shape.
    pub fn shape(&self, out: &mut Vec<u8>, shape: &Shape, value: &Value) {
        match (value, shape) {
            (Value::Null, Shape::Leaf { steps, .. }) => {
                let value = steps.iter().fold(Value::Null, |value, step| step.apply(value));
                write_value(out, &value);
            }
            (Value::Null, _) => out.extend_from_slice(b"null"),
            (Value::List(items), _) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if out.len() > self.limit {
                        break;
                    }
                    if index > 0 {
                        out.push(b',');
                    }
                    self.shape(out, shape, item);
                }
                out.push(b']');
            }
            (_, Shape::Object { slots, .. }) => {
                out.push(b'{');
                self.slots(out, slots, value, &mut true);
                out.push(b'}');
            }
            (_, Shape::Leaf { steps, .. }) if steps.is_empty() => write_value(out, value),
            (_, Shape::Leaf { steps, .. }) => {
                let value = steps.iter().fold(value.clone(), |value, step| step.apply(value));
                write_value(out, &value);
            }
        }
    }

    fn slots(&self, out: &mut Vec<u8>, slots: &[Slot], object: &Value, first: &mut bool) {
        for slot in slots {
            match &slot.source {
                Source::Flat { name, .. } if slot.optional && !has(object, name) => {}
                Source::Flat { name, slots, .. } => self.slots(out, slots, member(object, name), first),
                Source::Field { name, shape } => {
                    let value = member(object, name);
                    let absent = slot.optional && !has(object, name);
                    if absent || *value == Value::Null && (self.omit_nulls || shape.omits_null()) {
                        continue;
                    }
                    open(out, slot, first);
                    self.shape(out, shape, value);
                }
                Source::Echo(variable) => {
                    let echo = self.echoes.get(*variable).map_or(b"null".as_slice(), Vec::as_slice);
                    if self.omit_nulls && echo == b"null" {
                        continue;
                    }
                    open(out, slot, first);
                    out.extend_from_slice(echo);
                }
                Source::Constant(value) => {
                    open(out, slot, first);
                    write_value(out, value);
                }
                Source::Open(name) => {
                    let Value::Object(members) = member(object, name) else { continue };
                    for (key, value) in members {
                        let taken = slots.iter().any(|slot| slot.key == key.as_str() && slot.key != *name);
                        if taken || self.omit_nulls && *value == Value::Null {
                            continue;
                        }
                        if !std::mem::take(first) {
                            out.push(b',');
                        }
                        write_text(out, key);
                        out.push(b':');
                        write_value(out, value);
                    }
                }
                Source::Nest(slots) => {
                    open(out, slot, first);
                    out.push(b'{');
                    self.slots(out, slots, object, &mut true);
                    out.push(b'}');
                }
            }
        }
    }
}

fn open(out: &mut Vec<u8>, slot: &Slot, first: &mut bool) {
    if !std::mem::take(first) {
        out.push(b',');
    }
    out.extend_from_slice(slot.quoted.as_bytes());
}

/// A member of an object; null if absent.
#[must_use]
pub fn member<'a>(object: &'a Value, name: &str) -> &'a Value {
    static NULL: Value = Value::Null;
    match object {
        Value::Object(members) => members.get(name).unwrap_or(&NULL),
        _ => &NULL,
    }
}

fn has(object: &Value, name: &str) -> bool {
    matches!(object, Value::Object(members) if members.contains_key(name))
}

impl Step {
    fn apply(&self, value: Value) -> Value {
        match (self, value) {
            (step, Value::List(items)) => Value::List(items.into_iter().map(|item| step.apply(item)).collect()),
            (Self::OrElse(number), Value::Null) => Value::from(*number),
            (Self::Percent, Value::Number(number)) => rounded(number.as_f64().map(|ratio| ratio * 100.0), 1),
            (Self::Round(digits), Value::Number(number)) => rounded(number.as_f64(), *digits),
            (step, Value::Enum(name)) => step.spell(&name),
            (step, Value::String(text)) => step.spell(&text),
            (_, value) => value,
        }
    }

    fn spell(&self, text: &str) -> Value {
        Value::String(match self {
            Self::Lower => text.to_ascii_lowercase(),
            Self::Event => super::rest_names::event(text),
            Self::Title => super::rest_names::title(text),
            Self::Prefix(prefix) => format!("{prefix}{text}"),
            Self::FirstWord => text.split_whitespace().next().unwrap_or_default().to_owned(),
            Self::Percent | Self::Round(_) | Self::OmitNull | Self::NonNull | Self::OrElse(_) => text.to_owned(),
        })
    }
}

fn rounded(number: Option<f64>, digits: u32) -> Value {
    let scale = 10_f64.powi(digits.try_into().unwrap_or(i32::MAX));
    number.map_or(Value::Null, |number| Value::from((number * scale).round() / scale))
}

/// Writes any value as JSON.
pub fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(true) => out.extend_from_slice(b"true"),
        Value::Boolean(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => {
            use std::io::Write as _;
            // Writing to a Vec cannot fail.
            let _ = write!(out, "{number}");
        }
        Value::String(text) => write_text(out, text),
        Value::Enum(name) => write_text(out, name),
        Value::Binary(bytes) => write_text(out, &String::from_utf8_lossy(bytes)),
        Value::List(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(out, item);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            out.push(b'{');
            for (index, (name, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_text(out, name);
                out.push(b':');
                write_value(out, value);
            }
            out.push(b'}');
        }
    }
}

/// Writes a JSON string.
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for piece in text.split_inclusive(|letter: char| letter < ' ' || letter == '"' || letter == '\\') {
        let last = piece.as_bytes().last().copied().unwrap_or_default();
        if last >= b' ' && last != b'"' && last != b'\\' {
            out.extend_from_slice(piece.as_bytes());
            continue;
        }
        out.extend_from_slice(piece.get(..piece.len() - 1).unwrap_or_default().as_bytes());
        match last {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    fn leaf(steps: Vec<Step>) -> Shape {
        Shape::Leaf { steps, ty: Type::new("String").unwrap() }
    }

    fn field(key: &str, name: &str, shape: Shape) -> Slot {
        Slot::new(key, Source::Field { name: name.to_owned(), shape }, false, None)
    }

    fn written(shape: &Shape, value: &Value, omit_nulls: bool) -> String {
        let mut out = Vec::new();
        Writing { echoes: &[b"\"7d\"".to_vec(), b"null".to_vec()], omit_nulls, limit: usize::MAX }
            .shape(&mut out, shape, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_is_escaped_as_json_escapes_it() {
        for text in ["plain", "", "a\"b\\c\nd\re\tf\u{1}g\u{1f}", "ü\u{2028}€", "\"", "x\"", "\"x"] {
            let mut out = Vec::new();
            write_text(&mut out, text);
            assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(text).unwrap());
        }
    }

    #[test]
    fn a_leaf_without_steps_is_written_whole() {
        let value = value!({ "a_key": [1, 2.5, true, null, "x\"y"], "b": {} });
        let json = written(&leaf(vec![]), &value, true);
        assert_eq!(json, r#"{"a_key":[1,2.5,true,null,"x\"y"],"b":{}}"#);
    }

    #[test]
    fn steps_do_what_they_say() {
        let written = |step, value: Value| written(&leaf(vec![step]), &value, false);
        assert_eq!(written(Step::Lower, Value::Enum(async_graphql::Name::new("FULL_ACCESS"))), "\"full_access\"");
        assert_eq!(written(Step::Title, value!("PRO")), "\"Pro\"");
        assert_eq!(written(Step::Event, value!(["VISITOR_HIGH_VALUE"])), r#"["visitor.high_value"]"#);
        assert_eq!(written(Step::FirstWord, value!(" Ada Lovelace")), "\"Ada\"");
        assert_eq!(written(Step::FirstWord, Value::Null), "null");
        assert_eq!(written(Step::Percent, value!(0.42345)), "42.3");
        assert_eq!(written(Step::Percent, value!(1)), "100.0");
        assert_eq!(written(Step::Percent, Value::Null), "null");
        assert_eq!(written(Step::Round(2), value!(47.2549)), "47.25");
        assert_eq!(written(Step::Prefix("ak_".into()), value!("1")), "\"ak_1\"");
        assert_eq!(written(Step::Lower, value!(["A", "B"])), r#"["a","b"]"#);
    }

    #[test]
    fn nest_flatten_and_echo_build_the_shape() {
        let metrics = vec![field("views", "views", leaf(vec![]))];
        let shape = Shape::Object {
            slots: vec![
                Slot::new("range", Source::Echo(0), false, None),
                Slot::new("is_whole", Source::Constant(value!(true)), false, None),
                Slot::new("site", Source::Nest(vec![field("id", "id", leaf(vec![]))]), false, None),
                Slot::new("", Source::Flat { name: "metrics".into(), slots: metrics, nullable: true }, false, None),
            ],
            ty: Type::new("T").unwrap(),
        };
        let value = value!([{ "id": 1, "metrics": { "views": 5 } }, { "id": 2, "metrics": null }]);
        let row = |id, views| format!(r#"{{"range":"7d","is_whole":true,"site":{{"id":{id}}},"views":{views}}}"#);
        assert_eq!(written(&shape, &value, false), format!("[{},{}]", row(1, "5"), row(2, "null")));
    }

    #[test]
    fn an_open_object_is_lifted_with_its_own_keys_and_hides_none_of_those_around_it() {
        let slots = vec![
            field("website_id", "websiteId", leaf(vec![])),
            Slot::new("record", Source::Open("record".to_owned()), false, None),
        ];
        let shape = Shape::Object { slots, ty: Type::new("T").unwrap() };
        let record = value!({ "snakeKey": { "deepKey": null }, "a_b": null, "website_id": 7, "record": [1] });
        let value = value!({ "websiteId": "w", "record": (record) });
        let lifted = r#"{"website_id":"w","snakeKey":{"deepKey":null},"a_b":null,"record":[1]}"#;
        assert_eq!(written(&shape, &value, false), lifted);
        assert_eq!(written(&shape, &value!({ "websiteId": "w", "record": {} }), false), r#"{"website_id":"w"}"#);
    }

    #[test]
    fn nulls_are_kept_or_left_out_and_optional_members_only_where_present() {
        let mut rare = field("rare", "rare", leaf(vec![]));
        rare.optional = true;
        let slots = vec![field("a", "a", leaf(vec![])), Slot::new("e", Source::Echo(1), false, None), rare];
        let shape = Shape::Object { slots, ty: Type::new("T").unwrap() };
        assert_eq!(written(&shape, &value!({ "a": null }), false), r#"{"a":null,"e":null}"#);
        assert_eq!(written(&shape, &value!({ "a": null }), true), "{}");
        assert_eq!(written(&shape, &value!({ "a": 1, "rare": 2 }), true), r#"{"a":1,"rare":2}"#);
    }
}
