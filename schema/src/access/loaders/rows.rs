//! Rows of the control plane by ID, with the caller's level where access depends on it.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::Loader;
use entity::{
    api_key, conversation, goal, ip_exclusion, membership, notification_preferences, ownership_offer, path_exclusion,
    team, user, website,
};
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, EntityTrait, JoinType, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    RelationDef, Select,
    sea_query::{Expr, ExprTrait as _, IntoCondition as _},
};
use uuid::Uuid;

use super::{
    ChatKey, GoalsOf, IpsOf, KeyRow, NotificationsOf, OfferTo, PathsOf, Reached, SiteKey, TeamKey, TeamRow, UserRow,
};
use crate::{
    caller::{Caller, Scopes},
    error::{Error, Result},
    role::Role,
};

/// The rows that a caller's request reads.
pub(super) struct Rows {
    pub(super) db: DatabaseConnection,
    pub(super) caller: Caller,
}

/// The user's active memberships, joined by the given team column.
fn part_of<E: EntityTrait>(team_id: E::Column, user: Uuid) -> RelationDef {
    let relation: RelationDef = E::belongs_to(membership::Entity).from(team_id).to(membership::Column::TeamId).into();
    relation.on_condition(move |_, part| {
        Expr::col((part.clone(), membership::Column::UserId))
            .eq(user)
            .and(Expr::col((part, membership::Column::DeactivatedAt)).is_null())
            .into_condition()
    })
}

impl Rows {
    /// The selected rows, each with the caller's level: that of the user's membership in the team that the column names, or
    /// a viewer's or editor's for an API key that the function allows (given its team and, if it has one, its only website).
    async fn reached<E: EntityTrait>(
        &self,
        rows: Select<E>,
        team_id: E::Column,
        allows: impl Fn(&E::Model, Uuid, Option<Uuid>) -> bool,
    ) -> Result<impl Iterator<Item = Reached<E::Model>>> {
        let rows = if let Caller::User { user, .. } = self.caller {
            let rows = rows.join(JoinType::LeftJoin, part_of::<E>(team_id, user)).select_also(membership::Entity);
            let level = |(row, part): (E::Model, Option<membership::Model>)| (row, part.map(|part| part.role));
            rows.all(&self.db).await?.into_iter().map(level).collect::<Vec<_>>()
        } else {
            let level = |row: &E::Model| match self.caller {
                Caller::Key { team, website, scopes, .. } => {
                    let role = if scopes.has(Scopes::MANAGE) { Role::Editor } else { Role::Viewer };
                    allows(row, team, website).then_some(role.level())
                }
                _ => None,
            };
            let with_level = |row| {
                let level = level(&row);
                (row, level)
            };
            rows.all(&self.db).await?.into_iter().map(with_level).collect()
        };
        Ok(rows.into_iter().map(|(row, level)| (Arc::new(row), level)))
    }
}

impl Loader<SiteKey> for Rows {
    type Value = Reached<website::Model>;
    type Error = Error;

    async fn load(&self, keys: &[SiteKey]) -> Result<HashMap<SiteKey, Self::Value>> {
        let rows = website::Entity::find().filter(website::Column::Id.is_in(keys.iter().map(|key| key.0)));
        let reached = self
            .reached(rows, website::Column::TeamId, |row, team, only| {
                row.team_id == team && only.is_none_or(|only| only == row.id)
            })
            .await?;
        Ok(reached.map(|reached| (SiteKey(reached.0.id), reached)).collect())
    }
}

impl Loader<TeamKey> for Rows {
    type Value = Reached<team::Model>;
    type Error = Error;

    async fn load(&self, keys: &[TeamKey]) -> Result<HashMap<TeamKey, Self::Value>> {
        let rows = team::Entity::find().filter(team::Column::Id.is_in(keys.iter().map(|key| key.0)));
        let reached = self.reached(rows, team::Column::Id, |row, team, _| row.id == team).await?;
        Ok(reached.map(|reached| (TeamKey(reached.0.id), reached)).collect())
    }
}

impl Loader<ChatKey> for Rows {
    type Value = Reached<conversation::Model>;
    type Error = Error;

    async fn load(&self, keys: &[ChatKey]) -> Result<HashMap<ChatKey, Self::Value>> {
        let rows = conversation::Entity::find().filter(conversation::Column::Id.is_in(keys.iter().map(|key| key.0)));
        let reached = self.reached(rows, conversation::Column::TeamId, |_, _, _| false).await?;
        Ok(reached.map(|reached| (ChatKey(reached.0.id), reached)).collect())
    }
}

macro_rules! row_loader {
    ($key:ident, $entity:ident) => {
        impl Loader<$key> for Rows {
            type Value = Arc<$entity::Model>;
            type Error = Error;

            async fn load(&self, keys: &[$key]) -> Result<HashMap<$key, Self::Value>> {
                let ids = keys.iter().map(|key| key.0);
                let rows = $entity::Entity::find().filter($entity::Column::Id.is_in(ids)).all(&self.db).await?;
                Ok(rows.into_iter().map(|row| ($key(row.id), Arc::new(row))).collect())
            }
        }
    };
}

row_loader!(TeamRow, team);
row_loader!(UserRow, user);
row_loader!(KeyRow, api_key);

impl Loader<OfferTo> for Rows {
    type Value = ownership_offer::Model;
    type Error = Error;

    async fn load(&self, keys: &[OfferTo]) -> Result<HashMap<OfferTo, Self::Value>> {
        let members = keys.iter().map(|key| key.0);
        let rows = ownership_offer::Entity::find()
            .filter(ownership_offer::Column::MembershipId.is_in(members))
            .all(&self.db)
            .await?;
        Ok(rows.into_iter().map(|row| (OfferTo(row.membership_id), row)).collect())
    }
}

impl Loader<NotificationsOf> for Rows {
    type Value = notification_preferences::Model;
    type Error = Error;

    async fn load(&self, keys: &[NotificationsOf]) -> Result<HashMap<NotificationsOf, Self::Value>> {
        let websites = keys.iter().map(|key| key.0);
        let rows = notification_preferences::Entity::find()
            .filter(notification_preferences::Column::WebsiteId.is_in(websites))
            .all(&self.db)
            .await?;
        Ok(rows.into_iter().map(|row| (NotificationsOf(row.website_id), row)).collect())
    }
}

macro_rules! list_loader {
    ($key:ident, $entity:ident) => {
        impl Loader<$key> for Rows {
            type Value = Vec<$entity::Model>;
            type Error = Error;

            async fn load(&self, keys: &[$key]) -> Result<HashMap<$key, Self::Value>> {
                let websites = keys.iter().map(|key| key.0);
                let rows = $entity::Entity::find()
                    .filter($entity::Column::WebsiteId.is_in(websites))
                    .order_by_asc($entity::Column::CreatedAt)
                    .order_by_asc($entity::Column::Id)
                    .all(&self.db)
                    .await?;
                let mut found: HashMap<$key, Self::Value> = HashMap::new();
                for row in rows {
                    found.entry($key(row.website_id)).or_default().push(row);
                }
                Ok(found)
            }
        }
    };
}

list_loader!(IpsOf, ip_exclusion);
list_loader!(PathsOf, path_exclusion);
list_loader!(GoalsOf, goal);
