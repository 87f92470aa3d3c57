//! Exclusions of a website: IP addresses and paths that are not counted.
//!
//! - An exclusion is accessed only through its website, so that the ID of another website's exclusion is unknown here.
//! - Addresses and patterns are stored normalized, so that the same one is never excluded twice.

use async_graphql::{Context, Object};
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ColumnTrait as _, DeleteMany, EntityTrait, IntoActiveModel,
    PaginatorTrait as _, QueryFilter as _, SqlErr,
};
use uuid::Uuid;

use super::change::{Change, Setting};
use crate::{
    access::{Editor, Reach as _, Site, Viewer},
    constraint::Constraint,
    error::{Error, Result},
    list::List,
    ports::Ports,
    text,
};

pub mod ip;
pub mod path;

pub use ip::IpExclusion;
pub use path::PathExclusion;

// Vocabulary

/// Exclusions of a website.
#[derive(Debug, Clone)]
pub struct Exclusions(pub(super) Site<Viewer>);

// Rules

/// Maximum number of exclusions of each kind per website.
const MAX_EXCLUSIONS: u32 = 500;

/// A note.
const NOTE: Constraint = Constraint::line(200);

const MISSING: &str = "The exclusion";

/// A note; `None` if empty. Errors: `Invalid`.
fn note(note: Option<String>) -> Result<Option<String>> {
    Ok(note.map(|note| text::line("description", &note, NOTE)).transpose()?.flatten())
}

/// Inserts a row with its ID if the website has room for it. Errors: `Conflict` when it already has the same one or
/// [`MAX_EXCLUSIONS`] of them.
async fn insert<S, A>(
    ports: &Ports,
    site: &Site<Editor>,
    of_website: <A::Entity as EntityTrait>::Column,
    (id, row): (Uuid, A),
    list: &'static str,
    taken: &str,
) -> Result<(<A::Entity as EntityTrait>::Model, Site<Editor>)>
where
    S: Setting<Needs = Editor>,
    A: ActiveModelTrait + ActiveModelBehavior + Send,
    <A::Entity as EntityTrait>::Model: IntoActiveModel<A> + Send + Sync,
{
    let mut change = Change::<S>::begin(ports, site).await?;
    let row = row.insert(change.transaction()).await.map_err(|source| match source.sql_err() {
        Some(SqlErr::ForeignKeyConstraintViolation(_)) => Error::not_found("The website"),
        _ => Error::of_write(source, taken),
    })?;
    if A::Entity::find().filter(of_website.eq(site.id())).count(change.transaction()).await? > u64::from(MAX_EXCLUSIONS)
    {
        return Err(Error::conflict(format!(
            "The website already has the maximum of {MAX_EXCLUSIONS} exclusions of this kind. Remove one, or combine several."
        )));
    }
    change.created(id).await?;
    Ok((row, change.commit(&[list]).await?))
}

/// Deletes a row. Errors: `NotFound` when the website has no such exclusion.
async fn remove<S: Setting<Needs = Editor>, E: EntityTrait>(
    ports: &Ports,
    site: &Site<Editor>,
    gone: DeleteMany<E>,
    list: &'static str,
) -> Result<Site<Editor>> {
    let change = Change::<S>::begin(ports, site).await?;
    if gone.exec(change.transaction()).await?.rows_affected == 0 {
        return Err(Error::not_found(MISSING));
    }
    change.commit(&[list]).await
}

// Graph

/// Exclusions of a website. Each applies to events received after it was added.
#[Object]
impl Exclusions {
    /// Excluded IP addresses and networks, oldest first, at most 500.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_EXCLUSIONS), None))]
    async fn ip_exclusions(&self, ctx: &Context<'_>) -> async_graphql::Result<List<IpExclusion>> {
        let rows = ctx.cx()?.loaders().ip_exclusions(&self.0).await?;
        Ok(rows.into_iter().map(|row| IpExclusion::new(&self.0, row)).collect::<Result<_>>()?)
    }

    /// Excluded path patterns, oldest first, at most 500.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_EXCLUSIONS), None))]
    async fn path_exclusions(&self, ctx: &Context<'_>) -> async_graphql::Result<List<PathExclusion>> {
        let rows = ctx.cx()?.loaders().path_exclusions(&self.0).await?;
        Ok(rows.into_iter().map(|row| PathExclusion::new(&self.0, row)).collect::<Result<_>>()?)
    }
}
