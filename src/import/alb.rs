//! Logs of Amazon's load balancers: application (with a leading type) and classic. They contain no referrer.

use std::borrow::Cow;

use super::{
    record::{Field, Record, client, get_target},
    time,
};

/// Types at the start of an application load balancer's lines.
const TYPES: &[&[u8]] = &[b"http", b"https", b"h2", b"grpcs", b"ws", b"wss"];

/// Reads a line; `None` if it is malformed.
#[must_use]
pub fn read(line: &[u8]) -> Option<Record<'_>> {
    let (first, rest) = field(line)?;
    let (when, rest) = if TYPES.contains(&first) { field(rest)? } else { (first, rest) };
    let time_ms = time::iso(when)?;
    // Balancer, client, target, three durations, status, status of the target, bytes received and sent.
    let mut fields: [&[u8]; 10] = [b""; 10];
    let mut rest = rest;
    for slot in &mut fields {
        (*slot, rest) = field(rest)?;
    }
    let [_, named, _, _, _, _, status, ..] = fields;
    let (request, rest) = field(rest)?;
    let (user_agent, _) = field(rest)?;
    let named = std::str::from_utf8(named).ok()?;
    Some(Record {
        address: client(named).unwrap_or(Cow::Borrowed(named)),
        time_ms,
        target: get_target(request).map(Field::Escaped),
        status: if status == b"-" { 0 } else { std::str::from_utf8(status).ok()?.parse().ok()? },
        referrer: None,
        user_agent: Some(Field::Escaped(user_agent)),
    })
}

/// The first field, in quotes or not, and what follows its space.
fn field(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (field, rest) = match text.strip_prefix(b"\"") {
        Some(body) => {
            let end = body.iter().position(|byte| *byte == b'"')?;
            (body.get(..end)?, body.get(end + 1..)?)
        }
        None => text.split_at(text.iter().position(|byte| *byte == b' ').unwrap_or(text.len())),
    };
    (!text.is_empty()).then(|| (field, rest.strip_prefix(b" ").unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const APPLICATION: &str = r#"https 2026-03-10T10:00:00.123456Z app/shop/50dc6c495c0c9188 8.8.8.8:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 "GET https://shop.example:443/a?x=1 HTTP/1.1" "Mozilla/5.0 (X11)" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:x "Root=1-58337281-1d84f3d73c47ec4e58577259" "shop.example""#;
    const CLASSIC: &str = r#"2026-03-10T10:00:00.123456Z shop 8.8.8.8:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 "GET https://shop.example:443/a?x=1 HTTP/1.1" "Mozilla/5.0 (X11)" - -"#;

    #[test]
    fn both_kinds_of_balancers_tell_the_same() {
        for line in [APPLICATION, CLASSIC] {
            let record = read(line.as_bytes()).unwrap();
            assert_eq!((&*record.address, record.time_ms, record.status), ("8.8.8.8", 1_773_136_800_123, 200));
            assert_eq!(record.target.unwrap().text(), "https://shop.example:443/a?x=1");
            assert_eq!(record.user_agent.unwrap().text(), "Mozilla/5.0 (X11)");
            assert_eq!(record.referrer, None);
            for cut in 0..line.find("\"Mozilla").unwrap() {
                assert!(read(&line.as_bytes()[..cut]).is_none(), "{cut}");
            }
        }
        assert_eq!(read(APPLICATION.replacen(" 200 ", " - ", 1).as_bytes()).unwrap().status, 0);
    }
}
