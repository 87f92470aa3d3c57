//! Measures one operation of a document against the limits: selections, levels, aliases, directives, values and cost.
//!
//! - Steps are counted over the whole document, so that nested fragments cannot multiply the work.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use async_graphql::{
    Name, Pos, Positioned, Value as ConstValue,
    parser::types::{
        Directive, ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
    },
};
use async_graphql_value::Value;
use schema::{error_code::ErrorCode, schema_index::SchemaIndex};

use super::{
    limits::{Limits, NODES, over},
    price::{Buckets, Given, cost_of},
    refusal::Refusal,
};

/// Maximum number of selections measured or copied from a fragment in a whole document.
const MAX_STEPS: u64 = 20_000;

/// Number of steps so far.
#[derive(Debug, Default)]
pub struct Spent(u64);

/// Measures of a selection set with its fragments expanded. Sums saturate.
#[derive(Debug, Clone, Default)]
pub struct Tally<'d> {
    /// Selections.
    pub nodes: u64,
    /// Values in arguments.
    pub values: u64,
    /// Selections of the set itself, those of its fragments included.
    width: u64,
    depth: u32,
    aliases: u64,
    directives: u64,
    /// Cost.
    pub cost: u64,
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
        self.values = self.values.saturating_add(other.values);
        self.width = self.width.saturating_add(other.width);
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

/// Measures one operation, or fragments outside all operations.
pub struct Gauge<'d> {
    limits: &'d Limits,
    index: &'d SchemaIndex,
    document: &'d ExecutableDocument,
    given: &'d Given<'d>,
    buckets: Buckets<'d>,
    spent: &'d mut Spent,
    /// The operation; its variables are the ones that exist.
    pub operation: Option<&'d OperationDefinition>,
    /// Whether it is the operation to execute. Page sizes of others are not checked.
    pub is_selected: bool,
    defined: HashSet<&'d str>,
    /// The number of buckets of the analytics fields so far, and which of them encloses the current selection.
    ranges: Vec<Option<ConstValue>>,
    range: usize,
    /// By name and range. `None` while the fragment is being measured; reaching it then is a cycle.
    fragments: HashMap<(&'d str, usize), Option<Tally<'d>>>,
}

/// Maximum nesting of fields, fragments and inline fragments while measuring; the parser allows no more within one
/// definition.
const DEEPEST_WALK: u32 = 200;

impl<'d> Gauge<'d> {
    /// Creates the gauge.
    pub fn new(
        limits: &'d Limits,
        index: &'d SchemaIndex,
        document: &'d ExecutableDocument,
        given: &'d Given<'d>,
        buckets: Buckets<'d>,
        spent: &'d mut Spent,
    ) -> Self {
        Self {
            limits,
            index,
            document,
            given,
            buckets,
            spent,
            operation: None,
            is_selected: false,
            defined: HashSet::new(),
            ranges: vec![None],
            range: 0,
            fragments: HashMap::new(),
        }
    }

