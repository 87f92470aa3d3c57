//! What a question means: absolute range, bucket edges and panels over one website, ready for an engine to say.
//!
//! - Bucket edges are computed here from the zone, so an engine never meets daylight saving.
//! - Panels of one plan share website, range and filters, so that an engine can serve them in one pass.
//! - An engine answers raw sums; ratios are made in one place, [`Sums`].

use std::sync::Arc;

use uuid::Uuid;

use super::query::{Dimension, FilterInput, Metric, SortDirection, Span};

/// What all panels of a plan have in common. Equal values mean equal answers as long as the website's data does not change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Basis {
    /// Which website.
    pub website: Uuid,
    /// Which time.
    pub span: Span,
    /// Conditions that all hold.
    pub filters: Vec<FilterInput>,
    /// ISO 4217 code that revenue is summed in; other currencies are left out.
    pub currency: String,
    /// Whether machines count too.
    pub bots: bool,
}

/// A set of metrics, so that an engine computes no more than was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MetricSet(u16);

impl MetricSet {
    /// No metric.
    pub const NONE: Self = Self(0);

    /// This set and one metric more.
    #[must_use]
    pub const fn with(self, metric: Metric) -> Self {
        Self(self.0 | (1 << metric as u16))
    }

    /// Whether the metric is asked for.
    #[must_use]
    pub const fn has(self, metric: Metric) -> bool {
        self.0 & (1 << metric as u16) != 0
    }

    /// Both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether no metric is asked for.
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

/// Where a page of a breakdown begins: after the row with this order value and this key.
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
        /// What to sum.
        metrics: MetricSet,
    },
    /// Sums per bucket; buckets without rows are left out.
    Series {
        /// Starts of the buckets, ascending, and the end of the last one, in milliseconds since 1970 UTC.
        edges: Arc<[i64]>,
        /// What to sum.
        metrics: MetricSet,
    },
    /// Sums per value of a dimension.
    Breakdown {
        /// The dimension.
        by: Dimension,
        /// With dimension EVENT: the event property whose values are the keys.
        property: Option<String>,
        /// What to sum.
        metrics: MetricSet,
        /// The metric that orders the rows.
        order: Metric,
        /// Which way.
        direction: SortDirection,
        /// Where the page begins.
        after: Option<After>,
        /// Rows at most; the engine looks one further to know whether there are more.
        limit: u32,
        /// Only keys that contain this text, letter case and accents ignored.
        search: Option<String>,
        /// Whether the sums of all rows not on this page, taken together, are wanted: a visit that has part in several counts once.
        other: bool,
    },
    /// What pages have beside their metrics.
    Pages {
        /// Paths of the pages.
        paths: Vec<String>,
    },
    /// Visitors, the latest visit first.
    Visitors {
        /// Rows to pass over.
        offset: u64,
        /// Where the page begins: after the visitor whose latest visit started then, with this key.
        after: Option<(i64, u64)>,
        /// Rows at most; the engine looks one further.
        limit: u32,
    },
}

/// Whose share of the event store a question takes. No part of what an answer is remembered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Asker {
    /// Members of this team, about its websites.
    Team(Uuid),
    /// The public: everyone together.
    #[default]
    Anonymous,
}

/// Several panels over one basis.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Plan {
    /// Whose question it is.
    pub asker: Asker,
    /// What the panels share.
    pub basis: Basis,
    /// The panels, answered in this order.
    pub panels: Vec<Panel>,
}

/// Raw sums of one row. A metric that was not asked for is 0.
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
    /// Page views of `visits`, wherever in time they lie.
    pub visit_pageviews: i64,
    /// Goal completions in the range.
    pub conversions: i64,
    /// Visits (of `visits`) with a goal completion.
    pub converted: i64,
    /// Money in millionths of the basis's currency. Wide enough for any number of events.
    pub revenue_micros: i128,
    /// Summed value score of `visits`.
    pub score: i64,
    /// Events that `revenue_micros` sums.
    pub payments: i64,
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
    /// Value of the order metric, for the cursor: exact, so that a page begins where the last one ended. A ratio is in
    /// units of 2^-62 (equal ratios are equal, different ones differ up to 2^31 visits); -1 is the ratio of no visits.
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
    /// Visits in the range.
    pub visits: i64,
    /// Page views of those visits.
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
    /// Value score of the latest visit, 0 to 100.
    pub score: i64,
    /// Whether the latest visit had an interaction event.
    pub interacted: bool,
}

/// What one page has beside its metrics.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PageRow {
    /// Latest title in the range that is not empty; empty where none was sent.
    pub title: String,
    /// Visits that start in the range with this page as their first.
    pub entries: i64,
    /// Visits that start in the range with this page as their last.
    pub exits: i64,
    /// Mean time from a view of the page in the range to the visit's next event other than a heartbeat, wherever in time that lies, in
    /// milliseconds; views that end a visit are left out.
    pub time_on_page_ms: Option<f64>,
}

/// An engine's answer to one panel.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// To `Totals`.
    Totals(Sums),
    /// To `Series`: sums by index of the bucket; buckets without rows are left out.
    Series(Vec<(usize, Sums)>),
    /// To `Breakdown`.
    Breakdown {
        /// The page's rows, in order.
        rows: Vec<KeyedSums>,
        /// Whether rows follow.
        more: bool,
        /// Sums of every row that is not on this page, where asked for.
        other: Option<Sums>,
    },
    /// To `Pages`, in the order of the paths.
    Pages(Vec<PageRow>),
    /// To `Visitors`.
    Visitors {
        /// The page's rows, in order.
        rows: Vec<VisitorRow>,
        /// Whether rows follow.
        more: bool,
    },
}
