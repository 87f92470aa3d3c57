//! What a website's team wants to be told: an open record of the dashboard's own, whose keys stay as they were sent.
//!
//! - A change merges its keys into the record; null is a value like any other.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::notification_preferences;
use sea_orm::{ActiveValue::Set, EntityTrait as _, sea_query::OnConflict};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Website,
    change::{Change, Notifications},
};
use crate::{
    access::cx::Cx,
    access::{Editor, On, Reach as _, Role, Site, Viewer, access_directive},
    error::{Error, Result},
    ports::Ports,
    scalars::{Instant, Json},
};

// Vocabulary

/// What a website's team wants to be told.
#[derive(SimpleObject, Debug, Clone)]
pub struct NotificationPreferences {
    /// The UUID of the website.
    pub website_id: Uuid,
    /// The record: an object whose keys and values are the dashboard's own, as they were sent; empty when none was ever set.
    pub preferences: Json,
    /// When it last changed, UTC; null when it was never set.
    pub updated_at: Option<Instant>,
}

/// Changes to what a website's team wants to be told.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteUpdateNotificationsInput {
    /// An object whose keys are set in the record; its other keys stay. Null is stored as null. Any keys but `website_id`;
    /// the record takes at most 32,768 bytes of JSON.
    pub preferences: Json,
}

/// The preferences after the change.
#[derive(SimpleObject)]
pub struct WebsiteUpdateNotificationsPayload {
    /// The preferences.
    pub notifications: NotificationPreferences,
    /// The website.
    pub website: Website,
}

// Rules

/// Bytes of the record as JSON at most.
const MAX_BYTES: usize = 32 * 1024;

/// The key that answers put beside the record.
const RESERVED: &str = "website_id";

impl NotificationPreferences {
    fn from_row(website: Uuid, row: Option<notification_preferences::Model>) -> Result<Self> {
        let updated_at = row.as_ref().map(|row| Instant(row.updated_at));
        let record = record_of(row.as_ref())?;
        let preferences = async_graphql::Value::from_json(Value::Object(record)).map_err(Error::internal)?;
        Ok(Self { website_id: website, preferences: Json(preferences), updated_at })
    }
}

fn record_of(row: Option<&notification_preferences::Model>) -> Result<Map<String, Value>> {
    row.map_or_else(|| Ok(Map::new()), |row| serde_json::from_str(&row.preferences).map_err(Error::internal))
}

/// Takes the keys that are set. Errors: `Invalid` for what is no object, or sets the key that is not the record's.
fn checked(preferences: Json) -> Result<Map<String, Value>> {
    let Ok(Value::Object(given)) = preferences.0.into_json() else {
        return Err(Error::invalid("preferences", "must be a JSON object"));
    };
    if given.contains_key(RESERVED) {
        return Err(Error::invalid(RESERVED, "cannot be a preference: it names the website; leave it out"));
    }
    Ok(given)
}

/// What the website's team wants to be told.
pub(crate) async fn preferences_of(cx: &Cx, site: &Site<Viewer>) -> Result<NotificationPreferences> {
    NotificationPreferences::from_row(site.id(), cx.loaders().notifications(site).await?)
}

/// Sets keys of the record, which is made where there is none. Errors: `Invalid`.
pub async fn update_notifications(
    ports: &Ports,
    site: &Site<Editor>,
    preferences: Json,
) -> Result<(NotificationPreferences, Site<Editor>)> {
    let given = checked(preferences)?;
    let change = Change::<Notifications>::begin(ports, site).await?;
    let before = notification_preferences::Entity::find_by_id(site.id()).one(change.transaction()).await?;
    let known = record_of(before.as_ref())?;
    let mut record = known.clone();
    record.extend(given);
    if record == known {
        return Ok((NotificationPreferences::from_row(site.id(), before)?, site.clone()));
    }
    let text = Value::Object(record).to_string();
    if text.len() > MAX_BYTES {
        return Err(Error::invalid(
            "preferences",
            format!("would make the record {} bytes long; at most {MAX_BYTES} are right", text.len()),
        ));
    }
    let row = notification_preferences::Model { website_id: site.id(), preferences: text, updated_at: ports.now() };
    let written = notification_preferences::ActiveModel {
        website_id: Set(row.website_id),
        preferences: Set(row.preferences.clone()),
        updated_at: Set(row.updated_at),
    };
    let replaced = [notification_preferences::Column::Preferences, notification_preferences::Column::UpdatedAt];
    notification_preferences::Entity::insert(written)
        .on_conflict(
            OnConflict::column(notification_preferences::Column::WebsiteId).update_columns(replaced).to_owned(),
        )
        .exec_without_returning(change.transaction())
        .await?;
    let site = change.commit(&["preferences"]).await?;
    Ok((NotificationPreferences::from_row(site.id(), Some(row))?, site))
}

// Graph

/// Mutations of notification preferences.
#[derive(Debug, Default, Clone, Copy)]
pub struct NotificationMutation;

#[Object]
impl NotificationMutation {
    /// Sets what the website's team wants to be told. Keys that the input leaves out stay as they are.
    #[doc = access_line!(WEBSITE, EDITOR)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Editor), None))]
    async fn website_update_notifications(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global id or UUID.")] website_id: ID,
        #[graphql(desc = "The changes.")] input: WebsiteUpdateNotificationsInput,
    ) -> Option<async_graphql::Result<WebsiteUpdateNotificationsPayload>> {
        let answer: async_graphql::Result<Option<WebsiteUpdateNotificationsPayload>> = async {
            let site = ctx.site::<Editor>(&website_id).await?;
            let (notifications, site) = update_notifications(ctx.cx()?.ports(), &site, input.preferences).await?;
            Ok(Some(WebsiteUpdateNotificationsPayload { notifications, website: Website::from(site.lower()) }))
        }
        .await;
        answer.transpose()
    }
}
