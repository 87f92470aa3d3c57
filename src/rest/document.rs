//! A REST operation: its `@rest` directive, its variables and its projection, checked against the schema at start.

use async_graphql::{
    Name, Value, Variables,
    parser::{
        parse_query,
        types::{Directive, ExecutableDocument, OperationDefinition, OperationType, Selection},
    },
};
use async_graphql_value::Value as Argument;
use axum::http::{Method, StatusCode};
use schema::{access::Access, schema_index::SchemaIndex};
use sha2::{Digest as _, Sha256};

use super::{
    auth::Auth,
    body_keys::BodyKeys,
    document_source::{self, Source},
    pagination::Walk,
    projection::{Shape, Slot, Source as From},
    selection::Selecting,
    variables::{Origin, Variable},
};

/// The value of `body` if each member of the body is a variable of its own.
const SPREAD: &str = "*";

/// One route.
pub struct Operation {
    /// The operation's name.
    pub name: String,
    /// The comment above it.
    pub about: String,
    /// HTTP method.
    pub method: Method,
    /// Path with `:name` segments.
    pub path: String,
    /// The required credential.
    pub auth: Auth,
    /// Status of a success.
    pub status: StatusCode,
    /// Whether it is a mutation.
    pub changes: bool,
    /// Whether the response has no envelope.
    pub bare: bool,
    /// Whether null members are omitted.
    pub omit_nulls: bool,
    /// Whether the result depends on the control plane alone, and so is valid until something changes there.
    pub remember: bool,
    /// Variables, in order.
    pub variables: Vec<Variable>,
    /// Response keys from the root of the result to the value of `data`.
    pub data_path: Vec<String>,
    /// How `data` is written.
    pub shape: Shape,
    /// Connections to walk to their end.
    pub walks: Vec<Walk>,
    /// Access required by the root fields.
    pub access: Vec<Access>,
    /// Whether each member of the body is a variable of its own, instead of the body being one.
    pub spread: bool,
    /// Keys of the body that are not the names of their fields.
    pub keys: BodyKeys,
    /// Arguments of root fields, and fields of their input objects, and the variables they take, by name.
    pub named: Vec<(String, String)>,
    /// The executed text, without the adapter's directives.
    pub text: String,
    /// `sha256:` and the hash of the text.
    pub id: String,
    /// The parsed text.
    pub document: ExecutableDocument,
    /// A query that only checks whether the caller has access to the object in the path.
    pub probe: Option<ExecutableDocument>,
    /// The query whose result is the answer, once this has succeeded.
    pub then: Option<Box<Self>>,
}

/// Reads all operations of a document. Errors: a message that names the operation.
pub fn read(document: &str, index: &SchemaIndex) -> Result<Vec<Operation>, String> {
    let sources = document_source::cut(document)?;
    sources
        .iter()
        .map(|source| {
            Operation::read(source, &sources, index).map_err(|why| format!("operation {}: {why}", source.name))
        })
        .collect()
}

impl Operation {
    /// `others`: the operations of the document, of which one may be answered by.
    fn read(source: &Source, others: &[Source], index: &SchemaIndex) -> Result<Self, String> {
        let definition = &source.operation;
        if definition.ty == OperationType::Subscription {
            return Err("a subscription cannot be a REST operation".to_owned());
        }
        let rest = definition.directives.iter().find(|directive| directive.node.name.node == "rest");
        let mut arguments = Arguments::from_directive(&rest.ok_or("needs @rest")?.node);
        let method = arguments.word("method")?.ok_or("@rest needs `method`")?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| "@rest: `method` is no HTTP method")?;
        let path = arguments.text("path")?.ok_or("@rest needs `path`")?;
        if !path.starts_with('/') {
            return Err("@rest: `path` must start with /".to_owned());
        }
        let auth = match arguments.word("auth")?.as_deref() {
            Some("KEY") => Auth::Key,
            Some("BEARER") => Auth::Bearer,
            Some("NONE") => Auth::None,
            _ => return Err("@rest needs `auth`: KEY, BEARER or NONE".to_owned()),
        };
        let status = u16::try_from(arguments.integer("status")?.unwrap_or(200)).unwrap_or_default();
        let status = StatusCode::from_u16(status).ok().filter(StatusCode::is_success);
        let status = status.ok_or("@rest: `status` must be between 200 and 299")?;
        let bare = arguments.one_of("envelope", ["STANDARD", "BARE"])? == 1;
        let omit_nulls = arguments.one_of("nulls", ["KEEP", "OMIT"])? == 1;
        let remember = arguments.flag("remember")?;
        let body = arguments.text("body")?;
        let pick = arguments.text("pick")?;
        let then = arguments.text("then")?;
        arguments.end()?;

