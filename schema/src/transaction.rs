//! A control-plane transaction that records what it changed when it commits.

use std::{ops::Deref, sync::Arc};

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement};
use uuid::Uuid;

use crate::{changes::Changes, error::Result};

/// A transaction on the writer. Dropping it rolls it back.
pub struct Transaction {
    inner: DatabaseTransaction,
    changes: Arc<Changes>,
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
    pub(crate) fn new(inner: DatabaseTransaction, changes: Arc<Changes>) -> Self {
        Self { inner, changes }
    }

    /// Commits a change of accounts or access rights only. Streams check access again.
    pub async fn commit(self) -> Result<()> {
        self.commit_changing(&[], &[]).await
    }

    /// Commits a change of these teams and websites.
    pub async fn commit_changing(self, teams: &[Uuid], websites: &[Uuid]) -> Result<()> {
        let _marking = Marking { changes: self.changes, teams, websites };
        Ok(self.inner.commit().await?)
    }

    /// Commits a change that neither revokes access nor affects cached data, such as a sign-in or a count.
    pub async fn commit_addition(self) -> Result<()> {
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
