//! The answer to an analytics question: totals, series, breakdowns, visitors.
//!
//! - Panels go through the request's loader, so that a dashboard in one request is one pass over the store.
//! - Only the metrics that the document selects are computed; which those are changes no number.

use std::sync::Arc;

use async_graphql::{Context, Enum, Lookahead, Object, SimpleObject, connection::PageInfo};
use uuid::Uuid;

use super::{
    country::country_name,
    plan::{Answer, Basis, KeyedSums, MetricSet, PageRow, Panel, Sums, VisitorRow},
    query::{BreakdownOrder, Dimension, FilterInput, FilterOperator, Interval, Metric},
    question::{
        DEFAULT_ROWS, MAX_ROWS, MAX_VISITORS, Question, check_property, check_search, page_offset, page_size,
        read_row_cursor, read_visitor_cursor, row_cursor, visitor_cursor,
    },
    zone,
};
use crate::{
    cx::{Cx, Reach},
    error::{Error, Result},
    scalars::{BigInt, Date, Instant, TimeZone},
};

/// Two instants; the start is included and the end is not.
#[derive(SimpleObject, Debug, Clone, Copy)]
pub struct InstantRange {
    /// First instant of the range, UTC.
    pub start: Instant,
    /// First instant after the range, UTC.
    pub end: Instant,
    /// Calendar day of `start` in the question's zone.
    pub start_date: Date,
    /// Calendar day of `end` in the question's zone.
    pub end_date: Date,
}

/// A condition that the numbers were counted under.
#[derive(SimpleObject, Debug, Clone)]
pub struct Filter {
    /// What is compared.
    pub dimension: Dimension,
    /// Name of the event property that is compared; null for the dimension itself.
    pub property: Option<String>,
    /// How it is compared.
    pub operator: FilterOperator,
    /// What it is compared with.
    pub values: Vec<String>,
}

impl From<FilterInput> for Filter {
    fn from(filter: FilterInput) -> Self {
        let FilterInput { dimension, property, operator, values } = filter;
        Self { dimension, property, operator, values }
    }
}

/// An amount of money.
#[derive(SimpleObject, Debug, Clone)]
pub struct Money {
    /// Amount in major units, such as 49.9 dollars.
    pub amount: f64,
    /// ISO 4217 code.
    pub currency: String,
}

/// The numbers of a period, a bucket or a row. Each has one definition, whatever else is asked for.
#[derive(Debug, Clone)]
pub struct Metrics {
    sums: Sums,
    currency: Arc<str>,
}

/// The numbers of a period, a bucket or a row. Each has one definition, whatever else is asked for.
#[Object]
impl Metrics {
    /// Distinct visitors with an event in the period. Exact. Where identity is cookieless a visitor is new each UTC day, so
    /// that a count over several days is of visitor-days.
    async fn visitors(&self) -> BigInt {
        BigInt(self.sums.visitors)
    }

    /// Visits (sessions) that start in the period. A visit ends after 30 minutes without an event, and for no other reason.
    async fn visits(&self) -> BigInt {
        BigInt(self.sums.visits)
    }

    /// Page views in the period, repeats counted.
    async fn pageviews(&self) -> BigInt {
        BigInt(self.sums.pageviews)
    }

    /// Events in the period other than page views and heartbeats.
    async fn events(&self) -> BigInt {
        BigInt(self.sums.events)
    }

    /// Share of visits with one page view and no interaction event, 0 to 1; null without visits. Scroll milestones are no
    /// interaction.
    async fn bounce_rate(&self) -> Option<f64> {
        self.sums.bounce_rate()
    }

    /// Mean time from a visit's first to its last event in seconds, bounces included; null without visits.
    async fn visit_duration_seconds(&self) -> Option<f64> {
        self.sums.visit_duration_seconds()
    }

    /// Page views of the visits divided by the visits; null without visits.
    async fn views_per_visit(&self) -> Option<f64> {
        self.sums.views_per_visit()
    }

    /// Goal completions in the period.
    async fn conversions(&self) -> BigInt {
        BigInt(self.sums.conversions)
    }

