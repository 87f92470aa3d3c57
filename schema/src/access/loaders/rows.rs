//! Rows of the control plane by ID, with the caller's level where access depends on it.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::Loader;
use entity::{
    api_key, conversation, ip_exclusion, membership, notification_preferences, ownership_offer, path_exclusion, team,
    user, website,
};
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, EntityTrait, JoinType, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    RelationDef,
    sea_query::{Expr, ExprTrait as _, IntoCondition as _},
};
use uuid::Uuid;

use super::{ChatKey, IpsOf, KeyRow, NotificationsOf, OfferTo, PathsOf, Reached, SiteKey, TeamKey, TeamRow, UserRow};
use crate::{
    caller::Caller,
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

impl Loader<SiteKey> for Rows {
    type Value = Reached<website::Model>;
    type Error = Error;

    async fn load(&self, keys: &[SiteKey]) -> Result<HashMap<SiteKey, Self::Value>> {
        let rows = website::Entity::find().filter(website::Column::Id.is_in(keys.iter().map(|key| key.0)));
        let reached = |row: website::Model, level| (SiteKey(row.id), (Arc::new(row), level));
        if let Caller::User { user, .. } = self.caller {
            let part = part_of::<website::Entity>(website::Column::TeamId, user);
            let rows = rows.join(JoinType::LeftJoin, part).select_also(membership::Entity).all(&self.db).await?;
            return Ok(rows.into_iter().map(|(row, part)| reached(row, part.map(|part| part.role))).collect());
        }
        let level = |row: &website::Model| match self.caller {
            Caller::Key { team, website, .. } => {
                (row.team_id == team && website.is_none_or(|only| only == row.id)).then_some(Role::Viewer.level())
            }
            _ => None,
        };
        Ok(rows
            .all(&self.db)
            .await?
            .into_iter()
            .map(|row| {
                let level = level(&row);
                reached(row, level)
            })
            .collect())
    }
}

impl Loader<TeamKey> for Rows {
    type Value = Reached<team::Model>;
    type Error = Error;

    async fn load(&self, keys: &[TeamKey]) -> Result<HashMap<TeamKey, Self::Value>> {
        let rows = team::Entity::find().filter(team::Column::Id.is_in(keys.iter().map(|key| key.0)));
        let reached = |row: team::Model, level| (TeamKey(row.id), (Arc::new(row), level));
        if let Caller::User { user, .. } = self.caller {
            let part = part_of::<team::Entity>(team::Column::Id, user);
            let rows = rows.join(JoinType::LeftJoin, part).select_also(membership::Entity).all(&self.db).await?;
            return Ok(rows.into_iter().map(|(row, part)| reached(row, part.map(|part| part.role))).collect());
        }
        let level = |row: &team::Model| match self.caller {
            Caller::Key { team, .. } => (row.id == team).then_some(Role::Viewer.level()),
            _ => None,
        };
        Ok(rows
            .all(&self.db)
            .await?
            .into_iter()
            .map(|row| {
                let level = level(&row);
                reached(row, level)
            })
            .collect())
    }
}

impl Loader<ChatKey> for Rows {
    type Value = Reached<conversation::Model>;
    type Error = Error;

    async fn load(&self, keys: &[ChatKey]) -> Result<HashMap<ChatKey, Self::Value>> {
        let rows = conversation::Entity::find().filter(conversation::Column::Id.is_in(keys.iter().map(|key| key.0)));
        let reached = |row: conversation::Model, level| (ChatKey(row.id), (Arc::new(row), level));
        let Caller::User { user, .. } = self.caller else {
            return Ok(rows.all(&self.db).await?.into_iter().map(|row| reached(row, None)).collect());
        };
        let part = part_of::<conversation::Entity>(conversation::Column::TeamId, user);
        let rows = rows.join(JoinType::LeftJoin, part).select_also(membership::Entity).all(&self.db).await?;
        Ok(rows.into_iter().map(|(row, part)| reached(row, part.map(|part| part.role))).collect())
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

macro_rules! exclusions_loader {
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

exclusions_loader!(IpsOf, ip_exclusion);
exclusions_loader!(PathsOf, path_exclusion);
