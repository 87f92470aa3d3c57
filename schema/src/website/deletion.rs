//! Deletion of a website: its row with everything below it at once, and its events right after.
//!
//! - The row is deleted in one transaction with a note that its events remain to be erased, so that a crash between the
//!   two loses neither.
//! - From the commit on, the events cannot be queried, as nothing refers to them any more.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::{erasure, website};
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, DatabaseTransaction, EntityTrait as _};
use uuid::Uuid;

use crate::{
    access::{Caller, On, Operator, Owner, Reach as _, Role, Site, access_directive},
    audit::{self, AuditAction, Line},
    database::Proof,
    error::{Error, Result},
    id::Kind,
    ports::Ports,
    scalars::BigInt,
};

// Vocabulary

/// Input for deleting a website.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteDeleteInput {
    /// The website: global ID or UUID.
    pub website_id: ID,
}

/// The result of deleting a website.
#[derive(SimpleObject, Debug, Clone)]
pub struct WebsiteDeletePayload {
    /// Global ID of the deleted website.
    pub deleted_id: ID,
    /// Number of events erased; null if the event store did not respond in time. The events are then inaccessible and
    /// erased as soon as it responds.
    pub events_erased: Option<BigInt>,
}

// Rules

/// Deletes a website's row and everything below it (its keys, exclusions, preferences), and records that its events
/// remain to be erased: call [`carry_out`] once the transaction is committed. Errors: `NotFound` if it was deleted
/// concurrently.
pub(crate) async fn withdraw(
    transaction: &DatabaseTransaction,
    ports: &Ports,
    caller: Caller,
    row: &website::Model,
) -> Result<()> {
    if website::Entity::delete_by_id(row.id).exec(transaction).await?.rows_affected == 0 {
        return Err(Error::not_found("The website"));
    }
    let pending = erasure::ActiveModel { website_id: Set(row.id), created_at: Set(ports.now()) };
    pending.insert(transaction).await?;
    let line = Line {
        action: AuditAction::WebsiteDelete,
        caller,
        team: Some(row.team_id),
        website: Some(row.id),
        target: &row.domain,
        changed: &[],
    };
    audit::note(transaction, ports, line).await
}

/// Deletes a website and erases its events. Returns the number of events erased; `None` if they are erased later.
pub async fn delete(ports: &Ports, site: &Site<Owner>) -> Result<Option<u64>> {
    let transaction = ports.begin(site).await?;
    withdraw(&transaction, ports, site.caller(), site.website()).await?;
    // Beacons no longer find the website.
    transaction.commit_changing(&[site.website().team_id], &[site.id()]).await?;
    match erase(ports, site, site.id()).await {
        Ok(events) => Ok(Some(events)),
        Err(error) => {
            tracing::warn!(website.id = %site.id(), error.code = error.code(), "the events of a deleted website will be erased later");
            Ok(None)
        }
    }
}

async fn erase(ports: &Ports, proof: &impl Proof, website: Uuid) -> Result<u64> {
    let events = ports.erasure.erase(website).await?;
    forget(ports, proof, website).await?;
    Ok(events)
}

async fn forget(ports: &Ports, proof: &impl Proof, website: Uuid) -> Result<()> {
    erasure::Entity::delete_by_id(website).exec(ports.database.writer(proof)).await?;
    Ok(())
}

/// Deleted websites whose events may remain.
pub async fn pending(ports: &Ports, operator: &Operator) -> Result<Vec<Uuid>> {
    Ok(erasure::Entity::find()
        .all(ports.database.reader(operator))
        .await?
        .into_iter()
        .map(|row| row.website_id)
        .collect())
}

/// Records that a website's events are erased.
pub async fn done(ports: &Ports, operator: &Operator, website: Uuid) -> Result<()> {
    forget(ports, operator, website).await
}

/// Erases the events of every deleted website. Call it every few seconds: it also finishes what another process or an
/// aborted request began. Returns the number of websites.
pub async fn carry_out(ports: &Ports, operator: &Operator) -> Result<usize> {
    let websites = pending(ports, operator).await?;
    for website in &websites {
        erase(ports, operator, *website).await?;
    }
    Ok(websites.len())
}

// Graph

/// Website deletion mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct WebsiteDeletionMutation;

#[Object]
impl WebsiteDeletionMutation {
    /// Deletes a website with its settings, its API keys and all its events. This cannot be undone.
    #[doc = access_line!(WEBSITE, OWNER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Owner), None))]
    async fn website_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website to delete.")] input: WebsiteDeleteInput,
    ) -> Option<async_graphql::Result<WebsiteDeletePayload>> {
        let answer: async_graphql::Result<Option<WebsiteDeletePayload>> = async {
            let site = ctx.site::<Owner>(&input.website_id).await?;
            let events_erased = delete(ctx.cx()?.ports(), &site).await?.map(BigInt::from_u64);
            let deleted_id = Kind::Website.global(site.id());
            Ok(Some(WebsiteDeletePayload { deleted_id, events_erased }))
        }
        .await;
        answer.transpose()
    }
}
