//! Live subscriptions: counts and events as they happen, for members with access to the website.
//!
//! - Access is checked at the start, and again before an item if anything has changed or five seconds have passed.
//! - A stream ends with an error once access is lost.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Subscription, Value};
use chrono::{DateTime, Utc};
use futures_util::{
    StreamExt as _,
    stream::{BoxStream, unfold},
};
use uuid::Uuid;

use super::LiveSite;
use crate::{
    access::{
        On, PublicWebsite, Reach as _, Role, Site, Viewer, access_directive,
        stream_access::{IDLE, Lasting, Proven},
    },
    analytics::{
        country::country_name,
        event::{Event, EventKind, visitor_uuid},
        report::{Device, Money},
    },
    error::Result,
    scalars::{Instant, Json},
};

// Vocabulary

/// A live event of a visitor.
#[derive(Debug, Clone)]
pub struct TrackedEvent(Arc<Event>);

/// Access to a website over the lifetime of a stream.
struct Watch {
    lasting: Lasting,
    site: Site<Viewer>,
}

// Rules

impl Watch {
    /// Starts with the caller of the request. Errors: 401, 400 (malformed ID), 404, 403.
    async fn begin(ctx: &Context<'_>, website_id: &ID) -> Result<Self> {
        let lasting = Lasting::begin(ctx.cx()?);
        Ok(Self { lasting, site: ctx.site::<Viewer>(website_id).await? })
    }

    /// Checks again if the last check is too old. Errors: `Unauthenticated` for a credential that no longer works,
    /// `NotFound`, `Forbidden`.
    async fn go_on(&mut self) -> Result<PublicWebsite> {
        let due = self.lasting.is_due().await?;
        self.renewed(due).await
    }

    /// The same check for an idle stream.
    async fn wait_on(&mut self) -> Result<PublicWebsite> {
        let due = self.lasting.is_due_when_idle().await?;
        self.renewed(due).await
    }

    async fn renewed(&mut self, due: Option<Proven>) -> Result<PublicWebsite> {
        if let Some(proven) = due {
            self.site = self.lasting.cx().site("websiteId", &self.site.id().to_string()).await?;
            self.lasting.renew(proven);
        }
        Ok(self.site.public())
    }

