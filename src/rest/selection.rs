//! Compiles a selection set, its projection directives and the schema to a projection; a mismatch stops the server.
//!
//! - `@nest(as:)` on an inline fragment makes an object of its fields.
//! - `@flatten` on an object field inlines its fields; on a JSON field, the members of the object that it contains.
//! - `@echo(variable:)` on `__typename` returns the value of a variable as spelled by the caller.
//! - `@constant(value:)` on `__typename` returns the value, a boolean, number or string.
//! - `@walk(cursor:)` on `pageInfo` is not shown; the adapter fetches further pages with that variable until the last.
//! - `@optional` on a leaf omits it if it is null.
//! - `@orElse(number:)` on a leaf replaces null, where the contract shows numbers only.
//! - `@nonNull` on a leaf that is null only beside an error describes it as never null: REST then answers the error.
//! - `@spell(as:)`, `@firstWord`, `@percent`, `@round(digits:)` and `@prefix(with:)` change leaves, in the order written.

use async_graphql::{
    Positioned, Value,
    parser::types::{BaseType, Directive, Field, FragmentDefinition, Selection, SelectionSet, Type},
};

use schema::schema_index::SchemaIndex;

use super::{
    document::Arguments,
    document_source::{Fragments, OWN_DIRECTIVES},
    pagination::Walk,
    projection::{Shape, Slot, Source, Step},
};

/// State of the compilation of one operation.
pub struct Selecting<'a> {
    /// The schema.
    pub index: &'a SchemaIndex,
    /// The document's fragments.
    pub fragments: &'a Fragments,
    /// Names of the operation's variables, in order.
    pub variables: Vec<String>,
    /// Connections to walk.
    pub walks: Vec<Walk>,
    /// For each variable, the description of the argument it is first used for.
    pub uses: Vec<Option<String>>,
}

/// Position of a selection set in the result.
#[derive(Clone)]
struct Place {
    parent: String,
    /// Response keys from the root; `None` once inside a list.
    path: Option<Vec<String>>,
    optional: bool,
    depth: usize,
}

