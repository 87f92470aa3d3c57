//! The result of an analytics query: totals, series, breakdowns, visitors.
//!
//! - Panels go through the request's loader, so that a dashboard in one request is one pass over the store.
//! - Only the metrics that the document selects are computed. The selection does not affect their values.

mod breakdown;
mod metrics;
mod visitor;

use std::sync::Arc;

use async_graphql::{Context, Object, SimpleObject};

use self::metrics::metrics_in;
pub use self::{
    breakdown::{BreakdownConnection, BreakdownEdge, BreakdownRow, Page},
    metrics::{Metrics, Money},
    visitor::{Device, Visitor, VisitorConnection, VisitorEdge},
};
use super::{
    plan::{Answer, Basis, KeyedSums, MetricSet, Panel, Sums},
    query::{BreakdownOrder, Dimension, FilterInput, FilterOperator, Interval, Metric},
    query_input::{
        Audience, DEFAULT_ROWS, MAX_FILTERS, MAX_ROWS, MAX_VISITORS, PRICED_VALUES, Question, check_property,
        check_search, page_offset, page_size, read_row_cursor, read_visitor_cursor,
    },
    zone,
};
use crate::{
    access::Reach,
    access::cx::Cx,
    error::{Error, Result},
    list::List,
    scalars::{Date, Instant, TimeZone},
};

/// A range between two instants. The start is inclusive, the end exclusive.
#[derive(SimpleObject, Debug, Clone, Copy)]
pub struct InstantRange {
    /// Start of the range, UTC, inclusive.
    pub start: Instant,
    /// End of the range, UTC, exclusive.
    pub end: Instant,
    /// Calendar day of `start` in the query's time zone.
    pub start_date: Date,
    /// Calendar day of `end` in the query's time zone.
    pub end_date: Date,
}

/// A filter condition of the query.
#[derive(SimpleObject, Debug, Clone)]
pub struct Filter {
    /// Dimension that is compared.
    pub dimension: Dimension,
    /// Name of the event property that is compared; null if the dimension itself is compared.
    pub property: Option<String>,
    /// Comparison operator.
    pub operator: FilterOperator,
    /// Values that are compared with.
    #[graphql(directive = crate::cost::list_size::apply(Some(PRICED_VALUES), None))]
    pub values: Vec<String>,
}

impl From<FilterInput> for Filter {
    fn from(filter: FilterInput) -> Self {
        let FilterInput { dimension, property, operator, values } = filter;
        Self { dimension, property, operator, values }
    }
}

/// One bucket of a time series.
#[derive(SimpleObject, Debug, Clone)]
pub struct SeriesPoint {
    /// Start of the bucket, UTC. It may lie before the start of the range; only the part within the range is counted.
    pub start: Instant,
    /// Calendar day of `start` in the query's time zone.
    pub date: Date,
    /// Metrics of the bucket; zero if nothing happened.
    pub metrics: Metrics,
}

/// The result of an analytics query for one website.
#[derive(Debug, Clone)]
pub struct Analytics {
    question: Arc<Question>,
    /// `None`: revenue is hidden.
    currency: Option<Arc<str>>,
}

impl Analytics {
    /// Results of this query.
    #[must_use]
    pub fn new(question: Question) -> Self {
        let currency = match question.audience {
            Audience::Team => Some(Arc::from(question.basis.currency.as_str())),
            Audience::Public { .. } => None,
        };
        Self { question: Arc::new(question), currency }
    }

    async fn totals_of(&self, cx: &Cx, basis: &Basis, metrics: MetricSet) -> Result<Metrics> {
        if metrics.is_empty() {
            return Ok(Metrics::new(Sums::default(), self.currency.as_ref()));
        }
        match cx.loaders().panel(&self.question.view, self.question.asker, basis, Panel::Totals { metrics }).await? {
            Answer::Totals(sums) => Ok(Metrics::new(sums, self.currency.as_ref())),
            _ => Err(mismatch()),
        }
    }
}

fn mismatch() -> Error {
    Error::broken("the event store answered another panel than was asked")
}

/// The result of an analytics query for one website. All fields share the range, time zone and filters. Fields
/// requested together are computed in one pass over the data.
#[Object]
impl Analytics {
    /// Time range of the query, resolved to instants.
    async fn range(&self) -> InstantRange {
        let (span, zone) = (self.question.basis.span, self.question.zone);
        InstantRange {
            start: Instant(span.start()),
            end: Instant(span.end()),
            start_date: Date(zone::local_date(zone, span.start())),
            end_date: Date(zone::local_date(zone, span.end())),
        }
    }

