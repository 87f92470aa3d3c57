//! Counting the requests of API keys: in memory first, in rows every few seconds.
//!
//! - A request costs no write. What is counted and not written yet is added to what rows say.
//! - A failed write loses nothing: counts leave memory only after the commit.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use entity::api_key;
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _,
    sea_query::{CaseStatement, Expr, ExprTrait as _},
};
use uuid::Uuid;

use crate::{error::Result, plan::PlanName, ports::Ports};

/// The UTC month of an instant, `YYYY-MM`.
#[must_use]
pub fn month(at: DateTime<Utc>) -> String {
    at.format("%Y-%m").to_string()
}

/// The first instant of the next UTC month.
#[must_use]
pub fn next_month(at: DateTime<Utc>) -> DateTime<Utc> {
    let (year, month) = if at.month() == 12 { (at.year() + 1, 1) } else { (at.year(), at.month() + 1) };
    let midnight = NaiveDate::from_ymd_opt(year, month, 1).and_then(|day| day.and_hms_opt(0, 0, 0));
    midnight.map_or(at, |midnight| midnight.and_utc())
}

/// Requests of one key in one month that no row holds yet.
#[derive(Debug, Clone, Copy)]
struct Pending {
    requests: i64,
    last_at: DateTime<Utc>,
}

/// What the rows of a key said when it was last seen.
#[derive(Debug, Clone)]
struct Seen {
    total: i64,
    monthly: i64,
    month: String,
    plan: String,
}

#[derive(Debug, Default)]
struct Counts {
    pending: HashMap<(Uuid, String), Pending>,
    seen: HashMap<Uuid, Seen>,
}

impl Counts {
    fn add(&mut self, id: Uuid, now: DateTime<Utc>) {
        let entry = self.pending.entry((id, month(now))).or_insert(Pending { requests: 0, last_at: now });
        entry.requests = entry.requests.saturating_add(1);
        entry.last_at = Ord::max(entry.last_at, now);
    }
}

/// Requests of API keys that are counted but not written yet.
#[derive(Debug, Default)]
pub struct KeyUsage(Mutex<Counts>);

/// Where a key stands against its limits: what rate headers and `apiUsage` show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The plan whose limits count.
    pub plan: PlanName,
    /// Requests allowed per minute; counted only where plans limit anything.
    pub requests_per_minute: i32,
    /// Requests in this UTC month.
    pub monthly_requests: i64,
    /// Requests allowed per UTC month.
    pub monthly_limit: i64,
    /// Requests since the key was made.
    pub total_requests: i64,
    /// First instant of next month, UTC.
    pub resets_at: DateTime<Utc>,
}

impl Standing {
    /// Requests left in this month; never below 0.
    #[must_use]
    pub fn monthly_remaining(&self) -> i64 {
        Ord::max(self.monthly_limit.saturating_sub(self.monthly_requests), 0)
    }
}

impl KeyUsage {
    // Counts stay sound whatever a panicking thread did between two statements: each statement leaves the maps whole.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one request of a key.
    pub(crate) fn count(&self, row: &api_key::Model, plan: &str, now: DateTime<Utc>) {
        let mut counts = self.counts();
        counts.add(row.id, now);
        let seen = Seen {
            total: row.total_requests,
            monthly: row.monthly_requests,
            month: row.month.clone(),
            plan: plan.to_owned(),
        };
        counts.seen.insert(row.id, seen);
    }

    /// Counts one more request of a key that was counted with its row before.
    pub(crate) fn count_again(&self, id: Uuid, now: DateTime<Utc>) {
        self.counts().add(id, now);
    }

