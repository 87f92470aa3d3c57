//! Usage of API keys against their limits, and writing counted requests to rows.

use chrono::{DateTime, Datelike as _, NaiveDate, SecondsFormat, Utc};
use entity::api_key;
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _,
    sea_query::{CaseStatement, Expr, ExprTrait as _},
};
use uuid::Uuid;

use crate::{
    access::{Caller, Operator},
    error::{Error, Result},
    key_usage::{Counted, Exceeded, KeyLimits},
    plan::PlanName,
    ports::{Limits, Ports},
    rate_window::{self, Window},
};

/// The first instant of the next UTC month.
#[must_use]
pub fn next_month(at: DateTime<Utc>) -> DateTime<Utc> {
    let (year, month) = if at.month() == 12 { (at.year() + 1, 1) } else { (at.year(), at.month() + 1) };
    let midnight = NaiveDate::from_ymd_opt(year, month, 1).and_then(|day| day.and_hms_opt(0, 0, 0));
    midnight.map_or(at, |midnight| midnight.and_utc())
}

/// Usage of a key against its limits, as shown in rate-limit headers and `apiUsage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The plan that determines the limits.
    pub plan: PlanName,
    /// Maximum number of requests per minute. Enforced only if the installation enforces plan limits.
    pub requests_per_minute: i32,
    /// Requests in the current UTC month.
    pub monthly_requests: i64,
    /// Requests allowed per UTC month.
    pub monthly_limit: i64,
    /// Requests since the key was created.
    pub total_requests: i64,
    /// Start of next month, UTC.
    pub resets_at: DateTime<Utc>,
    /// Requests in the current minute.
    pub window: Window,
}

impl Standing {
    fn new(plan: PlanName, counted: Counted, now: DateTime<Utc>) -> Self {
        let limits = plan.limits();
        Self {
            plan,
            requests_per_minute: limits.requests_per_minute,
            monthly_requests: counted.monthly,
            monthly_limit: limits.requests_per_month.0,
            total_requests: counted.total,
            resets_at: next_month(now),
            window: counted.window,
        }
    }

    /// Usage of a key, from its row.
    pub(crate) fn of_row(ports: &Ports, row: &api_key::Model, plan: PlanName, now: DateTime<Utc>) -> Self {
        Self::new(plan, ports.key_usage.counted_with(row, now), now)
    }

    /// Requests left in this month; never below 0.
    #[must_use]
    pub fn monthly_remaining(&self) -> i64 {
        Ord::max(self.monthly_limit.saturating_sub(self.monthly_requests), 0)
    }
}

/// Usage of the calling key without a database query, for response headers. `None` if the caller is not an API key.
#[must_use]
pub fn standing(ports: &Ports, caller: Caller) -> Option<Standing> {
    let Caller::Key { id, .. } = caller else { return None };
    let now = ports.now();
    let (plan, counted) = ports.key_usage.counted(id, now)?;
    Some(Standing::new(PlanName::of_number(plan), counted, now))
}

/// Counts `units` requests of an API key that was just authenticated. Returns its usage, and the error of a key over
/// its limit per minute (`RateLimited`) or month (`QuotaSpent`), whose request is not counted.
///
/// Counts are kept in memory until [`flush`] writes them.
#[must_use]
pub fn spend(ports: &Ports, key: Uuid, units: u32) -> Option<(Standing, Option<Error>)> {
    let now = ports.now();
    let limits = |plan| match ports.limits {
        Limits::Off => None,
        Limits::Plans => Some(PlanName::of_number(plan).key_limits()),
    };
    let (plan, counted, exceeded) = ports.key_usage.spend(key, units, limits, now)?;
    let standing = Standing::new(PlanName::of_number(plan), counted, now);
    let until =
        |end: DateTime<Utc>| Ord::max(u64::try_from((end - now).num_milliseconds()).unwrap_or(0).div_ceil(1000), 1);
    let error = exceeded.map(|exceeded| match exceeded {
        Exceeded::Minute => Error::RateLimited {
            retry_after: until(rate_window::end(counted.window.minute)),
            limit: u64::from(standing.requests_per_minute.unsigned_abs()),
        },
        Exceeded::Month => Error::QuotaSpent {
            resets_at: standing.resets_at.to_rfc3339_opts(SecondsFormat::Millis, true),
            retry_after: until(standing.resets_at),
        },
    });
    Some((standing, error))
}

impl PlanName {
    /// The requests that one key of a team on this plan may send.
    fn key_limits(self) -> KeyLimits {
        let limits = self.limits();
        KeyLimits { minute: limits.requests_per_minute.unsigned_abs(), month: limits.requests_per_month.0 }
    }
}

/// Writes the counted requests of API keys. Call it every few seconds and on a clean stop: a crash loses what was not
/// written. Returns the number of keys
/// written; on an error the counts stay in memory for the next call.
pub async fn flush(ports: &Ports, operator: &Operator) -> Result<usize> {
    let taken = ports.key_usage.pending(ports.now());
    if taken.is_empty() {
        return Ok(0);
    }
    let txn = ports.begin(operator).await?;
    for pending in &taken {
        let monthly = CaseStatement::new()
            .case(
                Expr::col(api_key::Column::Month).eq(pending.month.as_str()),
                Expr::col(api_key::Column::MonthlyRequests).add(pending.monthly),
            )
            .finally(pending.monthly);
        let mut row = api_key::Entity::update_many();
        if let Some(country) = &pending.country {
            row = row.col_expr(api_key::Column::LastUsedCountry, Expr::value(country.clone()));
        }
        row.col_expr(api_key::Column::TotalRequests, Expr::col(api_key::Column::TotalRequests).add(pending.total))
            .col_expr(api_key::Column::MonthlyRequests, monthly.into())
            .col_expr(api_key::Column::Month, Expr::value(pending.month.clone()))
            .col_expr(api_key::Column::LastUsedAt, Expr::value(pending.last_at))
            .col_expr(api_key::Column::WindowMinute, Expr::value(i64::from(pending.window.minute)))
            .col_expr(api_key::Column::WindowRequests, Expr::value(i64::from(pending.window.spent)))
            .filter(api_key::Column::Id.eq(pending.id))
            .exec(&txn)
            .await?;
    }
    txn.commit_addition().await?;
    ports.key_usage.were_written(&taken);
    Ok(taken.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_month_begins_at_midnight_utc() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(next_month(at("2026-03-31T23:59:59.999Z")), at("2026-04-01T00:00:00Z"));
        assert_eq!(next_month(at("2026-12-01T00:00:00Z")), at("2027-01-01T00:00:00Z"));
    }
}
