//! Export of one account's personal data, in the keys of the contract (CONTRACT 15.11).
//!
//! - Hashes of passwords, keys and tokens are not exported: they are no data about the person.

use entity::{api_key, audit_entry, membership, notification_preferences, team, website};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    access::{Myself, Role},
    error::Result,
    ports::Ports,
};

/// Maximum number of audit log entries in an export, the newest.
const MAX_ENTRIES: u64 = 10_000;

/// Maximum number of websites, memberships and keys each.
const MAX_ROWS: u64 = 10_000;

/// Cost of an export: it reads and writes thousands of rows.
pub(super) const EXPORT_COST: u32 = 1_000;

/// All personal data of an account.
pub(super) async fn export(ports: &Ports, myself: &Myself) -> Result<Value> {
    let (db, user) = (ports.database.reader(myself), myself.user());
    let members = membership::Entity::find()
        .filter(membership::Column::UserId.eq(user.id))
        .order_by_asc(membership::Column::CreatedAt)
        .limit(MAX_ROWS);
    let members = members.all(db).await?;
    let of_members = members.iter().map(|row| row.team_id).collect::<Vec<Uuid>>();
    let teams = team::Entity::find().filter(team::Column::Id.is_in(of_members)).all(db).await?;
    let name_of = |id: Uuid| teams.iter().find(|team| team.id == id).map(|team| team.name.as_str());
    let websites = website::Entity::find()
        .filter(website::Column::UserId.eq(user.id))
        .order_by_asc(website::Column::CreatedAt)
        .limit(MAX_ROWS)
        .all(db)
        .await?;
    let of_websites = websites.iter().map(|row| row.id).collect::<Vec<Uuid>>();
    let preferences = notification_preferences::Entity::find()
        .filter(notification_preferences::Column::WebsiteId.is_in(of_websites))
        .all(db)
        .await?;
    let keys = api_key::Entity::find()
        .filter(api_key::Column::CreatedBy.eq(user.id))
        .order_by_asc(api_key::Column::CreatedAt)
        .limit(MAX_ROWS)
        .all(db)
        .await?;
    let entries = audit_entry::Entity::find()
        .filter(audit_entry::Column::UserId.eq(user.id))
        .order_by_desc(audit_entry::Column::CreatedAt)
        .limit(MAX_ENTRIES)
        .all(db)
        .await?;
    Ok(json!({
        "user": {
            "id": user.id, "email": user.email, "fullName": user.full_name, "avatarUrl": user.avatar_url,
            "emailVerifiedAt": user.email_verified_at, "pendingEmail": user.pending_email, "isOperator": user.is_operator,
            "defaultTeamId": user.default_team_id, "createdAt": user.created_at,
        },
        "websites": websites.iter().map(|row| json!({
            "id": row.id, "teamId": row.team_id, "domain": row.domain, "name": row.name, "trackingCode": row.tracking_code,
            "timezone": row.timezone, "createdAt": row.created_at,
        })).collect::<Vec<Value>>(),
        "teamMemberships": members.iter().map(|row| json!({
            "id": row.id, "teamId": row.team_id, "teamName": name_of(row.team_id), "role": Role::of_level(row.role).map(Role::name),
            "createdAt": row.created_at, "deactivatedAt": row.deactivated_at,
        })).collect::<Vec<Value>>(),
        "oauthIdentities": user.provider.iter().map(|provider| json!({
            "provider": provider, "subject": user.external_subject,
        })).collect::<Vec<Value>>(),
        "mfa": [],
        "passkeys": [],
        "apiKeys": keys.iter().map(|row| json!({
            "id": row.id, "teamId": row.team_id, "websiteId": row.website_id, "name": row.name, "prefix": row.prefix,
            "createdAt": row.created_at, "lastUsedAt": row.last_used_at, "revokedAt": row.revoked_at, "expiresAt": row.expires_at,
        })).collect::<Vec<Value>>(),
        "personalApiKeys": [],
        "supportTickets": [],
        "referralProgram": null,
        "notificationPreferences": preferences.iter().map(|row| json!({
            "websiteId": row.website_id, "updatedAt": row.updated_at,
            "preferences": serde_json::from_str::<Value>(&row.preferences).unwrap_or_default(),
        })).collect::<Vec<Value>>(),
        "auditTrail": entries.iter().map(|row| json!({
            "id": row.id, "action": row.action, "target": row.target, "teamId": row.team_id, "websiteId": row.website_id,
            "changed": serde_json::from_str::<Value>(&row.changed).unwrap_or_default(), "createdAt": row.created_at,
        })).collect::<Vec<Value>>(),
    }))
}