impl Selecting<'_> {
    /// Compiles the selection set of the root.
    pub fn root(&mut self, set: &SelectionSet, root: &str) -> Result<Vec<Slot>, String> {
        let place = Place { parent: root.to_owned(), path: Some(Vec::new()), optional: false, depth: 0 };
        let slots = self.set(set, &place)?;
        unique(&slots)?;
        Ok(slots)
    }

    fn set(&mut self, set: &SelectionSet, place: &Place) -> Result<Vec<Slot>, String> {
        if place.depth > 32 {
            return Err("is nested deeper than 32, or a fragment holds itself".to_owned());
        }
        let mut slots = Vec::new();
        for item in &set.items {
            let mut place = place.clone();
            place.optional |= self.condition(item.node.directives())?;
            match &item.node {
                Selection::Field(field) => slots.extend(self.field(&field.node, set, &place)?),
                Selection::InlineFragment(fragment) => {
                    let on = fragment.node.type_condition.as_ref().map(|on| on.node.on.node.as_str());
                    let nest = own(&fragment.node.directives, &["nest"])?;
                    let inner = self.set(&fragment.node.selection_set.node, &place.within(on))?;
                    match nest.first() {
                        None => slots.extend(inner),
                        Some(nest) => {
                            unique(&inner)?;
                            let mut arguments = Arguments::from_directive(nest);
                            let key = arguments.text("as")?.ok_or("@nest needs `as`")?;
                            arguments.end()?;
                            slots.push(Slot::new(&key, Source::Nest(inner), false, None));
                        }
                    }
                }
                Selection::FragmentSpread(spread) => {
                    own(&spread.node.directives, &[])?;
                    let name = &spread.node.fragment_name.node;
                    let fragments = self.fragments.clone();
                    let FragmentDefinition { type_condition, selection_set, .. } =
                        fragments.get(name.as_str()).ok_or_else(|| format!("there is no fragment `{name}`"))?;
                    let on = Some(type_condition.node.on.node.as_str());
                    slots.extend(self.set(&selection_set.node, &place.within(on))?);
                }
            }
        }
        Ok(slots)
    }

    fn field(&mut self, field: &Field, siblings: &SelectionSet, place: &Place) -> Result<Option<Slot>, String> {
        let name = field.name.node.as_str();
        let key = field.response_key().node.to_string();
        if name == "__typename" {
            let source = match own(&field.directives, &["echo", "constant"])?.first() {
                Some(constant) if constant.name.node == "constant" => {
                    let mut arguments = Arguments::from_directive(constant);
                    let value = arguments.value("value")?.ok_or("@constant needs `value`")?;
                    arguments.end()?;
                    Source::Constant(value)
                }
                None => Source::Field { name: key.clone(), shape: leaf(Vec::new(), "String!")? },
                Some(echo) => {
                    let mut arguments = Arguments::from_directive(echo);
                    let variable = arguments.text("variable")?.ok_or("@echo needs `variable`")?;
                    arguments.end()?;
                    Source::Echo(self.variable(&variable)?)
                }
            };
            return Ok(Some(Slot::new(&key, source, place.optional, None)));
        }
        let parent = &place.parent;
        let index = self.index;
        let definition = index.field(parent, name).ok_or_else(|| format!("`{parent}` has no field `{name}`"))?;
        for (argument, known) in &definition.arguments {
            if known.is_required() && field.get_argument(argument).is_none() {
                return Err(format!("`{parent}.{name}` needs the argument `{argument}`"));
            }
        }
        for (argument, value) in &field.arguments {
            let known = definition.arguments.get(argument.node.as_str());
            let known = known.ok_or_else(|| format!("`{parent}.{name}` has no argument `{}`", argument.node))?;
            let about = known.description.as_deref();
            value.node.clone().into_const_with(|name| self.note_use(&name, about).map(|()| Value::Null))?;
        }
        let ty = &definition.ty;
        let is_list = matches!(ty.base, BaseType::List(_));
        let about = definition.description_without_access();
        if !index.is_composite(&definition.of) {
            if !field.selection_set.node.items.is_empty() {
                return Err(format!("`{parent}.{name}` has no fields to select"));
            }
            if definition.of == "JSON" && !is_list && field.directives.iter().any(|it| it.node.name.node == "flatten") {
                own(&field.directives, &["flatten"])?;
                return Ok(Some(Slot::new(&key, Source::Open(key.clone()), place.optional, about)));
            }
            let shape = Shape::Leaf { steps: steps(&field.directives)?, ty: ty.clone() };
            return Ok(Some(Slot::new(&key, Source::Field { name: key.clone(), shape }, place.optional, about)));
        }
        if field.selection_set.node.items.is_empty() {
            return Err(format!("`{parent}.{name}` needs fields to be selected"));
        }
        let path = place.path.clone().filter(|_| !is_list).map(|mut path| {
            path.push(key.clone());
            path
        });
        let inner = Place { parent: definition.of.clone(), path, optional: false, depth: place.depth + 1 };
        let slots = self.set(&field.selection_set.node, &inner)?;
        let directives = own(&field.directives, &["flatten", "walk"])?;
        match directives.first() {
            Some(walk) if walk.name.node == "walk" => {
                let walk = self.walk(walk, field, siblings, place)?;
                self.walks.push(walk);
                Ok(None)
            }
            Some(_) if is_list => Err(format!("`{parent}.{name}` is a list, which @flatten cannot take apart")),
            Some(_) => {
                let source = Source::Flat { name: key.clone(), slots, nullable: ty.nullable };
                Ok(Some(Slot::new(&key, source, place.optional, about)))
            }
            None => {
                unique(&slots)?;
                let shape = Shape::Object { slots, ty: ty.clone() };
                Ok(Some(Slot::new(&key, Source::Field { name: key.clone(), shape }, place.optional, about)))
            }
        }
    }

    fn walk(
        &self,
        directive: &Directive,
        field: &Field,
        siblings: &SelectionSet,
        place: &Place,
    ) -> Result<Walk, String> {
        let key_of = |set: &SelectionSet, name: &str| {
            set.items
                .iter()
                .find_map(|item| match &item.node {
                    Selection::Field(field) if field.node.name.node == name => {
                        Some(field.node.response_key().node.to_string())
                    }
                    _ => None,
                })
                .ok_or_else(|| format!("@walk needs `{name}` to be selected"))
        };
        let mut arguments = Arguments::from_directive(directive);
        let cursor = arguments.text("cursor")?.ok_or("@walk needs `cursor`")?;
        arguments.end()?;
        Ok(Walk {
            connection: place.path.clone().ok_or("@walk cannot stand inside a list")?,
            nodes: key_of(siblings, "nodes")?,
            page_info: field.response_key().node.to_string(),
            has_next: key_of(&field.selection_set.node, "hasNextPage")?,
            end_cursor: key_of(&field.selection_set.node, "endCursor")?,
            variable: self.variable(&cursor)?,
        })
    }

    /// Reads `@skip` and `@include`: whether the selection may be absent. Other directives are refused.
    fn condition(&mut self, directives: &[Positioned<Directive>]) -> Result<bool, String> {
        let mut found = false;
        let foreign = directives.iter().map(|directive| &directive.node);
        for directive in foreign.filter(|directive| !OWN_DIRECTIVES.contains(&directive.name.node.as_str())) {
            if !["skip", "include"].contains(&directive.name.node.as_str()) {
                return Err(format!("there is no directive @{}", directive.name.node));
            }
            found = true;
            for (_, value) in &directive.arguments {
                value.node.clone().into_const_with(|name| self.note_use(&name, None).map(|()| Value::Null))?;
            }
        }
        Ok(found)
    }

    fn variable(&self, name: &str) -> Result<usize, String> {
        let found = self.variables.iter().position(|variable| variable == name);
        found.ok_or_else(|| format!("there is no variable `${name}`"))
    }

    fn note_use(&mut self, name: &str, about: Option<&str>) -> Result<(), String> {
        let index = self.variable(name)?;
        if let Some(slot @ None) = self.uses.get_mut(index) {
            *slot = Some(about.unwrap_or_default().to_owned());
        }
        Ok(())
    }
}

