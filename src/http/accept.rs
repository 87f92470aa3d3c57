//! Content negotiation of the GraphQL endpoint: which of the supported media types an `Accept` header prefers.

/// Media types that the endpoint supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// `application/graphql-response+json`: real status codes.
    Response,
    /// `application/json`: 200 for every well-formed request.
    Json,
    /// `text/event-stream`: a stream of results.
    EventStream,
    /// `text/html`: the playground page.
    Html,
}

impl Offer {
    /// The `Content-Type` of a response.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Response => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
            Self::EventStream => "text/event-stream",
            Self::Html => "text/html; charset=utf-8",
        }
    }
}

/// Picks the media type with the highest `q`, the first listed among equals. `page`: whether the playground is
/// available.
///
/// No header, or a wildcard, means JSON, which every client reads. `None`: nothing acceptable.
#[must_use]
pub fn negotiate(accept: Option<&str>, page: bool) -> Option<Offer> {
    let Some(accept) = accept.filter(|text| !text.trim().is_empty()) else { return Some(Offer::Json) };
    let ranges: Vec<(&str, u16)> = accept.split(',').filter_map(range).collect();
    let refused = |name: &str| ranges.iter().any(|(range, q)| *q == 0 && *range == name);
    let mut best: Option<(Offer, u16)> = None;
    for (range, q) in &ranges {
        let offer = match range.to_ascii_lowercase().as_str() {
            "application/graphql-response+json" => Offer::Response,
            "application/json" => Offer::Json,
            "application/*" | "*/*" if !refused("application/json") => Offer::Json,
            "application/*" | "*/*" if !refused("application/graphql-response+json") => Offer::Response,
            "text/event-stream" => Offer::EventStream,
            "text/html" if page => Offer::Html,
            _ => continue,
        };
        if *q > 0 && best.is_none_or(|(_, highest)| *q > highest) {
            best = Some((offer, *q));
        }
    }
    best.map(|(offer, _)| offer)
}

/// Whether a stream is acceptable, preferred or not. Wildcards do not include streams.
#[must_use]
pub fn accepts_event_stream(accept: Option<&str>) -> bool {
    let mut ranges = accept.unwrap_or_default().split(',').filter_map(range);
    ranges.any(|(name, q)| q > 0 && name.eq_ignore_ascii_case("text/event-stream"))
}

/// A media range and its weight in thousandths; `None` if it is malformed or requires another character set.
fn range(text: &str) -> Option<(&str, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| name.contains('/'))?;
    let mut weight = 1000;
    for parameter in parts {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        if key.trim().eq_ignore_ascii_case("q") {
            let q: f32 = value.parse().ok().filter(|q| (0.0..=1.0).contains(q))?;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
            {
                weight = (q * 1000.0).round() as u16;
            }
        } else if key.trim().eq_ignore_ascii_case("charset") && !value.eq_ignore_ascii_case("utf-8") {
            return None;
        }
    }
    Some((name, weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send() {
        let cases = [
            (None, Some(Offer::Json)),
            (Some("*/*"), Some(Offer::Json)),
            (Some("application/*"), Some(Offer::Json)),
            (Some("application/json; charset=utf-8"), Some(Offer::Json)),
            (Some("application/graphql-response+json, application/json;q=0.9"), Some(Offer::Response)),
            (Some("application/json, application/graphql-response+json"), Some(Offer::Json)),
            (Some("application/json;q=0.5, application/graphql-response+json;q=0.6"), Some(Offer::Response)),
            (Some("application/graphql-response+json; charset=iso-8859-1, application/json"), Some(Offer::Json)),
            (Some("application/json;q=0, */*"), Some(Offer::Response)),
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), Some(Offer::Html)),
            (
                Some("application/graphql-response+json, application/json;q=0.9, text/event-stream"),
                Some(Offer::Response),
            ),
            (
                Some(
                    "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed",
                ),
                Some(Offer::Response),
            ),
            (Some("text/event-stream"), Some(Offer::EventStream)),
            (Some("text/event-stream, application/json"), Some(Offer::EventStream)),
            (Some("text/event-stream;q=0.5, application/json"), Some(Offer::Json)),
            (Some("text/event-stream;q=0, */*"), Some(Offer::Json)),
            (Some("application/json;q=0"), None),
            (Some("text/plain"), None),
            (Some("nonsense"), None),
        ];
        for (accept, offer) in cases {
            assert_eq!(negotiate(accept, true), offer, "{accept:?}");
        }
    }

    #[test]
    fn a_stream_is_acceptable_where_it_is_named() {
        for (accept, expected) in [
            ("application/json, text/event-stream", true),
            ("Text/Event-Stream; q=0.1", true),
            ("text/event-stream;q=0", false),
            ("*/*", false),
        ] {
            assert_eq!(accepts_event_stream(Some(accept)), expected, "{accept}");
        }
        assert!(!accepts_event_stream(None));
    }

    #[test]
    fn a_page_is_only_offered_where_it_is_served() {
        assert_eq!(negotiate(Some("text/html"), false), None);
        assert_eq!(negotiate(Some("text/html, */*;q=0.1"), false), Some(Offer::Json));
    }
}
