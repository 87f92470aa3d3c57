//! Selections with the same response name must be mergeable, also if they come from fragments on different types
//! (specification: "Field Selection Merging"). The executor only compares selections of one fragment.
//!
//! - Types that cannot be the same object may use a name for different fields, but never for values of different shape.
//! - The document must have passed the limits before: fragments are acyclic and their expansion is bounded.

use std::collections::{BTreeMap, HashSet};

use async_graphql::{
    Positioned,
    parser::types::{BaseType, ExecutableDocument, Field, Selection, SelectionSet, Type},
};
use schema::{
    error_code::ErrorCode,
    schema_index::{FieldInfo, SchemaIndex},
};

use super::refusal::Refusal;

/// Maximum number of selections compared: those below interfaces are compared once per type that shares them.
const MAX_STEPS: usize = 100_000;

/// Checks every operation of a document. Errors: the first conflict.
pub fn fields_can_merge(index: &SchemaIndex, document: &ExecutableDocument) -> Result<(), Refusal> {
    for (_, operation) in document.operations.iter() {
        let mut walk = Walk { index, document, steps: 0 };
        walk.sets(&[(Some(index.root(operation.node.ty)), &operation.node.selection_set.node)], true)?;
    }
    Ok(())
}

/// A field, the type it is selected on, and its definition in the schema.
#[derive(Clone, Copy)]
struct Found<'d> {
    parent: Option<&'d str>,
    field: &'d Positioned<Field>,
    known: Option<&'d FieldInfo>,
}

impl<'d> Found<'d> {
    fn below(&self) -> (Option<&'d str>, &'d SelectionSet) {
        (self.known.map(|known| known.of.as_str()), &self.field.node.selection_set.node)
    }
}

type Groups<'d> = BTreeMap<&'d str, Vec<Found<'d>>>;

struct Walk<'d> {
    index: &'d SchemaIndex,
    document: &'d ExecutableDocument,
    steps: usize,
}

impl<'d> Walk<'d> {
    /// Checks selection sets that apply to one object or, unless `same`, to objects of different types.
    fn sets(&mut self, sets: &[(Option<&'d str>, &'d SelectionSet)], same: bool) -> Result<(), Refusal> {
        let mut groups = Groups::new();
        let mut fragments = HashSet::new();
        for (parent, set) in sets {
            self.collect(*parent, set, &mut fragments, &mut groups)?;
        }
        groups.iter().try_for_each(|(name, fields)| self.group(name, fields, same))
    }

