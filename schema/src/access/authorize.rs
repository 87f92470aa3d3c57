//! The access check of a root field, for adapters that must answer 401, 403 and 404 before they read the rest of a request.

use super::{Access, Admin, Editor, On, Owner, Role, Viewer, cx::Cx};
use crate::error::Result;

impl On {
    /// The argument or path parameter that identifies the object; `None` where the caller does.
    #[must_use]
    pub const fn argument(self) -> Option<&'static str> {
        match self {
            Self::Website => Some("websiteId"),
            Self::Team => Some("teamId"),
            Self::Conversation | Self::AuthoredConversation => Some("conversationId"),
            Self::Public | Self::User | Self::Operator | Self::ApiKey | Self::Caller | Self::Node => None,
        }
    }
}

/// Checks access like a root field that states `access`, for the argument `field` with value `id`. Errors: as the field
/// itself, 401, 400 (malformed ID), 404, 403.
pub async fn authorize(cx: &Cx, Access { on, min, .. }: Access, field: &str, id: &str) -> Result<()> {
    let min = min.unwrap_or(Role::Viewer);
    match on {
        On::Public => Ok(()),
        On::User => cx.myself().await.map(drop),
        On::Operator => cx.installation().await.map(drop),
        On::ApiKey => cx.key().await.map(drop),
        On::Caller | On::Node => cx.caller().known().map(drop),
        On::Team => match min {
            Role::Viewer => cx.team::<Viewer>(field, id).await.map(drop),
            Role::Editor => cx.team::<Editor>(field, id).await.map(drop),
            Role::Admin => cx.team::<Admin>(field, id).await.map(drop),
            Role::Owner => cx.team::<Owner>(field, id).await.map(drop),
        },
        On::Conversation => match min {
            Role::Viewer => cx.chat::<Viewer>(field, id).await.map(drop),
            Role::Editor => cx.chat::<Editor>(field, id).await.map(drop),
            Role::Admin => cx.chat::<Admin>(field, id).await.map(drop),
            Role::Owner => cx.chat::<Owner>(field, id).await.map(drop),
        },
        On::AuthoredConversation => cx.authored_chat(field, id).await.map(drop),
        On::Website => match min {
            Role::Viewer => cx.site::<Viewer>(field, id).await.map(drop),
            Role::Editor => cx.site::<Editor>(field, id).await.map(drop),
            Role::Admin => cx.site::<Admin>(field, id).await.map(drop),
            Role::Owner => cx.site::<Owner>(field, id).await.map(drop),
        },
    }
}
