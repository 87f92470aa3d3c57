//! Hostile GraphQL requests against everything that happens before one runs: nothing panics, and no body costs more than 5 ms.
//!
//! - Input that is a JSON object is the body of a request; any other is the text of a document.

#![no_main]

use std::{sync::LazyLock, time::Duration};

use footfall_fuzz::http::{
    limits::Limits,
    prepare::{Prepared, prepare},
    refusal::Refusal,
    request::{Asked, from_json},
};
use libfuzzer_sys::fuzz_target;
use rustix::time::{ClockId, clock_gettime};
use schema::schema_index::SchemaIndex;

/// The largest body that the server reads.
const MAX_BODY: usize = 64 * 1024;

/// Processor time that a body may cost, the coverage counters of this build included.
const MAX_CPU: Duration = Duration::from_millis(5);

/// How often a body that took longer is tried again: another program may have emptied the processor's caches.
const TRIES: usize = 4;

/// What one document may cost.
const COST: u64 = 5_000;

static INDEX: LazyLock<SchemaIndex> =
    LazyLock::new(|| SchemaIndex::read(include_str!("../../schema/schema.graphql")).expect("the server's schema"));

fuzz_target!(|body: &[u8]| {
    if body.len() > MAX_BODY {
        return;
    }
    // Read before the first measurement.
    let _ = LazyLock::force(&INDEX);
    let (judged, mut took) = timed(body);
    for _ in 0..TRIES {
        if took <= MAX_CPU {
            break;
        }
        took = took.min(timed(body).1);
    }
    assert!(took <= MAX_CPU, "{} bytes cost {took:?}", body.len());
    match judged {
        Ok(prepared) => {
            assert!(prepared.cost <= COST);
        }
        Err(refusal) => {
            assert!(!refusal.message.is_empty());
            assert!(refusal.message.len() < 4_000, "{}", refusal.message);
            assert_ne!(refusal.status.as_u16(), 500, "{}", refusal.message);
        }
    }
});

fn timed(body: &[u8]) -> (Result<Prepared, Refusal>, Duration) {
    let begun = cpu();
    let judged = judge(body);
    (judged, cpu() - begun)
}

/// Processor time of this thread so far.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

fn judge(body: &[u8]) -> Result<Prepared, Refusal> {
    let asked = if body.trim_ascii_start().first() == Some(&b'{') && body.contains(&b'"') && from_json(body).is_ok() {
        from_json(body)?
    } else {
        Asked { query: String::from_utf8_lossy(body).into_owned(), ..Asked::default() }
    };
    // As many buckets as a series may have.
    prepare(asked, &Limits::default(), COST, &INDEX, true, true, &|_, _| Some(5_000))
}
