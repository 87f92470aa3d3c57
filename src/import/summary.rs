//! The result of an import, for the terminal and for programs.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Why a readable line is not a page view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The method is not GET, or the request line is malformed.
    NotGet,
    /// The response status was neither 2xx nor 304.
    Status,
    /// The path ends in an extension that is not a page's.
    StaticFile,
    /// The user agent is a bot.
    Bot,
}

impl Reason {
    /// Every reason, in the order in which a line is checked.
    pub const ALL: [Self; 4] = [Self::NotGet, Self::Status, Self::StaticFile, Self::Bot];

    const fn says(self) -> &'static str {
        match self {
            Self::NotGet => "not a GET request",
            Self::Status => "status neither 2xx nor 304",
            Self::StaticFile => "a static file, not a page",
            Self::Bot => "a bot",
        }
    }
}

/// Lines dropped for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Reason.
    pub reason: Reason,
    /// How many lines.
    pub count: u64,
}

impl From<(Reason, u64)> for Dropped {
    fn from((reason, count): (Reason, u64)) -> Self {
        Self { reason, count }
    }
}

/// A field that nearly all lines lack, usually because the log has it in another column, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// Addresses whose country is known.
    NoCountry,
    /// Referrers.
    NoReferrer,
    /// User agents.
    NoUserAgent,
}

impl Warning {
    const fn says(self) -> &'static str {
        match self {
            Self::NoCountry => {
                "Nearly all page views lack a country because their addresses are private, host names or a proxy's. Log the visitor's address."
            }
            Self::NoReferrer => {
                "Nearly all page views lack a referrer, so sources are unknown. Log the Referer header, as the combined format does."
            }
            Self::NoUserAgent => {
                "Nearly all lines lack a user agent, so bots and browsers are unknown. Log the User-Agent header, as the combined format does."
            }
        }
    }
}

/// A malformed line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenLine {
    /// Its number in the file, from 1.
    pub number: u64,
    /// Its beginning, safe to print.
    pub text: String,
}

impl BrokenLine {
    /// Number of characters of a line that are shown.
    const SHOWN: usize = 100;

    /// Keeps the line's beginning; control characters, which could affect a terminal, become `?`.
    pub(super) fn new(number: u64, line: &[u8]) -> Self {
        let head = line.get(..Self::SHOWN * 4).unwrap_or(line);
        let head = String::from_utf8_lossy(head);
        let mut text: String =
            head.chars().take(Self::SHOWN).map(|letter| if letter.is_control() { '?' } else { letter }).collect();
        if line.len() > text.len() && head.chars().nth(Self::SHOWN).is_some() {
            text.push('…');
        }
        Self { number, text }
    }
}

/// The result of an import. `lines` = `stored` + `duplicates` + dropped + `broken`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Lines read.
    pub lines: u64,
    /// Page views stored.
    pub stored: u64,
    /// Page views skipped because an earlier import stored them.
    pub duplicates: u64,
    /// Lines that are not page views, by every reason.
    pub dropped: Vec<Dropped>,
    /// Malformed lines.
    pub broken: u64,
    /// The first ten of them.
    pub first_broken: Vec<BrokenLine>,
    /// Time of the first page view, UTC.
    pub first_at: Option<DateTime<Utc>>,
    /// Time of the last page view, UTC.
    pub last_at: Option<DateTime<Utc>>,
    /// Fields that nearly all lines lack.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// Duration of the import, in milliseconds.
    pub duration_ms: u64,
}

impl Summary {
    /// Warns if at least 19 of 20 lack it.
    pub(super) fn warn(&mut self, warning: Warning, lacking: u64, all: u64) {
        if all > 0 && lacking.saturating_mul(20) >= all.saturating_mul(19) {
            self.warnings.push(warning);
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row =
            |out: &mut fmt::Formatter<'_>, count: u64, what: &str| writeln!(out, "{:>14}  {what}", grouped(count));
        row(out, self.lines, "lines read")?;
        row(out, self.stored, "page views stored")?;
        row(out, self.duplicates, "page views stored by an earlier import")?;
        for dropped in &self.dropped {
            row(out, dropped.count, &format!("dropped: {}", dropped.reason.says()))?;
        }
        row(out, self.broken, "malformed lines")?;
        for broken in &self.first_broken {
            writeln!(out, "{:>16}line {}: {}", "", broken.number, broken.text)?;
        }
        if self.broken > self.first_broken.len() as u64 {
            writeln!(out, "{:>16}and {} more", "", grouped(self.broken - self.first_broken.len() as u64))?;
        }
        if let (Some(first), Some(last)) = (self.first_at, self.last_at) {
            writeln!(out, "Page views from {} to {} UTC.", first.format("%F %T"), last.format("%F %T"))?;
        }
        for warning in &self.warnings {
            writeln!(out, "Warning: {}", warning.says())?;
        }
        let rate = self.lines.saturating_mul(1000) / self.duration_ms.max(1);
        write!(
            out,
            "Took {}.{:03} s ({} lines per second).",
            self.duration_ms / 1000,
            self.duration_ms % 1000,
            grouped(rate)
        )
    }
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn broken_lines_are_cut_and_cannot_steer_a_terminal() {
        assert_eq!(BrokenLine::new(3, b"\x1b[31mred\xff").text, "?[31mred\u{fffd}");
        let long = BrokenLine::new(1, "é".repeat(500).as_bytes()).text;
        assert_eq!(long.chars().count(), 101);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn a_warning_needs_nearly_all() {
        let mut summary = Summary::default();
        for (lacking, all) in [(0, 0), (0, 9), (18, 20)] {
            summary.warn(Warning::NoReferrer, lacking, all);
        }
        assert_eq!(summary.warnings, []);
        summary.warn(Warning::NoReferrer, 19, 20);
        assert_eq!(summary.warnings, [Warning::NoReferrer]);
    }

    #[test]
    fn the_text_names_every_reason_and_broken_line() {
        let summary = Summary {
            lines: 1_234,
            stored: 1_000,
            dropped: Reason::ALL.into_iter().map(|reason| Dropped { reason, count: 0 }).collect(),
            broken: 12,
            first_broken: vec![BrokenLine::new(7, b"oops")],
            warnings: vec![Warning::NoCountry],
            duration_ms: 1_500,
            ..Summary::default()
        };
        let text = summary.to_string();
        for part in [
            "1,234  lines read",
            "1,000  page views stored",
            "not a GET",
            "2xx nor 304",
            "static file",
            "a bot",
            "line 7: oops",
            "and 11 more",
            "Warning: Nearly all page views lack a country",
            "1.500 s",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let back: Summary = serde_json::from_str(&serde_json::to_string(&summary).unwrap()).unwrap();
        assert_eq!(back, summary);
    }
}
