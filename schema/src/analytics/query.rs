//! Vocabulary of analytics queries: metrics, dimensions, filters, ranges, intervals.
//!
//! A new dimension does not compile until its row is given, nor a new metric until its SQL is.

use async_graphql::{Enum, InputObject, OneofObject};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::event::EventKind;
use crate::constraint::{Constrained, Constraint};

/// A metric of analytics queries.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Distinct visitors.
    Visitors,
    /// Visits (sessions) that start in the range.
    Visits,
    /// Page views.
    Pageviews,
    /// Events other than page views and heartbeats.
    Events,
    /// Share of visits with one page view and no interaction, 0 to 1.
    BounceRate,
    /// Mean length of a visit in seconds, bounces included.
    VisitDurationSeconds,
    /// Page views per visit.
    ViewsPerVisit,
    /// Goal completions.
    Conversions,
    /// Share of visits with at least one goal completion, 0 to 1. In a breakdown by GOAL: share of all visits with a
    /// completion of that goal.
    ConversionRate,
    /// Value of goal completions.
    GoalValue,
    /// Revenue from revenue events and from goals with a value.
    Revenue,
    /// Orders: revenue events with an amount above 0.
    Orders,
    /// Mean amount of an order; rows without orders come last in descending order.
    AverageOrderValue,
    /// Mean value score of visits, 0 to 100.
    AverageScore,
}

/// A dimension to group by or filter on.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dimension {
    /// Path of the page as requested, with its hash route (`/app#/orders`), without query and fragment.
    Page,
    /// Path of the visit's first page view.
    EntryPage,
    /// Path of the visit's last page view.
    ExitPage,
    /// Host of the page.
    Hostname,
    /// Title of the page.
    Title,
    /// Host of the page that referred the visit, without `www.`; empty for direct visits.
    Referrer,
    /// Channel of the visit, such as `Organic Search`.
    Channel,
    /// Source of the visit, such as `Google`; empty for direct visits.
    Source,
    /// `utm_source` of the visit.
    UtmSource,
    /// `utm_medium` of the visit.
    UtmMedium,
    /// `utm_campaign` of the visit.
    UtmCampaign,
    /// `utm_term` of the visit.
    UtmTerm,
    /// `utm_content` of the visit.
    UtmContent,
    /// Country of the visit, ISO 3166-1 alpha-2; the label is its English name.
    Country,
    /// Region of the visit.
    Region,
    /// City of the visit.
    City,
    /// Device type of the visit: `desktop`, `mobile` or `tablet`.
    Device,
    /// Browser family of the visit, as named by uap-core.
    Browser,
    /// Browser family and major version of the visit.
    BrowserVersion,
    /// Operating system of the visit, as named by uap-core.
    Os,
    /// Operating system and version of the visit.
    OsVersion,
    /// Screen size of the visit, `WIDTHxHEIGHT`.
    Screen,
    /// Language of the visit, a BCP 47 tag.
    Language,
    /// Name of an event, including goals and revenue but not page views. With `property`: value of that event property,
    /// empty for events without it.
    Event,
    /// Name of a completed goal.
    Goal,
    /// Channel of the visitor's first visit ever, inside or outside the range.
    FirstChannel,
    /// Source of the visitor's first visit ever, inside or outside the range; empty if it was direct.
    FirstSource,
}

/// Scope of a dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Each event has its own value, such as page, title or event name.
    Event,
    /// A visit has one value, determined at its start, such as country, browser or referrer.
    Visit,
}

/// What holds for one dimension.
#[derive(Debug, Clone, Copy)]
pub struct DimensionRow {
    /// Whether the value belongs to each event or to the visit.
    pub scope: Scope,
    /// The value.
    pub value: Value,
    /// Kinds of events that have a value; `None`: all.
    pub held_by: Option<fn(EventKind) -> bool>,
    /// Whether members alone may ask for it, unless the website publishes details.
    pub is_detail: bool,
}

/// How a value is made of columns of a stored event or visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// The column as it is.
    Column(&'static str),
    /// Name and version, such as `iOS 17.1`.
    Version {
        /// Column of the name.
        name: &'static str,
        /// Column of the dotted version.
        version: &'static str,
    },
    /// Name and first part of the version, such as `Chrome 120`.
    MajorVersion {
        /// Column of the name.
        name: &'static str,
        /// Column of the dotted version.
        version: &'static str,
    },
}

