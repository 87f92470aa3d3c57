//! Conversations of a team with an assistant: begun and continued by any of its active members, renamed, rewritten and deleted by
//! their author and by admins.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::conversation;
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    ColumnTrait as _, DatabaseTransaction, EntityTrait as _, QueryFilter as _,
};
use uuid::Uuid;

use crate::{
    access::cx::Cx,
    access::{self, AuthoredChat, Chat, On, Reach as _, Role, Viewer, access_directive},
    connection::{self, Page, PageArgs, Place},
    error::{Error, Result},
    id::Kind,
    list::List,
    ports::Ports,
    scalars::Instant,
    team::{Team, team_meant},
    text,
};

pub mod messages;
pub mod subscription;

pub use subscription::ConversationSubscription;

use messages::{
    ConversationAppendMessageInput, ConversationMessage, ConversationMessageConnection, ConversationMessageInput,
};

// Vocabulary

/// Characters of a title at most.
const MAX_TITLE: usize = 200;

/// A conversation.
#[derive(Debug, Clone)]
pub struct Conversation(pub(crate) Chat<Viewer>);

connection!(ConversationConnection, ConversationEdge, Conversation, "conversations");

/// A new conversation.
#[derive(InputObject, Debug, Clone)]
pub struct ConversationCreateInput {
    /// Title, 1 to 200 characters.
    pub title: String,
    /// The team it belongs to: global id or UUID; null means the caller's default team.
    pub team_id: Option<ID>,
}

/// Changes to a conversation. A field that is left out stays as it is.
#[derive(InputObject, Debug, Clone)]
pub struct ConversationUpdateInput {
    /// Title, 1 to 200 characters. Null is refused.
    pub title: MaybeUndefined<String>,
    /// All messages anew, in order, at most 10,000; they replace those that are there. Null is refused; `[]` empties it.
    pub messages: MaybeUndefined<Vec<ConversationMessageInput>>,
}

/// Which conversation is deleted.
#[derive(InputObject, Debug, Clone)]
pub struct ConversationDeleteInput {
    /// The conversation: global id or UUID.
    pub conversation_id: ID,
}

/// A new conversation.
#[derive(SimpleObject)]
pub struct ConversationCreatePayload {
    /// The conversation, without messages yet.
    pub conversation: Conversation,
}

/// The conversation after the change.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct ConversationUpdatePayload {
    /// The conversation.
    pub conversation: Conversation,
}

/// What is left of a conversation that was deleted.
#[derive(SimpleObject)]
pub struct ConversationDeletePayload {
    /// Always true: what could not be deleted is an error.
    pub deleted: bool,
    /// The global id that the conversation had.
    pub deleted_id: ID,
}

/// The message that was appended, and its conversation.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct ConversationAppendMessagePayload {
    /// The message.
    pub message: ConversationMessage,
    /// The conversation.
    pub conversation: Conversation,
}

// Rules

const MISSING: &str = "The conversation";

fn checked_title(title: &str) -> Result<String> {
    text::name("title", title, MAX_TITLE)
}

/// The conversations of a team. Errors: `Forbidden` for an API key.
pub(crate) async fn of_team(ports: &Ports, team: &access::Team<Viewer>, args: &PageArgs) -> Result<Page<Conversation>> {
    team.converses()?;
    let window = args.window(connection::MAX_PAGE)?;
    let list = conversation::Entity::find().filter(conversation::Column::TeamId.eq(team.id()));
    let place = |row: &conversation::Model| Place { at: row.created_at, id: row.id };
    let columns = (conversation::Column::CreatedAt, conversation::Column::Id);
    let page = connection::page(ports.database.reader(team), list, columns, place, window).await?;
    page.try_map(|row| Ok(Conversation(team.chat(row)?)))
}

/// Begins a conversation. Errors: `Forbidden` for an API key, `Invalid`.
pub async fn create(ports: &Ports, team: &access::Team<Viewer>, title: &str) -> Result<Chat<Viewer>> {
    team.converses()?;
    let now = ports.now();
    let row = conversation::ActiveModel {
        id: Set(ports.ids.uuid()),
        team_id: Set(team.id()),
        user_id: Set(team.caller().user()),
        title: Set(checked_title(title)?),
        created_at: Set(now),
        updated_at: Set(now),
    };
    team.chat(row.insert(ports.database.writer(team)).await?)
}

