//! Where the server listens.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use serde::Deserialize;

/// An address or a host name, with a port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ListenAddress {
    /// One address.
    Address(SocketAddr),
    /// All addresses of a host.
    Host {
        /// Host name, such as `localhost`.
        name: String,
        /// Port.
        port: u16,
    },
}

/// The text is neither an address nor a host name with a port.
#[derive(Debug)]
pub struct InvalidListenAddress;

impl fmt::Display for InvalidListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be an address or host name with a port, such as 127.0.0.1:8787, [::1]:8787 or localhost:8787")
    }
}

impl std::error::Error for InvalidListenAddress {}

impl FromStr for ListenAddress {
    type Err = InvalidListenAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let (name, port) = text.rsplit_once(':').ok_or(InvalidListenAddress)?;
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        // Digits and dots alone are an address that is not one.
        let is_name = name.bytes().all(is_part) && name.bytes().any(|byte| byte.is_ascii_alphabetic());
        match port.parse() {
            Ok(port) if is_name => Ok(Self::Host { name: name.to_owned(), port }),
            _ => Err(InvalidListenAddress),
        }
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = InvalidListenAddress;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Host { name, port } => write!(f, "{name}:{port}"),
        }
    }
}

impl ListenAddress {
    /// The port; 0 for any free one.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Address(address) => address.port(),
            Self::Host { port, .. } => *port,
        }
    }

    /// The same with another port.
    #[must_use]
    pub fn with_port(&self, port: u16) -> Self {
        match self {
            Self::Address(address) => Self::Address(SocketAddr::new(address.ip(), port)),
            Self::Host { name, .. } => Self::Host { name: name.clone(), port },
        }
    }

    /// Whether it stands for all addresses of this machine.
    #[must_use]
    pub fn is_unspecified(&self) -> bool {
        matches!(self, Self::Address(address) if address.ip().is_unspecified())
    }

    /// The addresses that the host name stands for now, each once.
    ///
    /// # Errors
    /// When the name is unknown.
    pub async fn resolve(&self) -> std::io::Result<Vec<IpAddr>> {
        let (name, port) = match self {
            Self::Address(address) => return Ok(vec![address.ip()]),
            Self::Host { name, port } => (name.as_str(), *port),
        };
        let mut found = Vec::new();
        for address in tokio::net::lookup_host((name, port)).await? {
            if !found.contains(&address.ip()) {
                found.push(address.ip());
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_read_and_anything_else_is_refused() {
        for good in ["127.0.0.1:8787", "[::1]:0", "localhost:8920", "my-host.example:1"] {
            let read: ListenAddress = good.parse().unwrap();
            assert_eq!(read.to_string(), good);
        }
        for bad in [
            "",
            "localhost",
            ":8787",
            "8787",
            "::1:8787:x",
            "1.2.3:80",
            "local host:80",
            "localhost:65536",
            "http://a:1",
        ] {
            let error = bad.parse::<ListenAddress>().unwrap_err().to_string();
            assert!(error.contains("localhost:8787"), "{bad}");
        }
    }
}