const fn of_visit(value: Value) -> DimensionRow {
    DimensionRow { scope: Scope::Visit, value, held_by: None, is_detail: false }
}

const fn of_event(column: &'static str, held_by: fn(EventKind) -> bool) -> DimensionRow {
    DimensionRow { scope: Scope::Event, value: Value::Column(column), held_by: Some(held_by), is_detail: false }
}

const fn detail(row: DimensionRow) -> DimensionRow {
    DimensionRow { is_detail: true, ..row }
}

impl Dimension {
    /// The row of the dimension: what it is made of, and who may ask for it.
    #[must_use]
    pub const fn row(self) -> DimensionRow {
        match self {
            Self::Page => of_event("path", EventKind::is_activity),
            Self::EntryPage => of_visit(Value::Column("entry_page")),
            Self::ExitPage => of_visit(Value::Column("exit_page")),
            Self::Hostname => of_event("hostname", EventKind::is_activity),
            Self::Title => detail(of_event("title", EventKind::is_pageview)),
            Self::Referrer => of_visit(Value::Column("referrer")),
            Self::Channel => of_visit(Value::Column("channel")),
            Self::Source => of_visit(Value::Column("source")),
            Self::UtmSource => of_visit(Value::Column("utm_source")),
            Self::UtmMedium => of_visit(Value::Column("utm_medium")),
            Self::UtmCampaign => of_visit(Value::Column("utm_campaign")),
            Self::UtmTerm => of_visit(Value::Column("utm_term")),
            Self::UtmContent => of_visit(Value::Column("utm_content")),
            Self::Country => of_visit(Value::Column("country")),
            Self::Region => of_visit(Value::Column("region")),
            Self::City => of_visit(Value::Column("city")),
            Self::Device => of_visit(Value::Column("device")),
            Self::Browser => of_visit(Value::Column("browser")),
            Self::BrowserVersion => of_visit(Value::MajorVersion { name: "browser", version: "browser_version" }),
            Self::Os => of_visit(Value::Column("os")),
            Self::OsVersion => of_visit(Value::Version { name: "os", version: "os_version" }),
            Self::Screen => of_visit(Value::Column("screen")),
            Self::Language => of_visit(Value::Column("language")),
            Self::Event => detail(of_event("name", EventKind::is_counted)),
            Self::Goal => detail(of_event("name", EventKind::is_conversion)),
            Self::FirstChannel => of_visit(Value::Column("first_channel")),
            Self::FirstSource => of_visit(Value::Column("first_source")),
        }
    }

    /// Whether the value belongs to each event or to the visit.
    #[must_use]
    pub const fn scope(self) -> Scope {
        self.row().scope
    }

    /// Whether the value is that of the visitor's first visit.
    #[must_use]
    pub const fn is_of_first_visit(self) -> bool {
        matches!(self, Self::FirstChannel | Self::FirstSource)
    }

    /// Whether the values are page paths.
    #[must_use]
    pub const fn is_path(self) -> bool {
        matches!(self, Self::Page | Self::EntryPage | Self::ExitPage)
    }

    /// The default order metric of a breakdown.
    #[must_use]
    pub const fn default_order(self) -> Metric {
        match self {
            Self::Page => Metric::Pageviews,
            Self::EntryPage | Self::ExitPage => Metric::Visits,
            Self::Event => Metric::Events,
            _ => Metric::Visitors,
        }
    }
}

/// Comparison operator of a filter.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FilterOperator {
    /// Equals one of the values. The empty string matches a missing value.
    Is,
    /// Equals none of the values.
    IsNot,
    /// Contains one of the values. Case-sensitive.
    Contains,
    /// Contains none of the values. Case-sensitive.
    NotContains,
    /// Starts with one of the values.
    StartsWith,
    /// Ends with one of the values.
    EndsWith,
    /// Matches one of the values as a regular expression (RE2 syntax, unanchored). A query can have at most 10
    /// expressions of at most 200 characters each.
    Matches,
}

/// Name of an event property.
pub(crate) const PROPERTY: Constraint = Constraint::length(1, 200);

/// Values of one filter.
pub(super) const VALUES: Constraint = Constraint::list(100).not_empty().at_most(2_000);

