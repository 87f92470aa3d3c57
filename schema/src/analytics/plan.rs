//! A resolved query plan: absolute range, bucket edges and panels over one website, ready for an engine.
//!
//! - Bucket edges are computed here from the time zone, so that engines need not handle daylight saving.
//! - The panels of a plan share website, range and filters, so that an engine can serve them in one pass.
//! - An engine returns raw sums; ratios are computed in one place, [`Sums`].

use std::sync::Arc;

use uuid::Uuid;

use super::query::{Dimension, FilterInput, Metric, SortDirection, Span};
use crate::goal_rule::Goals;

/// What all panels of a plan share. Equal values give equal results as long as the website's data does not change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Basis {
    /// The website.
    pub website: Uuid,
    /// The time range.
    pub span: Span,
    /// Conditions, combined with AND.
    pub filters: Vec<FilterInput>,
    /// ISO 4217 code of the currency that revenue is summed in; amounts in other currencies are excluded.
    pub currency: String,
    /// Whether to include bot traffic.
    pub bots: bool,
    /// The website's goals.
    pub goals: Goals,
}

/// A set of metrics, so that an engine computes only what was requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MetricSet(u16);

impl MetricSet {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// This set plus one metric.
    #[must_use]
    pub const fn with(self, metric: Metric) -> Self {
        Self(self.0 | (1 << metric as u16))
    }

    /// Whether the set contains the metric.
    #[must_use]
    pub const fn has(self, metric: Metric) -> bool {
        self.0 & (1 << metric as u16) != 0
    }

    /// The union of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Metric> for MetricSet {
    fn from_iter<I: IntoIterator<Item = Metric>>(metrics: I) -> Self {
        metrics.into_iter().fold(Self::NONE, Self::with)
    }
}

/// Start of a breakdown page: after the row with this order value and key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct After {
    /// [`KeyedSums::order`] of that row.
    pub order: i128,
    /// The row's key.
    pub key: String,
}

/// One part of a dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Panel {
    /// One row of sums.
    Totals {
        /// The metrics to sum.
        metrics: MetricSet,
    },
    /// Sums per bucket; empty buckets are omitted.
    Series {
        /// Starts of the buckets, ascending, followed by the end of the last one, in milliseconds since 1970 UTC.
        edges: Arc<[i64]>,
        /// The metrics to sum.
        metrics: MetricSet,
    },
    /// Sums per value of a dimension.
    Breakdown {
        /// The dimension.
        by: Dimension,
        /// With dimension EVENT: the event property whose values are the keys.
        property: Option<String>,
        /// The metrics to sum.
        metrics: MetricSet,
        /// The metric that orders the rows.
        order: Metric,
        /// Sort direction.
        direction: SortDirection,
        /// Start of the page.
        after: Option<After>,
        /// Maximum number of rows. The engine reads one more to find out whether more follow.
        limit: u32,
        /// Only keys that contain this text; case and accents are ignored.
        search: Option<String>,
        /// Whether to sum all rows that are not on this page. A visit that belongs to several of them counts once.
        other: bool,
    },
    /// Page details besides metrics.
    Pages {
        /// Paths of the pages.
        paths: Vec<String>,
    },
    /// Visitors, most recent visit first.
    Visitors {
        /// Number of rows to skip.
        offset: u64,
        /// Start of the page: after the visitor with this latest visit start and key.
        after: Option<(i64, u64)>,
        /// Maximum number of rows. The engine reads one more.
        limit: u32,
    },
}

/// Scheduling class of a query in the event store. Not part of the cache key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Asker {
    /// Members of this team, querying its websites.
    Team(Uuid),
    /// Anonymous callers, all together.
    #[default]
    Anonymous,
}

/// Several panels over one basis.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Plan {
    /// Scheduling class of the query.
    pub asker: Asker,
    /// What the panels share.
    pub basis: Basis,
    /// The panels, in the order of the results.
    pub panels: Vec<Panel>,
}

/// Raw sums of one row. A metric that was not requested is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    /// Distinct visitors with an event in the range.
    pub visitors: i64,
    /// Visits that start in the range.
    pub visits: i64,
    /// Page views in the range.
    pub pageviews: i64,
    /// Events other than page views in the range.
    pub events: i64,
    /// Visits (of `visits`) that bounced.
    pub bounces: i64,
    /// Summed length of `visits`, in milliseconds.
    pub duration_ms: i64,
    /// Page views of `visits`, inside or outside the range.
    pub visit_pageviews: i64,
    /// Goal completions in the range: an event that completes two goals counts twice. In a row of a goal, its own only.
    pub conversions: i64,
    /// Visits (of `visits`) with a goal completion.
    pub converted: i64,
    /// Revenue in millionths of the basis's currency. Wide enough for any number of events.
    pub revenue_micros: i128,
    /// Summed value score of `visits`.
    pub score: i64,
    /// Number of events summed in `revenue_micros`.
    pub payments: i64,
    /// Value of the goal completions in `conversions`, in millionths of the basis's currency.
    pub goal_value_micros: i128,
    /// Revenue events with an amount above 0 in the basis's currency.
    pub orders: i64,
    /// Their amounts in millionths of the currency.
    pub order_micros: i128,
}

