//! Live counts from memory, and the day's counts beside them.
//!
//! - Anonymous callers see counts only; paths require [`Watching`].
//! - Live figures come from memory, the day's counts from the event store.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    access::{On, PublicWebsite, Reach as _, RealtimeView, Role, TrackedWebsite, access_directive, cx::Cx},
    analytics::{
        country::country_name,
        plan::{Answer, Asker, Basis, MetricSet, Panel, Sums},
        query::{Interval, Metric, Span},
        zone,
    },
    cost::first_of,
    error::{Error, Result},
    error_code::{ErrorCode, errors},
    goal_rule::Goals,
    list::List,
    ports::Ports,
    scalars::{BigInt, Instant},
    traffic::LiveFigures,
};

mod stream;

pub use stream::{LiveSubscription, TrackedEvent};

// Vocabulary

/// Maximum number of countries, pages and minutes in live figures.
const MAX_COUNTRIES: u32 = 250;
const MAX_PAGES: u32 = 20;
const MINUTES: u32 = 30;

/// Live counts of a website.
#[derive(Debug, Clone)]
pub struct LiveSite {
    website: PublicWebsite,
    figures: LiveFigures,
    at: DateTime<Utc>,
}

/// Current visitors of a website and its counts for today.
#[derive(Debug, Clone)]
pub struct Realtime {
    view: RealtimeView,
    figures: LiveFigures,
    at: DateTime<Utc>,
}

/// A current count, the count for today, and the change from yesterday.
#[derive(SimpleObject, Debug, Clone, Copy, PartialEq)]
pub struct RealtimeCount {
    /// Count of the last five minutes.
    pub current: BigInt,
    /// Count since midnight in the website's time zone.
    pub today: BigInt,
    /// Difference between today's count so far and yesterday's whole count, divided by yesterday's: negative while
    /// today has fewer. 0 if yesterday's count is 0. Days are in the website's time zone.
    pub change: f64,
}

/// A country and its current visitors.
#[derive(SimpleObject, Debug, Clone, PartialEq, Eq)]
pub struct LiveCountry {
    /// ISO 3166-1 alpha-2 code, upper case; empty if unknown.
    pub country: String,
    /// English name of the country; `Unknown` if unknown.
    pub country_name: String,
    /// Visitors of the last five minutes.
    pub count: BigInt,
}

/// A page and its current visitors.
#[derive(SimpleObject, Debug, Clone, PartialEq, Eq)]
pub struct LivePage {
    /// Path of the page with its hash route (`/app#/orders`), without query and fragment.
    pub path: String,
    /// Visitors of the last five minutes whose latest page is this one.
    pub visitors: BigInt,
}

/// Counts for the current day, week and month in the website's time zone.
#[derive(SimpleObject, Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeriodCounts {
    /// Count since midnight.
    pub today: BigInt,
    /// Count since Monday, midnight.
    pub week: BigInt,
    /// Count since the first day of the month, midnight.
    pub month: BigInt,
}

/// Counts of a website for the current day, week and month.
#[derive(SimpleObject, Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteStats {
    /// Exact number of distinct visitors. On cookieless websites a visitor gets a new identity each UTC day.
    pub visitors: PeriodCounts,
    /// Page views, including repeated views.
    pub pageviews: PeriodCounts,
    /// Time of the count, UTC.
    pub at: Instant,
}

/// Tracking status of a website.
#[derive(SimpleObject, Debug, Clone, PartialEq, Eq)]
pub struct SiteStatus {
    /// Whether the website accepts events. False while tracking is paused.
    pub is_active: bool,
    /// Tracking code that pages send events with: `ZV_` followed by 24 characters.
    pub tracking_code: String,
    /// Host name, lower case, without scheme and path.
    pub domain: String,
    /// Time of the last accepted event, UTC; null if there was none within 30 days.
    pub last_event_at: Option<Instant>,
    /// Time of the lookup, UTC.
    pub at: Instant,
}

