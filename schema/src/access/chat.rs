//! Proof that a person has access to a conversation: active members of its team do.

use std::{marker::PhantomData, sync::Arc};

use entity::{conversation, team};
use uuid::Uuid;

use super::{AtLeast, Caller, Level, Role, Standing, Team, Viewer, cx::Cx, loaders::ChatKey};
use crate::{
    error::{Error, Result},
    id::Kind,
};

/// Proof that the caller holds at least `R` in a conversation's team. API keys never qualify: they only read analytics.
#[derive(Debug)]
pub struct Chat<R: Level = Viewer> {
    row: Arc<conversation::Model>,
    standing: Standing,
    level: PhantomData<fn() -> R>,
}

impl<R: Level> Clone for Chat<R> {
    fn clone(&self) -> Self {
        Self { row: Arc::clone(&self.row), standing: self.standing, level: PhantomData }
    }
}

impl<R: Level> Chat<R> {
    /// Checks the caller of the request. `field` is the argument that carries the ID.
    pub(crate) async fn find(cx: &Cx, field: &str, id: &str) -> Result<Self> {
        cx.caller().known()?;
        Self::by_uuid(cx, Kind::Conversation.read(field, id)?).await
    }

    /// Like [`Chat::find`], for an ID that comes from a row.
    pub(crate) async fn by_uuid(cx: &Cx, id: Uuid) -> Result<Self> {
        let caller = cx.caller().known()?;
        let found = cx.loaders().chat(ChatKey(id)).await?;
        let (row, level) = found.ok_or_else(|| Error::not_found("The conversation"))?;
        Self::mint(row, Standing::new(caller, level, "conversation")?)
    }

    fn mint(row: Arc<conversation::Model>, standing: Standing) -> Result<Self> {
        standing.at_least(R::ROLE, "conversation")?;
        Ok(Self { row, standing, level: PhantomData })
    }

    /// ID of the object.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.row.id
    }

    /// The caller.
    #[must_use]
    pub fn caller(&self) -> Caller {
        self.standing.caller
    }

    /// The row as read when access was checked.
    #[must_use]
    pub fn conversation(&self) -> &conversation::Model {
        &self.row
    }

    /// The same proof with the row as it is after a change.
    pub(crate) fn changed(&self, row: conversation::Model) -> Result<Self> {
        if row.id != self.row.id || row.team_id != self.row.team_id {
            return Err(Error::broken("a proof was carried over to another conversation"));
        }
        Ok(Self { row: Arc::new(row), ..self.clone() })
    }

    /// The conversation's team. Access to the conversation implies membership in its team.
    pub(super) fn team(&self, row: Arc<team::Model>) -> Result<Team<R>> {
        if row.id != self.row.team_id {
            return Err(Error::broken("a conversation's proof met another team"));
        }
        Team::mint(row, self.standing)
    }
}

/// Proof that the caller can edit and delete a conversation: its author, or an admin of its team.
#[derive(Debug, Clone)]
pub struct AuthoredChat(Chat<Viewer>);

impl AuthoredChat {
    /// Checks the caller of the request. `field` is the argument that carries the ID. Errors: as [`Chat::find`].
    pub(crate) async fn find(cx: &Cx, field: &str, id: &str) -> Result<Self> {
        let chat = Chat::<Viewer>::find(cx, field, id).await?;
        let is_author = chat.row.user_id.is_some() && chat.row.user_id == chat.caller().user();
        if is_author || chat.standing.held >= Role::Admin {
            return Ok(Self(chat));
        }
        Err(Error::forbidden(
            "Only the author of a conversation and admins of its team can change or delete it. Other members can append messages.",
        ))
    }

    /// The conversation, for operations open to every member.
    #[must_use]
    pub fn chat(&self) -> &Chat<Viewer> {
        &self.0
    }
}

impl<R: Level + AtLeast<Viewer>> Team<R> {
    /// Errors: `Forbidden` for an API key, which has no access to conversations.
    pub(crate) fn converses(&self) -> Result<()> {
        match self.standing.caller {
            Caller::Key { .. } => Err(Error::forbidden("API keys cannot access conversations. Sign in instead.")),
            _ => Ok(()),
        }
    }

    /// A conversation of this team.
    pub(crate) fn chat(&self, row: conversation::Model) -> Result<Chat<Viewer>> {
        self.converses()?;
        self.holds(row.team_id)?;
        Chat::mint(Arc::new(row), self.standing)
    }
}
