//! What the calling API key may know of itself: what it is, what it used and may use, and what it reads.

use async_graphql::{Context, Object};
use uuid::Uuid;

use super::{ApiKeyPermission, Standing, permission};
use crate::{
    access::{Reach as _, ThisKey},
    connection::PageArgs,
    plan::PlanName,
    ports::Ports,
    scalars::{BigInt, Instant},
    team::Team,
    website::WebsiteConnection,
};

// Vocabulary

/// The calling API key and its figures.
#[derive(Debug, Clone)]
pub struct ApiUsage {
    key: ThisKey,
    standing: Standing,
}

// Rules

/// The calling key and its figures.
pub(crate) fn usage_of(ports: &Ports, key: ThisKey) -> ApiUsage {
    let plan = PlanName::counting(ports.limits, &key.team().team().plan);
    let standing = Standing::of_row(ports, key.api_key(), plan, ports.now());
    ApiUsage { key, standing }
}

// Graph

/// The calling API key: what it is, what it used and may use, and what it reads.
#[Object]
impl ApiUsage {
    /// The UUID of the key's record (REST shows it with `ak_` before it).
    async fn api_key_id(&self) -> Uuid {
        self.key.api_key().id
    }

    /// The key's label.
    async fn name(&self) -> &str {
        &self.key.api_key().name
    }

    /// What it may read.
    async fn permission(&self) -> ApiKeyPermission {
        permission(self.key.api_key())
    }

    /// The UUID of the only website it reads; null when it reads all of the team's.
    async fn website_id(&self) -> Option<Uuid> {
        self.key.api_key().website_id
    }

    /// Requests in this calendar month (UTC), this one included.
    async fn monthly_requests(&self) -> BigInt {
        BigInt(self.standing.monthly_requests)
    }

    /// Requests allowed per calendar month (UTC).
    async fn monthly_limit(&self) -> BigInt {
        BigInt(self.standing.monthly_limit)
    }

    /// Requests left in this calendar month; never below 0.
    async fn monthly_remaining(&self) -> BigInt {
        BigInt(self.standing.monthly_remaining())
    }

    /// When the month's count starts anew: the first instant of next month, UTC.
    async fn monthly_reset_at(&self) -> Instant {
        Instant(self.standing.resets_at)
    }

    /// Requests since the key was made, this one included.
    async fn total_requests(&self) -> BigInt {
        BigInt(self.standing.total_requests)
    }

    /// Requests allowed per minute; counted only where plans limit anything.
    async fn requests_per_minute(&self) -> i32 {
        self.standing.requests_per_minute
    }

    /// The plan whose limits count.
    async fn plan(&self) -> PlanName {
        self.standing.plan
    }

    /// The team whose websites it reads.
    async fn team(&self) -> Team {
        Team(self.key.team().clone())
    }

    /// The websites it reads, oldest first.
    async fn websites(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1 to 100; 20 when neither first nor last is given.")] first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<WebsiteConnection> {
        let args = PageArgs { first, after, last, before };
        Ok(WebsiteConnection::new(crate::website::of_team(ctx.cx()?.ports(), self.key.team(), &args).await?))
    }
}