    fn standing_from(counts: &Counts, id: Uuid, seen: &Seen, plan: PlanName, now: DateTime<Utc>) -> Standing {
        let this_month = month(now);
        let pending = |of: &str| counts.pending.get(&(id, of.to_owned())).map_or(0, |pending| pending.requests);
        let all: i64 = counts.pending.iter().filter(|((key, _), _)| *key == id).map(|(_, each)| each.requests).sum();
        let written = if seen.month == this_month { seen.monthly } else { 0 };
        let limits = plan.limits();
        Standing {
            plan,
            requests_per_minute: limits.requests_per_minute,
            monthly_requests: written.saturating_add(pending(&this_month)),
            monthly_limit: limits.requests_per_month.0,
            total_requests: seen.total.saturating_add(all),
            resets_at: next_month(now),
        }
    }

    /// Where a key stands, by its row.
    pub(crate) fn standing_of(&self, row: &api_key::Model, plan: PlanName, now: DateTime<Utc>) -> Standing {
        let seen = Seen {
            total: row.total_requests,
            monthly: row.monthly_requests,
            month: row.month.clone(),
            plan: String::new(),
        };
        Self::standing_from(&self.counts(), row.id, &seen, plan, now)
    }
}

/// Where the calling key stands, without asking the database: for response headers and the rate limiter. `None` for callers
/// that are no key.
#[must_use]
pub fn standing(ports: &Ports, caller: crate::access::Caller) -> Option<Standing> {
    let crate::access::Caller::Key { id, .. } = caller else { return None };
    let counts = ports.key_usage.counts();
    let seen = counts.seen.get(&id)?;
    let plan = PlanName::counting(ports.limits, &seen.plan);
    Some(KeyUsage::standing_from(&counts, id, seen, plan, ports.now()))
}

/// Writes what is counted; see [`crate::access::flush_key_usage`].
pub(crate) async fn flush(ports: &Ports) -> Result<usize> {
    let taken: Vec<((Uuid, String), Pending)> = {
        let counts = ports.key_usage.counts();
        counts.pending.iter().map(|(key, pending)| (key.clone(), *pending)).collect()
    };
    if taken.is_empty() {
        return Ok(0);
    }
    // Older months first, so that the row ends on the newest.
    let mut taken = taken;
    taken.sort_by(|(a, _), (b, _)| a.1.cmp(&b.1));
    let txn = ports.begin().await?;
    for ((id, month), pending) in &taken {
        let monthly = CaseStatement::new()
            .case(
                Expr::col(api_key::Column::Month).eq(month.as_str()),
                Expr::col(api_key::Column::MonthlyRequests).add(pending.requests),
            )
            .finally(pending.requests);
        api_key::Entity::update_many()
            .col_expr(api_key::Column::TotalRequests, Expr::col(api_key::Column::TotalRequests).add(pending.requests))
            .col_expr(api_key::Column::MonthlyRequests, monthly.into())
            .col_expr(api_key::Column::Month, Expr::value(month.clone()))
            .col_expr(api_key::Column::LastUsedAt, Expr::value(pending.last_at))
            .filter(api_key::Column::Id.eq(*id))
            .exec(&txn)
            .await?;
    }
    txn.commit_addition().await?;
    let mut counts = ports.key_usage.counts();
    for (key, written) in &taken {
        if let Some(pending) = counts.pending.get_mut(key) {
            pending.requests = pending.requests.saturating_sub(written.requests);
        }
        let (id, month) = key;
        if let Some(seen) = counts.seen.get_mut(id) {
            seen.total = seen.total.saturating_add(written.requests);
            seen.monthly = if seen.month == *month { seen.monthly } else { 0 }.saturating_add(written.requests);
            seen.month.clone_from(month);
        }
    }
    counts.pending.retain(|_, pending| pending.requests > 0);
    Ok(taken.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_month_ends_at_midnight_utc() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(month(at("2026-03-31T23:59:59.999Z")), "2026-03");
        assert_eq!(next_month(at("2026-03-31T23:59:59.999Z")), at("2026-04-01T00:00:00Z"));
        assert_eq!(next_month(at("2026-12-01T00:00:00Z")), at("2027-01-01T00:00:00Z"));
    }
}
