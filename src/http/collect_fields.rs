//! Merges equal selections with the same response name, so that a resolver runs once and `mutation { a a }` has one
//! effect.
//!
//! - Only selections that the specification allows to merge are merged: same response name, field and arguments, no
//!   directives.
//! - Fragments on the type they are spread in are expanded first; other fragments stay, and at most read twice.
//! - The executor's validation skips `__typename`; its directives move to an inline fragment around it, where they are
//!   validated.
//! - The document must have passed the limits before: fragments are acyclic and their expansion is bounded.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Positioned,
    parser::types::{
        DocumentOperations, ExecutableDocument, Field, FragmentDefinition, InlineFragment, OperationDefinition,
        OperationType, Selection, SelectionSet,
    },
};
use schema::{error_code::ErrorCode, schema_index::SchemaIndex};

use super::refusal::Refusal;

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// Merges equal selections throughout the document, for the schema described by `index`.
///
/// Errors: a mutation that would still run one field twice under one name.
pub fn collect_fields(index: &SchemaIndex, mut document: ExecutableDocument) -> Result<ExecutableDocument, Refusal> {
    let merger = Merger { index, fragments: document.fragments.clone() };
    let before = reachable(&document);
    match &mut document.operations {
        DocumentOperations::Single(operation) => merger.operation(operation)?,
        DocumentOperations::Multiple(operations) => {
            for operation in operations.values_mut() {
                merger.operation(operation)?;
            }
        }
    }
    for fragment in document.fragments.values_mut() {
        let on = fragment.node.type_condition.node.on.node.to_string();
        merger.set(&mut fragment.node.selection_set.node, Some(&on));
    }
    // A fragment that was used and is now expanded everywhere must not be reported as unused; one that never was must.
    let after = reachable(&document);
    document.fragments.retain(|name, _| after.contains(name) || !before.contains(name));
    Ok(document)
}

struct Merger<'s> {
    index: &'s SchemaIndex,
    fragments: Fragments,
}

impl Merger<'_> {
    fn operation(&self, operation: &mut Positioned<OperationDefinition>) -> Result<(), Refusal> {
        let root = self.index.root(operation.node.ty);
        self.set(&mut operation.node.selection_set.node, Some(root));
        if operation.node.ty == OperationType::Mutation {
            self.runs_once(&operation.node.selection_set.node, &mut HashSet::new())?;
        }
        Ok(())
    }

    fn set(&self, set: &mut SelectionSet, parent: Option<&str>) {
        let mut flat = Vec::with_capacity(set.items.len());
        self.flatten(std::mem::take(&mut set.items), parent, &mut flat);
        let mut seen: HashMap<Name, usize> = HashMap::new();
        for item in flat {
            if let Selection::Field(field) = &item.node
                && field.node.directives.is_empty()
            {
                let key = field.node.response_key().node.clone();
                if let Some(Selection::Field(first)) =
                    seen.get(&key).and_then(|index| set.items.get_mut(*index)).map(|first| &mut first.node)
                    && same(&first.node, &field.node)
                {
                    let below = field.node.selection_set.node.items.iter().cloned();
                    first.node.selection_set.node.items.extend(below);
                    continue;
                }
                seen.entry(key).or_insert(set.items.len());
            }
            set.items.push(with_directives_around(item));
        }
        for item in &mut set.items {
            match &mut item.node {
                Selection::Field(field) => {
                    let of = parent
                        .and_then(|parent| self.index.field(parent, &field.node.name.node))
                        .map(|known| known.of.as_str());
                    self.set(&mut field.node.selection_set.node, of);
                }
                Selection::InlineFragment(inline) => {
                    let on = inline.node.type_condition.as_ref().map(|on| on.node.on.node.to_string());
                    self.set(&mut inline.node.selection_set.node, on.as_deref().or(parent));
                }
                Selection::FragmentSpread(_) => {}
            }
        }
    }

    /// Replaces fragments on `parent` itself by what they select.
    fn flatten(&self, items: Vec<Positioned<Selection>>, parent: Option<&str>, into: &mut Vec<Positioned<Selection>>) {
        for item in items {
            match &item.node {
                Selection::InlineFragment(inline)
                    if inline.node.directives.is_empty()
                        && inline
                            .node
                            .type_condition
                            .as_ref()
                            .is_none_or(|on| parent == Some(on.node.on.node.as_str())) =>
                {
                    self.flatten(inline.node.selection_set.node.items.clone(), parent, into);
                }
                Selection::FragmentSpread(spread) if spread.node.directives.is_empty() => {
                    match self.fragments.get(&spread.node.fragment_name.node) {
                        Some(fragment)
                            if fragment.node.directives.is_empty()
                                && parent == Some(fragment.node.type_condition.node.on.node.as_str()) =>
                        {
                            self.flatten(fragment.node.selection_set.node.items.clone(), parent, into);
                        }
                        _ => into.push(item),
                    }
                }
                _ => into.push(item),
            }
        }
    }

    /// Errors: a response name with more than one selection at a mutation's root.
    fn runs_once<'a>(&'a self, set: &'a SelectionSet, seen: &mut HashSet<&'a str>) -> Result<(), Refusal> {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    let key = field.node.response_key();
                    if !seen.insert(&key.node) {
                        return Err(Refusal::document(
                            ErrorCode::GraphqlValidationFailed,
                            format!(
                                "The mutation selects `{}` twice and the selections cannot be merged. Select it once, or use an alias.",
                                key.node
                            ),
                        )
                        .at(key.pos));
                    }
                }
                Selection::InlineFragment(inline) => self.runs_once(&inline.node.selection_set.node, seen)?,
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = self.fragments.get(&spread.node.fragment_name.node) {
                        self.runs_once(&fragment.node.selection_set.node, seen)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// `__typename @include(if: $b)` as `... @include(if: $b) { __typename }`; everything else unchanged.
fn with_directives_around(mut item: Positioned<Selection>) -> Positioned<Selection> {
    let Selection::Field(field) = &mut item.node else { return item };
    if field.node.name.node != "__typename" || field.node.directives.is_empty() {
        return item;
    }
    let (pos, directives) = (item.pos, std::mem::take(&mut field.node.directives));
    let selection_set = Positioned::new(SelectionSet { items: vec![item] }, pos);
    let around = InlineFragment { type_condition: None, directives, selection_set };
    Positioned::new(Selection::InlineFragment(Positioned::new(around, pos)), pos)
}

fn same(one: &Field, other: &Field) -> bool {
    one.directives.is_empty()
        && one.name.node == other.name.node
        && one.arguments.len() == other.arguments.len()
        && one
            .arguments
            .iter()
            .all(|(name, value)| other.get_argument(&name.node).is_some_and(|theirs| theirs.node == value.node))
}

/// Names of the fragments that operations spread, directly or through other fragments.
fn reachable(document: &ExecutableDocument) -> HashSet<Name> {
    let mut names = HashSet::new();
    let mut open: Vec<&SelectionSet> =
        document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node).collect();
    while let Some(set) = open.pop() {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => open.push(&field.node.selection_set.node),
                Selection::InlineFragment(inline) => open.push(&inline.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if names.insert(name.clone())
                        && let Some(fragment) = document.fragments.get(name)
                    {
                        open.push(&fragment.node.selection_set.node);
                    }
                }
            }
        }
    }
    names
}
