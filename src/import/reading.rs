//! The first half of an import: every line is read, judged, and kept as a small record if it is a page view.

use std::{collections::HashMap, io::Read, sync::Arc};

use chrono::{DateTime, Utc};
use rustc_hash::FxHashMap;
use schema::{
    analytics::event::Acquisition,
    error::{Error, Result},
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    BrokenLine, Options, Progress, Reason, Summary,
    intern::{Strings, next},
    line::{self, Line},
    source::{LONGEST, Lines},
};
use crate::ingest::{
    bots,
    channel::{Campaign, acquire, referrer_host},
};

/// Broken lines that are shown.
const SHOWN: usize = 10;

/// Lines between two reports of progress.
const REPORT_EVERY: u64 = 20_000;

/// One page view: 40 bytes, whatever its line was.
pub(super) struct View {
    pub(super) time_ms: i64,
    /// SHA-256 of website and line, cut to 128 bits.
    pub(super) digest: [u8; 16],
    pub(super) client: u32,
    pub(super) path: u32,
    pub(super) arrival: u32,
}

/// Who asked: numbers of an address and a user agent.
#[derive(Clone, Copy)]
pub(super) struct Client {
    pub(super) address: u32,
    pub(super) user_agent: u32,
}

/// First and last of the times.
fn range(times: impl Iterator<Item = i64>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let (first, last) = times.fold((i64::MAX, i64::MIN), |(first, last), time| (first.min(time), last.max(time)));
    DateTime::from_timestamp_millis(first)
        .zip(DateTime::from_timestamp_millis(last))
        .filter(|(first, last)| first <= last)
}

/// All that a log held.
pub(super) struct Reading {
    /// In order of the file.
    pub(super) views: Vec<View>,
    pub(super) clients: Vec<Client>,
    pub(super) addresses: Vec<Arc<str>>,
    pub(super) user_agents: Vec<Arc<str>>,
    pub(super) paths: Vec<Arc<str>>,
    pub(super) arrivals: Vec<Arc<Acquisition>>,
    pub(super) summary: Summary,
    pub(super) progress: Progress,
}

/// Reads to the end. Errors: `Invalid` for a source that fails, a damaged archive, and a log without one readable line.
pub(super) fn read(
    source: impl Read,
    website: Uuid,
    domain: &str,
    options: Options,
    progress: &impl Fn(Progress),
) -> Result<Reading> {
    let mut gathering = Gathering::new(website, domain, options);
    let mut lines = Lines::open(source).map_err(|_| breaks_off(false, 0))?;
    let mut at = Progress::default();
    loop {
        let packed = lines.is_gzip();
        let Some(text) = lines.next().map_err(|_| breaks_off(packed, at.lines))? else { break };
        at.lines += 1;
        // Editors on Windows put a byte order mark in front.
        let text = if at.lines == 1 { text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text) } else { text };
        gathering.take(text, at.lines)?;
        if at.lines.is_multiple_of(REPORT_EVERY) {
            progress(Progress { bytes: lines.bytes(), ..at });
        }
    }
    gathering.summary.lines = at.lines;
    if gathering.summary.broken == at.lines {
        return Err(no_log(at.lines));
    }
    at = Progress { bytes: lines.bytes(), page_views: gathering.views.len() as u64, ..at };
    progress(at);
    Ok(gathering.finish(at))
}

fn breaks_off(packed: bool, lines: u64) -> Error {
    let what = if packed { "the gzip data is damaged or ends early" } else { "reading failed" };
    Error::invalid(
        "file",
        format!("{what} after {lines} lines; nothing was imported. A complete log is expected: copy it again."),
    )
}

fn no_log(lines: u64) -> Error {
    let what = match lines {
        0 => "it is empty".to_owned(),
        1 => "its only line cannot be read as one".to_owned(),
        _ => format!("none of its {lines} lines can be read as one"),
    };
    Error::invalid(
        "file",
        format!(
            "this is not an access log: {what}. The combined or common format of Apache and nginx is expected, plain or gzip, \
             such as: 192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET /page HTTP/1.1\" 200 2326 \"https://example.org/\" \"Mozilla/5.0\""
        ),
    )
}

struct Gathering<'a> {
    domain: &'a str,
    options: Options,
    /// Hash of what all lines' identities begin with.
    keyed: Sha256,
    views: Vec<View>,
    addresses: Strings,
    user_agents: Strings,
    /// By number of the user agent.
    machines: Vec<bool>,
    paths: Strings,
    clients: Vec<Client>,
    client_numbers: FxHashMap<(u32, u32), u32>,
    arrivals: Vec<Arc<Acquisition>>,
    arrival_numbers: HashMap<(String, Campaign), u32>,
    summary: Summary,
    dropped: [u64; Reason::ALL.len()],
}

