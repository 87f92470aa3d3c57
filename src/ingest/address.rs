//! IP addresses of visitors: networks, and the client's address behind proxies.
//!
//! - A forwarding header is used only as far as trusted proxies wrote it: from the right, up to the first address that
//!   is not one.

use std::{net::IpAddr, str::FromStr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// An address or a network in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| ())?)),
            None => (text.trim(), None),
        };
        // The address is read by the standard library, which takes no leading zeros.
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        IpNet::new(address, bits.unwrap_or(all)).map(Self).map_err(|_| ())
    }
}

impl Network {
    /// Whether the network contains the address. An IPv4-mapped IPv6 address is the IPv4 address.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.0, address.to_canonical()) {
            (IpNet::V6(ours), IpAddr::V4(theirs)) => {
                ours.addr().to_ipv4_mapped().is_some() && ours.contains(&theirs.to_ipv6_mapped())
            }
            (ours, theirs) => ours.contains(&theirs),
        }
    }

    /// Its first and last address. A network of IPv4-mapped IPv6 addresses is one of IPv4 addresses.
    #[must_use]
    pub fn ends(&self) -> (IpAddr, IpAddr) {
        let (first, last) = (self.0.network(), self.0.broadcast());
        match self.0 {
            IpNet::V6(net) if net.prefix_len() < 96 => (first, last),
            _ => (first.to_canonical(), last.to_canonical()),
        }
    }
}

/// Trusted proxies, whose forwarding headers are used.
#[derive(Debug, Clone, Default)]
pub struct Proxies(Vec<Network>);

impl Proxies {
    /// Parses the setting. Errors: the first entry that is neither an address nor a network.
    pub fn read(setting: &[String]) -> Result<Self, String> {
        let read = |text: &String| text.parse().map_err(|()| text.clone());
        setting.iter().filter(|text| !text.trim().is_empty()).map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether forwarding headers of this peer are used.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.holds(address))
    }

    /// The address of the outermost trusted proxy's client; without a proxy, of the peer.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = forwarded.flat_map(|value| value.split(',')).collect();
        for hop in hops.iter().rev() {
            let Some(address) = address_of(hop) else { break };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }
}

/// The network that stands for one household: a single address, or an IPv6 network.
#[must_use]
pub fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & (u128::MAX << 64)).into()),
        v4 => v4,
    }
}

/// Whether the address exists only on this machine or its network: private, link-local, loopback or unspecified.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Whether the address is globally unique: neither [`is_private`] nor shared behind a provider's NAT (100.64.0.0/10).
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    let is_shared = matches!(address.to_canonical(), IpAddr::V4(v4) if matches!(v4.octets(), [100, 64..=127, ..]));
    !is_private(address) && !is_shared
}

/// `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]:443`.
#[must_use]
pub fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None if text.matches(':').count() == 1 => text.split_once(':')?.0,
        None => text,
    };
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_hold_what_they_should() {
        for (network, inside, outside) in [
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("0.0.0.0/0", "8.8.8.8", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::/0", "2001:db8::1", "1.2.3.4"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.1"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.holds(ip(inside)) && !network.holds(ip(outside)), "{network:?}");
        }
        for wrong in
            ["", "192.0.2", "192.0.2.0/33", "2001:db8::/129", "shop.example", "10.0.0.0/-1", "192.0.02.1/24", "::1/"]
        {
            wrong.parse::<Network>().unwrap_err();
        }
    }

    #[test]
    fn a_forwarding_header_is_believed_only_from_trusted_proxies() {
        let headers =
            |value: &str| HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), value.parse().unwrap())]);
        let nobody = Proxies::default();
        assert_eq!(nobody.client(ip("192.0.2.7"), &headers("203.0.113.9")), ip("192.0.2.7"));
        let ours = Proxies::read(&["10.0.0.0/8".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let asked = |peer: &str, value: &str| ours.client(ip(peer), &headers(value)).to_string();
        assert_eq!(asked("192.0.2.7", "203.0.113.9"), "192.0.2.7", "a stranger's header");
        assert_eq!(asked("10.0.0.1", "203.0.113.9"), "203.0.113.9");
        assert_eq!(
            asked("10.0.0.1", "1.1.1.1, 203.0.113.9, 10.0.0.2"),
            "203.0.113.9",
            "what a client forged stands left"
        );
        assert_eq!(asked("10.0.0.1", "203.0.113.9, nonsense"), "10.0.0.1");
        assert_eq!(asked("10.0.0.1", "[2001:db8::1]:443"), "2001:db8::1");
        assert_eq!(Proxies::read(&["ten".to_owned()]).unwrap_err(), "ten");
    }
}
