//! A breakdown: metrics per value of a dimension, in pages.

use std::{borrow::Cow, sync::Arc};

use async_graphql::{Object, SimpleObject};

use super::metrics::Metrics;
use crate::{
    analytics::{
        country::country_name,
        path,
        plan::{KeyedSums, PageRow},
        query::Dimension,
        query_input::row_cursor,
    },
    connection::PageInfo,
    host,
    list::List,
    scalars::BigInt,
};

/// Page details besides metrics.
#[derive(SimpleObject, Debug, Clone)]
pub struct Page {
    /// Latest non-empty title in the range; null if none was recorded, and for anonymous callers unless the website's
    /// `publicDetails` is true.
    pub title: Option<String>,
    /// Visits that start in the range and enter on this page.
    pub entries: BigInt,
    /// Visits that start in the range and exit on this page.
    pub exits: BigInt,
    /// Mean time from a view of the page in the range to the visit's next event other than a heartbeat, even after the
    /// end of the range, in seconds. Views that end a visit are excluded. Null if no such views exist.
    pub time_on_page_seconds: Option<f64>,
}

/// One value of a dimension with its metrics.
#[derive(Debug, Clone)]
pub struct BreakdownRow {
    pub(super) by: Dimension,
    pub(super) row: KeyedSums,
    pub(super) page: Option<Page>,
    pub(super) share: Option<f64>,
    pub(super) currency: Option<Arc<str>>,
    pub(super) visits_of_all: Option<i64>,
}

/// One value of a dimension with its metrics.
#[Object]
impl BreakdownRow {
    /// Value of the dimension, as used in filters; empty if there is none (no referrer, an unknown country).
    async fn value(&self) -> &str {
        &self.row.key
    }

    /// Readable form of the value, such as `Netherlands` for `NL`, `/café` for `/caf%C3%A9` and `bücher.example` for
    /// `xn--bcher-kva.example`; null if the value is already readable.
    async fn label(&self) -> Option<Cow<'_, str>> {
        match (self.by, self.row.key.as_str()) {
            (Dimension::Referrer | Dimension::Source, "") => Some("Direct".into()),
            (Dimension::Country, "") => Some("Unknown".into()),
            (Dimension::Country, code) => country_name(code).map(Cow::Borrowed),
            (_, "") => Some("(none)".into()),
            (Dimension::Referrer | Dimension::Source | Dimension::Hostname, host) => {
                host::to_unicode(host).map(Cow::Owned)
            }
            (by, path) if by.is_path() => path::decoded(path).map(Cow::Owned),
            _ => None,
        }
    }

    /// Visitors of this row divided by the visitors of the whole query, 0 to 1. A visitor can appear in several rows.
    /// Null if the query has no visitors.
    async fn share(&self) -> Option<f64> {
        self.share
    }

    /// Page details; null unless the breakdown is by PAGE.
    async fn page(&self) -> Option<&Page> {
        self.page.as_ref()
    }

    /// Metrics of the row.
    async fn metrics(&self) -> Metrics {
        Metrics { visits_of_all: self.visits_of_all, ..Metrics::new(self.row.sums, self.currency.as_ref()) }
    }
}

impl From<PageRow> for Page {
    fn from(row: PageRow) -> Self {
        Self {
            title: Some(row.title).filter(|title| !title.is_empty()),
            entries: BigInt(row.entries),
            exits: BigInt(row.exits),
            time_on_page_seconds: row.time_on_page_ms.map(|ms| ms / 1000.0),
        }
    }
}

/// A breakdown row and its cursor.
#[derive(SimpleObject, Debug, Clone)]
pub struct BreakdownEdge {
    /// Opaque cursor of the row, for `after`.
    pub cursor: String,
    /// The row.
    pub node: BreakdownRow,
}

/// A page of a breakdown. Its rows and `other` add up to the totals for additive metrics: page views, events,
/// conversions and revenue for any dimension (for EVENT and GOAL, over the events that have one), and visits for
/// dimensions with one value per visit. A visit or visitor that belongs to several rows counts once in each of them,
/// and once in `other`.
#[derive(Debug, Clone)]
pub struct BreakdownConnection {
    pub(super) rows: Vec<BreakdownRow>,
    pub(super) more: bool,
    pub(super) is_first: bool,
    pub(super) other: Metrics,
}

/// A page of a breakdown. Its rows and `other` add up to the totals for additive metrics: page views, events,
/// conversions and revenue for any dimension (for EVENT and GOAL, over the events that have one), and visits for
/// dimensions with one value per visit. A visit or visitor that belongs to several rows counts once in each of them,
/// and once in `other`.
#[Object]
impl BreakdownConnection {
    /// The page's rows, in order.
    async fn nodes(&self) -> List<&BreakdownRow> {
        self.rows.iter().collect()
    }

    /// Rows of this page with their cursors, in order.
    async fn edges(&self) -> List<BreakdownEdge> {
        self.rows.iter().map(|row| BreakdownEdge { cursor: row.cursor(), node: row.clone() }).collect()
    }

    /// Position of this page in the list.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_previous_page: !self.is_first,
            has_next_page: self.more,
            start_cursor: self.rows.first().map(BreakdownRow::cursor),
            end_cursor: self.rows.last().map(BreakdownRow::cursor),
        }
    }

    /// Metrics of all rows that are not on this page, on earlier and later pages, taken together; a visit or visitor
    /// that belongs to several of them counts once. If there are no such rows, counts are 0, and ratios and revenue null.
    async fn other(&self) -> &Metrics {
        &self.other
    }
}

impl BreakdownRow {
    fn cursor(&self) -> String {
        row_cursor(self.row.order, &self.row.key)
    }
}
