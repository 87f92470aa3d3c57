//! People: visitors who were identified with an ID of the application or an e-mail address, across their devices.
//!
//! - People are reached through their website only, by its members.

pub mod forgetting;
pub mod traits;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    access::{Reach as _, Site, Viewer, cx::Cx},
    analytics::{plan::Asker, query::FilterOperator, query_input::page_size, report::Money},
    connection::{DEFAULT_PAGE, MAX_PAGE, PageInfo},
    constraint::{Constrained, Constraint},
    error::{Error, Result},
    id::{Kind, opaque, read_opaque},
    list::List,
    ports::{PeoplePage, PeopleQuery, PersonEvents, PersonRow, Ports, TraitCondition},
    scalars::{BigInt, Instant, Json},
};
use traits::{EMAIL, MAX_NAME, USER_ID};

// Vocabulary

/// How well a visitor is known.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonBadge {
    /// A visitor who was never identified.
    Anonymous,
    /// A person without revenue.
    Identified,
    /// A person whose revenue in the website's currency is above 0.
    Paying,
}

/// A condition on a trait.
#[derive(InputObject, Debug, Clone)]
pub struct TraitConditionInput {
    /// Name of the trait, such as `plan`, `email` or `user_id`.
    #[graphql(directive = Constrained::apply(NAME))]
    pub name: String,
    /// Comparison operator. A missing trait is the empty text; numbers and booleans are compared as text.
    pub operator: FilterOperator,
    /// Values to compare with, combined with OR: 1 to 20 values of at most 1,000 characters each; regular expressions of
    /// at most 200 characters.
    #[graphql(directive = Constrained::apply(VALUES))]
    pub values: Vec<String>,
}

/// Which people to list. All conditions must hold.
#[derive(InputObject, Debug, Clone, Default)]
pub struct PersonFilterInput {
    /// Text that user ID, e-mail address, name or company contains, at most 200 characters. Case and accents are ignored.
    #[graphql(directive = Constrained::apply(SEARCH))]
    pub search: Option<String>,
    /// Conditions on traits, combined with AND, at most 10.
    #[graphql(directive = Constrained::apply(CONDITIONS))]
    pub traits: Option<Vec<TraitConditionInput>>,
    /// True for people with the badge PAYING only, false for all others; null for both.
    pub is_paying: Option<bool>,
}

/// A person: a visitor who was identified on a website, on any number of devices.
#[derive(Debug, Clone)]
pub struct Person {
    row: PersonRow,
    site: Site<Viewer>,
}

/// A person and its cursor.
#[derive(SimpleObject, Debug, Clone)]
pub struct PersonEdge {
    /// Opaque cursor of the row, for `after`.
    pub cursor: String,
    /// The person.
    pub node: Person,
}

/// A page of people, the last identified first.
#[derive(Debug, Clone)]
pub struct PersonConnection {
    people: Vec<Person>,
    more: bool,
    is_first: bool,
}

/// An event and its cursor.
#[derive(SimpleObject, Debug, Clone)]
pub struct PersonEventEdge {
    /// Opaque cursor of the row, for `after`.
    pub cursor: String,
    /// The event: an object of what is stored, with `at` (UTC) and `type`.
    pub node: Json,
}

/// A page of a person's events, the oldest first.
#[derive(Debug, Clone)]
pub struct PersonEventConnection {
    page: PersonEvents,
    is_first: bool,
}

// Rules

/// Name of a trait.
const NAME: Constraint = Constraint::length(1, MAX_NAME as u32);

/// Values of one condition.
const VALUES: Constraint = Constraint::list(20).not_empty().at_most(1_000);

/// Conditions of one filter.
const CONDITIONS: Constraint = Constraint::list(10);

/// A text to search for.
const SEARCH: Constraint = Constraint::ANY.at_most(200);

/// Maximum length of a regular expression, in characters.
const MAX_PATTERN: usize = 200;

/// First letter of a cursor. A new format gets a new letter.
const CURSOR: &str = "p1:";

fn cursor(row: &PersonRow) -> String {
    opaque(&format!("{CURSOR}{}:{}", row.identified_ms, row.person))
}

/// Reads [`cursor`]. Errors: `Invalid`, naming `after`.
fn read_cursor(cursor: &str) -> Result<(i64, Uuid)> {
    let place = || {
        let text = read_opaque(cursor)?;
        let (ms, person) = text.strip_prefix(CURSOR)?.split_once(':')?;
        Some((ms.parse().ok()?, person.parse().ok()?))
    };
    place().ok_or_else(|| Error::invalid("after", "must be a cursor of this list, such as `endCursor`"))
}

