//! The words of an analytics question: metrics, dimensions, filters, ranges, intervals.
//!
//! Adding a metric or dimension here does not compile until its scope and its SQL are decided.

use async_graphql::{Enum, InputObject, OneofObject};
use chrono::{DateTime, Utc};

/// A number that can be asked for.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Distinct visitors.
    Visitors,
    /// Visits (sessions) that start in the range.
    Visits,
    /// Page views.
    Pageviews,
    /// Events that are not page views.
    Events,
    /// Share of visits with one page view and no interaction, 0 to 1.
    BounceRate,
    /// Mean length of a visit in seconds, bounces included.
    VisitDuration,
    /// Page views per visit.
    ViewsPerVisit,
    /// Goal completions.
    Conversions,
    /// Share of visits with at least one goal completion, 0 to 1.
    ConversionRate,
    /// Money received: of revenue events and of goals with a value.
    Revenue,
    /// Mean value score of visits, 0 to 100.
    AverageScore,
}

/// Something to break numbers down by, or to filter on.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dimension {
    /// Path of the page, as requested, with its hash route (`/app#/orders`), without query and anchor.
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
    /// Device type of the visit: `desktop`, `mobile` or `tablet`, in lower case as filters take it.
    Device,
    /// Browser family of the visit, as uap-core names it.
    Browser,
    /// Browser family and major version of the visit.
    BrowserVersion,
    /// Operating system of the visit, as uap-core names it.
    Os,
    /// Operating system and version of the visit.
    OsVersion,
    /// Screen size of the visit, `WIDTHxHEIGHT`.
    Screen,
    /// Language of the visit, a BCP 47 tag.
    Language,
    /// Name of an event other than a page view, goals and revenue included; with `property`, the values of that event property,
    /// empty for events without it.
    Event,
    /// Name of a completed goal.
    Goal,
}

/// What a dimension is a property of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Each event has its own value: page, title, event name.
    Event,
    /// A visit has one value, the one it began with: country, browser, referrer.
    Visit,
}

impl Dimension {
    /// Whether each event or each visit has a value.
    #[must_use]
    pub const fn scope(self) -> Scope {
        match self {
            Self::Page | Self::Hostname | Self::Title | Self::Event | Self::Goal => Scope::Event,
            Self::EntryPage
            | Self::ExitPage
            | Self::Referrer
            | Self::Channel
            | Self::Source
            | Self::UtmSource
            | Self::UtmMedium
            | Self::UtmCampaign
            | Self::UtmTerm
            | Self::UtmContent
            | Self::Country
            | Self::Region
            | Self::City
            | Self::Device
            | Self::Browser
            | Self::BrowserVersion
            | Self::Os
            | Self::OsVersion
            | Self::Screen
            | Self::Language => Scope::Visit,
        }
    }

    /// Whether the values are paths of pages.
    #[must_use]
    pub const fn is_path(self) -> bool {
        matches!(self, Self::Page | Self::EntryPage | Self::ExitPage)
    }

    /// The metric a breakdown is ordered by unless the caller says otherwise.
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

/// How a filter compares.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FilterOperator {
    /// Equal to one of the values. The empty string means "no value".
    Is,
    /// Equal to none of the values.
    IsNot,
    /// Contains one of the values, letter case as given.
    Contains,
    /// Contains none of the values.
    NotContains,
    /// Starts with one of the values.
    StartsWith,
    /// Ends with one of the values.
    EndsWith,
    /// Matches one of the values as a regular expression (RE2 syntax, anywhere in the text). A question has at most 10 of them, of at
    /// most 200 characters each.
    Matches,
}

/// One condition. Several filters must all hold; several values of one filter are alternatives.
#[derive(InputObject, Debug, Clone, PartialEq, Eq, Hash)]
pub struct FilterInput {
    /// What is compared. A page or event filter keeps the visits that did this.
    pub dimension: Dimension,
    /// Name of an event property, only with dimension EVENT: then its value is compared instead of the event's name.
    pub property: Option<String>,
    /// How it is compared.
    pub operator: FilterOperator,
    /// What it is compared with: 1 to 100 values of at most 2,000 characters, and at most 200 values in all filters together. Letter case does not matter where the values are a
    /// closed set: COUNTRY (a code, or with IS and IS_NOT an English name), DEVICE and, with IS and IS_NOT, CHANNEL. Other values of
    /// such a set are refused.
    pub values: Vec<String>,
}

/// Length of the buckets of a series.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interval {
    /// One minute.
    Minute,
    /// One hour of the zone's clock; an hour within which clocks change is two.
    Hour,
    /// A calendar day of the zone; 23 or 25 hours when clocks change.
    Day,
    /// A week of the zone, Monday to Sunday.
    Week,
    /// A calendar month of the zone.
    Month,
}

/// A named range. `LAST_*` are rolling and end now (at the next full ten seconds); the others are calendar days of the zone.
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
    /// From the first of the local month until now.
    MonthToDate,
    /// From the first of the local year until now.
    YearToDate,
    /// From the website's first event until now.
    AllTime,
}

/// Two instants; the start is included and the end is not.
#[derive(InputObject, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InstantRangeInput {
    /// First instant of the range.
    pub start: crate::scalars::Instant,
    /// First instant after the range.
    pub end: crate::scalars::Instant,
}

/// The time a question is about: a named range or two instants.
#[derive(OneofObject, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RangeInput {
    /// A named range.
    Preset(RangePreset),
    /// Two instants.
    Between(InstantRangeInput),
}

/// What `previous` is compared with: calendar arithmetic in the question's zone.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// The period before. TODAY: yesterday until the same local time. YESTERDAY and whole local days: as many days before.
    /// MONTH_TO_DATE and YEAR_TO_DATE: the same days of the month or year before. Otherwise the range of the same length that ends
    /// where this one starts.
    PreviousPeriod,
    /// The same dates and local times one year earlier; 29 February becomes the end of February. A rolling range keeps its
    /// length and ends one year earlier.
    PreviousYear,
}

/// Ascending or descending.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SortDirection {
    /// Smallest first.
    Asc,
    /// Largest first.
    #[default]
    Desc,
}

/// The order of a breakdown. Ties are ordered by value, so that paging never skips or repeats a row.
#[derive(InputObject, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BreakdownOrder {
    /// Which metric decides.
    pub metric: Metric,
    /// Which way.
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
