//! Requests to URLs that customers choose.
//!
//! - Connections go only to public addresses, and to the very address that was checked, so that a name that resolves into the
//!   operator's network is not followed. Settings allow other addresses, and `http`.
//! - Redirects are not followed. Time and the size of a response are limited; what a response contains is not shown.

mod connection;

use std::{net::IpAddr, time::Duration};

use schema::ports;
use url::{Host, Url};

pub use self::connection::{Connection, Response};
use crate::domain_verification::is_global;

/// Time limit of a request, from its name lookup to the end of the response.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which URLs requests may be sent to.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing {
    /// Whether addresses that are not public may be connected to.
    pub allows_private: bool,
    /// Whether requests may be sent without encryption.
    pub allows_http: bool,
}

/// A URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    is_secure: bool,
    /// Name or address, without brackets.
    host: String,
    port: u16,
    /// Value of the header `Host`.
    authority: String,
    /// Path and query.
    path: String,
}

impl Outgoing {
    /// Whether an address may be connected to.
    fn allows(self, address: IpAddr) -> bool {
        self.allows_private || is_global(address)
    }

    /// Takes a URL apart. Errors: why no request may be sent to it. Names are resolved later.
    pub fn target(self, url: &str) -> Result<Target, String> {
        let url =
            Url::parse(url).map_err(|_| "must be an absolute URL such as https://shop.example/hook".to_owned())?;
        let is_secure = url.scheme() == "https";
        let is_allowed_http = self.allows_http && url.scheme() == "http";
        if !is_secure && !is_allowed_http {
            return Err("must begin with https://".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("cannot contain a user name or password".to_owned());
        }
        let private = || "must be on a public address".to_owned();
        let host = match url.host() {
            // The parser reads decimal, octal and hexadecimal spellings as addresses.
            Some(Host::Ipv4(address)) if self.allows(address.into()) => address.to_string(),
            Some(Host::Ipv6(address)) if self.allows(address.into()) => address.to_string(),
            Some(Host::Domain(name)) if self.allows_private || !is_local(name) => name.to_owned(),
            _ => return Err(private()),
        };
        let port = url.port_or_known_default().ok_or_else(private)?;
        let shown = url.host_str().unwrap_or_default();
        let authority = url.port().map_or_else(|| shown.to_owned(), |port| format!("{shown}:{port}"));
        let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        Ok(Target { is_secure, host, port, authority, path })
    }

    /// Connects to a URL, which may be used for several requests. Errors: a sentence for the URL's owner.
    pub async fn connect(self, target: &Target) -> Result<Connection, String> {
        let connecting = Connection::open(target, move |address| self.allows(address));
        tokio::time::timeout(PATIENCE, connecting).await.unwrap_or_else(|_| Err(slow()))
    }
}

impl ports::Outgoing for Outgoing {
    fn fault(&self, url: &str) -> Option<String> {
        self.target(url).err()
    }
}

/// Names that mean this machine or its network whatever they resolve to.
fn is_local(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || [".localhost", ".local", ".internal"].iter().any(|end| name.ends_with(end))
}

fn slow() -> String {
    format!("No response within {} seconds.", PATIENCE.as_secs())
}

#[cfg(test)]
mod tests;