    /// Share of visits with at least one goal completion, 0 to 1; null without visits.
    async fn conversion_rate(&self) -> Option<f64> {
        self.sums.conversion_rate()
    }

    /// Money received in the period in the website's currency; other currencies are left out. Null when there is none.
    async fn revenue(&self) -> Option<Money> {
        #[expect(clippy::cast_precision_loss, reason = "millionths up to 2^53 are nine billion in major units")]
        (self.sums.revenue_micros != 0)
            .then(|| Money { amount: self.sums.revenue_micros as f64 / 1e6, currency: self.currency.to_string() })
    }

    /// Mean value score of the visits, 0 to 100; null without visits.
    async fn average_score(&self) -> Option<f64> {
        self.sums.average_score()
    }
}

/// The metrics that a selection of [`Metrics`] names.
fn metrics_in(selection: &Lookahead<'_>) -> MetricSet {
    [
        ("visitors", Metric::Visitors),
        ("visits", Metric::Visits),
        ("pageviews", Metric::Pageviews),
        ("events", Metric::Events),
        ("bounceRate", Metric::BounceRate),
        ("visitDurationSeconds", Metric::VisitDuration),
        ("viewsPerVisit", Metric::ViewsPerVisit),
        ("conversions", Metric::Conversions),
        ("conversionRate", Metric::ConversionRate),
        ("revenue", Metric::Revenue),
        ("averageScore", Metric::AverageScore),
    ]
    .into_iter()
    .filter(|(field, _)| selection.field(field).exists())
    .map(|(_, metric)| metric)
    .collect()
}

/// One bucket of a series.
#[derive(SimpleObject, Debug, Clone)]
pub struct SeriesPoint {
    /// First instant of the bucket, UTC; it may lie before the range, whose part alone is counted.
    pub start: Instant,
    /// Calendar day of `start` in the question's zone.
    pub date: Date,
    /// The website's id.
    pub website_id: Uuid,
    /// Numbers of the bucket; zero where nothing happened.
    pub metrics: Metrics,
}

/// What a page has beside its metrics.
#[derive(SimpleObject, Debug, Clone)]
pub struct Page {
    /// Latest title in the range; null where none was sent.
    pub title: Option<String>,
    /// Visits that start in the range with this page as their first.
    pub entries: BigInt,
    /// Visits that start in the range with this page as their last.
    pub exits: BigInt,
    /// Mean time from a view of the page to the visit's next event, in seconds; views that end a visit are left out. Null
    /// without such views.
    pub time_on_page_seconds: Option<f64>,
}

/// One value of a dimension with its numbers.
#[derive(Debug, Clone)]
pub struct BreakdownRow {
    by: Dimension,
    row: KeyedSums,
    page: Option<Page>,
    share: Option<f64>,
    currency: Arc<str>,
}

/// One value of a dimension with its numbers.
#[Object]
impl BreakdownRow {
    /// The value, as filters take it; empty where there is none (no referrer, an unknown country).
    async fn value(&self) -> &str {
        &self.row.key
    }