// Rules

const COUNTED: MetricSet = MetricSet::NONE.with(Metric::Visitors).with(Metric::Pageviews);

impl LiveSite {
    /// The website's current counts. `whole`: whether more than the visitors is requested.
    pub(crate) fn new(ports: &Ports, tracked: &TrackedWebsite, whole: bool) -> Self {
        let website = tracked.website().clone();
        let figures = if whole {
            ports.live.figures(website.id())
        } else {
            LiveFigures { visitors: ports.live.visitors(website.id()), ..LiveFigures::default() }
        };
        Self { website, figures, at: ports.now() }
    }
}

impl Realtime {
    /// The website's current figures.
    pub(crate) fn new(ports: &Ports, view: RealtimeView) -> Self {
        Self { figures: ports.live.figures(view.website().id()), view, at: ports.now() }
    }

    /// Yesterday's and today's sums, from one query.
    async fn days(&self, cx: &Cx) -> Result<[Sums; 2]> {
        let website = self.view.website();
        let zone = website.timezone();
        let span = zone::begun_earlier(zone::to_date(self.at, Interval::Day, zone), Interval::Day, zone);
        let edges: Arc<[i64]> = zone::edges(span, Interval::Day, zone)?.into();
        let panel = Panel::Series { edges, metrics: COUNTED };
        let Answer::Series(buckets) =
            cx.loaders().panel(&self.view, Asker::Team(website.team_id()), &basis(website, span), panel).await?
        else {
            return Err(mismatch());
        };
        let mut days = [Sums::default(); 2];
        for (index, sums) in buckets {
            if let Some(day) = days.get_mut(index) {
                *day = sums;
            }
        }
        Ok(days)
    }

    /// `current` and, if requested, the day's counts beside it.
    async fn count(&self, ctx: &Context<'_>, current: u64, of: fn(&Sums) -> i64) -> Result<RealtimeCount> {
        let asked = ctx.look_ahead();
        let compares = asked.field("today").exists() || asked.field("change").exists();
        let [yesterday, today] = if compares { self.days(ctx.cx()?).await? } else { [Sums::default(); 2] };
        let (yesterday, today) = (of(&yesterday), of(&today));
        Ok(RealtimeCount { current: BigInt::from_u64(current), today: BigInt(today), change: change(yesterday, today) })
    }
}