    /// The items for as long as access lasts, then the error.
    fn over<I, T>(
        self,
        items: BoxStream<'static, I>,
        face: impl Fn(PublicWebsite, I, DateTime<Utc>) -> T + Send + 'static,
    ) -> BoxStream<'static, Result<T>>
    where
        I: Send + 'static,
        T: Send + 'static,
    {
        unfold(Some((self, items, face)), |state| async move {
            let (mut watch, mut items, face) = state?;
            let item = loop {
                match tokio::time::timeout(IDLE, items.next()).await {
                    Ok(item) => break item?,
                    Err(_) => {
                        if let Err(error) = watch.wait_on().await {
                            return Some((Err(error), None));
                        }
                    }
                }
            };
            match watch.go_on().await {
                Ok(website) => {
                    let shown = face(website, item, watch.lasting.cx().ports().now());
                    Some((Ok(shown), Some((watch, items, face))))
                }
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }
}

/// Whether an event is shown. Heartbeats only extend visits, and bots are not visitors.
fn is_shown(event: &Event) -> bool {
    event.kind.is_activity() && event.bot.is_empty()
}

fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

// Graph

/// A live event of a visitor. It is durable when it is published.
#[Object]
impl TrackedEvent {
    /// UUID of the event, assigned by the sender or else by the server. An event is no node and has no global ID.
    async fn event_id(&self) -> Uuid {
        self.0.id
    }

    /// Time of the event, UTC.
    async fn at(&self) -> Instant {
        Instant(DateTime::from_timestamp_millis(self.0.time_ms).unwrap_or_default())
    }

    /// Type of the event; never `HEARTBEAT`.
    #[graphql(name = "type")]
    async fn kind(&self) -> EventKind {
        self.0.kind
    }

    /// Name of the event or goal; null for page views.
    async fn name(&self) -> Option<&str> {
        known(&self.0.name)
    }

    /// Path of the page with its hash route (`/app#/orders`), without query and fragment.
    async fn path(&self) -> &str {
        &self.0.path
    }

    /// Title of the page; null if none was recorded.
    async fn title(&self) -> Option<&str> {
        known(&self.0.title)
    }

    /// Host of the page, lower case.
    async fn hostname(&self) -> &str {
        &self.0.hostname
    }

    /// ISO 3166-1 alpha-2 code, upper case; null if unknown.
    async fn country(&self) -> Option<&str> {
        known(&self.0.place.country)
    }

    /// English name of the country; null if unknown.
    async fn country_name(&self) -> Option<&str> {
        country_name(&self.0.place.country)
    }

    /// Device type; null if unknown.
    async fn device(&self) -> Option<Device> {
        Device::named(&self.0.agent.device)
    }

    /// Browser family, as named by uap-core; null if unknown.
    async fn browser(&self) -> Option<&str> {
        known(&self.0.agent.browser)
    }

    /// Operating system, as named by uap-core; null if unknown.
    async fn os(&self) -> Option<&str> {
        known(&self.0.agent.os)
    }

    /// Host of the referring page, without `www.`; null if there is none or if it is the website's own host.
    async fn referrer(&self) -> Option<&str> {
        known(&self.0.acquisition.referrer)
    }

    /// Source, such as `Google`; null for direct traffic.
    async fn source(&self) -> Option<&str> {
        known(&self.0.acquisition.source)
    }

    /// Channel, such as `Organic Search`; null if unknown.
    async fn channel(&self) -> Option<&str> {
        known(&self.0.acquisition.channel)
    }

    /// UUID of the visitor on this website, as in `analytics { visitors }`; a visitor is no node and has no global ID.
    /// On cookieless websites it changes each UTC day.
    async fn visitor_id(&self) -> Uuid {
        visitor_uuid(self.0.visitor)
    }

    /// Custom properties as a flat JSON object; null if there are none.
    async fn properties(&self) -> Option<Json> {
        serde_json::from_str::<Value>(known(&self.0.properties)?).ok().map(Json)
    }

    /// Amount of a revenue event or value of a goal; null if the event has no amount.
    async fn revenue(&self) -> Option<Money> {
        known(&self.0.currency).map(|currency| Money::from_micros(i128::from(self.0.amount_micros), currency))
    }
}

/// Live subscriptions.
#[derive(Debug, Default, Clone, Copy)]
pub struct LiveSubscription;

#[Subscription]
impl LiveSubscription {
    /// Live counts of a website: the current counts, then an update whenever they change, at most five times per
    /// second.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn live_visitors(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global ID or UUID.")] website_id: ID,
    ) -> async_graphql::Result<BoxStream<'static, Result<LiveSite>>> {
        let watch = Watch::begin(ctx, &website_id).await?;
        let changes = watch.lasting.cx().ports().live.changes(watch.site.id());
        Ok(watch.over(changes, |website, figures, at| LiveSite { website, figures, at }))
    }

    /// Page views and events of a website as they happen, excluding heartbeats and bots. A client that falls far behind
    /// misses some.
    #[doc = access_line!(WEBSITE, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Viewer), None))]
    async fn event_tracked(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global ID or UUID.")] website_id: ID,
    ) -> async_graphql::Result<BoxStream<'static, Result<TrackedEvent>>> {
        let watch = Watch::begin(ctx, &website_id).await?;
        let events = watch.lasting.cx().ports().live.events(watch.site.id());
        let events = events.filter(|event| std::future::ready(is_shown(event))).boxed();
        Ok(watch.over(events, |_, event, _| TrackedEvent(event)))
    }
}
