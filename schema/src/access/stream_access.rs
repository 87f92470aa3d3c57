//! Re-checks access on long-lived streams.
//!
//! - A change by this process takes effect with the stream's next item, or within a second on an idle stream. A change
//!   by another process (the command line) takes effect within five seconds, or within a minute on an idle stream.

use chrono::{DateTime, TimeDelta, Utc};

use super::{credential::still_works, cx::Cx};
use crate::error::Result;

/// How long a check stays valid for a stream's items while this process changes nothing.
const PROOF_SECONDS: i64 = 5;

/// How long a check stays valid on an idle stream. Thousands of idle streams must not query all the time.
const IDLE_SECONDS: i64 = 60;

/// How often an idle stream looks for changes.
pub(crate) const IDLE: std::time::Duration = std::time::Duration::from_secs(1);

/// The state that a check was based on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proven {
    version: u64,
    at: DateTime<Utc>,
}

/// The caller of a long-lived request.
pub(crate) struct Lasting {
    cx: Cx,
    proven: Proven,
}

impl Lasting {
    /// Starts with the caller of the request. Call it before the first check, so that a change made in between
    /// invalidates that check.
    pub(crate) fn begin(cx: &Cx) -> Self {
        let cx = Cx::new(cx.ports().clone(), cx.caller());
        let proven = Proven::now(&cx);
        Self { cx, proven }
    }

    /// The data that the stream can reach.
    pub(crate) fn cx(&self) -> &Cx {
        &self.cx
    }

    /// Returns what the next check is to be based on, if the last one is too old. Errors: `Unauthenticated` when the
    /// credential no longer works.
    pub(crate) async fn is_due(&self) -> Result<Option<Proven>> {
        self.is_older_than(PROOF_SECONDS).await
    }

    /// Like [`Lasting::is_due`], for an idle stream.
    pub(crate) async fn is_due_when_idle(&self) -> Result<Option<Proven>> {
        self.is_older_than(IDLE_SECONDS).await
    }

    async fn is_older_than(&self, seconds: i64) -> Result<Option<Proven>> {
        let now = Proven::now(&self.cx);
        let holds = now.version == self.proven.version && (now.at - self.proven.at).abs() < TimeDelta::seconds(seconds);
        if holds {
            return Ok(None);
        }
        still_works(self.cx.ports(), self.cx.caller()).await?;
        Ok(Some(now))
    }

    /// Records that access was checked again.
    pub(crate) fn renew(&mut self, proven: Proven) {
        self.proven = proven;
    }
}

impl Proven {
    fn now(cx: &Cx) -> Self {
        Self { version: cx.ports().changes.access_version(), at: cx.ports().now() }
    }
}
