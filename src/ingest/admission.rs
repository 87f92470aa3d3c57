//! Admission: the website's rules decide about each event in one place, whichever endpoint received it.

use std::net::IpAddr;

use schema::traffic::Outcome;

use super::{beacon::Beacon, rules::Site};

/// The sender of an event.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// The visitor's IP address; `None` if a server does not give it.
    pub address: Option<IpAddr>,
    /// The `User-Agent` header.
    pub user_agent: &'a str,
    /// Time of the event in milliseconds since 1970 UTC, if the sender's time is used unchanged; `None` to use the
    /// beacon's.
    pub happened_ms: Option<i64>,
    /// Whether the visitor opted out (`Sec-GPC: 1`).
    pub opted_out: bool,
    /// Reason for classifying this sender as a bot regardless of its user agent.
    pub machine: Option<&'a str>,
    /// Whether repeated page views are merged.
    pub collapses: bool,
}

/// An event that its website's rules admit. Only the chain takes it apart.
#[derive(Debug)]
pub struct Admitted<'a> {
    pub(super) site: &'a Site,
    pub(super) beacon: Beacon,
    pub(super) sender: Sender<'a>,
}

impl<'a> Admitted<'a> {
    /// Applies the website's rules. Errors: the outcome of an event that they drop.
    pub fn new(site: &'a Site, beacon: Beacon, sender: Sender<'a>) -> Result<Self, Outcome> {
        site.counts(sender.address, &beacon.page.path)?;
        site.records(beacon.kind, &beacon.name)?;
        Ok(Self { site, beacon, sender })
    }
}
