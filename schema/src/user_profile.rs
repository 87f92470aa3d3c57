//! The profile of a user, as members of a team see it.

use std::sync::Arc;

use async_graphql::Object;
use entity::user;
use uuid::Uuid;

use crate::scalars::{EmailAddress, Url};

/// The profile of a user, as members of a team see it.
#[derive(Debug, Clone)]
pub struct UserProfile(pub(crate) Arc<user::Model>);

/// The profile of a user, as members of a team see it.
#[Object]
impl UserProfile {
    /// UUID, as used by REST and support.
    async fn database_id(&self) -> Uuid {
        self.0.id
    }

    /// E-mail address, lower case.
    async fn email(&self) -> EmailAddress {
        EmailAddress::stored(self.0.email.clone())
    }

    /// Whether `email` is confirmed.
    async fn email_verified(&self) -> bool {
        self.0.email_verified_at.is_some()
    }

    /// Full name of the person; null if not given.
    async fn full_name(&self) -> Option<&str> {
        self.0.full_name.as_deref()
    }

    /// URL of a picture; null if there is none.
    async fn avatar_url(&self) -> Option<Url> {
        self.0.avatar_url.clone().map(Url::stored)
    }
}
