//! Work that a request starts and that continues after the response.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{sync::oneshot, task::JoinSet};

use crate::error::{Error, Result};

/// Runs such work, and waits for it at a stop. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Background(Arc<Mutex<JoinSet<()>>>);

impl Background {
    /// Runs work in the background, after the response. If it fails, the log contains `name`.
    pub(crate) fn run(&self, name: &'static str, work: impl Future<Output = Result<()>> + Send + 'static) {
        self.spawn(async move {
            if let Err(error) = work.await {
                tracing::warn!(work = name, error.code = error.code(), error.source = ?error, "background work failed");
            }
        });
    }

    /// Runs work to its end even if the caller disconnects. Errors: those of the work; a panic is internal.
    pub(crate) async fn complete<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (send, receive) = oneshot::channel();
        self.spawn(async move {
            let _ = send.send(work.await);
        });
        receive.await.map_err(Error::internal)?
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while running.try_join_next().is_some() {}
        running.spawn(work);
    }

    /// Returns when everything that was started before has ended.
    pub async fn finish(&self) {
        let mut running = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        while running.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn work_goes_on_without_its_caller_and_is_waited_for() {
        let (background, begun, go, done) =
            (Background::default(), Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(Mutex::new(0)));
        let work = || {
            let (begun, go, done) = (Arc::clone(&begun), Arc::clone(&go), Arc::clone(&done));
            async move {
                begun.notify_one();
                go.notified().await;
                *done.lock().unwrap() += 1;
                Ok(())
            }
        };
        background.run("test", work());
        tokio::select! {
            _ = background.complete(work()) => panic!("it waits"),
            () = async { begun.notified().await; begun.notified().await } => {}
        }
        go.notify_waiters();
        background.finish().await;
        assert_eq!(*done.lock().unwrap(), 2);
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error() {
        let background = Background::default();
        let outcome: Result<()> = background.complete(async { panic!("it panics") }).await;
        assert_eq!(outcome.unwrap_err().code(), "INTERNAL_SERVER_ERROR");
        background.finish().await;
    }
}