    /// The value as people read it, such as `Netherlands` for `NL`; null where the value says it itself.
    async fn label(&self) -> Option<&str> {
        match (self.by, self.row.key.as_str()) {
            (Dimension::Referrer | Dimension::Source, "") => Some("Direct"),
            (Dimension::Country, "") => Some("Unknown"),
            (Dimension::Country, code) => country_name(code),
            (_, "") => Some("(none)"),
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

/// A page of a breakdown. Its rows and `other` add up to the totals where the metric is additive.
#[derive(Debug, Clone)]
pub struct BreakdownConnection {
    rows: Vec<BreakdownRow>,
    more: bool,
    is_first: bool,
    other: Option<Metrics>,
}

/// A page of a breakdown. Its rows and `other` add up to the totals where the metric is additive.
#[Object]
impl BreakdownConnection {
    /// The page's rows, in order.
    async fn nodes(&self) -> &[BreakdownRow] {
        &self.rows
    }

    /// The page's rows with their cursors, in order.
    async fn edges(&self) -> Vec<BreakdownEdge> {
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

    /// Numbers of all rows that are not on this page, together.
    async fn other(&self) -> Option<Metrics> {
        self.other.clone()
    }
}

impl BreakdownRow {
    fn cursor(&self) -> String {
        row_cursor(self.row.order, &self.row.key)
    }
}

/// What kind of device a visitor used.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// A computer with a keyboard.
    Desktop,
    /// A phone.
    Mobile,
    /// A tablet.
    Tablet,
}

/// One visitor, described by the latest visit in the range.
#[derive(Debug, Clone)]
pub struct Visitor {
    row: VisitorRow,
}

fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn instant(ms: i64) -> Instant {
    Instant(chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default())
}

/// One visitor, described by the latest visit in the range.
#[Object]
impl Visitor {
    /// The visitor's id on this website. Where identity is cookieless it is another one each UTC day.
    async fn visitor_id(&self) -> Uuid {
        visitor_uuid(self.row.visitor)
    }

    /// ISO 3166-1 alpha-2, upper case; null where unknown.
    async fn country_code(&self) -> Option<&str> {
        known(&self.row.country)
    }

    /// English name of the country; null where unknown.
    async fn country_name(&self) -> Option<&str> {
        country_name(&self.row.country)
    }

    /// City; null where unknown.
    async fn city(&self) -> Option<&str> {
        known(&self.row.city)
    }

    /// Device type; null where the user agent does not tell.
    async fn device_type(&self) -> Option<Device> {
        match self.row.device.as_str() {
            "desktop" => Some(Device::Desktop),
            "mobile" => Some(Device::Mobile),
            "tablet" => Some(Device::Tablet),
            _ => None,
        }
    }

    /// Browser family, as uap-core names it; null where unknown.
    async fn browser(&self) -> Option<&str> {
        known(&self.row.browser)
    }

    /// Operating system, as uap-core names it; null where unknown.
    async fn os(&self) -> Option<&str> {
        known(&self.row.os)
    }

    /// Value score of the latest visit, 0 to 100; 80 and above is high.
    async fn value_score(&self) -> i32 {
        i32::try_from(self.row.score).unwrap_or(100)
    }

    /// When the latest visit started, UTC.
    async fn visited_at(&self) -> Instant {
        instant(self.row.visited_ms)
    }

    /// When the last event of that visit happened, UTC.
    async fn last_seen_at(&self) -> Instant {
        instant(self.row.last_ms)
    }

    /// Path of that visit's first page view; empty for a visit without one.
    async fn landing_page(&self) -> &str {
        &self.row.entry_page
    }

    /// Host of the page that referred that visit; null for a direct one.
    async fn referrer(&self) -> Option<&str> {
        known(&self.row.referrer)
    }

    /// Whether that visit had an interaction event.
    async fn had_interaction(&self) -> bool {
        self.row.interacted
    }

    /// Visits in the range.
    async fn visits(&self) -> BigInt {
        BigInt(self.row.visits)
    }

    /// Page views of those visits.
    async fn pageviews(&self) -> BigInt {
        BigInt(self.row.pageviews)
    }
}

/// A visitor's key in the shape of a UUID (version 8: own layout): clients expect one.
fn visitor_uuid(visitor: u64) -> Uuid {
    let visitor = u128::from(visitor);
    let (head, middle, tail) = (visitor >> 16, (visitor >> 4) & 0xfff, visitor & 0xf);
    Uuid::from_u128(head << 80 | 0x8 << 76 | middle << 64 | 0b10 << 62 | tail)
}

/// A visitor with the place in the list.
#[derive(SimpleObject, Debug, Clone)]
pub struct VisitorEdge {
    /// Opaque place in the list, for `after`.
    pub cursor: String,
    /// The visitor.
    pub node: Visitor,
}

/// A page of visitors, the latest visit first.
#[derive(Debug, Clone)]
pub struct VisitorConnection {
    rows: Vec<Visitor>,
    more: bool,
    is_first: bool,
}

/// A page of visitors, the latest visit first.
#[Object]
impl VisitorConnection {
    /// The page's visitors, in order.
    async fn nodes(&self) -> &[Visitor] {
        &self.rows
    }

    /// The page's visitors with their cursors, in order.
    async fn edges(&self) -> Vec<VisitorEdge> {
        self.rows.iter().map(|visitor| VisitorEdge { cursor: visitor.cursor(), node: visitor.clone() }).collect()
    }

    /// Where the page lies in the list.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_previous_page: !self.is_first,
            has_next_page: self.more,
            start_cursor: self.rows.first().map(Visitor::cursor),
            end_cursor: self.rows.last().map(Visitor::cursor),
        }
    }
}

impl Visitor {
    fn cursor(&self) -> String {
        visitor_cursor(self.row.visited_ms, self.row.visitor)
    }
}

/// The answer to an analytics question about one website.
#[derive(Debug, Clone)]
pub struct Analytics {
    question: Arc<Question>,
    currency: Arc<str>,
}

impl Analytics {
    /// Answers to this question.
    #[must_use]
    pub fn new(question: Question) -> Self {
        let currency = Arc::from(question.basis.currency.as_str());
        Self { question: Arc::new(question), currency }
    }

