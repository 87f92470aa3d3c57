//! Reading the ledger: counts by outcome, and configuration warnings of a website.

use std::{
    collections::HashMap,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use schema::{
    error::{Error, Result},
    ports::{Clock, Ledger},
    traffic::{Outcome, Senders, SetUp},
};
use sea_orm::sqlx::{self, Row as _, SqliteConnection};
use uuid::Uuid;

use super::{address::is_private, journal, page::page_host, quotas::month_of, rules::may_send};

/// Minimum number of hits for a warning.
const ENOUGH: u64 = 20;

/// Statistics of a website's senders since the start.
#[derive(Debug, Default, Clone)]
struct Signs {
    /// Hits of browsers.
    hits: u64,
    /// Those from private addresses.
    private: u64,
    /// Those whose clock is more than five minutes off.
    skewed: u64,
    /// The last refused host, from `Origin` without its port.
    foreign: Option<String>,
}

/// Records configuration problems, in memory. No IP address is kept.
#[derive(Clone, Default)]
pub struct Notes(Arc<Mutex<HashMap<Uuid, Signs>>>);

impl Notes {
    fn signs(&self) -> MutexGuard<'_, HashMap<Uuid, Signs>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A browser's hit from this address, with this clock error in milliseconds.
    pub fn hit(&self, website: Uuid, address: IpAddr, skew_ms: i64) {
        let mut all = self.signs();
        let signs = all.entry(website).or_default();
        signs.hits += 1;
        signs.private += u64::from(is_private(address));
        signs.skewed += u64::from(skew_ms.abs() > 5 * 60 * 1000);
    }

    /// A page of this host was refused.
    pub fn foreign(&self, website: Uuid, host: &str) {
        if let Some(host) = page_host(host) {
            self.signs().entry(website).or_default().foreign = Some(host);
        }
    }
}

/// Reads the ledger.
pub struct Book {
    connection: tokio::sync::Mutex<SqliteConnection>,
    clock: Arc<dyn Clock>,
    notes: Notes,
}

impl Book {
    /// Over the journal's file.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>, notes: Notes) -> Result<Self> {
        let connection = tokio::sync::Mutex::new(journal::ledger(path).await?);
        Ok(Self { connection, clock, notes })
    }
}

fn number(row: &sqlx::sqlite::SqliteRow, at: usize) -> Result<i64> {
    row.try_get(at).map_err(Error::internal)
}

#[async_trait]
impl Ledger for Book {
    async fn counts(&self, website: Uuid, since_ms: i64) -> Result<Vec<(Outcome, u64)>> {
        let mut connection = self.connection.lock().await;
        let rows = sqlx::query(
            "SELECT outcome, sum(count) FROM ledger WHERE website = ? AND minute >= ? GROUP BY outcome ORDER BY outcome",
        )
        .bind(website.as_bytes().as_slice())
        .bind(since_ms.div_euclid(60_000))
        .fetch_all(&mut *connection)
        .await
        .map_err(Error::internal)?;
        let mut counts = Vec::with_capacity(rows.len());
        for row in rows {
            let outcome = u8::try_from(number(&row, 0)?).ok().and_then(Outcome::of_number);
            if let Some(outcome) = outcome {
                counts.push((outcome, u64::try_from(number(&row, 1)?).unwrap_or(0)));
            }
        }
        Ok(counts)
    }

    async fn last_event(&self, website: Uuid) -> Result<Option<i64>> {
        let mut connection = self.connection.lock().await;
        let row = sqlx::query("SELECT max(minute) FROM ledger WHERE website = ? AND outcome = 0")
            .bind(website.as_bytes().as_slice())
            .fetch_one(&mut *connection)
            .await
            .map_err(Error::internal)?;
        let minute: Option<i64> = row.try_get(0).map_err(Error::internal)?;
        Ok(minute.map(|minute| minute * 60_000))
    }

    async fn team_events(&self, at: DateTime<Utc>) -> Result<Vec<(Uuid, u64)>> {
        let mut connection = self.connection.lock().await;
        journal::team_events(&mut connection, month_of(at.timestamp_millis())).await
    }

