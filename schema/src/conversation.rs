//! Conversations between a team and an assistant. Any active member can start and continue one; its author and admins
//! can rename, edit and delete it.

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
    access::{
        self, AuthoredChat, Chat, On, Reach as _, Role, Viewer, access_directive,
        creation::{Creation, Outcome},
    },
    connection::{self, ListOrder, Page, PageArgs, Place},
    constraint::{Constrained, Constraint, not_null},
    error::{Error, Result},
    id::Kind,
    idempotency::KEY,
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

/// A title.
const TITLE: Constraint = Constraint::name(200);

/// A conversation.
#[derive(Debug, Clone)]
pub struct Conversation(pub(crate) Chat<Viewer>);

connection!(ConversationConnection, ConversationEdge, Conversation, "conversations");

/// A new conversation.
#[derive(InputObject, Debug, Clone)]
pub struct ConversationCreateInput {
    /// Title, 1 to 200 characters.
    #[graphql(directive = Constrained::apply(TITLE))]
    pub title: String,
    /// The team that the conversation belongs to: global ID or UUID. Null means the caller's default team.
    pub team_id: Option<ID>,
    /// Idempotency key, 1 to 200 characters. Repeating the mutation with the same key and input within 24 hours creates
    /// nothing and returns the row that was created.
    #[graphql(directive = Constrained::apply(KEY))]
    pub client_mutation_id: Option<String>,
}

/// Changes to a conversation. Omitted fields stay unchanged.
#[derive(InputObject, Debug, Clone)]
pub struct ConversationUpdateInput {
    /// Title, 1 to 200 characters. Cannot be null.
    #[graphql(directive = Constrained::apply(TITLE.not_null()))]
    pub title: MaybeUndefined<String>,
    /// All messages of the conversation, in order, at most 10,000. They replace the existing messages; `[]` deletes
    /// them. Cannot be null.
    #[graphql(directive = Constrained::apply(messages::MESSAGES.not_null()))]
    pub messages: MaybeUndefined<Vec<ConversationMessageInput>>,
}

/// Input for deleting a conversation.
#[derive(InputObject, Debug, Clone)]
pub struct ConversationDeleteInput {
    /// The conversation: global ID or UUID.
    pub conversation_id: ID,
}

/// A new conversation.
#[derive(SimpleObject)]
pub struct ConversationCreatePayload {
    /// The new conversation, without messages.
    pub conversation: Conversation,
    /// `clientMutationId` of the input.
    pub client_mutation_id: Option<String>,
}

/// The conversation after the change.
#[derive(SimpleObject)]
pub struct ConversationUpdatePayload {
    /// The conversation.
    pub conversation: Conversation,
}

/// The result of deleting a conversation.
#[derive(SimpleObject)]
pub struct ConversationDeletePayload {
    /// Global ID of the deleted conversation.
    pub deleted_id: ID,
}

/// The new message and its conversation.
#[derive(SimpleObject)]
pub struct ConversationAppendMessagePayload {
    /// The message.
    pub message: ConversationMessage,
    /// The conversation.
    pub conversation: Conversation,
    /// `clientMutationId` of the input.
    pub client_mutation_id: Option<String>,
}

// Rules

const MISSING: &str = "The conversation";

fn checked_title(title: &str) -> Result<String> {
    text::name("title", title, TITLE)
}

/// The conversations of a team. Errors: `Forbidden` for an API key.
pub(crate) async fn of_team(ports: &Ports, team: &access::Team<Viewer>, args: &PageArgs) -> Result<Page<Conversation>> {
    team.converses()?;
    let window = args.window(connection::MAX_PAGE)?;
    let list = conversation::Entity::find().filter(conversation::Column::TeamId.eq(team.id()));
    let place = |row: &conversation::Model| Place { at: row.created_at, id: row.id };
    let columns = (conversation::Column::CreatedAt, conversation::Column::Id);
    let page =
        connection::page(ports.database.reader(team), list, ListOrder::OldestFirst, columns, place, window).await?;
    page.try_map(|row| Ok(Conversation(team.chat(row)?)))
}