    async fn totals_of(&self, cx: &Cx, basis: &Basis, metrics: MetricSet) -> Result<Metrics> {
        if metrics.is_empty() {
            return Ok(Metrics { sums: Sums::default(), currency: self.currency.clone() });
        }
        match cx.loaders().panel(basis, Panel::Totals { metrics }).await? {
            Answer::Totals(sums) => Ok(Metrics { sums, currency: self.currency.clone() }),
            _ => Err(mismatch()),
        }
    }
}

fn mismatch() -> Error {
    Error::broken("the event store answered another panel than was asked")
}

/// The answer to an analytics question about one website. All parts share the range, the zone and the filters; asked for
/// together they cost one pass over the store.
#[Object]
impl Analytics {
    /// The range that was counted, resolved to instants.
    async fn range(&self) -> InstantRange {
        let (span, zone) = (self.question.basis.span, self.question.zone);
        InstantRange {
            start: Instant(span.start()),
            end: Instant(span.end()),
            start_date: Date(zone::local_date(zone, span.start())),
            end_date: Date(zone::local_date(zone, span.end())),
        }
    }

    /// The zone that days, weeks and months belong to: the argument, else the website's.
    async fn timezone(&self) -> TimeZone {
        TimeZone(self.question.zone)
    }

    /// The conditions that the numbers were counted under; all of them hold.
    async fn filters(&self) -> Vec<Filter> {
        self.question.basis.filters.iter().cloned().map(Filter::from).collect()
    }

    /// Numbers of the whole range.
    async fn totals(&self, ctx: &Context<'_>) -> Result<Metrics> {
        let metrics = metrics_in(&ctx.look_ahead());
        self.totals_of(ctx.cx()?, &self.question.basis, metrics).await
    }

    /// Numbers of the period compared with; null when the question asks for no comparison.
    async fn previous(&self, ctx: &Context<'_>) -> Option<Result<Metrics>> {
        let answer: Result<Option<Metrics>> = async {
            let Some(basis) = &self.question.previous else { return Ok(None) };
            let metrics = metrics_in(&ctx.look_ahead());
            Ok(Some(self.totals_of(ctx.cx()?, basis, metrics).await?))
        }
        .await;
        answer.transpose()
    }

    /// Numbers per bucket of time in the question's zone, ascending, zero where nothing happened. A visit belongs to the
    /// bucket it starts in; page views, events and visitors to that of the event. At most 5,000 buckets.
    async fn series(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Length of the buckets. Weeks start on Monday.")] interval: Interval,
    ) -> Result<Vec<SeriesPoint>> {
        let (basis, zone) = (&self.question.basis, self.question.zone);
        let edges: Arc<[i64]> = zone::edges(basis.span, interval, zone)?.into();
        let metrics = metrics_in(&ctx.look_ahead().field("metrics"));
        let mut points: Vec<SeriesPoint> = edges
            .split_last()
            .map_or(&[][..], |(_, starts)| starts)
            .iter()
            .map(|start_ms| SeriesPoint {
                start: instant(*start_ms),
                date: Date(zone::local_date(zone, instant(*start_ms).0)),
                website_id: basis.website,
                metrics: Metrics { sums: Sums::default(), currency: self.currency.clone() },
            })
            .collect();
        if !metrics.is_empty() {
            let Answer::Series(buckets) = ctx.cx()?.loaders().panel(basis, Panel::Series { edges, metrics }).await?
            else {
                return Err(mismatch());
            };
            for (index, sums) in buckets {
                if let Some(point) = points.get_mut(index) {
                    point.metrics.sums = sums;
                }
            }
        }
        Ok(points)
    }

