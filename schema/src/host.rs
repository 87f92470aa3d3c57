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
}
