//! Password hashing: argon2id on a few blocking threads with a short queue.
//!
//! - A flood of sign-ins fills the queue and gets 503; it takes neither all processors nor all memory.
//! - An unknown user costs the same as a known one.

use std::sync::Arc;

use argon2::{
    Argon2, PasswordHasher as _, PasswordVerifier as _,
    password_hash::{self, phc::PasswordHash},
};
use async_trait::async_trait;
use schema::{Error, Result, ports::Passwords};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Number of concurrent hashes; each takes 19 MiB and tens of milliseconds.
const RUNNING: usize = 2;

/// Maximum number of waiting requests.
const WAITING: usize = 32;

/// The hash that unknown users are compared with: no password has it, and its parameters are those of real ones.
const DUMMY_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$Rm9vdGZhbGwtbm9ib2R5IQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Argon2id with the library's recommended parameters (19 MiB, 2 passes).
#[derive(Debug, Clone)]
pub struct BoundedArgon2 {
    places: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

impl Default for BoundedArgon2 {
    fn default() -> Self {
        Self::new(RUNNING, WAITING)
    }
}

impl BoundedArgon2 {
    /// At most `running` hashes at the same time and `waiting` requests behind them.
    #[must_use]
    pub fn new(running: usize, waiting: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(running.saturating_add(waiting))),
            running: Arc::new(Semaphore::new(running)),
        }
    }

    /// Runs `work` when its turn comes. The slot is held until the thread is done, even if the request has ended by
    /// then.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Error::Unavailable { retry_after: 2, why: "Too many sign-ins are in progress.".to_owned() })?;
        let turn = Arc::clone(&self.running).acquire_owned().await.map_err(Error::internal)?;
        let held: (OwnedSemaphorePermit, OwnedSemaphorePermit) = (place, turn);
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(held);
            result
        });
        done.await.map_err(Error::internal)?
    }
}

fn failed(cause: password_hash::Error) -> Error {
    Error::broken(format!("argon2: {cause}"))
}

#[async_trait]
impl Passwords for BoundedArgon2 {
    async fn hash(&self, password: String) -> Result<String> {
        self.run(move || Ok(Argon2::default().hash_password(password.as_bytes()).map_err(failed)?.to_string())).await
    }

    async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        self.run(move || {
            let known = hash.is_some();
            let hash = hash.unwrap_or_else(|| DUMMY_HASH.to_owned());
            let hash = PasswordHash::new(&hash).map_err(|cause| Error::broken(format!("a stored hash: {cause}")))?;
            match Argon2::default().verify_password(password.as_bytes(), &hash) {
                Ok(()) => Ok(known),
                Err(password_hash::Error::PasswordInvalid) => Ok(false),
                Err(cause) => Err(failed(cause)),
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_password_fits_and_nothing_else_does() {
        let passwords = BoundedArgon2::default();
        let hash = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify("correct horse".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("correct horse ".to_owned(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse".to_owned(), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_full_queue_is_answered_503_and_empties_again() {
        let passwords = BoundedArgon2::new(1, 0);
        let held = Arc::clone(&passwords.places).acquire_owned().await.unwrap();
        let error = passwords.verify("x".to_owned(), None).await.unwrap_err();
        assert_eq!((error.status(), error.retry_after()), (503, Some(2)));
        drop(held);
        passwords.verify("x".to_owned(), None).await.unwrap();
    }
}