/// First letter of the cursor of an event.
const EVENT_CURSOR: &str = "e1:";

fn event_cursor((ms, id): (i64, u128)) -> String {
    opaque(&format!("{EVENT_CURSOR}{ms}:{id}"))
}

/// Reads [`event_cursor`]. Errors: `Invalid`, naming `after`.
fn read_event_cursor(cursor: &str) -> Result<(i64, u128)> {
    let place = || {
        let text = read_opaque(cursor)?;
        let (ms, id) = text.strip_prefix(EVENT_CURSOR)?.split_once(':')?;
        Some((ms.parse().ok()?, id.parse().ok()?))
    };
    place().ok_or_else(|| Error::invalid("after", "must be a cursor of this list, such as `endCursor`"))
}

/// A stored JSON object.
fn object(text: &str) -> Result<Json> {
    let value: Value = serde_json::from_str(text).map_err(Error::internal)?;
    async_graphql::Value::from_json(value).map(Json).map_err(Error::internal)
}

fn condition_of(input: TraitConditionInput) -> Result<TraitCondition> {
    let TraitConditionInput { name, operator, values } = input;
    NAME.check_length("filter.traits.name", &name)?;
    VALUES.check_items("filter.traits.values", values.len(), "values")?;
    if values.is_empty() {
        return Err(Error::invalid("filter.traits.values", "must have at least 1 value"));
    }
    let most = if operator == FilterOperator::Matches { MAX_PATTERN } else { VALUES.max_length() };
    match values.iter().map(|value| value.chars().count()).find(|length| *length > most) {
        Some(length) => {
            Err(Error::invalid("filter.traits.values", format!("must have at most {most} characters (got {length})")))
        }
        None => Ok(TraitCondition { name, operator, values }),
    }
}

fn query(site: &Site<Viewer>) -> PeopleQuery {
    let website = site.website();
    PeopleQuery {
        asker: Asker::Team(website.team_id),
        website: website.id,
        currency: website.currency.clone(),
        only: None,
        conditions: Vec::new(),
        search: None,
        is_paying: None,
        after: None,
        limit: 1,
    }
}

/// One page of a website's people. Errors: `Invalid`, naming the argument.
pub(crate) async fn page(
    ports: &Ports,
    site: &Site<Viewer>,
    filter: Option<PersonFilterInput>,
    first: Option<i32>,
    after: Option<String>,
) -> Result<PersonConnection> {
    let limit = page_size(first, MAX_PAGE)?;
    let PersonFilterInput { search, traits, is_paying } = filter.unwrap_or_default();
    if let Some(search) = &search {
        SEARCH.check_length("filter.search", search)?;
    }
    let traits = traits.unwrap_or_default();
    CONDITIONS.check_items("filter.traits", traits.len(), "conditions")?;
    let asked = PeopleQuery {
        conditions: traits.into_iter().map(condition_of).collect::<Result<_>>()?,
        search: search.filter(|search| !search.is_empty()),
        is_paying,
        after: after.as_deref().map(read_cursor).transpose()?,
        limit,
        ..query(site)
    };
    let PeoplePage { rows, more } = ports.events.people(&asked).await?;
    let people = rows.into_iter().map(|row| Person { row, site: site.clone() }).collect();
    Ok(PersonConnection { people, more, is_first: asked.after.is_none() })
}

/// One person, for members of the website. Errors: 401, `NotFound`, `Forbidden`.
pub(crate) async fn find(cx: &Cx, person: Uuid) -> Result<Person> {
    cx.caller().known()?;
    let missing = || Error::not_found("The person");
    let website = cx.ports().events.website_of_person(person).await?.ok_or_else(missing)?;
    let site = Site::<Viewer>::by_uuid(cx, website).await?;
    let asked = PeopleQuery { only: Some(person), ..query(&site) };
    let row = cx.ports().events.people(&asked).await?.rows.pop().ok_or_else(missing)?;
    Ok(Person { row, site })
}

// Graph

/// A person: a visitor who was identified on a website, on any number of devices. A visitor belongs to the person whom it
/// was last identified as.
#[Object]
impl Person {
    /// Global ID.
    pub(crate) async fn id(&self) -> ID {
        Kind::Person.global(self.row.person)
    }

    /// UUID, as used by REST and support. It follows from the website and the person's user ID.
    async fn database_id(&self) -> Uuid {
        self.row.person
    }

    /// The application's ID of the person; null if the person was identified by e-mail address only.
    async fn user_id(&self) -> Option<String> {
        self.row.traits.text(USER_ID)
    }

