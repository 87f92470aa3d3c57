//! Attributes of an event derived from its request: user agent, place and acquisition.

use std::{net::IpAddr, path::Path, sync::Arc};

use schema::{
    analytics::event::{Acquisition, Place},
    error::Result,
};

use super::{
    agent::{Agents, Known},
    channel::{Campaign, acquire, referrer_host},
    datacentre::{self, Datacentres},
    place::Places,
};

/// Data for enrichment. Cheap to share behind an `Arc`.
pub struct Enricher {
    agents: Agents,
    places: Places,
    datacentres: Datacentres,
}

impl Enricher {
    /// With the embedded country database, or the operator's own at `geo`, and the networks of data centers in the file
    /// `datacentres`. Errors: `Invalid` names the file.
    pub fn new(geo: Option<&Path>, datacentres: Option<&Path>) -> Result<Self> {
        let places = geo.map_or_else(Places::embedded, Places::open)?;
        let datacentres = datacentres.map_or_else(|| Ok(Datacentres::default()), Datacentres::open)?;
        Ok(Self { agents: Agents::default(), places, datacentres })
    }

    /// The parsed user agent: browser, system and device, and whether it is a bot.
    #[must_use]
    pub fn known(&self, user_agent: &str) -> Known {
        self.agents.known(user_agent)
    }

    /// Reason for classifying the address as a bot; `None` otherwise.
    #[must_use]
    pub fn datacentre(&self, address: IpAddr) -> Option<&'static str> {
        self.datacentres.holds(address).then_some(datacentre::REASON)
    }

    /// Place of the address; empty for a host name and if the database does not know it.
    #[must_use]
    pub fn place(&self, address: &str) -> Arc<Place> {
        Arc::new(address.parse::<IpAddr>().map(|address| self.place_of(address)).unwrap_or_default())
    }

    /// Place of the address; empty if the database does not know it.
    #[must_use]
    pub fn place_of(&self, address: IpAddr) -> Place {
        self.places.find(address)
    }

    /// Acquisition of a page view on `domain`; `query` is that page's, without its `?`.
    #[must_use]
    pub fn acquisition(&self, referrer: &str, query: &str, domain: &str) -> Arc<Acquisition> {
        Arc::new(acquire(referrer_host(referrer, domain), Campaign::of_query(query)))
    }
}