    /// Time zone of days, weeks and months: the `timezone` argument, or the website's time zone if it was omitted.
    async fn timezone(&self) -> TimeZone {
        TimeZone(self.question.zone)
    }

    /// Filter conditions of the query, combined with AND.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_FILTERS), None))]
    async fn filters(&self) -> List<Filter> {
        self.question.basis.filters.iter().cloned().map(Filter::from).collect()
    }

    /// Metrics for the whole range.
    async fn totals(&self, ctx: &Context<'_>) -> Result<Metrics> {
        let metrics = metrics_in(&ctx.look_ahead());
        self.totals_of(ctx.cx()?, &self.question.basis, metrics).await
    }

    /// Metrics for the comparison period; null if `compare` was not requested.
    async fn previous(&self, ctx: &Context<'_>) -> Option<Result<Metrics>> {
        let answer: Result<Option<Metrics>> = async {
            let Some(basis) = &self.question.previous else { return Ok(None) };
            let metrics = metrics_in(&ctx.look_ahead());
            Ok(Some(self.totals_of(ctx.cx()?, basis, metrics).await?))
        }
        .await;
        answer.transpose()
    }

    /// Metrics per time bucket in the query's time zone, ascending, at most 5,000 buckets. Buckets without data are
    /// zero. A visit belongs to the bucket in which it starts; page views, events and visitors belong to the bucket of
    /// the event.
    #[graphql(directive = crate::cost::list_size::apply(Some(zone::MAX_BUCKETS), None))]
    async fn series(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Bucket length. Weeks start on Monday.")] interval: Interval,
    ) -> Result<List<SeriesPoint>> {
        let (basis, zone) = (&self.question.basis, self.question.zone);
        let edges: Arc<[i64]> = zone::edges(basis.span, interval, zone)?.into();
        let metrics = metrics_in(&ctx.look_ahead().field("metrics"));
        let mut points: Vec<SeriesPoint> = edges
            .split_last()
            .map_or(&[][..], |(_, starts)| starts)
            .iter()
            .map(|start_ms| SeriesPoint {
                start: Instant::from_millis(*start_ms),
                date: Date(zone::local_date(zone, Instant::from_millis(*start_ms).0)),
                metrics: Metrics::new(Sums::default(), self.currency.as_ref()),
            })
            .collect();
        if !metrics.is_empty() {
            let Answer::Series(buckets) = ctx
                .cx()?
                .loaders()
                .panel(&self.question.view, self.question.asker, basis, Panel::Series { edges, metrics })
                .await?
            else {
                return Err(mismatch());
            };
            for (index, sums) in buckets {
                if let Some(point) = points.get_mut(index) {
                    point.metrics.sums = sums;
                }
            }
        }
        Ok(points.into())
    }

