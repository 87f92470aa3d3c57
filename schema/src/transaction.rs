//! A control-plane transaction that records what it changed when it commits.

use std::{ops::Deref, sync::Arc};

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement};
use uuid::Uuid;

use crate::{
    changes::Changes,
    error::{Error, Result},
    idempotency::IdempotencyKey,
};

/// A transaction on the writer. Dropping it rolls it back.
pub struct Transaction {
    inner: DatabaseTransaction,
    changes: Arc<Changes>,
    /// The idempotency key that was taken and whose row is not noted yet.
    key: Option<IdempotencyKey>,
}

/// Advances versions when it is dropped, so that this happens even if the caller disconnects during the commit.
struct Marking<'a> {
    changes: Arc<Changes>,
    teams: &'a [Uuid],
    websites: &'a [Uuid],
}

impl Drop for Marking<'_> {
    fn drop(&mut self) {
        self.changes.mark(self.teams, self.websites);
    }
}

impl Transaction {
    /// A transaction that takes the idempotency key, if there is one. Errors: `Conflict` if another request has taken it.
    pub(crate) async fn begin(
        inner: DatabaseTransaction,
        changes: Arc<Changes>,
        key: Option<IdempotencyKey>,
    ) -> Result<Self> {
        if let Some(key) = &key {
            key.take(&inner).await?;
        }
        Ok(Self { inner, changes, key })
    }

    /// Notes the row that the mutation creates, under its idempotency key.
    pub(crate) async fn created(&mut self, id: Uuid) -> Result<()> {
        match self.key.take() {
            Some(key) => key.note(&self.inner, id).await,
            None => Ok(()),
        }
    }

    /// Commits a change of accounts or access rights only. Streams check access again.
    pub async fn commit(self) -> Result<()> {
        self.commit_changing(&[], &[]).await
    }

    /// Commits a change of these teams and websites.
    pub async fn commit_changing(self, teams: &[Uuid], websites: &[Uuid]) -> Result<()> {
        let _marking = Marking { changes: Arc::clone(&self.changes), teams, websites };
        self.commit_addition().await
    }

    /// Commits a change that neither revokes access nor affects cached data, such as a sign-in or a count.
    pub async fn commit_addition(self) -> Result<()> {
        if self.key.is_some() {
            return Err(Error::broken("a mutation took an idempotency key and did not note its row"));
        }
        Ok(self.inner.commit().await?)
    }
}

impl Deref for Transaction {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.inner
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> std::result::Result<ExecResult, DbErr> {
        self.inner.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> std::result::Result<ExecResult, DbErr> {
        self.inner.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> std::result::Result<Option<QueryResult>, DbErr> {
        self.inner.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> std::result::Result<Vec<QueryResult>, DbErr> {
        self.inner.query_all_raw(statement).await
    }
}