/// Begins a change of a conversation: takes its row, so that changes follow one another, and marks it as changed.
/// Errors: `NotFound` when it is gone meanwhile.
async fn take(
    txn: &DatabaseTransaction,
    ports: &Ports,
    id: Uuid,
    title: Option<String>,
) -> Result<conversation::Model> {
    let mut row = conversation::ActiveModel { id: Unchanged(id), updated_at: Set(ports.now()), ..Default::default() };
    if let Some(title) = title {
        row.title = Set(title);
    }
    row.update(txn).await.map_err(|source| match source {
        sea_orm::DbErr::RecordNotUpdated => Error::not_found(MISSING),
        source => source.into(),
    })
}

/// Changes what the input names. Errors: `Invalid`, `NotFound` when it is gone meanwhile.
pub async fn update(ports: &Ports, chat: &AuthoredChat, input: ConversationUpdateInput) -> Result<Chat<Viewer>> {
    let chat = chat.chat();
    let null = |field| Err(Error::invalid(field, "cannot be null; leave it out to keep it as it is"));
    let title = match input.title {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => return null("title"),
        MaybeUndefined::Value(title) => Some(checked_title(&title)?),
    };
    let messages = match input.messages {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => return null("messages"),
        MaybeUndefined::Value(messages) => Some(messages::checked(ports, messages)?),
    };
    if title.is_none() && messages.is_none() {
        return Ok(chat.clone());
    }
    let txn = ports.begin(chat).await?;
    let row = take(&txn, ports, chat.id(), title).await?;
    if let Some(messages) = messages {
        messages::replace(&txn, ports, row.id, messages).await?;
    }
    txn.commit_addition().await?;
    chat.changed(row)
}

/// Deletes a conversation with its messages; who listens to it hears its end. Errors: `NotFound` when it is gone meanwhile.
pub async fn delete(ports: &Ports, chat: &AuthoredChat) -> Result<()> {
    let id = chat.chat().id();
    let gone = conversation::Entity::delete_by_id(id).exec(ports.database.writer(chat)).await?;
    ports.changes.mark(&[], &[]);
    ports.told.end(id);
    if gone.rows_affected == 0 { Err(Error::not_found(MISSING)) } else { Ok(()) }
}

// Graph

/// A conversation of a team with an assistant.
#[Object]
impl Conversation {
    /// Global id.
    pub(crate) async fn id(&self) -> ID {
        Kind::Conversation.global(self.0.id())
    }

    /// The UUID that REST and support use.
    async fn database_id(&self) -> Uuid {
        self.0.id()
    }

    /// Title, 1 to 200 characters.
    async fn title(&self) -> &str {
        &self.0.conversation().title
    }

    /// The UUID of the team it belongs to.
    async fn team_id(&self) -> Uuid {
        self.0.conversation().team_id
    }

    /// The team it belongs to.
    async fn team(&self, ctx: &Context<'_>) -> async_graphql::Result<Team> {
        Ok(Team(ctx.cx()?.loaders().team_of_chat(&self.0).await?))
    }

    /// The UUID of the user who began it; null when the account is gone.
    async fn user_id(&self) -> Option<Uuid> {
        self.0.conversation().user_id
    }

    /// When it was begun, UTC.
    async fn created_at(&self) -> Instant {
        Instant(self.0.conversation().created_at)
    }

    /// When its title or messages last changed, UTC.
    async fn updated_at(&self) -> Instant {
        Instant(self.0.conversation().updated_at)
    }

    /// Its messages, in order.
    async fn messages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1 to 100; 20 when neither first nor last is given.")] first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1 to 100; not together with first.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<ConversationMessageConnection> {
        let args = PageArgs { first, after, last, before };
        Ok(messages::page(ctx.cx()?.ports(), &self.0, &args).await?)
    }
}

#[async_graphql::ComplexObject]
impl ConversationUpdatePayload {
    /// All its messages, in order, at most 10,000. For pages, ask `conversation { messages }`.
    #[graphql(directive = crate::cost::list_size::apply(Some(messages::PRICED_MESSAGES), None))]
    async fn transcript(&self, ctx: &Context<'_>) -> async_graphql::Result<List<ConversationMessage>> {
        Ok(messages::all(ctx.cx()?.ports(), &self.conversation.0).await?.into())
    }
}

#[async_graphql::ComplexObject]
impl ConversationAppendMessagePayload {
    /// All its messages, in order, at most 10,000. For pages, ask `conversation { messages }`.
    #[graphql(directive = crate::cost::list_size::apply(Some(messages::PRICED_MESSAGES), None))]
    async fn transcript(&self, ctx: &Context<'_>) -> async_graphql::Result<List<ConversationMessage>> {
        Ok(messages::all(ctx.cx()?.ports(), &self.conversation.0).await?.into())
    }
}

