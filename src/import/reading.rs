//! The first half of an import: every line is read, classified, and kept as a small record if it is a page view.

use std::{io::Read, path::Path, sync::Arc};

use chrono::{DateTime, Utc};
use schema::{
    analytics::{event::Acquisition, path},
    error::{Error, Result},
    ports::ImportedLog,
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    BrokenLine, Options, Progress, Reason, Summary, Warning,
    format::{self, Format, Line},
    intern::Numbered,
    logs::LogFinder,
    record::{Record, is_page, path_and_query},
    source::{Lines, MAX_LINE},
    spill::{Sorted, Sorter, UNNUMBERED, View},
};
use crate::ingest::{
    bots,
    channel::{Campaign, acquire, referrer_host},
};

/// Number of malformed lines shown.
const SHOWN: usize = 10;

/// Number of lines between progress reports.
const REPORT_EVERY: u64 = 20_000;

/// First and last time of the counted page views, in milliseconds since 1970 UTC.
struct Span(i64, i64);

impl Span {
    const EMPTY: Self = Self(i64::MAX, i64::MIN);

    fn ends(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let ends = DateTime::from_timestamp_millis(self.0).zip(DateTime::from_timestamp_millis(self.1));
        ends.filter(|(first, last)| first <= last)
    }
}

/// The content of a log.
pub(super) struct Reading {
    /// In chronological order.
    pub(super) views: Sorted,
    /// By number.
    pub(super) user_agents: Vec<UserAgent>,
    /// By number.
    pub(super) arrivals: Vec<Arc<Acquisition>>,
    pub(super) log: ImportedLog,
    /// Whether the store does not know the log at this length.
    pub(super) is_new: bool,
    pub(super) summary: Summary,
    pub(super) progress: Progress,
}

/// A user agent of the log.
pub(super) struct UserAgent {
    pub(super) text: Arc<str>,
    is_bot: bool,
}

/// Dependencies of reading a log.
pub(super) struct Task<'a> {
    pub(super) website: Uuid,
    pub(super) domain: &'a str,
    pub(super) options: Options,
    /// Logs that were imported into the website.
    pub(super) logs: &'a [ImportedLog],
    /// Storage for views that do not fit in memory.
    pub(super) scratch: &'a Path,
}

/// Reads to the end. Errors: `Invalid` for a source that fails, a damaged archive, and a log without a readable line;
/// `Unavailable` if there is no room for page views.
pub(super) fn read(source: impl Read, task: &Task<'_>, progress: &impl Fn(Progress)) -> Result<Reading> {
    let mut lines = Lines::open(source).map_err(|_| breaks_off(false, 0))?;
    let packed = lines.is_gzip();
    let mut at = Progress::default();
    // The first lines decide how all are read, so they wait until that is known.
    let mut sample: Vec<Vec<u8>> = Vec::new();
    while sample.len() < format::SAMPLE {
        let count = sample.len() as u64;
        let Some(text) = lines.next().map_err(|_| breaks_off(packed, count))? else { break };
        // Editors on Windows prepend a byte order mark.
        let text = if sample.is_empty() { text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text) } else { text };
        sample.push(text.to_vec());
    }
    let mut gathering = Gathering::new(task, Format::of_lines(&sample));
    for text in &sample {
        at.lines += 1;
        gathering.take(text, at.lines)?;
    }
    while let Some(text) = lines.next().map_err(|_| breaks_off(packed, at.lines))? {
        at.lines += 1;
        gathering.take(text, at.lines)?;
        if at.lines.is_multiple_of(REPORT_EVERY) {
            progress(Progress { bytes: lines.bytes(), ..at });
        }
    }
    gathering.summary.lines = at.lines - gathering.directives;
    if gathering.summary.broken == gathering.summary.lines {
        return Err(no_log(&gathering.summary));
    }
    at = Progress { bytes: lines.bytes(), page_views: gathering.views.count, ..at };
    progress(at);
    gathering.finish(at)
}

fn breaks_off(packed: bool, lines: u64) -> Error {
    let what = if packed { "the gzip data is damaged or ends early" } else { "reading failed" };
    Error::invalid(
        "file",
        format!("{what} after {lines} lines; nothing was imported. Copy the complete log and try again."),
    )
}

fn no_log(summary: &Summary) -> Error {
    let what = match summary.lines {
        0 => "it is empty".to_owned(),
        1 => "its only line is malformed".to_owned(),
        lines => format!("all of its {lines} lines are malformed"),
    };
    let first = summary.first_broken.first();
    let example = first.map(|line| format!(" (line {}: {})", line.number, line.text)).unwrap_or_default();
    Error::invalid(
        "file",
        format!(
            "must be an access log ({what}{example}). Supported: {}, plain or gzip, such as: 192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET /page HTTP/1.1\" 200 2326 \"https://example.org/\" \"Mozilla/5.0\"",
            format::KNOWN
        ),
    )
}

struct Gathering<'a> {
    domain: &'a str,
    options: Options,
    format: Format,
    /// Hash of the common prefix of all line IDs.
    keyed: Sha256,
    finder: LogFinder,
    views: Sorter,
    user_agents: Numbered<Arc<str>, UserAgent>,
    arrivals: Numbered<(String, Campaign), Arc<Acquisition>>,
    span: Span,
    /// Lines that only declare the format of others.
    directives: u64,
    /// Page requests, including bots', and how many of them lack a user agent.
    pages: u64,
    without_user_agent: u64,
    /// Page views without a referrer.
    without_referrer: u64,
    summary: Summary,
    dropped: [u64; Reason::ALL.len()],
}