        let root = index.root(definition.ty);
        let names: Vec<String> =
            definition.variable_definitions.iter().map(|variable| variable.node.name.node.to_string()).collect();
        let mut selecting = Selecting {
            index,
            fragments: &source.fragments,
            uses: vec![None; names.len()],
            variables: names,
            walks: Vec::new(),
        };
        let slots = selecting.root(&definition.selection_set.node, root)?;
        let Selecting { uses, walks, .. } = selecting;
        let mut variables = variables(definition, &path, body.as_deref(), &walks, uses, index)?;
        let keys = on_operation(definition, &mut variables, index)?;
        let access = root_fields(definition).filter_map(|field| index.access(root, &field.name.node)).collect();
        let named = root_fields(definition)
            .flat_map(|field| &field.arguments)
            .flat_map(|(argument, value)| match &value.node {
                Argument::Object(fields) => {
                    fields.iter().filter_map(|(field, value)| taken(field, value)).collect::<Vec<_>>()
                }
                value => taken(&argument.node, value).into_iter().collect(),
            })
            .collect();
        let then = then.map(|name| following(&name, others, &variables, index)).transpose()?.map(Box::new);
        let (data_path, shape) = pick_out(slots, pick.as_deref(), root)?;
        let unread = |error| format!("its text cannot be read: {error}");
        let probe = probe(definition, &variables).map(|text| parse_query(text).map_err(unread)).transpose()?;
        let document = parse_query(&source.text).map_err(unread)?;
        let id = format!("sha256:{}", hex::encode(Sha256::digest(source.text.as_bytes())));
        Ok(Self {
            name: source.name.clone(),
            about: source.about.clone(),
            method,
            path,
            auth,
            status,
            changes: definition.ty == OperationType::Mutation,
            bare,
            omit_nulls,
            remember,
            variables,
            data_path,
            shape,
            walks,
            access,
            spread: body.as_deref() == Some(SPREAD),
            keys,
            named,
            text: source.text.clone(),
            id,
            document,
            probe,
            then,
        })
    }

    /// Whether two operations share a name or a route.
    #[must_use]
    pub fn clashes_with(&self, other: &Self) -> bool {
        let route = |path: &str| {
            path.split('/').map(|part| if part.starts_with(':') { ":" } else { part }).collect::<Vec<_>>().join("/")
        };
        self.name == other.name || (self.method == other.method && route(&self.path) == route(&other.path))
    }

    /// The object in the path, by the arguments of root fields that take its ID.
    #[must_use]
    pub fn arguments(&self, path: &Variables) -> Variables {
        let mut arguments = Variables::default();
        for (argument, variable) in &self.named {
            if let Some(value) = path.get(variable.as_str()) {
                arguments.insert(Name::new(argument), value.clone());
            }
        }
        arguments
    }

    /// The variable that receives the body; of several, the first.
    #[must_use]
    pub fn body(&self) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.origin == Origin::Body)
    }
}

/// The query of this name, which takes nothing but variables of the path. Errors: there is none, or it takes others.
fn following(name: &str, others: &[Source], path: &[Variable], index: &SchemaIndex) -> Result<Operation, String> {
    let found = others.iter().find(|other| other.name == name);
    let query = Operation::read(found.ok_or_else(|| format!("@rest: there is no operation `{name}`"))?, &[], index)?;
    let is_known =
        |asked: &&Variable| path.iter().any(|given| given.origin == Origin::Path && given.name == asked.name);
    let mut asked = query.variables.iter().filter(|variable| variable.origin != Origin::Cursor);
    match asked.find(|variable| !is_known(variable)) {
        _ if query.changes => Err(format!("@rest: `{name}` is no query")),
        Some(variable) => Err(format!("@rest: the path has no `{}` for `{name}`", variable.name)),
        None => Ok(query),
    }
}

