//! People in the event store: what is asked about them, and how they are forgotten.

use uuid::Uuid;

use crate::{
    analytics::{event::Acquisition, plan::Asker, query::FilterOperator},
    people::traits::Traits,
};

/// A condition on a trait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraitCondition {
    /// Name of the trait.
    pub name: String,
    /// How its value is compared; a missing trait is the empty text.
    pub operator: FilterOperator,
    /// Values to compare with.
    pub values: Vec<String>,
}

/// Which people of a website are asked for; all conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeopleQuery {
    /// Scheduling class of the query.
    pub asker: Asker,
    /// The website.
    pub website: Uuid,
    /// ISO 4217 code of the currency of revenue.
    pub currency: String,
    /// Only this person.
    pub only: Option<Uuid>,
    /// Conditions on traits.
    pub conditions: Vec<TraitCondition>,
    /// Text that user ID, e-mail address, name or company contains, whatever its case and accents.
    pub search: Option<String>,
    /// Only people whose revenue is above 0 (true), or is not (false).
    pub is_paying: Option<bool>,
    /// Only people after this position: time of the last identification, and person.
    pub after: Option<(i64, Uuid)>,
    /// Maximum number of people.
    pub limit: u32,
}

/// A person and what is known of their visits.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonRow {
    /// The person.
    pub person: Uuid,
    /// Current traits.
    pub traits: Traits,
    /// Last identification, in milliseconds since 1970 UTC.
    pub identified_ms: i64,
    /// First event, in milliseconds since 1970 UTC.
    pub first_seen_ms: i64,
    /// Last event, in milliseconds since 1970 UTC.
    pub last_seen_ms: i64,
    /// Number of visits.
    pub visits: i64,
    /// Number of page views in these visits.
    pub pageviews: i64,
    /// Sum of the amounts in the currency, in millionths.
    pub revenue_micros: i128,
    /// Number of events with an amount in the currency.
    pub payments: i64,
}

/// A page of people, the last identified first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PeoplePage {
    /// The people, in order.
    pub rows: Vec<PersonRow>,
    /// Whether more follow.
    pub more: bool,
}

/// A page of a person's events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonEvents {
    /// Positions of the events, and the events as JSON objects of what is stored; the oldest first.
    pub rows: Vec<((i64, u128), String)>,
    /// Whether more follow.
    pub more: bool,
}

/// What is known of the payer of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayerQuery {
    /// The website.
    pub website: Uuid,
    /// Event ID of the order that is paid back.
    pub order: Option<Uuid>,
    /// Key of the visitor.
    pub visitor: Option<u64>,
    /// E-mail address, lower case.
    pub email: Option<String>,
    /// ID of the customer.
    pub customer_id: Option<String>,
}

/// A visitor who paid, and how they came to their last visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payer {
    /// Key of the visitor.
    pub visitor: u64,
    /// Acquisition of the last visit.
    pub acquisition: Acquisition,
}

/// The one to forget.
#[derive(Clone, PartialEq, Eq)]
pub enum Subject {
    /// The visitor with this key, and the person whom it was identified as.
    Visitor(u64),
    /// The person with this user ID.
    UserId(String),
    /// The people with this e-mail address, lower case.
    Email(String),
}

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Keys of the visitors.
    pub visitors: Vec<u64>,
    /// Number of people.
    pub people: u64,
    /// Number of events.
    pub events: u64,
    /// Number of visits.
    pub visits: u64,
}
