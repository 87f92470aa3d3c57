//! How much one document may ask for: measured on the parsed document, before anything runs.
//!
//! - A fragment is measured once per operation, however often it is spread, so measuring is linear in the document's size.
//! - Every refusal names its limit. Limits are checked in the order of [`Limits`]' fields.
//! - Introspection costs nothing and may be as deep as tools need; its lists nest and multiply no further than tools make them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_graphql::{
    Name, Pos, Positioned, Value as ConstValue, Variables,
    parser::types::{ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet},
};
use async_graphql_value::Value;

use super::{refusal::Refusal, shape::Shape};

/// The limits of one document. All are maxima that still pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tokens, before parsing.
    pub tokens: usize,
    /// Brackets open at once, before parsing; guards the parser's stack.
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
    /// Cost: every field is 1, and what lies below a paged field counts once per row asked for.
    pub cost: u64,
    /// Fields of a mutation's root.
    pub mutations: usize,
    /// `__schema` and `__type` selections after fragments are expanded.
    pub introspections: u64,
    /// Lists below `__schema` and `__type` that may nest: of fields, input fields, interfaces and possible types.
    pub introspection_lists: u32,
    /// Values that introspection may list, by estimate.
    pub introspection_values: u64,
    /// Rows of a page (`visitors`: ten times as many; `replaySessions` and `errorGroups`: twice).
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
            mutations: 5,
            introspections: 3,
            introspection_lists: 2,
            introspection_values: 400_000,
            page: 100,
        }
    }
}

impl Limits {
    /// Largest page of a field of that name.
    #[must_use]
    pub fn page_of(&self, field: &str) -> u64 {
        match field {
            "visitors" => self.page.saturating_mul(10),
            "replaySessions" | "errorGroups" => self.page.saturating_mul(2),
            _ => self.page,
        }
    }
}

/// Checks a document and prices the operation that will run. `cost_limit` is the caller's; other limits hold for all.
///
/// Errors: the first limit that is passed, a fragment cycle, a page that is too large.
pub fn check(
    limits: &Limits,
    shape: &Shape,
    document: &ExecutableDocument,
    selected: &OperationDefinition,
    variables: &Variables,
    cost_limit: u64,
) -> Result<u64, Refusal> {
    let mut operations: Vec<_> = document.operations.iter().map(|(_, operation)| operation).collect();
    operations.sort_by_key(|operation| (operation.pos.line, operation.pos.column));
    let (mut nodes, mut cost) = (0_u64, 0);
    for operation in operations {
        let is_selected = std::ptr::eq(&raw const operation.node, selected);
        let mut gauge = Gauge::new(limits, shape, document, &operation.node, is_selected.then_some(variables));
        let root = shape.root(operation.node.ty);
        let tally = gauge.set(&operation.node.selection_set.node, Some(root), 0)?;
        nodes = nodes.saturating_add(tally.nodes);
        over(nodes, limits.nodes, "QUERY_TOO_LARGE", "selections once its fragments are expanded")?;
        gauge.verdict(&tally, operation)?;
        if is_selected {
            cost = tally.cost;
        }
    }
    // The validator also walks fragments that no operation spreads.
    if let Some((_, first)) = document.operations.iter().next() {
        let mut gauge = Gauge::new(limits, shape, document, &first.node, None);
        for name in document.fragments.keys() {
            let tally = gauge.fragment(name, 0)?;
            over(tally.nodes, limits.nodes, "QUERY_TOO_LARGE", "selections once its fragments are expanded")?;
        }
    }
    affordable(cost, cost_limit)?;
    Ok(cost)
}

/// Errors: `COST_LIMIT_EXCEEDED`.
pub fn affordable(cost: u64, limit: u64) -> Result<(), Refusal> {
    if cost <= limit {
        return Ok(());
    }
    Err(Refusal::document(
        "COST_LIMIT_EXCEEDED",
        format!(
            "The document costs {cost}; at most {limit} is allowed. Ask for fewer fields or smaller pages (`first`)."
        ),
    ))
}

fn over(count: u64, limit: u64, code: &'static str, of_what: &str) -> Result<(), Refusal> {
    if count <= limit {
        return Ok(());
    }
    let count = if count == u64::MAX { "more than can be counted".to_owned() } else { count.to_string() };
    Err(Refusal::document(code, format!("The document has {count} {of_what}; at most {limit} are allowed.")))
}

/// What a selection set weighs with its fragments expanded. Sums saturate.
#[derive(Debug, Clone, Default)]
struct Tally<'d> {
    nodes: u64,
    depth: u32,
    aliases: u64,
    directives: u64,
    cost: u64,
    introspections: u64,
    /// The deepest nesting of introspection's lists, and the values they list; only what lies below `__schema` or `__type` counts.
    lists: u32,
    listed: u64,
    /// The values that the selections of `__schema` and `__type` list.
    introspected: u64,
    /// The response names of each field directly below the parent.
    names: BTreeMap<&'d str, BTreeSet<&'d str>>,
}

