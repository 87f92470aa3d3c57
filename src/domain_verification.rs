//! Domain verification lookups: TXT records, and one file over HTTPS or HTTP.
//!
//! - Connections go only to public addresses, and to the very address that was checked, so that a name that resolves
//!   into the operator's network is not followed.
//! - A lookup takes at most four seconds in total, so that the request is answered in time.

mod dns;
mod file;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use schema::{
    error::{Error, Result},
    ports::{DomainProof, Ids},
};
use tokio::sync::Semaphore;

use crate::ingest::address::is_public;

/// Time limit of one lookup.
const PATIENCE: Duration = Duration::from_secs(4);

/// Maximum number of concurrent lookups.
const LOOKS: usize = 16;

/// Lookups on the internet.
#[derive(Clone)]
pub struct Internet {
    ids: Arc<dyn Ids>,
    looks: Arc<Semaphore>,
    /// DNS servers to query; `None`: those of this machine.
    servers: Option<Vec<SocketAddr>>,
    /// The addresses that may be connected to.
    allowed: fn(IpAddr) -> bool,
    ports: file::Doors,
}

impl Internet {
    /// The internet as seen from this machine.
    #[must_use]
    pub fn new(ids: Arc<dyn Ids>) -> Self {
        Self {
            ids,
            looks: Arc::new(Semaphore::new(LOOKS)),
            servers: None,
            allowed: is_global,
            ports: file::Doors { https: 443, http: 80 },
        }
    }

    async fn look<T>(&self, found: impl Future<Output = Result<T>>) -> Result<T> {
        let looking = async {
            let _permit = self.looks.acquire().await.map_err(Error::internal)?;
            found.await
        };
        tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| Err(silent("The domain")))
    }
}

fn silent(who: &str) -> Error {
    Error::Unavailable { retry_after: 30, why: format!("{who} does not respond.") }
}

#[async_trait]
impl DomainProof for Internet {
    async fn txt(&self, name: &str) -> Result<Vec<String>> {
        let servers = match &self.servers {
            Some(servers) => servers.clone(),
            None => dns::servers().await,
        };
        self.look(dns::txt(&servers, name, &*self.ids)).await
    }

    async fn well_known(&self, host: &str) -> Result<Option<String>> {
        self.look(async { Ok(file::fetch(host, self.ports, self.allowed).await) }).await
    }
}

/// Whether an address may be connected to: one of the public internet, of no special use (IANA's registries). Stricter
/// than [`is_public`], which tells where a visitor is not.
#[must_use]
pub fn is_global(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => is_global_four(four),
        IpAddr::V6(six) => is_global_six(six),
    }
}

fn is_global_four(address: Ipv4Addr) -> bool {
    let is_special = match address.octets() {
        [0, ..] | [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..=19, ..] | [224..=255, ..] => true,
        _ => address.is_documentation(),
    };
    is_public(address.into()) && !is_special
}

fn is_global_six(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let four = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_global_four(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        // Translated to IPv4 on the way: what it is translated to counts.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => four(high, low),
        [0x2002, high, low, ..] => four(high, low),
        // Teredo, benchmarks, ORCHID, documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // Global unicast; everything else is local, reserved or multicast.
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests;
