//! Networks of data centers, from a file of the operator: traffic from them is rarely human.
//!
//! - One address or network per line; `#` starts a comment. Hosting providers publish such lists; none is built in,
//!   because they change weekly.

use std::{net::IpAddr, path::Path};

use schema::error::{Error, Result};

use super::address::Network;

/// The reason in events.
pub const REASON: &str = "data centre";

/// Networks, as disjoint ranges that are not adjacent.
#[derive(Debug, Default)]
pub struct Datacentres(Vec<(IpAddr, IpAddr)>);

impl Datacentres {
    /// Reads the file. Errors: `Invalid` names the file, and the invalid line.
    pub fn open(file: &Path) -> Result<Self> {
        let wrong = |what: String| {
            Error::invalid(
                "data centres",
                format!(
                    "{} {what}; must be a text file with one network per line, such as 192.0.2.0/24",
                    file.display()
                ),
            )
        };
        let text = std::fs::read_to_string(file).map_err(|_| wrong("cannot be read".to_owned()))?;
        let mut ranges = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let network = line.split('#').next().unwrap_or_default().trim();
            if network.is_empty() {
                continue;
            }
            let network: Network = network
                .parse()
                .map_err(|()| wrong(format!("has an invalid network in line {} (got {network:?})", number + 1)))?;
            ranges.push(network.ends());
        }
        ranges.sort_unstable();
        // One network may lie in another; a search then looks at one range only.
        ranges.dedup_by(|next, kept| {
            let inside = next.0 <= kept.1;
            if inside {
                kept.1 = kept.1.max(next.1);
            }
            inside
        });
        Ok(Self(ranges))
    }

    /// Whether one of them contains the address.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let after = self.0.partition_point(|(first, _)| *first <= address);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, last)| address <= *last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Datacentres> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Datacentres::open(file.path())
    }

    #[test]
    fn an_address_is_found_in_its_network_and_beside_it_not() {
        let list = read("# ours\n198.51.100.0/24\n198.51.100.128/25 # inside\n10.0.0.7\n\n2001:db8:1::/48\n::ffff:192.0.2.0/120\n0.0.0.0/32\n")
            .unwrap();
        for (address, expected) in [
            ("198.51.100.0", true),
            ("198.51.100.255", true),
            ("198.51.101.0", false),
            ("198.51.99.255", false),
            ("10.0.0.7", true),
            ("10.0.0.8", false),
            ("::ffff:198.51.100.9", true),
            ("192.0.2.200", true),
            ("2001:db8:1:ffff::1", true),
            ("2001:db8:2::", false),
            ("255.255.255.255", false),
            ("::", false),
        ] {
            assert_eq!(list.holds(address.parse().unwrap()), expected, "{address}");
        }
        assert!(!Datacentres::default().holds("198.51.100.1".parse().unwrap()));
        let all = read("0.0.0.0/0\n::/0").unwrap();
        assert!(["1.2.3.4", "255.255.255.255", "::1", "ffff::"].iter().all(|text| all.holds(text.parse().unwrap())));
    }

    #[test]
    fn a_line_that_is_no_network_is_named() {
        let said = read("10.0.0.0/8\n\n10.0.0.0/33\n").unwrap_err().message();
        assert!(said.contains("in line 3 (got \"10.0.0.0/33\")"), "{said}");
        assert!(Datacentres::open(Path::new("/nowhere/at/all")).unwrap_err().message().contains("cannot be read"));
    }
}
