//! W3C extended logs: IIS (fields separated by spaces) and CloudFront (by tabs). `#Fields:` lines define the columns.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::{
    record::{Field, Record, behind_proxy, client},
    time,
};

/// The latest directives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    columns: Vec<Column>,
    /// The day of lines that contain only the time, from `#Date:`.
    date: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Date,
    Time,
    Client,
    Forwarded,
    Method,
    Stem,
    Query,
    Status,
    Referrer,
    UserAgent,
    Other,
}

/// Maximum number of columns.
const KINDS: usize = Column::Other as usize;

impl Column {
    fn of_name(name: &[u8]) -> Self {
        match name.to_ascii_lowercase().as_slice() {
            b"date" => Self::Date,
            b"time" => Self::Time,
            b"c-ip" => Self::Client,
            b"x-forwarded-for" | b"cs(x-forwarded-for)" => Self::Forwarded,
            b"cs-method" => Self::Method,
            b"cs-uri-stem" | b"cs-uri" => Self::Stem,
            b"cs-uri-query" => Self::Query,
            b"sc-status" => Self::Status,
            b"cs(referer)" | b"cs(referrer)" => Self::Referrer,
            b"cs(user-agent)" => Self::UserAgent,
            _ => Self::Other,
        }
    }
}

impl Fields {
    /// Whether the line is a directive, which is applied.
    pub fn is_directive(&mut self, line: &[u8]) -> bool {
        let Some(directive) = line.strip_prefix(b"#") else { return false };
        if let Some(names) = directive.strip_prefix(b"Fields:") {
            let names = names.split(u8::is_ascii_whitespace).filter(|name| !name.is_empty());
            self.columns = names.map(Column::of_name).collect();
        } else if let Some(date) = directive.strip_prefix(b"Date:") {
            self.date = date.trim_ascii().get(..10).unwrap_or_default().to_vec();
        }
        true
    }

    /// Reads a line; `None` if it is malformed or precedes its `#Fields:`.
    #[must_use]
    pub fn read<'a>(&self, line: &'a [u8]) -> Option<Record<'a>> {
        let separator = if line.contains(&b'\t') { b'\t' } else { b' ' };
        let mut values: [Option<&'a [u8]>; KINDS] = [None; KINDS];
        let mut count = 0;
        for value in line.split(|byte| *byte == separator) {
            let column = *self.columns.get(count)?;
            if let Some(slot) = values.get_mut(column as usize) {
                *slot = Some(value);
            }
            count += 1;
        }
        if count != self.columns.len() {
            return None;
        }
        let value = |column: Column| values.get(column as usize).copied().flatten();
        let given = |column: Column| value(column).filter(|value| !matches!(*value, b"" | b"-"));
        let text = |column: Column| given(column).and_then(|value| std::str::from_utf8(value).ok());

        let mut instant = value(Column::Date).unwrap_or(&self.date).to_vec();
        instant.push(b' ');
        instant.extend_from_slice(value(Column::Time)?);
        let named = text(Column::Client)?;
        let address = client(named).unwrap_or(Cow::Borrowed(named));
        let target = match (value(Column::Method)?, value(Column::Stem)?, given(Column::Query)) {
            (b"GET", stem, None) => Some(Field::Plain(stem)),
            (b"GET", stem, Some(query)) => {
                let whole = [stem, b"?", query].concat();
                Some(Field::Text(Cow::Owned(String::from_utf8_lossy(&whole).into_owned())))
            }
            _ => None,
        };
        Some(Record {
            address: behind_proxy(address, text(Column::Forwarded)),
            time_ms: time::iso(&instant)?,
            target,
            status: std::str::from_utf8(value(Column::Status)?).ok()?.parse().ok()?,
            referrer: value(Column::Referrer).map(Field::Plain),
            user_agent: value(Column::UserAgent).map(|agent| Field::Text(user_agent(agent, separator).into())),
        })
    }
}

/// IIS writes spaces as `+`; CloudFront escapes as URLs do, some of its logs twice.
fn user_agent(logged: &[u8], separator: u8) -> String {
    if separator == b' ' {
        return String::from_utf8_lossy(logged).replace('+', " ");
    }
    let once: Vec<u8> = percent_decode(logged).collect();
    let twice = if once.windows(3).any(|part| part == b"%20") { percent_decode(&once).collect() } else { once };
    String::from_utf8_lossy(&twice).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(directives: &[&str]) -> Fields {
        let mut fields = Fields::default();
        assert!(directives.iter().all(|directive| fields.is_directive(directive.as_bytes())));
        fields
    }

    const IIS: &str = "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken";
    const CLOUDFRONT: &str = "#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type";

    #[test]
    fn iis_and_cloudfront_tell_the_same() {
        let iis =
            "2026-03-10 10:00:00 10.0.0.5 GET /a x=1 443 - 8.8.8.8 Mozilla/5.0+(X11) https://r.example/ 200 0 0 15";
        let cloudfront = "2026-03-10\t10:00:00\tFRA2\t1045\t8.8.8.8\tGET\td1.cloudfront.net\t/a\t200\thttps://r.example/\tMozilla/5.0%2520(X11)\tx=1\t-\tHit";
        for (directive, line) in [(IIS, iis), (CLOUDFRONT, cloudfront)] {
            let fields = fields(&["#Version: 1.0", directive]);
            let record = fields.read(line.as_bytes()).unwrap();
            assert_eq!((&*record.address, record.time_ms, record.status), ("8.8.8.8", 1_773_136_800_000, 200));
            assert_eq!(record.target.unwrap().text(), "/a?x=1");
            assert_eq!(record.referrer.unwrap().text(), "https://r.example/");
            assert_eq!(record.user_agent.unwrap().text(), "Mozilla/5.0 (X11)");
            assert!(fields.read(line.replace("GET", "POST").as_bytes()).unwrap().target.is_none());
            for cut in [line.len() - 20, 10, 0] {
                assert!(fields.read(&line.as_bytes()[..cut]).is_none(), "{cut}");
            }
        }
    }

    #[test]
    fn directives_change_what_stands_where() {
        let mut fields = fields(&["#Date: 2026-03-10 09:00:00", "#Fields: time c-ip cs-method cs-uri-stem sc-status"]);
        assert_eq!(fields.read(b"10:00:00 8.8.8.8 GET / 200").unwrap().time_ms, 1_773_136_800_000);
        assert!(fields.is_directive(b"#Fields: date time c-ip cs-method cs-uri-stem sc-status cs(User-Agent)"));
        let record = fields.read(b"2026-03-10 10:00:00 8.8.8.8 GET / 000 -").unwrap();
        assert_eq!((record.status, record.user_agent.unwrap().is_given()), (0, false));
        assert!(!fields.is_directive(b"10:00:00 8.8.8.8"));
        assert!(Fields::default().read(b"10:00:00 8.8.8.8 GET / 200").is_none());
    }
}