impl<'d> Tally<'d> {
    fn add(&mut self, other: &Self) {
        self.nodes = self.nodes.saturating_add(other.nodes);
        self.depth = self.depth.max(other.depth);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.directives = self.directives.saturating_add(other.directives);
        self.cost = self.cost.saturating_add(other.cost);
        self.introspections = self.introspections.saturating_add(other.introspections);
        self.lists = self.lists.max(other.lists);
        self.listed = self.listed.saturating_add(other.listed);
        self.introspected = self.introspected.saturating_add(other.introspected);
        for (field, names) in &other.names {
            self.names.entry(field).or_default().extend(names);
        }
    }
}

/// Measures one operation.
struct Gauge<'d> {
    limits: &'d Limits,
    shape: &'d Shape,
    document: &'d ExecutableDocument,
    operation: &'d OperationDefinition,
    /// Only the operation that runs has variables; pages of the others are not judged.
    variables: Option<&'d Variables>,
    /// `None` while the fragment is being measured: meeting it then is a cycle.
    fragments: HashMap<&'d str, Option<Tally<'d>>>,
}

/// How deep fields, fragments and inline fragments may nest while measuring; the parser allows no more within one definition.
const DEEPEST_WALK: u32 = 200;

impl<'d> Gauge<'d> {
    fn new(
        limits: &'d Limits,
        shape: &'d Shape,
        document: &'d ExecutableDocument,
        operation: &'d OperationDefinition,
        variables: Option<&'d Variables>,
    ) -> Self {
        Self { limits, shape, document, operation, variables, fragments: HashMap::new() }
    }

    fn verdict(&self, tally: &Tally<'d>, operation: &Positioned<OperationDefinition>) -> Result<(), Refusal> {
        let limits = self.limits;
        let at = |refusal: Refusal| refusal.at(operation.pos);
        over(tally.depth.into(), limits.depth.into(), "QUERY_TOO_DEEP", "levels of fields").map_err(at)?;
        over(tally.aliases, limits.aliases, "TOO_MANY_ALIASES", "aliases").map_err(at)?;
        let roots = tally.names.values().map(BTreeSet::len).sum::<usize>();
        over(roots as u64, limits.root_fields as u64, "TOO_MANY_ROOT_FIELDS", "root fields").map_err(at)?;
        self.repeats(tally, operation.pos)?;
        over(tally.directives, limits.directives, "TOO_MANY_DIRECTIVES", "directives").map_err(at)?;
        if operation.node.ty == OperationType::Mutation {
            over(roots as u64, limits.mutations as u64, "TOO_MANY_MUTATIONS", "mutations").map_err(at)?;
        }
        let introspections = "selections of `__schema` and `__type`";
        over(tally.introspections, limits.introspections, "QUERY_TOO_LARGE", introspections).map_err(at)?;
        let values = "values to list below `__schema` and `__type`";
        over(tally.introspected, limits.introspection_values, "QUERY_TOO_LARGE", values).map_err(at)
    }

    fn repeats(&self, tally: &Tally<'d>, place: Pos) -> Result<(), Refusal> {
        match tally.names.iter().find(|(_, names)| names.len() > self.limits.repeats) {
            None => Ok(()),
            Some((field, names)) => Err(Refusal::document(
                "TOO_MANY_REPEATS",
                format!(
                    "The field `{field}` is selected {} times below one parent; at most {} are allowed.",
                    names.len(),
                    self.limits.repeats
                ),
            )
            .at(place)),
        }
    }