/// The relative change from an earlier count; 0 if that is 0.
fn change(earlier: i64, later: i64) -> f64 {
    if earlier == 0 {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    let ratio = (later - earlier) as f64 / earlier as f64;
    ratio
}

fn basis(website: &PublicWebsite, span: Span) -> Basis {
    let currency = website.currency().to_owned();
    Basis { website: website.id(), span, filters: Vec::new(), currency, bots: false, goals: Goals::default() }
}

fn mismatch() -> Error {
    Error::broken("the event store answered another panel than was asked")
}

fn countries(figures: &LiveFigures) -> List<LiveCountry> {
    let country = |(code, count): &(String, u64)| LiveCountry {
        country: code.clone(),
        country_name: country_name(code).unwrap_or("Unknown").to_owned(),
        count: BigInt::from_u64(*count),
    };
    first_of(figures.countries.iter().map(country).collect(), MAX_COUNTRIES).into()
}

/// Counts for today, this week and this month.
pub(crate) async fn stats(cx: &Cx, tracked: &TrackedWebsite) -> Result<SiteStats> {
    let (website, now) = (tracked.website(), cx.ports().now());
    let sums = async |unit| {
        let span = zone::to_date(now, unit, website.timezone());
        let (asker, panel) = (Asker::Team(website.team_id()), Panel::Totals { metrics: COUNTED });
        match cx.loaders().panel(tracked, asker, &basis(website, span), panel).await? {
            Answer::Totals(sums) => Ok(sums),
            _ => Err(mismatch()),
        }
    };
    let (today, week, month) =
        futures_util::try_join!(sums(Interval::Day), sums(Interval::Week), sums(Interval::Month))?;
    let counts = |of: fn(&Sums) -> i64| PeriodCounts {
        today: BigInt(of(&today)),
        week: BigInt(of(&week)),
        month: BigInt(of(&month)),
    };
    Ok(SiteStats { visitors: counts(|sums| sums.visitors), pageviews: counts(|sums| sums.pageviews), at: Instant(now) })
}

/// Tracking status of the website.
pub(crate) async fn status(ports: &Ports, tracked: &TrackedWebsite) -> Result<SiteStatus> {
    let website = tracked.website();
    Ok(SiteStatus {
        is_active: website.is_active(),
        tracking_code: website.tracking_code().to_owned(),
        domain: website.domain().to_owned(),
        last_event_at: last_event_at(ports, website.id()).await?,
        at: Instant(ports.now()),
    })
}

/// Time of the website's last accepted event; `None` if there was none within 30 days.
pub(crate) async fn last_event_at(ports: &Ports, website: Uuid) -> Result<Option<Instant>> {
    Ok(ports.ledger.last_event(website).await?.and_then(DateTime::from_timestamp_millis).map(Instant))
}

// Graph

/// Live counts of a website, visible to everyone who knows its tracking code.
#[Object]
impl LiveSite {
    /// Tracking code that pages send events with: `ZV_` followed by 24 characters.
    async fn tracking_code(&self) -> &str {
        self.website.tracking_code()
    }

    /// Host name, lower case, without scheme and path.
    async fn domain(&self) -> &str {
        self.website.domain()
    }

    /// Visitors with an event or a heartbeat in the last five minutes.
    async fn visitors(&self) -> BigInt {
        BigInt::from_u64(self.figures.visitors)
    }

    /// Page views in the last five minutes.
    async fn pageviews(&self) -> BigInt {
        BigInt::from_u64(self.figures.pageviews)
    }

    /// Page views in each of the last thirty minutes, oldest first. The last minute is still in progress.
    #[graphql(directive = crate::cost::list_size::apply(Some(MINUTES), None))]
    async fn minutes(&self) -> Vec<BigInt> {
        first_of(self.figures.minutes.iter().copied().map(BigInt::from_u64).collect(), MINUTES)
    }

    /// Visitors of the last five minutes by country, in descending order, at most 250 countries.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_COUNTRIES), None))]
    async fn countries(&self) -> List<LiveCountry> {
        countries(&self.figures)
    }

    /// Time of the count, UTC.
    async fn at(&self) -> Instant {
        Instant(self.at)
    }
}

/// Current visitors of a website and its counts for today.
#[Object]
impl Realtime {
    /// Visitors. `current` counts those with an event or heartbeat in the last five minutes; `today` counts distinct
    /// visitors.
    async fn visitors(&self, ctx: &Context<'_>) -> Result<RealtimeCount> {
        self.count(ctx, self.figures.visitors, |sums| sums.visitors).await
    }

    /// Page views, including repeated views.
    async fn pageviews(&self, ctx: &Context<'_>) -> Result<RealtimeCount> {
        self.count(ctx, self.figures.pageviews, |sums| sums.pageviews).await
    }

    /// Visitors of the last five minutes by country, in descending order, at most 250 countries.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_COUNTRIES), None))]
    async fn countries(&self) -> List<LiveCountry> {
        countries(&self.figures)
    }

    /// Visitors of the last five minutes by latest page, in descending order, at most 20 pages.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_PAGES), None))]
    async fn top_pages(&self) -> List<LivePage> {
        let page = |(path, visitors): &(Arc<str>, u64)| LivePage {
            path: path.to_string(),
            visitors: BigInt::from_u64(*visitors),
        };
        first_of(self.figures.pages.iter().map(page).collect(), MAX_PAGES).into()
    }

    /// Page views in each of the last thirty minutes, oldest first. The last minute is still in progress.
    #[graphql(directive = crate::cost::list_size::apply(Some(MINUTES), None))]
    async fn minutes(&self) -> Vec<BigInt> {
        first_of(self.figures.minutes.iter().copied().map(BigInt::from_u64).collect(), MINUTES)
    }

    /// Time of the count, UTC.
    async fn at(&self) -> Instant {
        Instant(self.at)
    }
}

/// Live queries.
#[derive(Debug, Default, Clone, Copy)]
pub struct RealtimeQuery;

#[Object]
impl RealtimeQuery {
    /// Live counts of a website. Poll at most every ten seconds, or subscribe to `liveVisitors`. Fails with `NOT_FOUND`
    /// if `publicRealtime` is false.
    #[doc = access_line!(PUBLIC)]
    #[graphql(directive = access_directive::access::apply(On::Public, None, None), directive = errors::apply(vec![ErrorCode::NotFound]))]
    async fn live_site(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website's tracking code: `ZV_` followed by 24 characters.")] tracking_code: String,
    ) -> Option<async_graphql::Result<LiveSite>> {
        let answer: async_graphql::Result<Option<LiveSite>> = async {
            let tracked = TrackedWebsite::live(ctx.cx()?, &tracking_code).await?;
            let asked = ctx.look_ahead();
            let whole = ["pageviews", "minutes", "countries"].iter().any(|field| asked.field(field).exists());
            Ok(Some(LiveSite::new(ctx.cx()?.ports(), &tracked, whole)))
        }
        .await;
        answer.transpose()
    }

    /// Current visitors of a website and its counts for today. Restricted to members if `publicRealtime` is false.
    #[doc = access_line!(WEBSITE, VIEWER, public)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), Some(true)))]
    async fn live_website(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global ID or UUID.")] id: ID,
    ) -> Option<async_graphql::Result<Realtime>> {
        let answer: async_graphql::Result<Option<Realtime>> = async {
            let view = RealtimeView::find(ctx.cx()?, "id", &id).await?;
            Ok(Some(Realtime::new(ctx.cx()?.ports(), view)))
        }
        .await;
        answer.transpose()
    }

    /// Counts of a website for the current day, week and month, in its time zone. Fails with `NOT_FOUND` if
    /// `publicRealtime` is false.
    #[doc = access_line!(PUBLIC)]
    #[graphql(directive = access_directive::access::apply(On::Public, None, None), directive = errors::apply(vec![ErrorCode::NotFound]))]
    async fn site_stats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website's tracking code: `ZV_` followed by 24 characters.")] tracking_code: String,
    ) -> Option<async_graphql::Result<SiteStats>> {
        let answer: async_graphql::Result<Option<SiteStats>> = async {
            let tracked = TrackedWebsite::live(ctx.cx()?, &tracking_code).await?;
            Ok(Some(stats(ctx.cx()?, &tracked).await?))
        }
        .await;
        answer.transpose()
    }

    /// Tracking status of a website and the time of its last event.
    #[doc = access_line!(PUBLIC)]
    #[graphql(directive = access_directive::access::apply(On::Public, None, None))]
    async fn site_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website's tracking code: `ZV_` followed by 24 characters.")] tracking_code: String,
    ) -> Option<async_graphql::Result<SiteStatus>> {
        let answer: async_graphql::Result<Option<SiteStatus>> = async {
            let tracked = TrackedWebsite::find(ctx.cx()?, &tracking_code).await?;
            Ok(Some(status(ctx.cx()?.ports(), &tracked).await?))
        }
        .await;
        answer.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_relative_to_the_earlier_count_and_nothing_without_one() {
        assert_eq!(change(0, 0).to_bits(), 0.0_f64.to_bits());
        assert_eq!(change(0, 7).to_bits(), 0.0_f64.to_bits());
        assert_eq!(change(4, 5).to_bits(), 0.25_f64.to_bits());
        assert_eq!(change(4, 0).to_bits(), (-1.0_f64).to_bits());
    }
}