/// Root fields about conversations.
#[derive(Debug, Default, Clone, Copy)]
pub struct ConversationQuery;

#[Object]
impl ConversationQuery {
    /// One conversation.
    #[doc = access_line!(CONVERSATION, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Conversation, Some(Role::Viewer), None))]
    async fn conversation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The conversation: global id or UUID.")] id: ID,
    ) -> Option<async_graphql::Result<Conversation>> {
        let answer: async_graphql::Result<Option<Conversation>> =
            async { Ok(Some(Conversation(ctx.cx()?.chat("id", &id).await?))) }.await;
        answer.transpose()
    }
}

/// Mutations of conversations.
#[derive(Debug, Default, Clone, Copy)]
pub struct ConversationMutation;

/// The conversation that an argument names.
async fn meant(cx: &Cx, id: &ID) -> Result<Chat<Viewer>> {
    cx.chat("conversationId", id).await
}

#[Object]
impl ConversationMutation {
    /// Begins a conversation, for every active member of the team. An API key cannot.
    #[doc = access_line!(TEAM, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Viewer), None))]
    async fn conversation_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new conversation.")] input: ConversationCreateInput,
    ) -> Option<async_graphql::Result<ConversationCreatePayload>> {
        let answer: async_graphql::Result<Option<ConversationCreatePayload>> = async {
            let cx = ctx.cx()?;
            let team = team_meant::<Viewer>(cx, input.team_id.as_ref()).await?;
            let conversation = Conversation(create(cx.ports(), &team, &input.title).await?);
            Ok(Some(ConversationCreatePayload { conversation }))
        }
        .await;
        answer.transpose()
    }

    /// Changes title or messages of a conversation. What the input leaves out stays as it is. Messages are replaced all
    /// together; who listens hears of those that are appended later.
    #[doc = access_line!(AUTHORED_CONVERSATION)]
    #[graphql(directive = access_directive::access::apply(On::AuthoredConversation, None, None))]
    async fn conversation_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The conversation: global id or UUID.")] conversation_id: ID,
        #[graphql(desc = "The changes.")] input: ConversationUpdateInput,
    ) -> Option<async_graphql::Result<ConversationUpdatePayload>> {
        let answer: async_graphql::Result<Option<ConversationUpdatePayload>> = async {
            let cx = ctx.cx()?;
            let chat = cx.authored_chat("conversationId", &conversation_id).await?;
            let chat = update(cx.ports(), &chat, input).await?;
            Ok(Some(ConversationUpdatePayload { conversation: Conversation(chat) }))
        }
        .await;
        answer.transpose()
    }

    /// Deletes a conversation with its messages.
    #[doc = access_line!(AUTHORED_CONVERSATION)]
    #[graphql(directive = access_directive::access::apply(On::AuthoredConversation, None, None))]
    async fn conversation_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which conversation is deleted.")] input: ConversationDeleteInput,
    ) -> Option<async_graphql::Result<ConversationDeletePayload>> {
        let answer: async_graphql::Result<Option<ConversationDeletePayload>> = async {
            let cx = ctx.cx()?;
            let chat = cx.authored_chat("conversationId", &input.conversation_id).await?;
            delete(cx.ports(), &chat).await?;
            let deleted_id = Kind::Conversation.global(chat.chat().id());
            Ok(Some(ConversationDeletePayload { deleted: true, deleted_id }))
        }
        .await;
        answer.transpose()
    }

    /// Appends a message to a conversation. Of several at once each is kept, one after the other; the server says when.
    #[doc = access_line!(CONVERSATION, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Conversation, Some(Role::Viewer), None))]
    async fn conversation_append_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The conversation: global id or UUID.")] conversation_id: ID,
        #[graphql(desc = "The message.")] input: ConversationAppendMessageInput,
    ) -> Option<async_graphql::Result<ConversationAppendMessagePayload>> {
        let answer: async_graphql::Result<Option<ConversationAppendMessagePayload>> = async {
            let cx = ctx.cx()?;
            let (chat, row) = messages::append(cx.ports(), &meant(cx, &conversation_id).await?, input).await?;
            let message = ConversationMessage::new(&chat, Arc::new(row))?;
            Ok(Some(ConversationAppendMessagePayload { message, conversation: Conversation(chat) }))
        }
        .await;
        answer.transpose()
    }
}