impl<'a> Gathering<'a> {
    fn new(task: &Task<'a>, format: Format) -> Self {
        Self {
            domain: task.domain,
            options: task.options,
            format,
            keyed: Sha256::new_with_prefix(task.website.as_bytes()),
            finder: LogFinder::new(task.logs),
            views: Sorter::new(task.scratch),
            user_agents: Numbered::default(),
            arrivals: Numbered::default(),
            span: Span::EMPTY,
            directives: 0,
            pages: 0,
            without_user_agent: 0,
            without_referrer: 0,
            summary: Summary::default(),
            dropped: [0; Reason::ALL.len()],
        }
    }

    fn take(&mut self, text: &[u8], number: u64) -> Result<()> {
        let line = if text.len() > MAX_LINE { Line::Broken } else { self.format.read(text) };
        match line {
            Line::Request(record) => {
                if let Some(reason) = self.judge(text, &record)?
                    && let Some(count) = self.dropped.get_mut(reason as usize)
                {
                    *count += 1;
                }
            }
            Line::Directive => self.directives += 1,
            Line::Broken => {
                self.summary.broken += 1;
                if self.summary.first_broken.len() < SHOWN {
                    self.summary.first_broken.push(BrokenLine::new(number, text));
                }
            }
        }
        Ok(())
    }

    /// Keeps the line as a page view, or returns why it is not one.
    fn judge(&mut self, text: &[u8], record: &Record<'_>) -> Result<Option<Reason>> {
        let Some(target) = &record.target else { return Ok(Some(Reason::NotGet)) };
        if !matches!(record.status, 200..=299 | 304) {
            return Ok(Some(Reason::Status));
        }
        let target = target.bytes();
        let (path, query) = path_and_query(&target);
        let path = path::normalized(path);
        if !is_page(&path) {
            return Ok(Some(Reason::StaticFile));
        }
        self.pages += 1;
        let digest = self.digest(text);
        self.finder.take(&digest);
        // A log without user agents does not identify its clients.
        let is_told = record.user_agent.is_some();
        self.without_user_agent += u64::from(!record.user_agent.as_ref().is_some_and(|field| field.is_given()));
        let user_agent = record.user_agent.as_ref().map(|field| field.text()).unwrap_or_default();
        let (user_agent_number, is_bot) = self.user_agent(&user_agent);
        if is_told && is_bot && !self.options.keep_bots {
            return Ok(Some(Reason::Bot));
        }
        let referrer = record.referrer.as_ref().filter(|field| field.is_given()).map(|field| field.text());
        self.without_referrer += u64::from(referrer.is_none());
        let query = String::from_utf8_lossy(query);
        let query = if Campaign::is_in(&query) { &*query } else { "" };
        let referrer = referrer_host(&referrer.unwrap_or_default(), self.domain);
        let (arrival, referrer) = self.arrival(referrer, query);
        let is_numbered = |number: u32| number != UNNUMBERED;
        self.views.add(&View {
            time_ms: record.time_ms,
            digest,
            user_agent: user_agent_number,
            arrival,
            address: &record.address,
            path: &path,
            user_agent_text: if is_numbered(user_agent_number) { "" } else { &user_agent },
            referrer: &referrer,
            query: if is_numbered(arrival) { "" } else { query },
        })?;
        self.span = Span(self.span.0.min(record.time_ms), self.span.1.max(record.time_ms));
        Ok(None)
    }

    /// The user agent's number, and whether it is a bot.
    fn user_agent(&mut self, text: &str) -> (u32, bool) {
        if let Some(number) = self.user_agents.find(text) {
            return (number, self.user_agents.get(number).is_some_and(|known| known.is_bot));
        }
        let is_bot = bots::machine(text).is_some();
        let shared: Arc<str> = text.into();
        let known = UserAgent { text: Arc::clone(&shared), is_bot };
        (self.user_agents.add(shared, known, text.len()).unwrap_or(UNNUMBERED), is_bot)
    }

    /// Numbers arrivals by host and campaign, which are few, not by referring page, which are many. Returns the host if
    /// no number is left.
    fn arrival(&mut self, referrer: String, query: &str) -> (u32, String) {
        let campaign = if query.is_empty() { Campaign::default() } else { Campaign::of_query(query) };
        let key = (referrer, campaign);
        if let Some(number) = self.arrivals.find(&key) {
            return (number, String::new());
        }
        let bytes = key.0.len() + query.len();
        let arrival = Arc::new(acquire(key.0.clone(), key.1.clone()));
        let referrer = key.0.clone();
        match self.arrivals.add(key, arrival, 2 * bytes) {
            Some(number) => (number, String::new()),
            None => (UNNUMBERED, referrer),
        }
    }

    fn digest(&self, text: &[u8]) -> [u8; 16] {
        let mut hash = self.keyed.clone();
        hash.update(text);
        let whole: [u8; 32] = hash.finalize().into();
        let mut digest = [0; 16];
        digest.copy_from_slice(&whole[..16]);
        digest
    }

    fn finish(mut self, progress: Progress) -> Result<Reading> {
        if let Some((first, last)) = self.span.ends() {
            self.summary.first_at = Some(first);
            self.summary.last_at = Some(last);
        }
        self.summary.warn(Warning::NoUserAgent, self.without_user_agent, self.pages);
        self.summary.warn(Warning::NoReferrer, self.without_referrer, self.views.count);
        self.summary.dropped = Reason::ALL.into_iter().zip(self.dropped).map(Into::into).collect();
        let (log, is_new) = self.finder.finish();
        Ok(Reading {
            log,
            is_new,
            views: self.views.sorted()?,
            user_agents: self.user_agents.into_list(),
            arrivals: self.arrivals.into_list(),
            summary: self.summary,
            progress,
        })
    }
}
