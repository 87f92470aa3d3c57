//! Limits of a document: measured on the parsed document, before execution.
//!
//! - A fragment is measured once per operation, however often it is spread, and all measuring together takes a bounded number of steps.
//! - Every refusal names its limit. Limits are checked in the order of [`Limits`]' fields.
//! - Introspection costs nothing and may be as deep as tools need; its lists nest and multiply no further than tools
//!   do.

use async_graphql::{
    Variables,
    parser::types::{ExecutableDocument, OperationDefinition},
};
use schema::{error_code::ErrorCode, schema_index::SchemaIndex};

use super::{
    gauge::{Gauge, Spent},
    price::{Buckets, Given},
    refusal::Refusal,
};

/// The limits of one document. Each is an inclusive maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tokens, before parsing.
    pub tokens: usize,
    /// Nested brackets, before parsing; guards the parser's stack.
    pub nesting: usize,
    /// Selections after fragments are expanded.
    pub nodes: u64,
    /// Levels of fields; introspection is exempt.
    pub depth: u32,
    /// Aliases after fragments are expanded.
    pub aliases: u64,
    /// Fields of the operation's root.
    pub root_fields: usize,
    /// Different response names of one field within one parent.
    pub repeats: usize,
    /// Directives after fragments are expanded.
    pub directives: u64,
    /// Directives on one field, spread or inline fragment.
    pub directives_per_field: usize,
    /// Cost: every field is 1 (or its `@cost`), as is each item of a list in its arguments; everything below a list
    /// counts once per item that it can contain.
    pub cost: u64,
    /// Values in arguments after fragments are expanded and variables substituted; a long text counts once per 64
    /// bytes.
    pub values: u64,
    /// Fields of a mutation's root.
    pub mutations: usize,
    /// `__schema` and `__type` selections after fragments are expanded.
    pub introspections: u64,
    /// Nested lists below `__schema` and `__type`: of fields, input fields, interfaces and possible types.
    pub introspection_lists: u32,
    /// Estimated number of values that introspection lists.
    pub introspection_values: u64,
    /// Maximum page size in rows (`visitors`: ten times as many; `replaySessions` and `errorGroups`: twice).
    pub page: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tokens: 2_000,
            nesting: 64,
            nodes: 2_000,
            depth: 15,
            aliases: 30,
            root_fields: 20,
            repeats: 10,
            directives: 20,
            directives_per_field: 3,
            cost: 5_000,
            values: 10_000,
            mutations: 5,
            introspections: 3,
            introspection_lists: 2,
            introspection_values: 400_000,
            page: 100,
        }
    }
}

impl Limits {
    /// Maximum page size of a field with that name.
    #[must_use]
    pub fn page_of(&self, field: &str) -> u64 {
        match field {
            "visitors" => self.page.saturating_mul(10),
            "replaySessions" | "errorGroups" => self.page.saturating_mul(2),
            _ => self.page,
        }
    }
}

/// Checks a document and prices the operation to execute. `cost_limit` is the caller's; other limits apply to all.
/// `buckets` gives the number of buckets in a series.
///
/// Errors: the first exceeded limit, a fragment cycle, a page that is too large, an undefined variable.
pub fn check(
    limits: &Limits,
    index: &SchemaIndex,
    document: &ExecutableDocument,
    selected: &OperationDefinition,
    variables: &Variables,
    cost_limit: u64,
    buckets: Buckets<'_>,
) -> Result<u64, Refusal> {
    let mut operations: Vec<_> = document.operations.iter().map(|(_, operation)| operation).collect();
    operations.sort_by_key(|operation| (operation.pos.line, operation.pos.column));
    let given = Given::new(variables);
    let mut spent = Spent::default();
    let (mut nodes, mut values, mut cost) = (0_u64, 0_u64, 0);
    for operation in operations {
        let is_selected = std::ptr::eq(&raw const operation.node, selected);
        let mut gauge = Gauge::new(limits, index, document, &given, buckets, &mut spent);
        gauge.operation = Some(&operation.node);
        gauge.is_selected = is_selected;
        let tally = gauge.whole(&operation.node)?;
        nodes = nodes.saturating_add(tally.nodes);
        over(nodes, limits.nodes, ErrorCode::QueryTooLarge, NODES)?;
        values = values.saturating_add(tally.values);
        over(
            values,
            limits.values,
            ErrorCode::QueryTooLarge,
            "values in its arguments after variables are substituted",
        )?;
        gauge.verdict(&tally, operation)?;
        if is_selected {
            cost = tally.cost;
        }
    }
    // The validator also walks fragments that no operation spreads.
    let mut gauge = Gauge::new(limits, index, document, &given, buckets, &mut spent);
    let (mut nodes, mut values) = (0_u64, 0_u64);
    for name in document.fragments.keys() {
        let tally = gauge.fragment(name, 0)?;
        nodes = nodes.saturating_add(tally.nodes);
        values = values.saturating_add(tally.values);
        // Each fragment counts with those that it spreads, so that their sum may be a few times the document's.
        over(nodes, limits.nodes.saturating_mul(4), ErrorCode::QueryTooLarge, NODES)?;
        over(values, limits.values.saturating_mul(4), ErrorCode::QueryTooLarge, "values in its arguments")?;
    }
    affordable(cost, cost_limit)?;
    Ok(cost)
}

/// What is counted against [`Limits::nodes`].
pub(super) const NODES: &str = "selections after fragments are expanded";

/// Errors: `COST_LIMIT_EXCEEDED`.
pub fn affordable(cost: u64, limit: u64) -> Result<(), Refusal> {
    if cost <= limit {
        return Ok(());
    }
    Err(Refusal::document(
        ErrorCode::CostLimitExceeded,
        format!("The document must cost at most {limit} (got {cost}). Select fewer fields or smaller pages (`first`)."),
    ))
}

pub(super) fn over(count: u64, limit: u64, code: ErrorCode, of_what: &str) -> Result<(), Refusal> {
    if count <= limit {
        return Ok(());
    }
    let count = if count == u64::MAX { "too many to count".to_owned() } else { count.to_string() };
    Err(Refusal::document(code, format!("The document must have at most {limit} {of_what} (got {count}).")))
}
