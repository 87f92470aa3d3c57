//! Lists of websites: of a team, and of all teams of a user.

use entity::website;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, Select};

use super::{Website, checked_domain};
use crate::{
    access::{self, Myself, Viewer},
    connection::{self, ListOrder, Page, PageArgs, Place, Window},
    database::Proof,
    error::Result,
    ports::Ports,
};

/// One page of a list of websites, oldest first.
pub(crate) async fn page(
    ports: &Ports,
    proof: &impl Proof,
    list: Select<website::Entity>,
    window: Window,
) -> Result<Page<website::Model>> {
    let place = |row: &website::Model| Place { at: row.created_at, id: row.id };
    let columns = (website::Column::CreatedAt, website::Column::Id);
    connection::page(ports.database.reader(proof), list, ListOrder::OldestFirst, columns, place, window).await
}

/// Only the website with this domain, if one is given. Errors: `Invalid` for one that is not a host name.
fn with_domain(list: Select<website::Entity>, domain: Option<&str>) -> Result<Select<website::Entity>> {
    Ok(match domain {
        Some(domain) => list.filter(website::Column::Domain.eq(checked_domain("domain", domain)?)),
        None => list,
    })
}

/// The websites of a team that the caller can access.
pub(crate) async fn of_team(
    ports: &Ports,
    team: &access::Team<Viewer>,
    args: &PageArgs,
    domain: Option<&str>,
) -> Result<Page<Website>> {
    let window = args.window(connection::MAX_PAGE)?;
    let mut list = with_domain(website::Entity::find().filter(website::Column::TeamId.eq(team.id())), domain)?;
    if let Some(only) = team.only_website() {
        list = list.filter(website::Column::Id.eq(only));
    }
    let page = page(ports, team, list, window).await?;
    page.try_map(|row| Ok(Website::from(team.site(row)?)))
}

/// The websites of all teams in which a user is an active member.
pub(crate) async fn of_user(
    ports: &Ports,
    myself: &Myself,
    args: &PageArgs,
    domain: Option<&str>,
) -> Result<Page<Website>> {
    let window = args.window(connection::MAX_PAGE)?;
    let parts = crate::team::parts_of(ports, myself).await?;
    let teams = crate::team::team_ids_of(myself);
    let list = with_domain(website::Entity::find().filter(website::Column::TeamId.in_subquery(teams)), domain)?;
    let page = page(ports, myself, list, window).await?;
    page.try_map(|row| {
        let part = crate::team::part_in(&parts, row.team_id)?;
        Ok(Website::from(myself.site(row, part)?))
    })
}