    async fn warnings(&self, website: Uuid, set_up: &SetUp) -> Result<Vec<String>> {
        let hour_ago = self.clock.now().timestamp_millis() - 60 * 60 * 1000;
        let counts: HashMap<Outcome, u64> = self.counts(website, hour_ago).await?.into_iter().collect();
        let count = |outcome: Outcome| counts.get(&outcome).copied().unwrap_or(0);
        let signs = self.notes.signs().get(&website).cloned().unwrap_or_default();
        let mut warnings = Vec::new();
        if signs.hits >= ENOUGH && signs.private * 10 >= signs.hits * 9 {
            warnings.push("Nearly all hits come from private addresses, probably through an untrusted proxy. Add it to FOOTFALL_TRUSTED_PROXIES; otherwise all visitors count as one.".to_owned());
        }
        if signs.hits >= ENOUGH && signs.skewed * 2 >= signs.hits {
            warnings.push(
                "The clocks of most senders differ from the server's by more than five minutes. The server's clock may be wrong."
                    .to_owned(),
            );
        }
        warnings.extend(about_senders(&set_up.senders, signs.foreign.as_deref()));
        if count(Outcome::LocalOrigin) > 0 && !set_up.senders.allow_localhost {
            warnings.push(
                "Events of pages on local hosts are dropped. Set allowLocalhost to true to count them.".to_owned(),
            );
        }
        if count(Outcome::OverQuota) > 0 {
            warnings.push(
                "The team has used the events of its plan for this month. Further events are dropped until the first of the next month, UTC."
                    .to_owned(),
            );
        }
        if count(Outcome::Paused) > 0 && !set_up.is_active {
            warnings.push("Tracking is paused. Events are acknowledged but not counted.".to_owned());
        }
        Ok(warnings)
    }
}

/// Warnings about the hosts that can send: following one never locks out another host, because the list replaces the
/// domain.
fn about_senders(senders: &Senders, refused: Option<&str>) -> Vec<String> {
    let is_refused = |host: &str| may_send(host, senders) == Err(Outcome::ForeignOrigin);
    // The list as it would have to be for these hosts to count too.
    let complete = |missing: &[&str]| {
        let own = Some(senders.domain.as_str()).filter(|own| senders.allowed_domains.is_empty() || is_refused(own));
        let listed = senders.allowed_domains.iter().map(String::as_str);
        let mut hosts: Vec<&str> = own.into_iter().chain(listed).chain(missing.iter().copied()).collect();
        hosts.dedup();
        serde_json::json!(hosts).to_string().replace(',', ", ")
    };
    let mut warnings = Vec::new();
    if is_refused(&senders.domain) {
        warnings.push(format!(
            "allowedDomains does not include the website's own domain, so events of {} are dropped. To count them, set allowedDomains to {}.",
            senders.domain,
            complete(&[])
        ));
    }
    if let Some(host) = refused.filter(|host| is_refused(host)).filter(|host| *host != senders.domain) {
        warnings.push(format!(
            "Events of {host} with this tracking code are dropped. To count them, set allowedDomains to {}.",
            complete(&[host])
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn senders(allowed_domains: &[&str]) -> Senders {
        let allowed_domains = allowed_domains.iter().map(|&host| host.to_owned()).collect();
        Senders { domain: "trap.example".into(), allowed_domains, allow_localhost: false }
    }

    /// The list that a warning suggests.
    fn advised(warning: &str) -> Vec<String> {
        let (_, list) = warning.split_once("set allowedDomains to ").expect("a list");
        serde_json::from_str(list.trim_end_matches('.')).expect("JSON")
    }

    #[test]
    fn following_a_warning_loses_no_host() {
        let now = senders(&[]);
        let warnings = about_senders(&now, Some("other.example"));
        let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
        assert!(warning.contains("other.example"));
        let then = Senders { allowed_domains: advised(warning), ..now };
        for host in ["trap.example", "www.trap.example", "other.example"] {
            assert_eq!(may_send(host, &then), Ok(()), "{host}");
        }
        assert!(about_senders(&then, Some("other.example")).is_empty());
    }

    #[test]
    fn a_list_without_the_own_domain_is_warned_about() {
        let now = senders(&["other.example"]);
        let warnings = about_senders(&now, None);
        assert_eq!(advised(&warnings[0]), ["trap.example", "other.example"]);
        assert_eq!(about_senders(&now, Some("third.example")).len(), 2);
        assert!(about_senders(&senders(&["www.trap.example", "other.example"]), None).is_empty());
    }
}
