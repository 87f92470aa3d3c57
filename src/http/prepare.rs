//! From a request's text to an executable document: scanned, parsed once, limited, merged, its variables present.

use async_graphql::{
    Pos, Request, Value, Variables,
    parser::{
        Error as ParseError, parse_query,
        types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet},
    },
};
use axum::http::StatusCode;
use schema::{error_code::ErrorCode, schema_index::SchemaIndex};

use super::{
    collect_fields::collect_fields,
    extra_rules::extra_rules,
    fields_can_merge::fields_can_merge,
    lexer::{Fault, Stop, weigh},
    limits::{self, Limits},
    numeric_variables::coerce_variables,
    price::Buckets,
    refusal::Refusal,
    request::Asked,
    unicode_escapes::plain,
};

/// A request ready for the executor.
#[derive(Debug)]
pub struct Prepared {
    /// The request, parsed.
    pub request: Request,
    /// The type of the operation.
    pub operation: OperationType,
    /// Its cost.
    pub cost: u64,
    /// Whether it uses `__schema` or `__type`.
    pub introspects: bool,
}

/// Checks a request as far as possible before running it.
///
/// `streams`: whether the response may be a stream, as a subscription's is. `buckets` gives the number of buckets in a
/// series.
///
/// Errors: a limit, a syntax error, an ambiguous operation, a missing required variable.
pub fn prepare(
    asked: Asked,
    limits: &Limits,
    cost_limit: u64,
    index: &SchemaIndex,
    introspection: bool,
    streams: bool,
    buckets: Buckets<'_>,
) -> Result<Prepared, Refusal> {
    let document = parse(&asked.query, limits)?;
    let selected = select(&document, asked.operation_name.as_deref())?;
    let introspects = document.operations.iter().any(|(_, it)| introspects(&it.node.selection_set.node))
        || document.fragments.values().any(|it| introspects(&it.node.selection_set.node));
    if introspects && !introspection {
        return Err(Refusal {
            status: StatusCode::FORBIDDEN,
            ..Refusal::document(ErrorCode::IntrospectionDisabled, "Introspection is disabled on this server.")
        });
    }
    let operation = selected.ty;
    if operation == OperationType::Subscription && !streams {
        return Err(Refusal::document(
            ErrorCode::GraphqlValidationFailed,
            "Subscriptions require a stream. Send `Accept: text/event-stream`, or use WebSocket at /graphql/ws.",
        ));
    }
    let mut variables = Variables::from_json(asked.variables.into());
    coerce_variables(index, selected, &mut variables);
    let cost = limits::check(limits, index, &document, selected, &variables, cost_limit, buckets)?;
    extra_rules(index, &document, selected, &variables, introspection)?;
    fields_can_merge(index, &document)?;
    required(selected, &variables)?;
    let document = collect_fields(index, document)?;
    let mut request = Request::new(asked.query).variables(variables);
    request.operation_name = asked.operation_name;
    if !introspection {
        request = request.disable_introspection();
    }
    request.set_parsed_query(document);
    Ok(Prepared { request, operation, cost, introspects })
}

fn parse(text: &str, limits: &Limits) -> Result<ExecutableDocument, Refusal> {
    let fault = |fault: Fault| {
        let Pos { line, column } = fault.place;
        syntax(format!("Syntax error at line {line}, column {column}: {}.", fault.what)).at(fault.place)
    };
    weigh(text, limits.tokens, limits.nesting).map_err(|stop| match stop {
        Stop::TooManyTokens => Refusal::document(
            ErrorCode::QueryTooLong,
            format!("The document must have at most {} tokens.", limits.tokens),
        ),
        Stop::TooDeep => Refusal::document(
            ErrorCode::QueryTooDeep,
            format!("The document must have at most {} nested brackets.", limits.nesting),
        ),
        Stop::Fault(found) => fault(found),
    })?;
    parse_query(plain(text).map_err(fault)?).map_err(|error| {
        let mut refusal = syntax(sentence(&error));
        refusal.locations = error.positions().collect();
        refusal
    })
}

fn syntax(message: impl Into<String>) -> Refusal {
    Refusal::document(ErrorCode::GraphqlParseFailed, message)
}

/// The parser's error as one sentence, without its excerpt of the source.
fn sentence(error: &ParseError) -> String {
    match error {
        ParseError::Syntax { message, start, .. } => {
            let expected = message.lines().filter_map(|line| line.trim().strip_prefix("= ")).next_back();
            let expected = expected.unwrap_or("the document does not parse").replace('_', " ");
            format!("Syntax error at line {}, column {}: {expected}.", start.line, start.column)
        }
        ParseError::MultipleOperations { .. } => {
            "Syntax error: an anonymous operation must be the only operation in the document.".to_owned()
        }
        ParseError::OperationDuplicated { operation, .. } => {
            format!("Syntax error: the document has two operations named `{operation}`.")
        }
        ParseError::FragmentDuplicated { fragment, .. } => {
            format!("Syntax error: the document has two fragments named `{fragment}`.")
        }
        ParseError::MissingOperation => "Syntax error: the document contains no operation.".to_owned(),
        _ => "Syntax error: the document nests too deeply.".to_owned(),
    }
}

fn select<'d>(document: &'d ExecutableDocument, name: Option<&str>) -> Result<&'d OperationDefinition, Refusal> {
    let unresolved =
        |message: String| Refusal::document(ErrorCode::OperationResolutionFailure, message).about("operationName");
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Ok(&operation.node),
        (DocumentOperations::Multiple(operations), None) => {
            let mut all = operations.values();
            match (all.next(), all.next()) {
                (Some(only), None) => Ok(&only.node),
                _ => Err(unresolved("operationName: is required because the document has several operations".into())),
            }
        }
        (operations, Some(name)) => match operations {
            DocumentOperations::Multiple(operations) => operations.get(name).map(|operation| &operation.node),
            DocumentOperations::Single(_) => None,
        }
        .ok_or_else(|| unresolved(format!("operationName: must be an operation of the document (got \"{name}\")"))),
    }
}

/// Errors: a required variable without a value. (The executor would only notice where it is used.)
fn required(operation: &OperationDefinition, variables: &Variables) -> Result<(), Refusal> {
    for definition in &operation.variable_definitions {
        let (name, ty) = (&definition.node.name.node, &definition.node.var_type.node);
        if ty.nullable {
            continue;
        }
        let wrong = match variables.get(name) {
            Some(Value::Null) => "must not be null",
            None if definition.node.default_value.is_none() => "is required",
            _ => continue,
        };
        return Err(Refusal::document(
            ErrorCode::ValidationError,
            format!("The variable `${name}` of type `{ty}` {wrong}."),
        )
        .about(name.as_str())
        .at(definition.pos));
    }
    Ok(())
}

fn introspects(set: &SelectionSet) -> bool {
    set.items.iter().any(|item| match &item.node {
        Selection::Field(field) => {
            matches!(field.node.name.node.as_str(), "__schema" | "__type")
                || introspects(&field.node.selection_set.node)
        }
        Selection::InlineFragment(inline) => introspects(&inline.node.selection_set.node),
        Selection::FragmentSpread(_) => false,
    })
}
