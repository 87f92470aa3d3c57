//! Checks and conversions of single settings. An error says what is wrong and what is allowed; the table adds the name.

use std::path::PathBuf;

use crate::ingest::address::Proxies;

/// Maximum number of threads that are chosen without being asked for.
const MAX_THREADS: usize = 4;

/// The value as another type.
pub(super) fn convert<A, B: From<A>>(given: A) -> Result<B, String> {
    Ok(given.into())
}

/// A text; an empty one is none.
pub(super) fn filled(text: String) -> Result<Option<String>, String> {
    Ok(Some(text).filter(|text| !text.trim().is_empty()))
}

/// A path; an empty one is none.
pub(super) fn named(path: PathBuf) -> Result<Option<PathBuf>, String> {
    Ok(Some(path).filter(|path| !path.as_os_str().is_empty()))
}

/// A number; 0 is none.
pub(super) fn unless_zero(number: usize) -> Result<Option<usize>, String> {
    Ok((number > 0).then_some(number))
}

/// For 0, one per processor.
pub(super) fn threads(given: u32) -> Result<u32, String> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(MAX_THREADS);
    Ok(if given > 0 { given } else { u32::try_from(processors).unwrap_or(1) })
}

/// Without a trailing slash. Errors: a URL that browsers cannot open.
pub(super) fn public_url(given: String) -> Result<Option<String>, String> {
    let Some(url) = filled(given)? else { return Ok(None) };
    let url = url.trim().trim_end_matches('/');
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    if host.is_empty()
        || host.starts_with('/')
        || host.contains(['?', '#', '@', '"', '<'])
        || host.contains(char::is_whitespace)
    {
        return Err(format!("must be a URL such as https://analytics.shop.example (got {url:?})"));
    }
    Ok(Some(url.to_owned()))
}

/// Errors: a URL with another scheme. It is not repeated, because it may contain a password.
pub(super) fn postgres(given: String) -> Result<Option<String>, String> {
    match filled(given)? {
        Some(url) if !url.starts_with("postgres://") && !url.starts_with("postgresql://") => {
            let kind = url.split_once("://").map_or("none", |(kind, _)| kind);
            Err(format!(
                "must be postgres://user:password@host/database, or empty for SQLite in the data folder (got scheme {kind:?})"
            ))
        }
        url => Ok(url),
    }
}

/// Errors: a value that browsers never send as an `Origin`.
pub(super) fn origins(given: Vec<String>) -> Result<Vec<String>, String> {
    for origin in given.iter().map(|origin| origin.trim()).filter(|origin| !origin.is_empty() && *origin != "*") {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        let host = host.map(|host| host.strip_suffix('/').unwrap_or(host));
        if host.is_none_or(|host| host.is_empty() || host.contains(['/', '?', '#', '@', '*', ' '])) {
            return Err(format!("must be origins such as https://dashboard.example, or * for all (got {origin:?})"));
        }
    }
    Ok(given.into_iter().filter(|origin| !origin.trim().is_empty()).collect())
}

/// Errors: neither an address nor a network.
pub(super) fn proxies(given: Vec<String>) -> Result<Proxies, String> {
    Proxies::read(&given)
        .map_err(|wrong| format!("must be addresses or networks such as 10.0.0.1 or 10.0.0.0/8 (got {wrong:?})"))
}