    /// Numbers per value of a dimension. Default order: PAGE by PAGEVIEWS, ENTRY_PAGE and EXIT_PAGE by VISITS, EVENT by
    /// EVENTS, else VISITORS, descending; ties by value, so that paging never skips or repeats a row.
    #[expect(clippy::too_many_arguments, reason = "one per argument of the field")]
    async fn breakdown(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to break down by.")] by: Dimension,
        #[graphql(desc = "With EVENT: break down by the values of this event property instead of the event's name.")]
        property: Option<String>,
        #[graphql(desc = "Rows of the page, 1 to 100; null means 20.", default_with = "Some(DEFAULT_ROWS)")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Which metric orders the rows, and which way.")] order_by: Option<BreakdownOrder>,
        #[graphql(desc = "Only values that contain this text, letter case ignored; 200 characters at most.")]
        search: Option<String>,
    ) -> Result<BreakdownConnection> {
        check_property("property", by, property.as_deref())?;
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
            search: check_search(search)?,
            other: rest.exists(),
        };
        let whole = async {
            match shares {
                true => self.totals_of(cx, basis, MetricSet::NONE.with(Metric::Visitors)).await.map(Some),
                false => Ok(None),
            }
        };
        let (answer, whole) = futures_util::try_join!(cx.loaders().panel(basis, panel), whole)?;
        let Answer::Breakdown { rows, more, other } = answer else { return Err(mismatch()) };
        let described = by == Dimension::Page && (nodes.field("page").exists() || edges.field("page").exists());
        let mut pages = if described && !rows.is_empty() {
            let paths = rows.iter().map(|row| row.key.clone()).collect();
            match cx.loaders().panel(basis, Panel::Pages { paths }).await? {
                Answer::Pages(pages) => pages,
                _ => return Err(mismatch()),
            }
        } else {
            Vec::new()
        }
        .into_iter();
        let whole = whole.map_or(0, |metrics| metrics.sums.visitors);
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let share = |row: &KeyedSums| (whole > 0).then(|| row.sums.visitors as f64 / whole as f64);
        Ok(BreakdownConnection {
            rows: rows
                .into_iter()
                .map(|row| BreakdownRow {
                    by,
                    share: share(&row),
                    row,
                    page: pages.next().map(Page::from),
                    currency: self.currency.clone(),
                })
                .collect(),
            more,
            is_first,
            other: other.map(|sums| Metrics { sums, currency: self.currency.clone() }),
        })
    }

    /// Visitors with an event in the range, the latest visit first.
    async fn visitors(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows of the page, 1 to 1,000; null means 20.", default_with = "Some(DEFAULT_ROWS)")]
        first: Option<i32>,
        #[graphql(desc = "Only visitors after this cursor.")] after: Option<String>,
        #[graphql(desc = "Visitors to pass over, 0 to 1,000,000; `after` pages faster.")] offset: Option<i32>,
    ) -> Result<VisitorConnection> {
        let limit = page_size(first, MAX_VISITORS)?;
        let offset = page_offset(offset)?;
        let after = after.as_deref().map(read_visitor_cursor).transpose()?;
        let is_first = after.is_none() && offset == 0;
        let panel = Panel::Visitors { offset, after, limit };
        match ctx.cx()?.loaders().panel(&self.question.basis, panel).await? {
            Answer::Visitors { rows, more } => {
                Ok(VisitorConnection { rows: rows.into_iter().map(|row| Visitor { row }).collect(), more, is_first })
            }
            _ => Err(mismatch()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitors_key_fits_into_a_uuid_of_version_8() {
        let uuid = visitor_uuid(0x0123_4567_89ab_cdef);
        assert_eq!(uuid.to_string(), "01234567-89ab-8cde-8000-00000000000f");
        assert_eq!(uuid.get_version_num(), 8);
    }
}