impl Sums {
    fn ratio(part: i64, whole: i64) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        (whole > 0).then(|| part as f64 / whole as f64)
    }

    /// Bounces per visit, 0 to 1.
    #[must_use]
    pub fn bounce_rate(&self) -> Option<f64> {
        Self::ratio(self.bounces, self.visits)
    }

    /// Mean length of a visit in seconds.
    #[must_use]
    pub fn visit_duration_seconds(&self) -> Option<f64> {
        Self::ratio(self.duration_ms, self.visits).map(|ms| ms / 1000.0)
    }

    /// Page views per visit.
    #[must_use]
    pub fn views_per_visit(&self) -> Option<f64> {
        Self::ratio(self.visit_pageviews, self.visits)
    }

    /// Converted visits per visit, 0 to 1.
    #[must_use]
    pub fn conversion_rate(&self) -> Option<f64> {
        Self::ratio(self.converted, self.visits)
    }

    /// Mean amount of an order in millionths of the currency, rounded half up.
    #[must_use]
    pub fn average_order_micros(&self) -> Option<i128> {
        let orders = i128::from(self.orders);
        (orders > 0).then(|| (self.order_micros + orders / 2) / orders)
    }

    /// Mean value score, 0 to 100.
    #[must_use]
    pub fn average_score(&self) -> Option<f64> {
        Self::ratio(self.score, self.visits)
    }
}

/// One row of a breakdown.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyedSums {
    /// Value of the dimension; empty for none.
    pub key: String,
    /// Exact value of the order metric, for the cursor, so that a page continues where the last one ended. Ratios are
    /// in units of 2^-62: equal ratios are equal, and different ones differ for up to 2^31 visits. The ratio of no
    /// visits is -1.
    pub order: i128,
    /// The row's sums.
    pub sums: Sums,
}

/// One visitor, described by the latest visit in the range.
#[derive(Debug, Clone, PartialEq)]
pub struct VisitorRow {
    /// The visitor's key.
    pub visitor: u64,
    /// When the latest visit started.
    pub visited_ms: i64,
    /// When its last event happened.
    pub last_ms: i64,
    /// Number of visits in the range.
    pub visits: i64,
    /// Number of page views in those visits.
    pub pageviews: i64,
    /// ISO 3166-1 alpha-2; empty where unknown.
    pub country: String,
    /// City; empty where unknown.
    pub city: String,
    /// `desktop`, `mobile`, `tablet`, or empty.
    pub device: String,
    /// Browser family.
    pub browser: String,
    /// Operating system.
    pub os: String,
    /// First page of the latest visit.
    pub entry_page: String,
    /// Referrer host of the latest visit; empty for none.
    pub referrer: String,
    /// Value score, 0 to 100: of the latest visit, with those before it.
    pub score: u8,
    /// Whether the latest visit had an interaction event.
    pub interacted: bool,
}

/// Page details besides metrics.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PageRow {
    /// Latest non-empty title in the range; empty if none was recorded.
    pub title: String,
    /// Visits that start in the range and enter on this page.
    pub entries: i64,
    /// Visits that start in the range and exit on this page.
    pub exits: i64,
    /// Mean time from a view of the page in the range to the visit's next event other than a heartbeat, inside or
    /// outside the range, in milliseconds. Views that end a visit are excluded.
    pub time_on_page_ms: Option<f64>,
}

/// An engine's result for one panel.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Result of `Totals`.
    Totals(Sums),
    /// Result of `Series`: sums by bucket index; empty buckets are omitted.
    Series(Vec<(usize, Sums)>),
    /// Result of `Breakdown`.
    Breakdown {
        /// The page's rows, in order.
        rows: Vec<KeyedSums>,
        /// Whether more rows follow.
        more: bool,
        /// Sums of all rows that are not on this page, if requested.
        other: Option<Sums>,
    },
    /// Result of `Pages`, in the order of the paths.
    Pages(Vec<PageRow>),
    /// Result of `Visitors`.
    Visitors {
        /// The page's rows, in order.
        rows: Vec<VisitorRow>,
        /// Whether more rows follow.
        more: bool,
    },
}
