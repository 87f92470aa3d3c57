//! What an event learns from its request: agent, place and how the visitor came.

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

/// All that enrichment looks things up in. Cheap to share behind an `Arc`.
pub struct Enricher {
    agents: Agents,
    places: Places,
    datacentres: Datacentres,
}

impl Enricher {
    /// With the embedded country database, or the operator's own at `geo`, and with the networks of data centres that the file
    /// `datacentres` lists. Errors: `Invalid` names the file at fault.
    pub fn new(geo: Option<&Path>, datacentres: Option<&Path>) -> Result<Self> {
        let places = geo.map_or_else(Places::embedded, Places::open)?;
        let datacentres = datacentres.map_or_else(|| Ok(Datacentres::default()), Datacentres::open)?;
        Ok(Self { agents: Agents::default(), places, datacentres })
    }

    /// What a user agent tells: browser, system and device, and whether it is a machine.
    #[must_use]
    pub fn known(&self, user_agent: &str) -> Known {
        self.agents.known(user_agent)
    }

    /// Why the address is a machine's, or `None` for what may be a person's.
    #[must_use]
    pub fn datacentre(&self, address: IpAddr) -> Option<&'static str> {
        self.datacentres.holds(address).then_some(datacentre::REASON)
    }

    /// Where the address is; empty for a host name and for what the database does not know.
    #[must_use]
    pub fn place(&self, address: &str) -> Arc<Place> {
        Arc::new(address.parse::<IpAddr>().map(|address| self.place_of(address)).unwrap_or_default())
    }

    /// Where the address is; empty for what the database does not know.
    #[must_use]
    pub fn place_of(&self, address: IpAddr) -> Place {
        self.places.find(address)
    }

    /// How a visitor came to a page of `domain`; `query` is that page's, without its `?`.
    #[must_use]
    pub fn acquisition(&self, referrer: &str, query: &str, domain: &str) -> Arc<Acquisition> {
        Arc::new(acquire(referrer_host(referrer, domain), Campaign::of_query(query)))
    }
}
