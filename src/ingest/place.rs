//! Place of an IP address: country, and region and city if the database has them.
//!
//! - The embedded database (CC0) contains countries; a path setting accepts any other MMDB.
//! - Records are read in two formats: flat `country_code`, and GeoLite2's nested `country.iso_code`.

use std::{borrow::Cow, net::IpAddr, path::Path};

use maxminddb::{LookupResult, PathElement, Reader, path};
use schema::{
    analytics::event::Place,
    error::{Error, Result},
};

use super::address::is_public;

/// Countries by address, embedded so that the binary runs from any folder.
const COUNTRIES: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/.vendor/node_modules/@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb"
));

type Bytes = Cow<'static, [u8]>;

/// Looks up places of IP addresses.
pub struct Places {
    reader: Reader<Bytes>,
}

impl Places {
    /// The embedded country database. Errors: `Internal` when the build embedded something else.
    pub fn embedded() -> Result<Self> {
        Reader::from_source(Cow::Borrowed(COUNTRIES)).map(|reader| Self { reader }).map_err(Error::internal)
    }

    /// A database of the operator. Errors: `Invalid` when the file cannot be read or is not an MMDB.
    pub fn open(file: &Path) -> Result<Self> {
        let wrong = |what: &str| {
            Error::invalid("geo database", format!("{} {what}; must be a MaxMind DB file (.mmdb)", file.display()))
        };
        let bytes = std::fs::read(file).map_err(|_| wrong("cannot be read"))?;
        Reader::from_source(Cow::Owned(bytes)).map(|reader| Self { reader }).map_err(|_| wrong("is not one"))
    }

    /// Place of the address. Empty for private addresses and if the database does not know it.
    #[must_use]
    pub fn find(&self, address: IpAddr) -> Place {
        let address = address.to_canonical();
        // The embedded database says `AU` of 192.168.0.0/16, so it is not asked.
        if !is_public(address) {
            return Place::default();
        }
        // A record of an unexpected shape is an unknown place, never a lost event.
        let Ok(found) = self.reader.lookup(address) else { return Place::default() };
        if !found.has_data() {
            return Place::default();
        }
        let country = text(&found, &path!["country_code"]).or_else(|| text(&found, &path!["country", "iso_code"]));
        let region = text(&found, &path!["subdivisions", 0, "iso_code"])
            .or_else(|| text(&found, &path!["subdivisions", 0, "names", "en"]))
            .or_else(|| text(&found, &path!["state1"]));
        let city = text(&found, &path!["city", "names", "en"]).or_else(|| text(&found, &path!["city"]));
        Place {
            country: country.unwrap_or_default().to_ascii_uppercase(),
            region: region.unwrap_or_default().to_owned(),
            city: city.unwrap_or_default().to_owned(),
        }
    }
}

fn text<'a>(found: &LookupResult<'a, Bytes>, path: &[PathElement<'_>]) -> Option<&'a str> {
    found.decode_path::<&'a str>(path).ok().flatten().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(address: &str) -> String {
        Places::embedded().unwrap().find(address.parse().unwrap()).country
    }

    #[test]
    fn well_known_addresses_have_their_country() {
        assert_eq!(country("8.8.8.8"), "US");
        assert_eq!(country("::ffff:8.8.8.8"), "US");
        assert_eq!(country("193.0.6.139"), "NL");
        assert_eq!(country("2001:67c:2e8:22::c100:68b"), "NL");
    }

    #[test]
    fn private_and_unknown_addresses_have_none() {
        for address in ["127.0.0.1", "10.1.2.3", "192.168.0.1", "100.64.0.1", "::1", "fe80::1"] {
            assert_eq!(country(address), "", "{address}");
        }
    }

    #[test]
    fn a_file_that_is_no_database_is_refused_with_what_was_expected() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.mmdb");
        std::fs::write(&file, "not a database").unwrap();
        let said = Places::open(&file).err().unwrap().message();
        assert!(said.contains("must be a MaxMind DB file (.mmdb)"), "{said}");
        assert!(Places::open(&folder.path().join("absent")).is_err());
    }
}
