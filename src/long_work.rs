//! CPU-bound work of milliseconds, which must not block the runtime's threads for other requests.

use std::{
    pin::pin,
    task::{Context, Poll},
};

use async_graphql::Value;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
};

/// Bytes of a response that take about a millisecond to write.
const LONG_ANSWER: usize = 512 * 1024;

/// Whether writing a response's data is such work.
#[must_use]
pub fn takes_long(data: &Value) -> bool {
    left_of(LONG_ANSWER, data).is_none()
}

/// Approximate rest of a byte budget after a value is written; `None` if it is exceeded.
fn left_of(bytes: usize, value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => bytes.checked_sub(text.len() + 2),
        Value::List(items) => items.iter().try_fold(bytes, |bytes, item| left_of(bytes.checked_sub(1)?, item)),
        Value::Object(members) => {
            members.iter().try_fold(bytes, |bytes, (name, member)| left_of(bytes.checked_sub(name.len() + 4)?, member))
        }
        _ => bytes.checked_sub(4),
    }
}

/// Runs the work while other threads take over this one's tasks; the operating system shares the processors between
/// them.
pub fn in_place<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => block_in_place(work),
        // Where there is one thread, nothing can take over.
        _ => work(),
    }
}

/// The same for each poll of a future.
pub async fn step_by_step<F: Future>(work: F) -> F::Output {
    let mut work = pin!(work);
    let step = move |cx: &mut Context<'_>| -> Poll<F::Output> { in_place(|| work.as_mut().poll(cx)) };
    std::future::poll_fn(step).await
}
