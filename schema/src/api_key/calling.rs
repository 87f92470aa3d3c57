//! The calling API key: its record, its usage and limits, and its websites.

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

/// The calling API key and its usage.
#[derive(Debug, Clone)]
pub struct ApiUsage {
    key: ThisKey,
    standing: Standing,
}

// Rules

/// The calling API key and its usage.
pub(crate) fn usage_of(ports: &Ports, key: ThisKey) -> ApiUsage {
    let plan = PlanName::counting(ports.limits, &key.team().team().plan);
    let standing = Standing::of_row(ports, key.api_key(), plan, ports.now());
    ApiUsage { key, standing }
}

// Graph

/// The calling API key: its record, its usage and limits, and its websites.
#[Object]
impl ApiUsage {
    /// UUID of the key's record. REST shows it with the prefix `ak_`.
    async fn api_key_database_id(&self) -> Uuid {
        self.key.api_key().id
    }

    /// Label of the key.
    async fn name(&self) -> &str {
        &self.key.api_key().name
    }

    /// Permission of the key.
    async fn permission(&self) -> ApiKeyPermission {
        permission(self.key.api_key())
    }

    /// UUID of the only website the key can read; null if it can read all websites of the team.
    async fn website_database_id(&self) -> Option<Uuid> {
        self.key.api_key().website_id
    }

    /// Number of requests in the current calendar month (UTC), including this one.
    async fn monthly_requests(&self) -> BigInt {
        BigInt(self.standing.monthly_requests)
    }

    /// Maximum number of requests per calendar month (UTC).
    async fn monthly_limit(&self) -> BigInt {
        BigInt(self.standing.monthly_limit)
    }

    /// Number of requests left in the current calendar month (UTC); never below 0.
    async fn monthly_remaining(&self) -> BigInt {
        BigInt(self.standing.monthly_remaining())
    }

    /// Time when the monthly count resets: the start of next month, UTC.
    async fn monthly_reset_at(&self) -> Instant {
        Instant(self.standing.resets_at)
    }

    /// Number of requests since the key was created, including this one.
    async fn total_requests(&self) -> BigInt {
        BigInt(self.standing.total_requests)
    }

    /// Maximum number of requests per minute. Enforced only if the installation enforces plan limits.
    async fn requests_per_minute(&self) -> i32 {
        self.standing.requests_per_minute
    }

    /// The plan that determines the limits.
    async fn plan(&self) -> PlanName {
        self.standing.plan
    }

    /// The team whose websites the key can read.
    async fn team(&self) -> Team {
        Team(self.key.team().clone())
    }

    /// The websites that the key can read, oldest first.
    async fn websites(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of rows from the start, 1 to 100. Defaults to 20 if `last` is omitted too.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of rows from the end, 1 to 100. Cannot be combined with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<WebsiteConnection> {
        let args = PageArgs { first, after, last, before };
        Ok(WebsiteConnection::new(crate::website::of_team(ctx.cx()?.ports(), self.key.team(), &args, None).await?))
    }
}