    /// Metrics per value of a dimension. Default order, descending: PAGE by PAGEVIEWS, ENTRY_PAGE and EXIT_PAGE by
    /// VISITS, EVENT by EVENTS, all others by VISITORS. Ties are sorted by value, so that paging never skips or
    /// repeats a row. Anonymous callers cannot use `property` or order by REVENUE, ORDERS, AVERAGE_ORDER_VALUE or GOAL_VALUE; they can break
    /// down by TITLE, EVENT and GOAL only if the website's `publicDetails` is true.
    #[expect(clippy::too_many_arguments, reason = "one per argument of the field")]
    async fn breakdown(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Dimension to group by.")] by: Dimension,
        #[graphql(
            desc = "Name of an event property, for dimension EVENT only: groups by the property's values instead of the event name. Events without the property form the row with an empty value."
        )]
        property: Option<String>,
        #[graphql(desc = "Page size, 1 to 100 rows. Null means 20.", default_with = "Some(DEFAULT_ROWS)")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Sort order of the rows.")] order_by: Option<BreakdownOrder>,
        #[graphql(desc = "Only values that contain this text, at most 200 characters. Case and accents are ignored.")]
        search: Option<String>,
    ) -> Result<BreakdownConnection> {
        check_property("property", by, property.as_deref())?;
        self.question.audience.may_ask(by)?;
        let is_money = |order: &BreakdownOrder| {
            use Metric::{AverageOrderValue, GoalValue, Orders, Revenue};
            matches!(order.metric, Revenue | Orders | AverageOrderValue | GoalValue)
        };
        if property.is_some() || order_by.as_ref().is_some_and(is_money) {
            self.question.audience.members_only()?;
        }
        let limit = page_size(first, MAX_ROWS)?;
        let after = after.as_deref().map(read_row_cursor).transpose()?;
        let selection = ctx.look_ahead();
        let (nodes, edges) = (selection.field("nodes"), selection.field("edges").field("node"));
        let rest = selection.field("other");
        let metrics =
            metrics_in(&nodes.field("metrics")).union(metrics_in(&edges.field("metrics"))).union(metrics_in(&rest));
        let shares = nodes.field("share").exists() || edges.field("share").exists();
        let metrics = if shares { metrics.with(Metric::Visitors) } else { metrics };
        let (order, direction) = order_by
            .map_or((by.default_order(), super::query::SortDirection::Desc), |order| (order.metric, order.direction));
        let (basis, cx, is_first) = (&self.question.basis, ctx.cx()?, after.is_none());
        let panel = Panel::Breakdown {
            by,
            property,
            metrics,
            order,
            direction,
            after,
            limit,
            search: check_search(by, search)?,
            other: rest.exists(),
        };
        // Rows of a goal are compared with all visits.
        let rates = by == Dimension::Goal && metrics.has(Metric::ConversionRate);
        let compared = [(shares, Metric::Visitors), (rates, Metric::Visits)];
        let compared: MetricSet = compared.into_iter().filter(|(asked, _)| *asked).map(|(_, metric)| metric).collect();
        let whole = self.totals_of(cx, basis, compared);
        let (answer, whole) =
            futures_util::try_join!(cx.loaders().panel(&self.question.view, self.question.asker, basis, panel), whole)?;
        let Answer::Breakdown { rows, more, other } = answer else { return Err(mismatch()) };
        let described = by == Dimension::Page && (nodes.field("page").exists() || edges.field("page").exists());
        let mut pages = if described && !rows.is_empty() {
            let paths = rows.iter().map(|row| row.key.clone()).collect();
            match cx.loaders().panel(&self.question.view, self.question.asker, basis, Panel::Pages { paths }).await? {
                Answer::Pages(pages) => pages,
                _ => return Err(mismatch()),
            }
        } else {
            Vec::new()
        }
        .into_iter();
        let has_titles = self.question.audience.has_details();
        let page_of = |row| {
            let page = Page::from(row);
            if has_titles { page } else { Page { title: None, ..page } }
        };
        let visits_of_all = rates.then_some(whole.sums.visits);
        let whole = whole.sums.visitors;
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let share = |row: &KeyedSums| (whole > 0).then(|| row.sums.visitors as f64 / whole as f64);
        Ok(BreakdownConnection {
            rows: rows
                .into_iter()
                .map(|row| BreakdownRow {
                    by,
                    share: share(&row),
                    row,
                    page: pages.next().map(page_of),
                    currency: self.currency.clone(),
                    visits_of_all,
                })
                .collect(),
            more,
            is_first,
            other: Metrics { visits_of_all, ..Metrics::new(other.unwrap_or_default(), self.currency.as_ref()) },
        })
    }

    /// Visitors with at least one event in the range, most recent visit first. Requires membership, even if the
    /// website's dashboard is public.
    async fn visitors(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Page size, 1 to 1,000 rows. Null means 20.", default_with = "Some(DEFAULT_ROWS)")]
        first: Option<i32>,
        #[graphql(desc = "Only visitors after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of visitors to skip, 0 to 1,000,000. Paging with `after` is faster.")] offset: Option<
            i32,
        >,
    ) -> Result<VisitorConnection> {
        self.question.audience.members_only()?;
        let limit = page_size(first, MAX_VISITORS)?;
        let offset = page_offset(offset)?;
        let after = after.as_deref().map(read_visitor_cursor).transpose()?;
        let is_first = after.is_none() && offset == 0;
        let panel = Panel::Visitors { offset, after, limit };
        match ctx.cx()?.loaders().panel(&self.question.view, self.question.asker, &self.question.basis, panel).await? {
            Answer::Visitors { rows, more } => {
                Ok(VisitorConnection { rows: rows.into_iter().map(|row| Visitor { row }).collect(), more, is_first })
            }
            _ => Err(mismatch()),
        }
    }
}