    /// Measures a whole operation. Errors: an exceeded limit, a fragment cycle, an undefined variable.
    pub fn whole(&mut self, operation: &'d OperationDefinition) -> Result<Tally<'d>, Refusal> {
        self.defined = operation.variable_definitions.iter().map(|it| it.node.name.node.as_str()).collect();
        let values = self.directives(&operation.directives)?;
        let mut tally = self.set(&operation.selection_set.node, Some(self.index.root(operation.ty)), 0)?;
        tally.values = tally.values.saturating_add(values);
        Ok(tally)
    }

    fn step(&mut self, count: u64) -> Result<(), Refusal> {
        self.spent.0 = self.spent.0.saturating_add(count);
        if self.spent.0 <= MAX_STEPS {
            return Ok(());
        }
        Err(Refusal::document(
            ErrorCode::QueryTooLarge,
            "The document has too many selections in nested fragments. Spread fewer of them.",
        ))
    }

    /// Errors: a limit that the operation as a whole exceeds.
    pub fn verdict(&self, tally: &Tally<'d>, operation: &Positioned<OperationDefinition>) -> Result<(), Refusal> {
        let limits = self.limits;
        let at = |refusal: Refusal| refusal.at(operation.pos);
        over(tally.depth.into(), limits.depth.into(), ErrorCode::QueryTooDeep, "levels of fields").map_err(at)?;
        over(tally.aliases, limits.aliases, ErrorCode::TooManyAliases, "aliases").map_err(at)?;
        let roots = tally.names.values().map(BTreeSet::len).sum::<usize>();
        over(roots as u64, limits.root_fields as u64, ErrorCode::TooManyRootFields, "root fields").map_err(at)?;
        self.repeats(tally, operation.pos)?;
        over(tally.directives, limits.directives, ErrorCode::TooManyDirectives, "directives").map_err(at)?;
        if operation.node.ty == OperationType::Mutation {
            over(roots as u64, limits.mutations as u64, ErrorCode::TooManyMutations, "mutations").map_err(at)?;
        }
        let introspections = "selections of `__schema` and `__type`";
        over(tally.introspections, limits.introspections, ErrorCode::QueryTooLarge, introspections).map_err(at)?;
        let values = "values to list below `__schema` and `__type`";
        over(tally.introspected, limits.introspection_values, ErrorCode::QueryTooLarge, values).map_err(at)
    }

    fn repeats(&self, tally: &Tally<'d>, place: Pos) -> Result<(), Refusal> {
        match tally.names.iter().find(|(_, names)| names.len() > self.limits.repeats) {
            None => Ok(()),
            Some((field, names)) => Err(Refusal::document(
                ErrorCode::TooManyRepeats,
                format!(
                    "The field `{field}` must be selected at most {1} times below one parent (got {0}).",
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
                ErrorCode::QueryTooDeep,
                format!("The document must have at most {} levels of fields.", self.limits.depth),
            ));
        }
        let mut sum = Tally::default();
        for selection in &set.items {
            self.step(1)?;
            let directives = selection.node.directives().len();
            if directives > self.limits.directives_per_field {
                return Err(Refusal::document(
                    ErrorCode::TooManyDirectives,
                    format!(
                        "A selection must have at most {} directives (got {directives}).",
                        self.limits.directives_per_field
                    ),
                )
                .at(selection.pos));
            }
            let values = self.directives(selection.node.directives())?;
            let mut tally = match &selection.node {
                Selection::Field(field) => self.field(field, parent, level)?,
                Selection::InlineFragment(inline) => {
                    let parent =
                        inline.node.type_condition.as_ref().map_or(parent, |on| Some(on.node.on.node.as_str()));
                    self.set(&inline.node.selection_set.node, parent, level + 1)?
                }
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, level)?,
            };
            match &selection.node {
                Selection::Field(_) => tally.width = 1,
                // The selections of a fragment are copied into the enclosing set.
                _ => self.step(tally.width)?,
            }
            tally.nodes = tally.nodes.saturating_add(1);
            tally.values = tally.values.saturating_add(values);
            tally.directives = tally.directives.saturating_add(directives as u64);
            sum.add(&tally);
            over(sum.nodes, self.limits.nodes, ErrorCode::QueryTooLarge, NODES)?;
        }
        Ok(sum)
    }

    /// Measures a fragment. Errors: as [`Gauge::whole`].
    pub fn fragment(&mut self, name: &'d Name, level: u32) -> Result<Tally<'d>, Refusal> {
        let key = (name.as_str(), self.range);
        match self.fragments.get(&key) {
            Some(Some(tally)) => return Ok(tally.clone()),
            Some(None) => {
                return Err(Refusal::document(
                    ErrorCode::GraphqlValidationFailed,
                    format!("The fragment `{name}` must not spread itself, directly or through another fragment."),
                ));
            }
            None => {}
        }
        // A spread of an unknown fragment counts nothing; validation reports it.
        let Some(fragment) = self.document.fragments.get(name) else { return Ok(Tally::default()) };
        self.fragments.insert(key, None);
        let on = fragment.node.type_condition.node.on.node.as_str();
        let tally = self.set(&fragment.node.selection_set.node, Some(on), level + 1)?;
        self.fragments.insert(key, Some(tally.clone()));
        Ok(tally)
    }

    fn field(
        &mut self,
        field: &'d Positioned<Field>,
        parent: Option<&'d str>,
        level: u32,
    ) -> Result<Tally<'d>, Refusal> {
        let name = field.node.name.node.as_str();
        let known = parent.and_then(|parent| self.index.field(parent, name));
        let values = field.node.arguments.iter().map(|(_, value)| &value.node);
        for value in values.clone() {
            self.defined_in(value, field.pos)?;
        }
        let arguments = self.given.arguments(values);
        let around = self.range;
        if let Some(range) = field.node.get_argument("range") {
            self.range = self.ranges.len();
            self.ranges.push(self.given.resolved(&range.node));
        }
        let below = self.set(&field.node.selection_set.node, known.map(|known| known.of.as_str()), level + 1);
        self.range = around;
        let below = below?;
        let items = match known {
            None => 1,
            Some(known) => {
                let range = self.ranges.get(self.range).and_then(Option::as_ref);
                self.given.items((&field.node, known), self.limits, range, self.buckets, self.is_selected)?
            }
        };
        let introspection = name.starts_with("__");
        if !introspection {
            self.repeats(&below, field.pos)?;
        }
        let opens = matches!(name, "__schema" | "__type");
        if opens && below.lists > self.limits.introspection_lists {
            return Err(Refusal::document(
                ErrorCode::QueryTooDeep,
                format!(
                    "Below `{name}` the lists `fields`, `inputFields`, `interfaces` and `possibleTypes` must nest at most {1} deep (got {0}).",
                    below.lists, self.limits.introspection_lists
                ),
            )
            .at(field.pos));
        }
        let listed = below.listed.saturating_mul(self.usually_listed(name)).saturating_add(1);
        let alias = u64::from(field.node.alias.is_some());
        Ok(Tally {
            nodes: below.nodes,
            values: below.values.saturating_add(arguments.values),
            width: 0,
            depth: if introspection { 0 } else { below.depth.saturating_add(1) },
            aliases: if introspection { alias } else { below.aliases.saturating_add(alias) },
            directives: below.directives,
            cost: if introspection { 0 } else { cost_of(known, items, below.cost, arguments.cost) },
            introspections: below.introspections.saturating_add(u64::from(opens)),
            lists: below.lists + u32::from(matches!(name, "fields" | "inputFields" | "interfaces" | "possibleTypes")),
            listed,
            introspected: if opens { listed } else { below.introspected },
            names: BTreeMap::from([(name, BTreeSet::from([field.node.response_key().node.as_str()]))]),
        })
    }

    /// Approximate number of values that an introspection field lists.
    fn usually_listed(&self, name: &str) -> u64 {
        match name {
            "types" => self.index.types(),
            "fields" | "inputFields" | "enumValues" | "directives" => 8,
            "args" | "interfaces" | "possibleTypes" => 2,
            _ => 1,
        }
    }

    /// Values in the arguments of directives. Errors: a variable that is not defined.
    fn directives(&self, directives: &'d [Positioned<Directive>]) -> Result<u64, Refusal> {
        let mut values = 0_u64;
        for directive in directives {
            for (_, value) in &directive.node.arguments {
                self.defined_in(&value.node, value.pos)?;
            }
            let size = self.given.arguments(directive.node.arguments.iter().map(|(_, value)| &value.node));
            values = values.saturating_add(size.values);
        }
        Ok(values)
    }

    /// Errors: a value with a variable that the operation does not define. (The validator would report each use.)
    fn defined_in(&self, value: &Value, place: Pos) -> Result<(), Refusal> {
        match value {
            Value::Variable(name) if self.operation.is_some() && !self.defined.contains(name.as_str()) => {
                let message = format!("The variable `${name}` is not defined by the operation.");
                Err(Refusal::document(ErrorCode::GraphqlValidationFailed, message).at(place))
            }
            Value::List(items) => items.iter().try_for_each(|item| self.defined_in(item, place)),
            Value::Object(members) => members.values().try_for_each(|member| self.defined_in(member, place)),
            _ => Ok(()),
        }
    }
}
