//! The proof that a person has part in a conversation: whoever is an active member of its team.

use std::{marker::PhantomData, sync::Arc};

use entity::{conversation, team};
use uuid::Uuid;

use super::{AtLeast, Caller, Level, Role, Standing, Team, Viewer, cx::Cx, loaders::ChatKey};
use crate::{
    error::{Error, Result},
    id::Kind,
};

/// Proof that the caller holds at least `R` in a conversation's team. API keys never do: they read figures.
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
    /// Proves it for the caller of the request; `field` is the argument that carries the id.
    pub(crate) async fn find(cx: &Cx, field: &str, id: &str) -> Result<Self> {
        cx.caller().known()?;
        Self::by_uuid(cx, Kind::Conversation.read(field, id)?).await
    }

    /// As [`Chat::find`], for an id that a row holds.
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

    /// Identifier.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.row.id
    }

    /// Who is asking.
    #[must_use]
    pub fn caller(&self) -> Caller {
        self.standing.caller
    }

    /// The row as it was when the proof was made.
    #[must_use]
    pub fn conversation(&self) -> &conversation::Model {
        &self.row
    }

    /// The same proof over the row as it is after a change.
    pub(crate) fn changed(&self, row: conversation::Model) -> Result<Self> {
        if row.id != self.row.id || row.team_id != self.row.team_id {
            return Err(Error::broken("a proof was carried over to another conversation"));
        }
        Ok(Self { row: Arc::new(row), ..self.clone() })
    }

    /// The conversation's team: whoever has part in the one has it in the other.
    pub(super) fn team(&self, row: Arc<team::Model>) -> Result<Team<R>> {
        if row.id != self.row.team_id {
            return Err(Error::broken("a conversation's proof met another team"));
        }
        Team::mint(row, self.standing)
    }
}

/// Proof that the caller may rewrite and delete a conversation: its author may, and an admin of its team.
#[derive(Debug, Clone)]
pub struct AuthoredChat(Chat<Viewer>);

impl AuthoredChat {
    /// Proves it for the caller of the request; `field` is the argument that carries the id. Errors as [`Chat::find`].
    pub(crate) async fn find(cx: &Cx, field: &str, id: &str) -> Result<Self> {
        let chat = Chat::<Viewer>::find(cx, field, id).await?;
        let is_author = chat.row.user_id.is_some() && chat.row.user_id == chat.caller().user();
        if is_author || chat.standing.held >= Role::Admin {
            return Ok(Self(chat));
        }
        Err(Error::forbidden(
            "Only the author of a conversation and admins of its team change or delete it; append a message instead.",
        ))
    }

    /// The conversation, for all that its members may do.
    #[must_use]
    pub fn chat(&self) -> &Chat<Viewer> {
        &self.0
    }
}

impl<R: Level + AtLeast<Viewer>> Team<R> {
    /// Errors: `Forbidden` for an API key, which has no part in conversations.
    pub(crate) fn converses(&self) -> Result<()> {
        match self.standing.caller {
            Caller::Key { .. } => {
                Err(Error::forbidden("An API key reads figures, not conversations; sign in to take part in them."))
            }
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