    fn collect(
        &mut self,
        parent: Option<&'d str>,
        set: &'d SelectionSet,
        fragments: &mut HashSet<&'d str>,
        groups: &mut Groups<'d>,
    ) -> Result<(), Refusal> {
        for item in &set.items {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return Err(Refusal::document(
                    ErrorCode::QueryTooLarge,
                    "The document selects too many fields below interfaces. Select fewer types or fields at once.",
                ));
            }
            match &item.node {
                Selection::Field(field) => {
                    let known = parent.and_then(|parent| self.index.field(parent, &field.node.name.node));
                    let name = field.node.response_key().node.as_str();
                    groups.entry(name).or_default().push(Found { parent, field, known });
                }
                Selection::InlineFragment(inline) => {
                    let on = inline.node.type_condition.as_ref().map(|on| on.node.on.node.as_str());
                    self.collect(on.or(parent), &inline.node.selection_set.node, fragments, groups)?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = self.document.fragments.get(name)
                        && fragments.insert(name)
                    {
                        let on = fragment.node.type_condition.node.on.node.as_str();
                        self.collect(Some(on), &fragment.node.selection_set.node, fragments, groups)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn group(&mut self, name: &str, fields: &[Found<'d>], same: bool) -> Result<(), Refusal> {
        let [first, others @ ..] = fields else { return Ok(()) };
        for other in others {
            if let (Some(one), Some(two)) = (type_of(first), type_of(other))
                && !self.alike(&one, &two)
            {
                return Err(conflict(name, &format!("`{one}` and `{two}`"), other));
            }
        }
        let mut by_type: BTreeMap<&str, Vec<Found<'d>>> = BTreeMap::new();
        let mut shared = Vec::new();
        for field in fields {
            match field.parent.filter(|parent| self.index.is_object(parent)) {
                Some(parent) => by_type.entry(parent).or_default().push(*field),
                None => shared.push(*field),
            }
        }
        let one_object = same && by_type.len() + usize::from(!shared.is_empty() && by_type.is_empty()) <= 1;
        if one_object {
            identical(name, fields)?;
        }
        let below: Vec<_> = fields.iter().map(Found::below).collect();
        self.sets(&below, one_object)?;
        if same && !one_object {
            for own in by_type.values() {
                let together: Vec<_> = shared.iter().chain(own).copied().collect();
                identical(name, &together)?;
                let below: Vec<_> = together.iter().map(Found::below).collect();
                self.sets(&below, true)?;
            }
        }
        Ok(())
    }

    /// Whether values of two types have the same index: the same lists and non-null markers around the same leaf type,
    /// or around objects.
    fn alike(&self, one: &Type, other: &Type) -> bool {
        one.nullable == other.nullable
            && match (&one.base, &other.base) {
                (BaseType::List(one), BaseType::List(other)) => self.alike(one, other),
                (BaseType::Named(one), BaseType::Named(other)) => {
                    one == other || (self.index.is_composite(one) && self.index.is_composite(other))
                }
                _ => false,
            }
    }
}

fn type_of(found: &Found<'_>) -> Option<Type> {
    match found.known {
        Some(known) => Some(known.ty.clone()),
        None if found.field.node.name.node == "__typename" => Type::new("String!"),
        None => None,
    }
}

/// Errors: one response name for different fields, or for one field with different arguments.
fn identical(name: &str, fields: &[Found<'_>]) -> Result<(), Refusal> {
    let [first, others @ ..] = fields else { return Ok(()) };
    for other in others {
        let (one, two) = (&first.field.node, &other.field.node);
        if one.name.node != two.name.node {
            return Err(conflict(name, &format!("the fields `{}` and `{}`", one.name.node, two.name.node), other));
        }
        let given = |value: &Field| value.arguments.len();
        let agree = given(one) == given(two)
            && one
                .arguments
                .iter()
                .all(|(name, value)| two.get_argument(&name.node).is_some_and(|theirs| theirs.node == value.node));
        if !agree {
            return Err(conflict(name, &format!("`{}` with different arguments", one.name.node), other));
        }
    }
    Ok(())
}

fn conflict(name: &str, what: &str, at: &Found<'_>) -> Refusal {
    let message = format!("The response name `{name}` would refer to {what}. Use a different alias for one of them.");
    Refusal::document(ErrorCode::GraphqlValidationFailed, message).at(at.field.pos)
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn verdict(text: &str) -> Result<(), String> {
        let index = SchemaIndex::read(
            "type Query { pet: Pet pets: [Pet!]! dog: Dog }
             interface Pet { name: String! friend: Pet }
             type Dog implements Pet { name: String! friend: Pet owner: Person barks: Int! age: Int tags: [String!] }
             type Cat implements Pet { name: String! friend: Pet owner: Person meows: Int age: Float tags: String }
             type Person { name: String! email: String! height(unit: String): Int! }",
        )
        .expect("a schema");
        fields_can_merge(&index, &parse_query(text).expect("a document")).map_err(|refusal| refusal.message)
    }

    #[test]
    fn one_name_holds_one_index_whatever_the_types() {
        for (text, word) in [
            ("{ pet { ... on Dog { age } ... on Cat { age } } }", "`Int` and `Float`"),
            ("{ pet { ... on Dog { tags } ... on Cat { tags } } }", "`[String!]` and `String`"),
            ("{ pet { ... on Dog { x: barks } ... on Cat { x: meows } } }", "`Int!` and `Int`"),
            ("{ pet { ... on Dog { x: owner { name } } ... on Cat { x: age } } }", "`Person` and `Float`"),
            (
                "{ pet { ...D ...C } } fragment D on Dog { owner { x: name } } fragment C on Cat { owner { x: height } }",
                "`String!` and `Int!`",
            ),
            ("{ pet { x: __typename ... on Cat { x: name } } }", "the fields `__typename` and `name`"),
            ("{ pet { friend { x: name } ... on Cat { friend { ... on Dog { x: __typename } } } } }", "the fields"),
            ("{ dog { owner { x: name } owner @include(if: true) { x: email } } }", "the fields `name` and `email`"),
            (
                "{ dog { owner { height } ... @skip(if: false) { owner { height(unit: \"m\") } } } }",
                "different arguments",
            ),
            ("{ __schema { types { x: name ... on __Type { x: description } } } }", "the fields"),
        ] {
            let message = verdict(text).expect_err(text);
            assert!(message.contains(word), "{text}: {message}");
        }
    }

    #[test]
    fn types_that_exclude_each_other_may_share_a_name() {
        for text in [
            "{ pet { ... on Dog { x: name } ... on Cat { x: __typename } } }",
            "{ pet { ... on Dog { owner { x: name } } ... on Cat { owner { x: email } } } }",
            "{ pet { name ... on Dog { name } ...F ...F } } fragment F on Cat { name friend { name } }",
            "{ pet { friend { name } ... on Cat { friend { name ... on Dog { barks } } } } }",
            "{ a: dog { age } b: dog { age: barks } }",
        ] {
            assert_eq!(verdict(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_would_multiply_by_the_types_is_cut_short() {
        let deep = (0..14).fold("name".to_owned(), |inner, _| {
            format!("friend {{ {inner} }} ... on Dog {{ friend {{ name }} }} ... on Cat {{ friend {{ name }} }}")
        });
        let message = verdict(&format!("{{ pet {{ {deep} }} }}")).expect_err("a refusal");
        assert!(message.contains("too many"), "{message}");
    }
}
