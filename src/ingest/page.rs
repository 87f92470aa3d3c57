//! The page of an event, from its URL.

use schema::{
    analytics::path,
    error::{Error, Result},
    host,
};

/// Maximum length of a URL, in bytes; the rest is cut off.
pub const MAX_URL: usize = 8_192;

/// A page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Lower case, without port, non-ASCII letters in their `xn--` form.
    pub host: String,
    /// Normalized, without query and fragment; `/` if empty. Includes a hash route: `/app#/orders`.
    pub path: String,
    /// Without its `?`.
    pub query: String,
    /// Without its `#`.
    pub fragment: String,
}

impl Page {
    /// Parses an absolute http or https URL. Errors: `Invalid` for `url`.
    pub fn parse(url: &str) -> Result<Self> {
        let wrong = || Error::invalid("url", "must be absolute, such as https://shop.example/pricing");
        let url = url.trim();
        let url = url.get(..url.floor_char_boundary(MAX_URL)).unwrap_or(url);
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err(wrong());
        }
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let host = page_host(authority).ok_or_else(wrong)?;
        let path = if path.is_empty() { "/" } else { path };
        let path = match hash_route(fragment) {
            Some(route) => path::normalized(format!("{path}#{route}").as_bytes()).into_owned(),
            None => path::normalized(path.as_bytes()).into_owned(),
        };
        Ok(Self { host, path, query: query.to_owned(), fragment: fragment.to_owned() })
    }
}

/// The route of a fragment such as `/orders?page=2` or `!/orders`, without its query; `None` for an anchor.
fn hash_route(fragment: &str) -> Option<&str> {
    let route = fragment.split('?').next()?;
    (route.starts_with('/') || route.starts_with("!/")).then_some(route)
}

/// The host of a page's authority; `None` if it cannot be a host name or address.
pub(super) fn page_host(authority: &str) -> Option<String> {
    let is_usable = |host: &String| {
        host.len() <= 253 && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | ':'))
    };
    host::from_authority(authority).filter(is_usable)
}