    /// E-mail address as sent, lower case, not verified; null if unknown.
    async fn email(&self) -> Option<String> {
        self.row.traits.text(EMAIL)
    }

    /// Name; null if unknown.
    async fn name(&self) -> Option<String> {
        self.row.traits.text("name")
    }

    /// Company; null if unknown.
    async fn company(&self) -> Option<String> {
        self.row.traits.text("company")
    }

    /// Plan in the application; null if unknown.
    async fn plan(&self) -> Option<String> {
        self.row.traits.text("plan")
    }

    /// All traits by name, those with fields of their own included: strings, numbers and booleans. The latest value of each
    /// trait, at most 50 beside `user_id`, `email`, `name`, `company` and `plan`.
    async fn traits(&self) -> Result<Json> {
        let values = Value::Object(self.row.traits.values());
        async_graphql::Value::from_json(values).map(Json).map_err(Error::internal)
    }

    /// How well the person is known.
    async fn badge(&self) -> PersonBadge {
        if self.row.revenue_micros > 0 { PersonBadge::Paying } else { PersonBadge::Identified }
    }

    /// Time of the first event, UTC.
    async fn first_seen_at(&self) -> Instant {
        Instant::from_millis(self.row.first_seen_ms)
    }

    /// Time of the last event, UTC.
    async fn last_seen_at(&self) -> Instant {
        Instant::from_millis(self.row.last_seen_ms)
    }

    /// Time of the last identification, UTC.
    async fn identified_at(&self) -> Instant {
        Instant::from_millis(self.row.identified_ms)
    }

    /// Number of visits, those before the first identification on the same device included.
    async fn visits(&self) -> BigInt {
        BigInt(self.row.visits)
    }

    /// Number of page views in these visits.
    async fn pageviews(&self) -> BigInt {
        BigInt(self.row.pageviews)
    }

    /// Everything stored about the person's visits, an event at a time, the oldest first: with `traits`, the export of the
    /// person's data.
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Page size, 1 to 100 rows. Null means 20.", default_with = "Some(DEFAULT_PAGE)")]
        first: Option<i32>,
        #[graphql(desc = "Only events after this cursor.")] after: Option<String>,
    ) -> Result<PersonEventConnection> {
        let limit = page_size(first, MAX_PAGE)?;
        let after = after.as_deref().map(read_event_cursor).transpose()?;
        let (events, website) = (&ctx.cx()?.ports().events, self.site.id());
        let page = events.events_of_person(website, self.row.person, after, limit).await?;
        Ok(PersonEventConnection { page, is_first: after.is_none() })
    }

    /// Revenue in the website's currency, less refunds. Null if there is none.
    async fn revenue(&self) -> Option<Money> {
        let currency = &self.site.website().currency;
        (self.row.payments > 0).then(|| Money::from_micros(self.row.revenue_micros, currency))
    }
}

/// A page of a person's events, the oldest first.
#[Object]
impl PersonEventConnection {
    /// Events of this page: objects of what is stored, with `at` (UTC) and `type`.
    async fn nodes(&self) -> Result<List<Json>> {
        self.page.rows.iter().map(|(_, text)| object(text)).collect()
    }

    /// Events of this page with their cursors.
    async fn edges(&self) -> Result<List<PersonEventEdge>> {
        let edge = |(place, text): &((i64, u128), String)| {
            Ok(PersonEventEdge { cursor: event_cursor(*place), node: object(text)? })
        };
        self.page.rows.iter().map(edge).collect()
    }

    /// Position of this page in the list.
    async fn page_info(&self) -> PageInfo {
        let at = |row: Option<&((i64, u128), String)>| row.map(|(place, _)| event_cursor(*place));
        PageInfo {
            has_previous_page: !self.is_first,
            has_next_page: self.page.more,
            start_cursor: at(self.page.rows.first()),
            end_cursor: at(self.page.rows.last()),
        }
    }
}

/// A page of people, the last identified first.
#[Object]
impl PersonConnection {
    /// People of this page, in order.
    async fn nodes(&self) -> List<&Person> {
        self.people.iter().collect()
    }

    /// People of this page with their cursors, in order.
    async fn edges(&self) -> List<PersonEdge> {
        self.people.iter().map(|person| PersonEdge { cursor: cursor(&person.row), node: person.clone() }).collect()
    }

    /// Position of this page in the list.
    async fn page_info(&self) -> PageInfo {
        let at = |person: Option<&Person>| person.map(|person| cursor(&person.row));
        PageInfo {
            has_previous_page: !self.is_first,
            has_next_page: self.more,
            start_cursor: at(self.people.first()),
            end_cursor: at(self.people.last()),
        }
    }
}
