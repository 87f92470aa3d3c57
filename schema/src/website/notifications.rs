//! Notification preferences of a website's team: an open record defined by the dashboard. Keys are stored unchanged.
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
    constraint::{Constrained, Constraint},
    error::{Error, Result},
    ports::Ports,
    scalars::{Instant, Json},
};

// Vocabulary

/// Notification preferences of a website's team.
#[derive(SimpleObject, Debug, Clone)]
pub struct NotificationPreferences {
    /// UUID of the website.
    pub website_database_id: Uuid,
    /// JSON object whose keys and values are defined by the dashboard; empty if nothing was set.
    pub preferences: Json,
    /// Time of the last change, UTC; null if nothing was set.
    pub updated_at: Option<Instant>,
}

/// Changes to the notification preferences of a website's team.
#[derive(InputObject, Debug, Clone)]
pub struct WebsiteUpdateNotificationsInput {
    /// JSON object whose keys are merged into the record, at most 32,768 bytes of JSON in total. Omitted keys stay
    /// unchanged; null is stored as a value. The key `website_id` is not allowed.
    #[graphql(directive = Constrained::apply(Constraint::OBJECT))]
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

/// Maximum size of the record as JSON, in bytes.
const MAX_BYTES: usize = 32 * 1024;

/// The key that responses add to the record.
const RESERVED: &str = "website_id";

impl NotificationPreferences {
    fn from_row(website: Uuid, row: Option<notification_preferences::Model>) -> Result<Self> {
        let updated_at = row.as_ref().map(|row| Instant(row.updated_at));
        let record = record_of(row.as_ref())?;
        let preferences = async_graphql::Value::from_json(Value::Object(record)).map_err(Error::internal)?;
        Ok(Self { website_database_id: website, preferences: Json(preferences), updated_at })
    }
}

fn record_of(row: Option<&notification_preferences::Model>) -> Result<Map<String, Value>> {
    row.map_or_else(|| Ok(Map::new()), |row| serde_json::from_str(&row.preferences).map_err(Error::internal))
}

/// Reads the keys to set. Errors: `Invalid` for anything but an object, and for the reserved key.
fn checked(preferences: Json) -> Result<Map<String, Value>> {
    let Ok(Value::Object(given)) = preferences.0.into_json() else {
        return Err(Error::invalid("preferences", "must be a JSON object"));
    };
    if given.contains_key(RESERVED) {
        return Err(Error::invalid(RESERVED, "is reserved and cannot be used as a preference"));
    }
    Ok(given)
}

/// The website's notification preferences.
pub(crate) async fn preferences_of(cx: &Cx, site: &Site<Viewer>) -> Result<NotificationPreferences> {
    NotificationPreferences::from_row(site.id(), cx.loaders().notifications(site).await?)
}

/// Sets keys of the record, which is created if there is none. Errors: `Invalid`.
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
            format!("the record must have at most {MAX_BYTES} bytes as JSON (got {})", text.len()),
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

/// Notification mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct NotificationMutation;

#[Object]
impl NotificationMutation {
    /// Sets notification preferences of the website's team. Omitted keys stay unchanged.
    #[doc = access_line!(WEBSITE, EDITOR)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Editor), None))]
    async fn website_update_notifications(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global ID or UUID.")] website_id: ID,
        #[graphql(desc = "The changes to apply.")] input: WebsiteUpdateNotificationsInput,
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