impl Place {
    fn within(&self, on: Option<&str>) -> Self {
        let mut inner = self.clone();
        inner.depth += 1;
        if let Some(on) = on
            && on != self.parent
        {
            inner.optional = true;
            on.clone_into(&mut inner.parent);
        }
        inner
    }
}

fn leaf(steps: Vec<Step>, ty: &str) -> Result<Shape, String> {
    Ok(Shape::Leaf { steps, ty: Type::new(ty).ok_or("not a type")? })
}

/// The adapter directives of a selection; misplaced ones are refused.
fn own<'a>(directives: &'a [Positioned<Directive>], fitting: &[&str]) -> Result<Vec<&'a Directive>, String> {
    let ours = directives.iter().map(|directive| &directive.node);
    let ours: Vec<_> = ours.filter(|directive| OWN_DIRECTIVES.contains(&directive.name.node.as_str())).collect();
    match ours.iter().find(|directive| !fitting.contains(&directive.name.node.as_str())) {
        Some(stray) => Err(format!("@{} cannot stand there", stray.name.node)),
        None => Ok(ours),
    }
}

fn steps(directives: &[Positioned<Directive>]) -> Result<Vec<Step>, String> {
    own(directives, &["spell", "firstWord", "percent", "round", "prefix", "optional", "nonNull", "orElse"])?
        .into_iter()
        .map(|directive| {
            let mut arguments = Arguments::from_directive(directive);
            let step = match directive.name.node.as_str() {
                "percent" => Step::Percent,
                "firstWord" => Step::FirstWord,
                "optional" => Step::OmitNull,
                "nonNull" => Step::NonNull,
                "orElse" => Step::OrElse(arguments.integer("number")?.ok_or("@orElse needs `number`")?),
                "prefix" => Step::Prefix(arguments.text("with")?.ok_or("@prefix needs `with`")?),
                "round" => {
                    let digits = arguments.integer("digits")?.unwrap_or(2);
                    Step::Round(u32::try_from(digits).map_err(|_| "@round needs `digits` of 0 or more")?)
                }
                _ => match arguments.word("as")?.as_deref() {
                    Some("LOWER") => Step::Lower,
                    Some("TITLE") => Step::Title,
                    Some("EVENT") => Step::Event,
                    _ => return Err("@spell needs `as: LOWER`, `as: TITLE` or `as: EVENT`".to_owned()),
                },
            };
            arguments.end()?;
            Ok(step)
        })
        .collect()
}

/// Refuses an object in which two members have one key.
fn unique(slots: &[Slot]) -> Result<(), String> {
    fn gather<'a>(slots: &'a [Slot], keys: &mut Vec<(&'a str, bool)>) {
        for slot in slots {
            match &slot.source {
                Source::Flat { slots, .. } => gather(slots, keys),
                // Its keys are not known here.
                Source::Open(_) => {}
                _ => keys.push((&slot.key, slot.optional)),
            }
        }
    }
    let mut keys = Vec::new();
    gather(slots, &mut keys);
    keys.sort_unstable();
    match keys.windows(2).find(|pair| matches!(pair, [a, b] if a.0 == b.0 && !(a.1 && b.1))) {
        Some([(key, _), ..]) => Err(format!("the key `{key}` stands twice in one object")),
        _ => Ok(()),
    }
}
