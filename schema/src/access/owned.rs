//! Rows that belong to a website, a team or a conversation, found by their own id: with the caller's proof on what they belong to.

use entity::{
    api_key, conversation_message as message, goal, ip_exclusion, membership, path_exclusion, webhook, webhook_delivery,
};
use sea_orm::{EntityTrait, PrimaryKeyTrait};
use uuid::Uuid;

use super::{Chat, Level, Site, Team, Unproven, cx::Cx};
use crate::{
    error::{Error, Result},
    id::Kind,
};

/// A row below a website.
pub(crate) trait OfWebsite {
    fn website_id(&self) -> Uuid;
}

/// A row below a team.
pub(crate) trait OfTeam {
    fn team_id(&self) -> Uuid;
}

macro_rules! owned {
    ($trait:ident, $method:ident: $($entity:ident),+) => {
        $(impl $trait for $entity::Model {
            fn $method(&self) -> Uuid {
                self.$method
            }
        })+
    };
}

owned!(OfWebsite, website_id: goal, ip_exclusion, path_exclusion);
owned!(OfTeam, team_id: api_key, membership, webhook);

/// The row with this id. Errors: 401, then `NotFound` with this name.
async fn row<E>(cx: &Cx, id: Uuid, missing: &str) -> Result<E::Model>
where
    E: EntityTrait<PrimaryKey: PrimaryKeyTrait<ValueType = Uuid>>,
{
    cx.caller().known()?;
    let row = E::find_by_id(id).one(cx.ports().database.reader(&Unproven::new())).await?;
    row.ok_or_else(|| Error::not_found(missing))
}

impl Cx {
    /// A row below a website, and the proof on the website; `field` is the argument that carries the id. Errors, in this order:
    /// 401, 404, 403.
    pub(crate) async fn of_website<E, R: Level>(
        &self,
        field: &str,
        id: Uuid,
        missing: &str,
    ) -> Result<(E::Model, Site<R>)>
    where
        E: EntityTrait<Model: OfWebsite, PrimaryKey: PrimaryKeyTrait<ValueType = Uuid>>,
    {
        let row = row::<E>(self, id, missing).await?;
        let site = Site::find(self, field, &Kind::Website.global(row.website_id())).await?;
        Ok((row, site))
    }

    /// A row below a team, and the proof in the team. Errors as [`Cx::of_website`].
    pub(crate) async fn of_team<E, R: Level>(&self, id: Uuid, missing: &str) -> Result<(E::Model, Team<R>)>
    where
        E: EntityTrait<Model: OfTeam, PrimaryKey: PrimaryKeyTrait<ValueType = Uuid>>,
    {
        let row = row::<E>(self, id, missing).await?;
        let team = Team::by_uuid(self, row.team_id()).await?;
        Ok((row, team))
    }

    /// A message to a webhook, the webhook, and the proof in its team. Errors as [`Cx::of_website`].
    pub(crate) async fn delivery<R: Level>(
        &self,
        id: Uuid,
    ) -> Result<(webhook_delivery::Model, webhook::Model, Team<R>)> {
        let row = row::<webhook_delivery::Entity>(self, id, "The delivery").await?;
        let (webhook, team) = self.of_team::<webhook::Entity, R>(row.webhook_id, "The webhook").await?;
        Ok((row, webhook, team))
    }

    /// A message, and the proof in its conversation. Errors as [`Cx::of_website`].
    pub(crate) async fn message<R: Level>(&self, id: Uuid) -> Result<(message::Model, Chat<R>)> {
        let row = row::<message::Entity>(self, id, "The message").await?;
        let chat = Chat::by_uuid(self, row.conversation_id).await?;
        Ok((row, chat))
    }
}