/// Creates a conversation. Errors: `Forbidden` for an API key, `Invalid`.
pub async fn create(ports: &Ports, team: &access::Team<Viewer>, title: &str) -> Result<Chat<Viewer>> {
    team.converses()?;
    let (id, now) = (ports.ids.uuid(), ports.now());
    let row = conversation::ActiveModel {
        id: Set(id),
        team_id: Set(team.id()),
        user_id: Set(team.caller().user()),
        title: Set(checked_title(title)?),
        created_at: Set(now),
        updated_at: Set(now),
    };
    let mut txn = ports.begin(team).await?;
    let row = row.insert(&txn).await?;
    txn.created(id).await?;
    txn.commit_addition().await?;
    team.chat(row)
}

/// Starts a change of a conversation: locks its row, so that changes are serialized, and marks it as changed. Errors:
/// `NotFound` if it was deleted concurrently.
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

/// Applies the changes of the input. Errors: `Invalid`; `NotFound` if the conversation was deleted concurrently.
pub async fn update(ports: &Ports, chat: &AuthoredChat, input: ConversationUpdateInput) -> Result<Chat<Viewer>> {
    let chat = chat.chat();
    let title = not_null("title", input.title)?.map(|title| checked_title(&title)).transpose()?;
    let messages =
        not_null("messages", input.messages)?.map(|messages| messages::checked(ports, messages)).transpose()?;
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

/// Deletes a conversation with its messages and ends its message streams. Errors: `NotFound` if it was deleted
/// concurrently.
pub async fn delete(ports: &Ports, chat: &AuthoredChat) -> Result<()> {
    let id = chat.chat().id();
    let gone = conversation::Entity::delete_by_id(id).exec(ports.database.writer(chat)).await?;
    ports.changes.mark(&[], &[]);
    ports.told.end(id);
    if gone.rows_affected == 0 { Err(Error::not_found(MISSING)) } else { Ok(()) }
}

// Graph

/// A conversation between a team and an assistant.
#[Object]
impl Conversation {
    /// Global ID.
    pub(crate) async fn id(&self) -> ID {
        Kind::Conversation.global(self.0.id())
    }

    /// UUID, as used by REST and support.
    async fn database_id(&self) -> Uuid {
        self.0.id()
    }

    /// Title, 1 to 200 characters.
    async fn title(&self) -> &str {
        &self.0.conversation().title
    }

    /// UUID of the team that the conversation belongs to.
    async fn team_database_id(&self) -> Uuid {
        self.0.conversation().team_id
    }

    /// The team that the conversation belongs to.
    async fn team(&self, ctx: &Context<'_>) -> async_graphql::Result<Team> {
        Ok(Team(ctx.cx()?.loaders().team_of_chat(&self.0).await?))
    }

    /// UUID of the user who created the conversation; null if the account was deleted.
    async fn user_database_id(&self) -> Option<Uuid> {
        self.0.conversation().user_id
    }

    /// Creation time, UTC.
    async fn created_at(&self) -> Instant {
        Instant(self.0.conversation().created_at)
    }

    /// Time of the last change to the title or the messages, UTC.
    async fn updated_at(&self) -> Instant {
        Instant(self.0.conversation().updated_at)
    }

    /// Messages of the conversation, in order.
    async fn messages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of rows from the start, 1 to 100. Defaults to 20 if `last` is omitted too.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of rows from the end, 1 to 100. Cannot be combined with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<ConversationMessageConnection> {
        let args = PageArgs { first, after, last, before };
        let cx = ctx.cx()?;
        let _reading = cx.long_read().await?;
        Ok(messages::page(cx.ports(), &self.0, &args).await?)
    }
}

/// Conversation queries.
#[derive(Debug, Default, Clone, Copy)]
pub struct ConversationQuery;

#[Object]
impl ConversationQuery {
    /// A conversation.
    #[doc = access_line!(CONVERSATION, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Conversation, Some(Role::Viewer), None))]
    async fn conversation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The conversation: global ID or UUID.")] id: ID,
    ) -> Option<async_graphql::Result<Conversation>> {
        let answer: async_graphql::Result<Option<Conversation>> =
            async { Ok(Some(Conversation(ctx.cx()?.chat("id", &id).await?))) }.await;
        answer.transpose()
    }
}

