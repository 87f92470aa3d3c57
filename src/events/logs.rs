//! The store as imports see it: logs that were imported, and the times of visits.

use async_trait::async_trait;
use duckdb::{Connection, params};
use schema::{
    analytics::plan::Asker,
    error::{Error, Result},
    ports::{Appended, ImportBatch, ImportedLog, Imports, StoredVisit},
};
use uuid::Uuid;

use super::{Store, refused};

/// Records a log at its length, once.
///
/// # Errors
/// Errors of the store.
pub fn remember(connection: &Connection, website: Uuid, log: &ImportedLog) -> duckdb::Result<()> {
    let digest = u128::from_be_bytes(log.digest);
    connection.execute(
        "INSERT INTO imported_logs (website_id, log, page_views, digest) SELECT ?, ?, ?, ? \
         WHERE NOT EXISTS (FROM imported_logs WHERE website_id = ? AND digest = ? AND page_views = ?)",
        params![website.as_u128(), log.log, log.page_views, digest, website.as_u128(), digest, log.page_views],
    )?;
    Ok(())
}

#[async_trait]
impl Imports for Store {
    async fn imported_logs(&self, website: Uuid) -> Result<Vec<ImportedLog>> {
        self.read(Asker::Team(website), move |_, reader| {
            let mut statement =
                reader.prepare("SELECT log, page_views, digest FROM imported_logs WHERE website_id = ?")?;
            statement
                .query_map(params![website.as_u128()], |row| {
                    let digest = row.get::<_, u128>(2)?.to_be_bytes();
                    Ok(ImportedLog { log: row.get(0)?, page_views: row.get(1)?, digest })
                })?
                .collect()
        })
        .await
    }

    async fn remember_log(&self, website: Uuid, log: ImportedLog) -> Result<()> {
        self.mend().await?;
        let database = self.database.clone();
        tokio::task::spawn_blocking(move || {
            database.remember_log(website, &log).inspect_err(|error| database.noticed(error))
        })
        .await
        .map_err(Error::internal)?
        .map_err(refused)
    }

    async fn visits_between(&self, website: Uuid, from_ms: i64, until_ms: i64) -> Result<Vec<StoredVisit>> {
        self.read(Asker::Team(website), move |database, reader| {
            database.begin(reader, website, (from_ms, until_ms))?;
            let mut statement = reader.prepare(&format!(
                "SELECT visitor, start_ms, end_ms FROM (FROM visits UNION ALL FROM open_visits) WHERE website_id = {}::UHUGEINT \
                 AND end_ms >= {from_ms} AND start_ms <= {until_ms} AND bot = ''",
                website.as_u128(),
            ))?;
            statement
                .query_map([], |row| Ok(StoredVisit { visitor: row.get(0)?, start_ms: row.get(1)?, end_ms: row.get(2)? }))?
                .collect()
        })
        .await
    }

    async fn import(&self, batch: ImportBatch) -> Result<Appended> {
        self.mend().await?;
        let database = self.database.clone();
        tokio::task::spawn_blocking(move || database.import(batch).inspect_err(|error| database.noticed(error)))
            .await
            .map_err(Error::internal)?
            .map_err(refused)
    }
}
