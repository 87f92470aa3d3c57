//! The operator's proof. Whoever holds the data folder has full access, from the command line only.

use std::sync::Arc;

use entity::{team, user, website};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use uuid::Uuid;

use super::{Caller, Owner, Role, Site, Standing, Team};
use crate::{
    error::{Error, Result},
    ports::Ports,
};

const STANDING: Standing = Standing { held: Role::Owner, caller: Caller::Operator };

/// Proof that the caller holds the data folder, and thus every row and key in it.
#[derive(Debug, Clone, Copy)]
pub struct Operator(());

impl Operator {
    /// Creates the proof. Call this only in code that a person runs on the server with access to the data folder (the
    /// command line), never while serving a request.
    #[must_use]
    pub fn holding_the_data_folder() -> Self {
        Self(())
    }

    /// The website with this UUID or domain. Errors: `NotFound`; `Conflict` when several teams use the domain.
    pub async fn site(&self, ports: &Ports, id_or_domain: &str) -> Result<Site<Owner>> {
        let rows = website::Entity::find();
        let mut rows = match Uuid::try_parse(id_or_domain) {
            Ok(id) => rows.filter(website::Column::Id.eq(id)),
            Err(_) => rows.filter(website::Column::Domain.eq(id_or_domain.trim().to_lowercase())),
        }
        .all(&ports.reader)
        .await?;
        let several = rows.len() > 1;
        match rows.pop() {
            Some(_) if several => {
                Err(Error::conflict("Several websites use this domain. Specify the website's ID instead."))
            }
            Some(row) => Site::mint(Arc::new(row), STANDING),
            None => Err(Error::not_found(format!("A website with the ID or domain {id_or_domain:?}"))),
        }
    }

    /// The team with this UUID. Errors: `NotFound`.
    pub async fn team(&self, ports: &Ports, id: Uuid) -> Result<Team<Owner>> {
        let row = team::Entity::find_by_id(id).one(&ports.reader).await?;
        Team::mint(Arc::new(row.ok_or_else(|| Error::not_found("The team"))?), STANDING)
    }

    /// The default team of the user with this e-mail address. Errors: `NotFound`.
    pub async fn default_team(&self, ports: &Ports, email: &str) -> Result<Team<Owner>> {
        let user = user::Entity::find()
            .filter(user::Column::Email.eq(email.trim().to_lowercase()))
            .one(&ports.reader)
            .await?
            .ok_or_else(|| Error::not_found("An account with this e-mail address"))?;
        self.team(ports, user.default_team_id).await
    }
}