/// Binds each variable to path, body, cursor or query string.
fn variables(
    definition: &OperationDefinition,
    path: &str,
    body: Option<&str>,
    walks: &[Walk],
    uses: Vec<Option<String>>,
    index: &SchemaIndex,
) -> Result<Vec<Variable>, String> {
    let in_path: Vec<&str> = path.split('/').filter_map(|segment| segment.strip_prefix(':')).collect();
    let definitions = &definition.variable_definitions;
    for name in in_path.iter().copied().chain(body.filter(|body| *body != SPREAD)) {
        if !definitions.iter().any(|variable| variable.node.name.node == name) {
            return Err(format!("@rest names `{name}`, but there is no variable `${name}`"));
        }
    }
    let mut variables = Vec::new();
    for (position, (definition, used)) in definitions.iter().zip(uses).enumerate() {
        let name = definition.node.name.node.as_str();
        let origin = match () {
            () if in_path.contains(&name) => Origin::Path,
            () if body == Some(name) => Origin::Body,
            () if walks.iter().any(|walk| walk.variable == position) => Origin::Cursor,
            () if body == Some(SPREAD) => Origin::Body,
            () => Origin::Query,
        };
        let about = used.ok_or_else(|| format!("the variable `${name}` is not used"))?;
        variables.push(Variable::read(&definition.node, origin, about, index)?);
    }
    Ok(variables)
}

/// Reads `@between(variable:, min:, max:)` and `@key(of:, field:, is:)`.
fn on_operation(
    definition: &OperationDefinition,
    variables: &mut [Variable],
    index: &SchemaIndex,
) -> Result<BodyKeys, String> {
    let mut keys = BodyKeys::default();
    for directive in &definition.directives {
        match directive.node.name.node.as_str() {
            "rest" => continue,
            "key" => {
                keys.add(Arguments::from_directive(&directive.node), index)?;
                continue;
            }
            "between" => {}
            other => return Err(format!("@{other} cannot stand on an operation")),
        }
        let mut arguments = Arguments::from_directive(&directive.node);
        let name = arguments.text("variable")?.ok_or("@between needs `variable`")?;
        let variable = variables.iter_mut().find(|variable| variable.name == name.as_str());
        let variable = variable.ok_or_else(|| format!("@between: there is no variable `${name}`"))?;
        let min = arguments.integer("min")?.unwrap_or(i64::from(i32::MIN));
        let max = arguments.integer("max")?.unwrap_or(i64::from(i32::MAX));
        arguments.end()?;
        variable.limit(min, max)?;
    }
    Ok(keys)
}

fn root_fields(definition: &OperationDefinition) -> impl Iterator<Item = &async_graphql::parser::types::Field> {
    definition.selection_set.node.items.iter().filter_map(|item| match &item.node {
        Selection::Field(field) => Some(&field.node),
        _ => None,
    })
}

/// A name and the variable that is its value.
fn taken(name: &Name, value: &Argument) -> Option<(String, String)> {
    match value {
        Argument::Variable(variable) => Some((name.to_string(), variable.to_string())),
        _ => None,
    }
}

/// A root field with the alias `data` is the value of `data`, or the part of it that `pick` names; otherwise the whole
/// result is.
fn pick_out(mut slots: Vec<Slot>, pick: Option<&str>, root: &str) -> Result<(Vec<String>, Shape), String> {
    let mut path = Vec::new();
    let is_data = matches!(slots.as_slice(), [Slot { key, .. }] if key == "data");
    let keys = is_data.then_some("data").into_iter().chain(pick.into_iter().flat_map(|pick| pick.split('.')));
    let mut found = None;
    for key in keys {
        let slot = slots.into_iter().find(|slot| slot.key == key);
        let Some(Slot { source: From::Field { name, shape }, .. }) = slot else {
            return Err(format!("@rest: there is no field `{key}` to pick"));
        };
        path.push(name);
        match shape {
            Shape::Object { slots: inner, ty } => {
                slots = inner;
                found = Some(ty);
            }
            Shape::Leaf { .. } => return Ok((path, shape)),
        }
    }
    let ty = match found {
        Some(ty) => ty,
        None => async_graphql::parser::types::Type::new(&format!("{root}!")).ok_or("the root has no name")?,
    };
    Ok((path, Shape::Object { slots, ty }))
}

