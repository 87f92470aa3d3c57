//! Reads a request's body up to a limit, and discards enough of the rest for the client to receive the error.
//!
//! Closing a connection with unread bytes resets it, and the client loses the response.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, header},
};
use http_body_util::BodyExt as _;

/// Maximum number of bytes to discard.
const DRAINED: usize = 8 * 1024 * 1024;

/// How long to wait for them.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why the body is not available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It exceeds the limit.
    TooLarge,
    /// It is incomplete.
    BrokenOff,
}

/// Reads a body of at most `limit` bytes. Errors: `TooLarge`, `BrokenOff`.
pub async fn read(headers: &HeaderMap, mut body: Body, limit: usize) -> Result<Bytes, Unread> {
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        // A client that sends `Expect: 100-continue` has sent nothing yet, and will not after the response.
        if !headers.contains_key(header::EXPECT) {
            drain(body).await;
        }
        return Err(Unread::TooLarge);
    }
    // Most bodies arrive in one part and are then not copied.
    let (mut first, mut all) = (Bytes::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::BrokenOff)?.into_data() else { continue };
        if first.len().max(all.len()) + data.len() > limit {
            drain(body).await;
            return Err(Unread::TooLarge);
        }
        if first.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.into() })
}

/// Discards what the client still sends, within bounds.
async fn drain(mut body: Body) {
    let mut left = DRAINED;
    let reading = async {
        while let (1.., Some(Ok(frame))) = (left, body.frame().await) {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        }
    };
    // Slower clients get the response without waiting further.
    let _ = tokio::time::timeout(PATIENCE, reading).await;
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use axum::http::HeaderValue;
    use futures_util::{StreamExt as _, stream};

    use super::*;

    const CHUNK: usize = 64 * 1024;

    /// A body of a number of chunks, and how many of them were read.
    fn counted(chunks: usize) -> (Body, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = count.clone();
        let stream = stream::iter(0..chunks).map(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; CHUNK]))
        });
        (Body::from_stream(stream), count)
    }

    fn declaring(length: usize) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from(length))])
    }

    #[tokio::test]
    async fn a_body_within_the_limit_is_whole() {
        let (body, _) = counted(2);
        assert_eq!(read(&HeaderMap::new(), body, 2 * CHUNK).await.map(|bytes| bytes.len()), Ok(2 * CHUNK));
        let broken = Body::from_stream(stream::iter([Ok(Bytes::from("x")), Err(std::io::Error::other("gone"))]));
        assert_eq!(read(&HeaderMap::new(), broken, CHUNK).await, Err(Unread::BrokenOff));
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_read_to_its_end_within_bounds() {
        for headers in [HeaderMap::new(), declaring(32 * CHUNK)] {
            let (body, count) = counted(32);
            assert_eq!(read(&headers, body, CHUNK).await, Err(Unread::TooLarge));
            assert_eq!(count.load(Ordering::SeqCst), 32);
            let (body, count) = counted(1_000_000);
            assert_eq!(read(&headers, body, CHUNK).await, Err(Unread::TooLarge));
            assert!(count.load(Ordering::SeqCst) <= DRAINED / CHUNK + 3);
        }
    }

    #[tokio::test]
    async fn a_client_that_asks_first_or_never_sends_is_answered() {
        let (body, count) = counted(32);
        let mut headers = declaring(32 * CHUNK);
        headers.insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        assert_eq!(read(&headers, body, CHUNK).await, Err(Unread::TooLarge));
        assert_eq!(count.load(Ordering::SeqCst), 0);
        let silent = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read(&declaring(32 * CHUNK), silent, CHUNK).await, Err(Unread::TooLarge));
    }
}
