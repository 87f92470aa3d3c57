//! Normalized host names: non-ASCII letters are stored in their `xn--` form and shown as themselves.

use std::borrow::Cow;

/// The host in ASCII, as browsers send it (UTS 46); a host without such a form stays unchanged.
#[must_use]
pub fn to_ascii(host: &str) -> Cow<'_, str> {
    if host.is_ascii() {
        return Cow::Borrowed(host);
    }
    idna::domain_to_ascii(host).map_or(Cow::Borrowed(host), Cow::Owned)
}

/// The host of an authority such as `user@Shop.Example:8080`: lower case, [`to_ascii`], without user, port, brackets and
/// trailing dots; `None` if there is none.
#[must_use]
pub fn from_authority(authority: &str) -> Option<String> {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split_once(']')?.0,
        None => host.split(':').next()?,
    };
    let host = host.trim_end_matches('.').to_lowercase();
    (!host.is_empty()).then(|| to_ascii(&host).into_owned())
}

/// The readable form of the host; `None` if it does not differ, or the host is invalid.
#[must_use]
pub fn to_unicode(host: &str) -> Option<String> {
    let encoded = host.split('.').any(|label| label.starts_with("xn--"));
    if !encoded {
        return None;
    }
    let (shown, outcome) = idna::domain_to_unicode(host);
    (outcome.is_ok() && shown != host).then_some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_host_are_one() {
        assert_eq!(to_ascii("bücher.example"), "xn--bcher-kva.example");
        assert_eq!(to_ascii("BÜCHER.example"), "xn--bcher-kva.example");
        assert_eq!(to_ascii("xn--bcher-kva.example"), "xn--bcher-kva.example");
        assert_eq!(to_ascii("shop_1.example"), "shop_1.example");
        assert_eq!(to_unicode("xn--bcher-kva.example").as_deref(), Some("bücher.example"));
        assert_eq!(to_unicode("shop.example"), None);
        assert_eq!(to_unicode("xn--\u{7f}"), None);
    }

    #[test]
    fn an_authority_has_one_host() {
        for (authority, host) in [
            ("Shop.Example", Some("shop.example")),
            ("user:secret@www.shop.example.:8080", Some("www.shop.example")),
            ("[2001:DB8::1]:8080", Some("2001:db8::1")),
            ("bücher.example:80", Some("xn--bcher-kva.example")),
            ("[2001:db8::1", None),
            ("user@:80", None),
            ("...", None),
            ("", None),
        ] {
            assert_eq!(from_authority(authority).as_deref(), host, "{authority}");
        }
    }
}