/// A query that only fetches the object in the path, so that a caller without access gets 403 before 400.
fn probe(definition: &OperationDefinition, variables: &[Variable]) -> Option<String> {
    if definition.ty != OperationType::Query {
        return None;
    }
    let from_path: Vec<&Variable> =
        variables.iter().filter(|variable| variable.origin == Origin::Path && variable.is_id()).collect();
    let fields: Vec<String> = root_fields(definition)
        .enumerate()
        .filter(|(_, field)| !field.selection_set.node.items.is_empty())
        .filter_map(|(index, field)| {
            let arguments: Vec<String> = field
                .arguments
                .iter()
                .map(|(name, value)| (name, value.node.to_string()))
                .filter(|(_, value)| from_path.iter().any(|variable| value.strip_prefix('$') == Some(&variable.name)))
                .map(|(name, value)| format!("{name}: {value}", name = name.node))
                .collect();
            let name = &field.name.node;
            (!arguments.is_empty()).then(|| format!("p{index}: {name}({}) {{ __typename }}", arguments.join(", ")))
        })
        .collect();
    if fields.is_empty() {
        return None;
    }
    let fields = fields.join(" ");
    let declared = from_path.iter().filter(|variable| fields.contains(&format!("${}", variable.name.as_str())));
    let declared: Vec<String> = declared.map(|variable| format!("${}: {}", variable.name, variable.ty)).collect();
    Some(format!("query ({}) {{ {fields} }}", declared.join(", ")))
}

/// The arguments of an adapter directive, consumed one by one, so that none is overlooked.
pub struct Arguments {
    directive: String,
    left: Vec<(String, Option<Value>)>,
}

impl Arguments {
    /// The arguments of a directive.
    #[must_use]
    pub fn from_directive(directive: &Directive) -> Self {
        let left = directive
            .arguments
            .iter()
            .map(|(name, value)| (name.node.to_string(), value.node.clone().into_const()))
            .collect();
        Self { directive: directive.name.node.to_string(), left }
    }

    fn take(&mut self, name: &str) -> Result<Option<Value>, String> {
        let Some(at) = self.left.iter().position(|(given, _)| given == name) else { return Ok(None) };
        let (_, value) = self.left.remove(at);
        value.map(Some).ok_or_else(|| format!("@{}: `{name}` cannot be a variable", self.directive))
    }

    /// A string argument.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("@{}: `{name}` must be a string", self.directive)),
        }
    }

    /// An enum argument.
    pub fn word(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name)? {
            None => Ok(None),
            Some(Value::Enum(word)) => Ok(Some(word.to_string())),
            Some(_) => Err(format!("@{}: `{name}` must be a word without quotes", self.directive)),
        }
    }

    /// Parses an enum argument; the first value is the default.
    pub fn one_of<const N: usize>(&mut self, name: &str, words: [&str; N]) -> Result<usize, String> {
        let Some(word) = self.word(name)? else { return Ok(0) };
        let found = words.iter().position(|known| *known == word);
        found.ok_or_else(|| format!("@{}: `{name}` must be one of {}", self.directive, words.join(", ")))
    }

    /// A boolean argument; false by default.
    pub fn flag(&mut self, name: &str) -> Result<bool, String> {
        match self.take(name)? {
            None => Ok(false),
            Some(Value::Boolean(flag)) => Ok(flag),
            Some(_) => Err(format!("@{}: `{name}` must be true or false", self.directive)),
        }
    }

    /// An argument of any type.
    pub fn value(&mut self, name: &str) -> Result<Option<Value>, String> {
        self.take(name)
    }

    /// An integer argument.
    pub fn integer(&mut self, name: &str) -> Result<Option<i64>, String> {
        match self.take(name)? {
            None => Ok(None),
            Some(Value::Number(number)) if number.is_i64() => Ok(number.as_i64()),
            Some(_) => Err(format!("@{}: `{name}` must be a whole number", self.directive)),
        }
    }

    /// Refuses an unexpected argument.
    pub fn end(self) -> Result<(), String> {
        match self.left.first() {
            Some((name, _)) => Err(format!("@{} has no argument `{name}`", self.directive)),
            None => Ok(()),
        }
    }
}