/// A filter condition. Multiple filters are combined with AND, multiple values of one filter with OR.
#[derive(InputObject, Debug, Clone, PartialEq, Eq, Hash)]
pub struct FilterInput {
    /// Dimension to compare. A page or event filter selects visits with at least one matching page view or event.
    pub dimension: Dimension,
    /// Name of an event property, for dimension EVENT only: compares the property's value instead of the event name.
    #[graphql(directive = Constrained::apply(PROPERTY))]
    pub property: Option<String>,
    /// Comparison operator.
    pub operator: FilterOperator,
    /// Values to compare with: 1 to 100 values of at most 2,000 characters each, and at most 200 values in all filters
    /// together. Dimensions with a fixed set of values ignore case and refuse unknown values: COUNTRY (a code or, with
    /// IS and IS_NOT, an English name), DEVICE and, with IS and IS_NOT, CHANNEL.
    #[graphql(directive = Constrained::apply(VALUES))]
    pub values: Vec<String>,
}

/// Bucket length of a time series.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interval {
    /// One minute.
    Minute,
    /// One hour of local time. An hour in which the clocks change is split into two buckets.
    Hour,
    /// One local calendar day: 23 or 25 hours when the clocks change.
    Day,
    /// One local calendar week, Monday to Sunday.
    Week,
    /// One local calendar month.
    Month,
}

/// A named time range. `LAST_*` ranges are rolling and end now, rounded up to the next ten seconds; the others follow
/// the local calendar.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[graphql(rename_items = "SCREAMING_SNAKE_CASE")]
pub enum RangePreset {
    /// The last 24 hours.
    #[graphql(name = "LAST_24_HOURS")]
    Last24Hours,
    /// The last 7 times 24 hours.
    #[graphql(name = "LAST_7_DAYS")]
    Last7Days,
    /// The last 30 times 24 hours.
    #[graphql(name = "LAST_30_DAYS")]
    Last30Days,
    /// The last 90 times 24 hours.
    #[graphql(name = "LAST_90_DAYS")]
    Last90Days,
    /// The last 365 times 24 hours.
    LastYear,
    /// From local midnight until now.
    Today,
    /// The local day before today.
    Yesterday,
    /// From the first day of the local month until now.
    MonthToDate,
    /// From the first day of the local year until now.
    YearToDate,
    /// From the website's first event until now.
    AllTime,
}

/// A range between two instants. The start is inclusive, the end exclusive.
#[derive(InputObject, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InstantRangeInput {
    /// Start of the range, inclusive.
    pub start: crate::scalars::Instant,
    /// End of the range, exclusive.
    pub end: crate::scalars::Instant,
}

/// A time range: either a preset or two instants.
#[derive(OneofObject, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RangeInput {
    /// Named range.
    Preset(RangePreset),
    /// Range between two instants.
    Between(InstantRangeInput),
}

/// Period that `previous` covers, computed on the calendar in the query's time zone.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// The preceding period. TODAY: yesterday until the same local time. YESTERDAY and ranges of whole local days: the
    /// same number of days before. MONTH_TO_DATE and YEAR_TO_DATE: the same days of the preceding month or year. All
    /// other ranges: the range of the same length that ends where this one starts.
    PreviousPeriod,
    /// The same dates and local times one year earlier; 29 February becomes the last day of February. A rolling range
    /// keeps its length and ends one year earlier.
    PreviousYear,
}

/// Sort direction.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SortDirection {
    /// Ascending, smallest first.
    Asc,
    /// Descending, largest first.
    #[default]
    Desc,
}

/// Sort order of a breakdown. Ties are sorted by value, so that paging never skips or repeats a row.
#[derive(InputObject, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BreakdownOrder {
    /// Metric to sort by.
    pub metric: Metric,
    /// Sort direction.
    #[graphql(default_with = "SortDirection::Desc")]
    pub direction: SortDirection,
}

/// An absolute range in milliseconds since 1970 UTC, half open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// First millisecond of the range.
    pub start_ms: i64,
    /// First millisecond after the range.
    pub end_ms: i64,
}

impl Span {
    /// The start as an instant.
    #[must_use]
    pub fn start(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.start_ms).unwrap_or_default()
    }

    /// The end as an instant.
    #[must_use]
    pub fn end(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.end_ms).unwrap_or_default()
    }
}
