//! Formats of access logs: the format of a log is determined once, from its first lines.

use super::{alb, clf::Layout, json, record::Record, w3c::Fields};

/// Maximum number of lines examined to determine the format.
pub const SAMPLE: usize = 200;

/// The supported formats, for messages.
pub const KNOWN: &str = "the combined or common format of Apache and nginx, JSON of nginx, Caddy or Traefik, W3C extended (IIS, CloudFront), \
     or a log of an AWS load balancer";

/// A format, and its columns in this log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Common, combined and similar.
    Clf(Layout),
    /// One JSON object per line.
    Json,
    /// W3C extended.
    W3c(Fields),
    /// Amazon's load balancers.
    Alb,
}

/// Type of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'a> {
    /// A request.
    Request(Record<'a>),
    /// Declares how the next lines are to be read, or is a comment in a format that has some.
    Directive,
    /// Malformed.
    Broken,
}

impl Format {
    /// The format of a log that begins with these lines: the one that reads most of them.
    #[must_use]
    pub fn of_lines(lines: &[Vec<u8>]) -> Self {
        let texts = || lines.iter().map(Vec::as_slice);
        let candidates = [Self::Clf(Layout::of_lines(texts())), Self::Json, Self::W3c(Fields::default()), Self::Alb];
        let mut best = (0, None);
        for format in candidates {
            let mut trial = format.clone();
            let reads = texts().filter(|line| matches!(trial.read(line), Line::Request(_))).count();
            // Directives alone tell W3C's as well: a server without visitors yet.
            let reads = reads * 2 + usize::from(matches!(&trial, Self::W3c(fields) if *fields != Fields::default()));
            if best.1.is_none() || reads > best.0 {
                best = (reads, Some(format));
            }
        }
        best.1.unwrap_or(Self::Clf(Layout::default()))
    }

    /// Reads a line without its line end.
    pub fn read<'a>(&mut self, line: &'a [u8]) -> Line<'a> {
        let record = match self {
            Self::Clf(layout) => layout.read(line),
            Self::Json => json::read(line),
            Self::W3c(fields) => match fields.is_directive(line) {
                true => return Line::Directive,
                false => fields.read(line),
            },
            Self::Alb => alb::read(line),
        };
        record.map_or(Line::Broken, Line::Request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(lines: &[&str]) -> Format {
        Format::of_lines(&lines.iter().map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn the_format_is_the_one_that_reads_most_lines() {
        let clf = r#"8.8.8.8 - - [10/Mar/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 1000 "-" "Mozilla/5.0""#;
        let json = r#"{"ts":1773136800,"remote_addr":"8.8.8.8","method":"GET","uri":"/a","status":200}"#;
        let fields = "#Fields: date time c-ip cs-method cs-uri-stem sc-status";
        let w3c = "2026-03-10 10:00:00 8.8.8.8 GET / 200";
        let alb = r#"2026-03-10T10:00:00Z shop 8.8.8.8:2817 - 0 0 0 200 200 0 29 "GET / HTTP/1.1" "x" - -"#;
        assert_eq!(format(&[clf]), Format::Clf(Layout::default()));
        assert_eq!(format(&["broken", json]), Format::Json);
        assert!(matches!(format(&["#Version: 1.0", fields, w3c]), Format::W3c(_)));
        assert!(matches!(format(&["#Version: 1.0", fields]), Format::W3c(_)));
        assert_eq!(format(&[alb, json, alb]), Format::Alb);
        assert!(matches!(format(&["hello", "world"]), Format::Clf(_)));
        assert!(matches!(format(&[]), Format::Clf(_)));
        let mut w3c_format = format(&[fields, w3c]);
        assert_eq!(w3c_format.read(fields.as_bytes()), Line::Directive);
        assert!(matches!(w3c_format.read(w3c.as_bytes()), Line::Request(_)));
        assert_eq!(w3c_format.read(b"x"), Line::Broken);
    }
}
