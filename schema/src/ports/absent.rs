//! Ports of commands that do not serve, and of servers without mail.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use uuid::Uuid;

use super::{DomainProof, Erasure, Forgotten, Ledger, Live, Mail, Outgoing, Subject, Vault};
use crate::{
    analytics::event::Event,
    error::{Error, Result},
    traffic::{LiveFigures, Outcome, SetUp},
};

/// Lookups that find nothing, for commands that do not serve.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProof;

#[async_trait]
impl DomainProof for NoProof {
    async fn txt(&self, _: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    async fn well_known(&self, _: &str) -> Result<Option<String>> {
        Ok(None)
    }
}

/// Empty live figures and outcomes, for commands that do not serve.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTraffic;

impl Live for NoTraffic {
    fn figures(&self, _: Uuid) -> LiveFigures {
        LiveFigures::default()
    }
    fn visitors(&self, _: Uuid) -> u64 {
        0
    }
    fn version(&self) -> u64 {
        0
    }
    fn changes(&self, _: Uuid) -> BoxStream<'static, LiveFigures> {
        Box::pin(futures_util::stream::empty())
    }
    fn events(&self, _: Uuid) -> BoxStream<'static, Arc<Event>> {
        Box::pin(futures_util::stream::empty())
    }
}

#[async_trait]
impl Erasure for NoTraffic {
    async fn erase(&self, _: Uuid) -> Result<u64> {
        Err(Error::Unavailable { retry_after: 5, why: "The running server erases the events.".into() })
    }
    async fn forget(&self, _: Uuid, _: &Subject) -> Result<Forgotten> {
        Err(Error::Unavailable { retry_after: 5, why: "The running server forgets people.".into() })
    }
    async fn expire(&self, _: Uuid, _: i64) -> Result<u64> {
        Ok(0)
    }
}

#[async_trait]
impl Ledger for NoTraffic {
    async fn counts(&self, _: Uuid, _: i64) -> Result<Vec<(Outcome, u64)>> {
        Ok(Vec::new())
    }
    async fn last_event(&self, _: Uuid) -> Result<Option<i64>> {
        Ok(None)
    }
    async fn warnings(&self, _: Uuid, _: &SetUp) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// Mail is not configured.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMail;

#[async_trait]
impl Mail for NoMail {
    fn is_set_up(&self) -> bool {
        false
    }
    fn reset_page(&self, _: &str) -> Option<String> {
        None
    }
    async fn send(&self, _: &str, _: &str, _: &str) -> Result<()> {
        Err(Error::broken("no mail is set up"))
    }
}

/// No key: for tests of rules without a data folder. Secrets are stored as they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoVault;

impl Vault for NoVault {
    fn seal(&self, _: Uuid, secret: &str) -> Result<Vec<u8>> {
        Ok(secret.as_bytes().to_vec())
    }
    fn open(&self, _: Uuid, sealed: &[u8]) -> Result<String> {
        String::from_utf8(sealed.to_vec()).map_err(Error::internal)
    }
}

impl Outgoing for NoTraffic {
    fn fault(&self, _: &str) -> Option<String> {
        None
    }
}
