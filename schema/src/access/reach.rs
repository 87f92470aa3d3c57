//! How resolvers check access: on the request's data, or on the context that carries it.

use std::future::Future;

use async_graphql::{Context, ID};

use super::{AuthoredChat, Chat, Installation, Level, Myself, Site, Team, ThisKey, cx::Cx};
use crate::error::{Error, Result};

impl Cx {
    /// Checks a role on a website. `field` is the argument or path parameter that carries the ID. Errors, in this
    /// order: 401, 400 (malformed ID), 404, 403.
    pub async fn site<R: Level>(&self, field: &str, id: &str) -> Result<Site<R>> {
        Site::find(self, field, id).await
    }

    /// Checks a role in a team. `field` is the argument or path parameter that carries the ID. Errors: as [`Cx::site`].
    pub async fn team<R: Level>(&self, field: &str, id: &str) -> Result<Team<R>> {
        Team::find(self, field, id).await
    }

    /// Checks access to a conversation. `field` is the argument or path parameter that carries the ID. Errors: as
    /// [`Cx::site`].
    pub async fn chat<R: Level>(&self, field: &str, id: &str) -> Result<Chat<R>> {
        Chat::find(self, field, id).await
    }

    /// Checks that the caller can edit and delete a conversation. Errors: as [`Cx::site`].
    pub async fn authored_chat(&self, field: &str, id: &str) -> Result<AuthoredChat> {
        AuthoredChat::find(self, field, id).await
    }

    /// Returns the signed-in user. Errors: `Unauthenticated`; `Forbidden` for an API key.
    pub async fn myself(&self) -> Result<Myself> {
        Myself::from_cx(self).await
    }

    /// Checks that the caller operates the installation. Errors: `Unauthenticated`, `Forbidden`.
    pub async fn installation(&self) -> Result<Installation> {
        Installation::from_cx(self).await
    }

    /// Returns the calling API key. Errors: `Unauthenticated`; `Forbidden` for a user.
    pub async fn key(&self) -> Result<ThisKey> {
        ThisKey::from_cx(self).await
    }
}

/// Access checks on a resolver's context.
pub trait Reach {
    /// The request's data. Errors: internal, when the HTTP layer did not attach it.
    fn cx(&self) -> Result<&Cx>;

    /// Checks a role on the website in the argument `websiteId`. Errors: 401, 400, 404, 403.
    fn site<R: Level>(&self, id: &ID) -> impl Future<Output = Result<Site<R>>> + Send;

    /// Checks a role in the team in the argument `teamId`. Errors: 401, 400, 404, 403.
    fn team<R: Level>(&self, id: &ID) -> impl Future<Output = Result<Team<R>>> + Send;

    /// Returns the signed-in user. Errors: 401; 403 for an API key.
    fn myself(&self) -> impl Future<Output = Result<Myself>> + Send;

    /// Returns the calling API key. Errors: 401; 403 for a user.
    fn key(&self) -> impl Future<Output = Result<ThisKey>> + Send;
}

impl Reach for Context<'_> {
    fn cx(&self) -> Result<&Cx> {
        self.data_opt::<Cx>().ok_or_else(|| Error::broken("the request carries no Cx"))
    }

    async fn site<R: Level>(&self, id: &ID) -> Result<Site<R>> {
        self.cx()?.site("websiteId", id).await
    }

    async fn team<R: Level>(&self, id: &ID) -> Result<Team<R>> {
        self.cx()?.team("teamId", id).await
    }

    async fn myself(&self) -> Result<Myself> {
        self.cx()?.myself().await
    }

    async fn key(&self) -> Result<ThisKey> {
        self.cx()?.key().await
    }
}