    fn set(&mut self, set: &'d SelectionSet, parent: Option<&'d str>, level: u32) -> Result<Tally<'d>, Refusal> {
        if level > DEEPEST_WALK {
            return Err(Refusal::document(
                "QUERY_TOO_DEEP",
                format!("The document nests too deeply; at most {} levels of fields are allowed.", self.limits.depth),
            ));
        }
        let mut sum = Tally::default();
        for selection in &set.items {
            let directives = selection.node.directives().len();
            if directives > self.limits.directives_per_field {
                return Err(Refusal::document(
                    "TOO_MANY_DIRECTIVES",
                    format!(
                        "A selection has {directives} directives; at most {} are allowed.",
                        self.limits.directives_per_field
                    ),
                )
                .at(selection.pos));
            }
            let mut tally = match &selection.node {
                Selection::Field(field) => self.field(field, parent, level)?,
                Selection::InlineFragment(inline) => {
                    let parent =
                        inline.node.type_condition.as_ref().map_or(parent, |on| Some(on.node.on.node.as_str()));
                    self.set(&inline.node.selection_set.node, parent, level + 1)?
                }
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, level)?,
            };
            tally.nodes = tally.nodes.saturating_add(1);
            tally.directives = tally.directives.saturating_add(directives as u64);
            sum.add(&tally);
        }
        Ok(sum)
    }

    fn fragment(&mut self, name: &'d Name, level: u32) -> Result<Tally<'d>, Refusal> {
        match self.fragments.get(name.as_str()) {
            Some(Some(tally)) => return Ok(tally.clone()),
            Some(None) => {
                return Err(Refusal::document(
                    "GRAPHQL_VALIDATION_FAILED",
                    format!("The fragment `{name}` spreads itself, directly or through another fragment."),
                ));
            }
            None => {}
        }
        // A spread of a fragment that does not exist weighs nothing; validation names it.
        let Some(fragment) = self.document.fragments.get(name) else { return Ok(Tally::default()) };
        self.fragments.insert(name, None);
        let on = fragment.node.type_condition.node.on.node.as_str();
        let tally = self.set(&fragment.node.selection_set.node, Some(on), level + 1)?;
        self.fragments.insert(name, Some(tally.clone()));
        Ok(tally)
    }

    fn field(
        &mut self,
        field: &'d Positioned<Field>,
        parent: Option<&'d str>,
        level: u32,
    ) -> Result<Tally<'d>, Refusal> {
        let name = field.node.name.node.as_str();
        let known = parent.and_then(|parent| self.shape.field(parent, name));
        let below = self.set(&field.node.selection_set.node, known.map(|known| known.of.as_str()), level + 1)?;
        let rows = match known.and_then(|known| known.page) {
            Some(usual) => self.rows(&field.node, usual)?,
            None => 1,
        };
        let introspection = name.starts_with("__");
        if !introspection {
            self.repeats(&below, field.pos)?;
        }
        let opens = matches!(name, "__schema" | "__type");
        if opens && below.lists > self.limits.introspection_lists {
            return Err(Refusal::document(
                "QUERY_TOO_DEEP",
                format!(
                    "Below `{name}` the lists `fields`, `inputFields`, `interfaces` and `possibleTypes` nest {} deep; at most {} are allowed.",
                    below.lists, self.limits.introspection_lists
                ),
            )
            .at(field.pos));
        }
        let listed = below.listed.saturating_mul(self.usually_listed(name)).saturating_add(1);
        let alias = u64::from(field.node.alias.is_some());
        Ok(Tally {
            nodes: below.nodes,
            depth: if introspection { 0 } else { below.depth.saturating_add(1) },
            aliases: if introspection { alias } else { below.aliases.saturating_add(alias) },
            directives: below.directives,
            cost: if introspection { 0 } else { below.cost.saturating_mul(rows).saturating_add(1) },
            introspections: below.introspections.saturating_add(u64::from(opens)),
            lists: below.lists + u32::from(matches!(name, "fields" | "inputFields" | "interfaces" | "possibleTypes")),
            listed,
            introspected: if opens { listed } else { below.introspected },
            names: BTreeMap::from([(name, BTreeSet::from([field.node.response_key().node.as_str()]))]),
        })
    }

    /// How many values a field of introspection lists, about.
    fn usually_listed(&self, name: &str) -> u64 {
        match name {
            "types" => self.shape.types(),
            "fields" | "inputFields" | "enumValues" | "directives" => 8,
            "args" | "interfaces" | "possibleTypes" => 2,
            _ => 1,
        }
    }

    /// Rows that a paged field asks for. Errors: more than a page may hold, or fewer than none.
    fn rows(&self, field: &Field, usual: u64) -> Result<u64, Refusal> {
        let limit = self.limits.page_of(&field.name.node);
        let mut rows = None;
        for argument in ["first", "last"] {
            let Some(value) = field.get_argument(argument) else { continue };
            let Some(number) = self.number(&value.node) else { continue };
            if self.variables.is_some() && !(1..=i128::from(limit)).contains(&number) {
                return Err(Refusal::document(
                    "VALIDATION_ERROR",
                    format!(
                        "{argument}: `{}` takes 1 to {limit} rows a page; ask for more with `after`.",
                        field.name.node
                    ),
                )
                .about(argument)
                .at(value.pos));
            }
            rows = Some(u64::try_from(number).unwrap_or(0));
        }
        Ok(rows.unwrap_or(usual))
    }

    /// The integer that an argument has, literally or by variable; `None` for null, absent, and what validation will refuse.
    fn number(&self, value: &Value) -> Option<i128> {
        match value {
            Value::Number(number) => integer(number),
            Value::Variable(name) => {
                let given = self.variables.and_then(|variables| variables.get(name));
                let definition = self.operation.variable_definitions.iter().find(|it| it.node.name.node == *name);
                let default = definition.and_then(|it| it.node.default_value.as_ref()).map(|value| &value.node);
                match given.or(default)? {
                    ConstValue::Number(number) => integer(number),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

fn integer(number: &async_graphql_value::Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}
