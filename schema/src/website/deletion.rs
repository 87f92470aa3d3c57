//! How a website ends: its row with everything below it at once, and what was sent to it right after.
//!
//! - The row goes in one transaction with a note that its events have yet to go: a crash between the two forgets neither.
//! - Nobody can ask for the events from the commit on, as nothing leads to them any more.

use async_graphql::{Context, ID, Object, SimpleObject};
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

/// What is left of a website.
#[derive(SimpleObject, Debug, Clone)]
pub struct WebsiteDeletePayload {
    /// Always true: what could not be deleted is an error.
    pub deleted: bool,
    /// The global id that the website had.
    pub deleted_id: ID,
    /// Events that were erased with it; null when the event store did not answer in time. They cannot be reached any more and go as
    /// soon as it does.
    pub events_erased: Option<BigInt>,
}

// Rules

/// Deletes a website's row and everything below it (keys of the website, exclusions, preferences), and notes that its events have
/// yet to go: [`carry_out`] once the transaction is committed. Errors: `NotFound` when somebody was faster.
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

/// Deletes a website and erases what was sent to it. Answers how many events went; `None` when they go later.
pub async fn delete(ports: &Ports, site: &Site<Owner>) -> Result<Option<u64>> {
    let transaction = ports.begin(site).await?;
    withdraw(&transaction, ports, site.caller(), site.website()).await?;
    // Beacons find the website no more.
    transaction.commit_changing(&[site.website().team_id], &[site.id()]).await?;
    match erase(ports, site, site.id()).await {
        Ok(events) => Ok(Some(events)),
        Err(error) => {
            tracing::warn!(website.id = %site.id(), error.code = error.code(), "a deleted website's events go later");
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

/// Websites that are gone while their events may not be.
pub async fn pending(ports: &Ports, operator: &Operator) -> Result<Vec<Uuid>> {
    Ok(erasure::Entity::find()
        .all(ports.database.reader(operator))
        .await?
        .into_iter()
        .map(|row| row.website_id)
        .collect())
}

/// Notes that a website's events are gone.
pub async fn done(ports: &Ports, operator: &Operator, website: Uuid) -> Result<()> {
    forget(ports, operator, website).await
}

/// Erases the events of every website that is gone. Call it every few seconds: it also finishes what another process, or a request
/// that was broken off, began. Answers how many websites it was.
pub async fn carry_out(ports: &Ports, operator: &Operator) -> Result<usize> {
    let websites = pending(ports, operator).await?;
    for website in &websites {
        erase(ports, operator, *website).await?;
    }
    Ok(websites.len())
}

// Graph

/// Mutations that end websites.
#[derive(Debug, Default, Clone, Copy)]
pub struct WebsiteDeletionMutation;

#[Object]
impl WebsiteDeletionMutation {
    /// Deletes a website with its settings, its keys, and everything that was ever sent to it. There is no way back.
    #[doc = access_line!(WEBSITE, OWNER)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Owner), None))]
    async fn website_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global id or UUID.")] website_id: ID,
    ) -> Option<async_graphql::Result<WebsiteDeletePayload>> {
        let answer: async_graphql::Result<Option<WebsiteDeletePayload>> = async {
            let site = ctx.site::<Owner>(&website_id).await?;
            let events_erased = delete(ctx.cx()?.ports(), &site).await?.map(BigInt::from_u64);
            let deleted_id = Kind::Website.global(site.id());
            Ok(Some(WebsiteDeletePayload { deleted: true, deleted_id, events_erased }))
        }
        .await;
        answer.transpose()
    }
}