impl<'a> Gathering<'a> {
    fn new(website: Uuid, domain: &'a str, options: Options) -> Self {
        Self {
            domain,
            options,
            keyed: Sha256::new_with_prefix(website.as_bytes()),
            views: Vec::new(),
            addresses: Strings::default(),
            user_agents: Strings::default(),
            machines: Vec::new(),
            paths: Strings::default(),
            clients: Vec::new(),
            client_numbers: FxHashMap::default(),
            arrivals: Vec::new(),
            arrival_numbers: HashMap::new(),
            summary: Summary::default(),
            dropped: [0; Reason::ALL.len()],
        }
    }

    fn take(&mut self, text: &[u8], number: u64) -> Result<()> {
        let parsed = if text.len() > LONGEST { None } else { line::parse(text) };
        let Some(parsed) = parsed else {
            self.summary.broken += 1;
            if self.summary.first_broken.len() < SHOWN {
                self.summary.first_broken.push(BrokenLine::new(number, text));
            }
            return Ok(());
        };
        if let Some(reason) = self.judge(text, parsed)?
            && let Some(count) = self.dropped.get_mut(reason as usize)
        {
            *count += 1;
        }
        Ok(())
    }

    /// Keeps the line as a page view, or says why not.
    fn judge(&mut self, text: &[u8], line: Line<'_>) -> Result<Option<Reason>> {
        let request = line::unescape(line.request);
        let Some(("GET", target)) = line::request(&request) else { return Ok(Some(Reason::NotGet)) };
        if !matches!(line.status, 200..=299 | 304) {
            return Ok(Some(Reason::Status));
        }
        let (path, query) = line::path_and_query(target);
        if !line::is_page(path) {
            return Ok(Some(Reason::StaticFile));
        }
        // The common format has no user agent at all, which says nothing about who asked.
        let user_agent = line::unescape(line.user_agent.unwrap_or_default());
        let (user_agent_number, new) = self.user_agents.number(&user_agent)?;
        if new {
            self.machines.push(bots::machine(&user_agent).is_some());
        }
        let is_machine = line.user_agent.is_some() && self.machines.get(user_agent_number as usize) == Some(&true);
        if is_machine && !self.options.keep_bots {
            return Ok(Some(Reason::Bot));
        }
        let (address, _) = self.addresses.number(&line::unescape(line.address))?;
        let client = self.client(address, user_agent_number)?;
        let (path, _) = self.paths.number(path)?;
        let arrival = self.arrival(&line::unescape(line.referrer.unwrap_or_default()), query)?;
        self.views.push(View { time_ms: line.time_ms, digest: self.digest(text), client, path, arrival });
        Ok(None)
    }

    fn client(&mut self, address: u32, user_agent: u32) -> Result<u32> {
        if let Some(number) = self.client_numbers.get(&(address, user_agent)) {
            return Ok(*number);
        }
        let number = next(self.clients.len())?;
        self.clients.push(Client { address, user_agent });
        self.client_numbers.insert((address, user_agent), number);
        Ok(number)
    }

    /// Numbers arrivals by host and campaign, which are few, not by referring page, which are many.
    fn arrival(&mut self, referrer: &str, query: &str) -> Result<u32> {
        let campaign = if Campaign::is_in(query) { Campaign::of_query(query) } else { Campaign::default() };
        let key = (referrer_host(referrer, self.domain), campaign);
        if let Some(number) = self.arrival_numbers.get(&key) {
            return Ok(*number);
        }
        let number = next(self.arrivals.len())?;
        self.arrivals.push(Arc::new(acquire(key.0.clone(), key.1.clone())));
        self.arrival_numbers.insert(key, number);
        Ok(number)
    }

    fn digest(&self, text: &[u8]) -> [u8; 16] {
        let mut hash = self.keyed.clone();
        hash.update(text);
        let whole: [u8; 32] = hash.finalize().into();
        let mut digest = [0; 16];
        digest.copy_from_slice(&whole[..16]);
        digest
    }

    fn finish(mut self, progress: Progress) -> Reading {
        if let Some((first, last)) = range(self.views.iter().map(|view| view.time_ms)) {
            self.summary.first_at = Some(first);
            self.summary.last_at = Some(last);
        }
        self.summary.dropped = Reason::ALL.into_iter().zip(self.dropped).map(Into::into).collect();
        Reading {
            views: self.views,
            clients: self.clients,
            addresses: self.addresses.into_list(),
            user_agents: self.user_agents.into_list(),
            paths: self.paths.into_list(),
            arrivals: self.arrivals,
            summary: self.summary,
            progress,
        }
    }
}