/// Conversation mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct ConversationMutation;

/// The conversation that an argument identifies.
async fn meant(cx: &Cx, id: &ID) -> Result<Chat<Viewer>> {
    cx.chat("conversationId", id).await
}

#[Object]
impl ConversationMutation {
    /// Creates a conversation that every active member of the team can access. Not available to API keys.
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
            let creation = Creation::new(ctx, input.client_mutation_id.as_deref())?;
            let chat = match creation.run(&team, create(creation.ports(), &team, &input.title)).await? {
                Outcome::Created(chat) => chat,
                Outcome::Repeated(id) => Chat::by_uuid(cx, id).await?,
            };
            let (conversation, client_mutation_id) = (Conversation(chat), input.client_mutation_id);
            Ok(Some(ConversationCreatePayload { conversation, client_mutation_id }))
        }
        .await;
        answer.transpose()
    }

    /// Changes the title or the messages of a conversation. Omitted fields stay unchanged. Messages are replaced as a
    /// whole; subscribers receive messages appended after they subscribe.
    #[doc = access_line!(AUTHORED_CONVERSATION)]
    #[graphql(directive = access_directive::access::apply(On::AuthoredConversation, None, None))]
    async fn conversation_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The conversation: global ID or UUID.")] conversation_id: ID,
        #[graphql(desc = "The changes to apply.")] input: ConversationUpdateInput,
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
        #[graphql(desc = "The conversation to delete.")] input: ConversationDeleteInput,
    ) -> Option<async_graphql::Result<ConversationDeletePayload>> {
        let answer: async_graphql::Result<Option<ConversationDeletePayload>> = async {
            let cx = ctx.cx()?;
            let chat = cx.authored_chat("conversationId", &input.conversation_id).await?;
            delete(cx.ports(), &chat).await?;
            let deleted_id = Kind::Conversation.global(chat.chat().id());
            Ok(Some(ConversationDeletePayload { deleted_id }))
        }
        .await;
        answer.transpose()
    }

    /// Appends a message to a conversation. Concurrent messages are stored one after the other. The server sets the
    /// time.
    #[doc = access_line!(CONVERSATION, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Conversation, Some(Role::Viewer), None))]
    async fn conversation_append_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The conversation: global ID or UUID.")] conversation_id: ID,
        #[graphql(desc = "The message.")] input: ConversationAppendMessageInput,
    ) -> Option<async_graphql::Result<ConversationAppendMessagePayload>> {
        let answer: async_graphql::Result<Option<ConversationAppendMessagePayload>> = async {
            let cx = ctx.cx()?;
            let chat = meant(cx, &conversation_id).await?;
            let client_mutation_id = input.client_mutation_id.clone();
            let creation = Creation::new(ctx, client_mutation_id.as_deref())?;
            let (message, chat) = match creation.run(&chat, messages::append(creation.ports(), &chat, input)).await? {
                Outcome::Created((chat, row)) => (ConversationMessage::new(&chat, Arc::new(row))?, chat),
                Outcome::Repeated(id) => (messages::find(cx, id).await?, chat),
            };
            let conversation = Conversation(chat);
            Ok(Some(ConversationAppendMessagePayload { message, conversation, client_mutation_id }))
        }
        .await;
        answer.transpose()
    }
}
