//! The profile of a user: what members of a team see of each other.

use std::sync::Arc;

use async_graphql::Object;
use entity::user;
use uuid::Uuid;

use crate::scalars::{EmailAddress, Url};

/// What members of a team see of each other.
#[derive(Debug, Clone)]
pub struct UserProfile(pub(crate) Arc<user::Model>);

/// What members of a team see of each other.
#[Object]
impl UserProfile {
    /// The UUID that REST and support use.
    async fn database_id(&self) -> Uuid {
        self.0.id
    }

    /// The e-mail address, lower case.
    async fn email(&self) -> EmailAddress {
        EmailAddress::stored(self.0.email.clone())
    }

    /// Whether the person has proven that they read the mail of `email`.
    async fn email_verified(&self) -> bool {
        self.0.email_verified_at.is_some()
    }

    /// The person's full name; null when not given.
    async fn full_name(&self) -> Option<&str> {
        self.0.full_name.as_deref()
    }

    /// What to call the person: the first word of the full name; null when no name is given.
    async fn name(&self) -> Option<&str> {
        self.0.full_name.as_deref().and_then(|name| name.split_whitespace().next())
    }

    /// Address of a picture; null when there is none.
    async fn avatar_url(&self) -> Option<Url> {
        self.0.avatar_url.clone().map(Url::stored)
    }
}
