//! Access that goes on after the request: when it is proven again.
//!
//! - Whatever this process changes counts at once where something is said, and within a second where not; what another one does
//!   (the command line) within five seconds, or a minute.

use chrono::{DateTime, TimeDelta, Utc};

use super::{credential::still_works, cx::Cx};
use crate::error::Result;

/// For how long a proof holds for the items of a stream while this process changes nothing.
const PROOF_SECONDS: i64 = 5;

/// For how long one holds while nothing happens on the stream: thousands of idle ones must not ask all the time.
const IDLE_SECONDS: i64 = 60;

/// How often an idle stream looks whether anything changed.
pub(crate) const IDLE: std::time::Duration = std::time::Duration::from_secs(1);

/// What a proof was made at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proven {
    version: u64,
    at: DateTime<Utc>,
}

/// The caller of a request that goes on.
pub(crate) struct Lasting {
    cx: Cx,
    proven: Proven,
}

impl Lasting {
    /// Begins with the caller of the request. Call it before the first proof is made: what changes meanwhile makes it too old.
    pub(crate) fn begin(cx: &Cx) -> Self {
        let cx = Cx::new(cx.ports().clone(), cx.caller());
        let proven = Proven::now(&cx);
        Self { cx, proven }
    }

    /// What the stream may reach.
    pub(crate) fn cx(&self) -> &Cx {
        &self.cx
    }

    /// Where the last proof is too old: what the next one will be made at. Errors: `Unauthenticated` for a credential that
    /// works no more.
    pub(crate) async fn is_due(&self) -> Result<Option<Proven>> {
        self.is_older_than(PROOF_SECONDS).await
    }

    /// As [`Lasting::is_due`], for a stream on which nothing happens.
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

    /// The proof was made again.
    pub(crate) fn renew(&mut self, proven: Proven) {
        self.proven = proven;
    }
}

impl Proven {
    fn now(cx: &Cx) -> Self {
        Self { version: cx.ports().changes.access_version(), at: cx.ports().now() }
    }
}
