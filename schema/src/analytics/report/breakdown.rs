//! A breakdown: values of a dimension with their numbers, page by page.

use std::{borrow::Cow, sync::Arc};

use async_graphql::{Object, SimpleObject, connection::PageInfo};

use super::metrics::Metrics;
use crate::{
    analytics::{
        country::country_name,
        path,
        plan::{KeyedSums, PageRow},
        query::Dimension,
        query_input::row_cursor,
    },
    host,
    list::List,
    scalars::BigInt,
};

/// What a page has beside its metrics.
#[derive(SimpleObject, Debug, Clone)]
pub struct Page {
    /// Latest title in the range that is not empty; null where none was sent, and to the public unless the website's `publicDetails` is on.
    pub title: Option<String>,
    /// Visits that start in the range with this page as their first.
    pub entries: BigInt,
    /// Visits that start in the range with this page as their last.
    pub exits: BigInt,
    /// Mean time from a view of the page in the range to the visit's next event other than a heartbeat, also after the range's
    /// end, in seconds; views that end a visit are left out. Null without such views.
    pub time_on_page_seconds: Option<f64>,
}

/// One value of a dimension with its numbers.
#[derive(Debug, Clone)]
pub struct BreakdownRow {
    pub(super) by: Dimension,
    pub(super) row: KeyedSums,
    pub(super) page: Option<Page>,
    pub(super) share: Option<f64>,
    pub(super) currency: Option<Arc<str>>,
}

/// One value of a dimension with its numbers.
#[Object]
impl BreakdownRow {
    /// The value, as filters take it; empty where there is none (no referrer, an unknown country).
    async fn value(&self) -> &str {
        &self.row.key
    }

    /// The value as people read it, such as `Netherlands` for `NL`, `/café` for `/caf%C3%A9` and `bücher.example` for
    /// `xn--bcher-kva.example`; null where the value says it itself.
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

    /// Visitors of this row divided by the visitors of the whole question, 0 to 1; null without visitors. A visitor may have
    /// part in several rows.
    async fn share(&self) -> Option<f64> {
        self.share
    }

    /// What the page has beside its metrics; null unless the breakdown is by PAGE.
    async fn page(&self) -> Option<&Page> {
        self.page.as_ref()
    }

    /// Numbers of the row.
    async fn metrics(&self) -> Metrics {
        Metrics { sums: self.row.sums, currency: self.currency.clone() }
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

/// A row with its place in the list.
#[derive(SimpleObject, Debug, Clone)]
pub struct BreakdownEdge {
    /// Opaque place in the list, for `after`.
    pub cursor: String,
    /// The row.
    pub node: BreakdownRow,
}

/// A page of a breakdown. Its rows and `other` add up to the totals where the metric is additive: page views, events, conversions
/// and revenue by any dimension (by EVENT and GOAL, of the events that have one), and visits by a dimension that a visit has one value
/// of. A visit or visitor with part in several rows counts once in each of them, and once in `other`.
#[derive(Debug, Clone)]
pub struct BreakdownConnection {
    pub(super) rows: Vec<BreakdownRow>,
    pub(super) more: bool,
    pub(super) is_first: bool,
    pub(super) other: Option<Metrics>,
}

/// A page of a breakdown. Its rows and `other` add up to the totals where the metric is additive: page views, events, conversions
/// and revenue by any dimension (by EVENT and GOAL, of the events that have one), and visits by a dimension that a visit has one value
/// of. A visit or visitor with part in several rows counts once in each of them, and once in `other`.
#[Object]
impl BreakdownConnection {
    /// The page's rows, in order.
    async fn nodes(&self) -> List<&BreakdownRow> {
        self.rows.iter().collect()
    }

    /// The page's rows with their cursors, in order.
    async fn edges(&self) -> List<BreakdownEdge> {
        self.rows.iter().map(|row| BreakdownEdge { cursor: row.cursor(), node: row.clone() }).collect()
    }

    /// Where the page lies in the list.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_previous_page: !self.is_first,
            has_next_page: self.more,
            start_cursor: self.rows.first().map(BreakdownRow::cursor),
            end_cursor: self.rows.last().map(BreakdownRow::cursor),
        }
    }

    /// Numbers of all rows that are not on this page, taken together: a visit or visitor with part in several of them counts once.
    /// Never null, zero where there are none.
    async fn other(&self) -> Option<Metrics> {
        self.other.clone()
    }
}

impl BreakdownRow {
    fn cursor(&self) -> String {
        row_cursor(self.row.order, &self.row.key)
    }
}
