//! Messages of a conversation: appended one after the other, replaced as a whole, read in pages by position.
//!
//! - Positions have no gaps and are unique: changes lock the conversation's row first.
//! - Subscribers receive messages in the order in which they were committed.

use std::sync::Arc;

use async_graphql::{ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, SubsecRound as _, Utc};
use entity::conversation_message as message;
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::Set,
    ColumnTrait as _, DatabaseTransaction, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select,
    sea_query::{Expr, Func},
};
use uuid::Uuid;

use super::{Conversation, take};
use crate::{
    access::cx::Cx,
    access::{Chat, Viewer},
    connection::{self, PageArgs, PageInfo},
    constraint::{Constrained, Constraint},
    error::{Error, Result},
    id::{Kind, opaque, read_opaque},
    idempotency::KEY,
    list::List,
    ports::Ports,
    scalars::Instant,
    text,
};

// Vocabulary

/// Maximum number of messages in a conversation.
const MAX_MESSAGES: u32 = 10_000;

/// Messages that replace those of a conversation.
pub(super) const MESSAGES: Constraint = Constraint::list(MAX_MESSAGES);

/// Maximum length of all messages of a conversation together, in characters.
const MAX_CHARACTERS: u64 = 4_000_000;

/// Cost of the text of one message.
const CONTENT_COST: u32 = 20;

/// Author's role.
const ROLE: Constraint = Constraint::name(32);

/// Text of a message.
const CONTENT: Constraint = Constraint::text(100_000);

/// Number of rows per statement: a statement takes about 32,000 values.
const AT_ONCE: usize = 1_000;

/// A message of a conversation.
#[derive(Debug, Clone)]
pub struct ConversationMessage {
    row: Arc<message::Model>,
    chat: Chat<Viewer>,
}

/// Input for appending a message. The server sets the time.
#[derive(InputObject, Debug, Clone)]
pub struct ConversationAppendMessageInput {
    /// Author's role, such as `user` or `assistant`, 1 to 32 characters.
    #[graphql(directive = Constrained::apply(ROLE))]
    pub role: String,
    /// Text, 1 to 100,000 characters.
    #[graphql(directive = Constrained::apply(CONTENT))]
    pub content: String,
    /// Idempotency key, 1 to 200 characters. Repeating the mutation with the same key and input within 24 hours creates
    /// nothing and returns the row that was created.
    #[graphql(directive = Constrained::apply(KEY))]
    pub client_mutation_id: Option<String>,
}

/// A message that replaces those of a conversation.
#[derive(InputObject, Debug, Clone)]
pub struct ConversationMessageInput {
    /// Author's role, such as `user` or `assistant`, 1 to 32 characters.
    #[graphql(directive = Constrained::apply(ROLE))]
    pub role: String,
    /// Text, 1 to 100,000 characters.
    #[graphql(directive = Constrained::apply(CONTENT))]
    pub content: String,
    /// Time of the message; null means now.
    pub created_at: Option<Instant>,
}

/// A checked message and its time.
pub(super) struct Checked {
    role: String,
    content: String,
    at: DateTime<Utc>,
}

/// A page of messages, in order.
pub struct ConversationMessageConnection {
    rows: Vec<ConversationMessage>,
    has_previous: bool,
    has_next: bool,
    chat: Chat<Viewer>,
    ports: Ports,
}

/// A message and its cursor.
#[derive(SimpleObject)]
pub struct ConversationMessageEdge {
    /// Opaque cursor of the message, for `after` and `before`.
    pub cursor: String,
    /// The message.
    pub node: ConversationMessage,
}

impl ConversationMessage {
    /// A message as shown to members with access to its conversation.
    pub(super) fn new(chat: &Chat<Viewer>, row: Arc<message::Model>) -> Result<Self> {
        if row.conversation_id != chat.id() {
            return Err(Error::broken("a conversation's proof met another conversation's message"));
        }
        Ok(Self { row, chat: chat.clone() })
    }

    fn cursor(&self) -> String {
        opaque(&format!("{CURSOR}{}", self.row.position))
    }
}

// Rules

/// Prefix of the text inside a cursor. A new format gets a new prefix.
const CURSOR: &str = "m1:";

fn read_cursor(field: &str, cursor: &Option<String>) -> Result<Option<i64>> {
    let Some(cursor) = cursor else { return Ok(None) };
    let position = read_opaque(cursor).and_then(|text| text.strip_prefix(CURSOR)?.parse().ok());
    position
        .map(Some)
        .ok_or_else(|| Error::invalid(field, "must be a cursor of this list, such as `endCursor` or `startCursor`"))
}

/// Checks the role and the text. `at`: position of the message in the input, as a prefix of its fields.
fn checked_message(at: &str, role: &str, content: String) -> Result<(String, String)> {
    let role = text::name(&format!("{at}role"), role, ROLE)?;
    if role.chars().any(char::is_control) {
        return Err(Error::invalid(format!("{at}role"), "cannot contain control characters; use a word such as user"));
    }
    let wrong = |why: String| Err(Error::invalid(format!("{at}content"), why));
    if content.trim().is_empty() {
        return wrong(format!("must have 1 to {} characters and cannot be blank", CONTENT.max_length()));
    }
    if content.contains('\0') {
        return wrong("cannot contain a NUL character".to_owned());
    }
    CONTENT.check_length(&format!("{at}content"), &content)?;
    Ok((role, content))
}

/// Checks messages that replace those of a conversation. Errors: `Invalid`, naming the message by its index.
pub(super) fn checked(ports: &Ports, messages: Vec<ConversationMessageInput>) -> Result<Vec<Checked>> {
    MESSAGES.check_items("messages", messages.len(), "messages")?;
    let characters: usize = messages.iter().map(|message| message.content.chars().count()).sum();
    if characters as u64 > MAX_CHARACTERS {
        return Err(Error::invalid(
            "messages",
            format!("must have at most {MAX_CHARACTERS} characters in total (got {characters})"),
        ));
    }
    let now = ports.now();
    let one = |(index, input): (usize, ConversationMessageInput)| {
        let (role, content) = checked_message(&format!("messages[{index}]."), &input.role, input.content)?;
        let at = input.created_at.map_or(now, |at| at.0.trunc_subsecs(3));
        Ok(Checked { role, content, at })
    };
    messages.into_iter().enumerate().map(one).collect()
}

fn of_conversation(id: Uuid) -> Select<message::Entity> {
    message::Entity::find().filter(message::Column::ConversationId.eq(id))
}

fn row_of(ports: &Ports, conversation: Uuid, position: i64, checked: Checked) -> message::ActiveModel {
    message::ActiveModel {
        id: Set(ports.ids.uuid()),
        conversation_id: Set(conversation),
        position: Set(position),
        role: Set(checked.role),
        content: Set(checked.content),
        sent_at: Set(checked.at),
    }
}

/// Replaces all messages, in the transaction that has locked the conversation's row.
pub(super) async fn replace(
    txn: &DatabaseTransaction,
    ports: &Ports,
    conversation: Uuid,
    messages: Vec<Checked>,
) -> Result<()> {
    message::Entity::delete_many().filter(message::Column::ConversationId.eq(conversation)).exec(txn).await?;
    let mut rows: Vec<message::ActiveModel> =
        (0..).zip(messages).map(|(position, checked)| row_of(ports, conversation, position, checked)).collect();
    while !rows.is_empty() {
        let rest = rows.split_off(rows.len().min(AT_ONCE));
        message::Entity::insert_many(std::mem::replace(&mut rows, rest)).exec_without_returning(txn).await?;
    }
    Ok(())
}

/// Appends a message. Errors: `Invalid`, `NotFound` if the conversation was deleted concurrently, `Conflict` when it is
/// full.
pub async fn append(
    ports: &Ports,
    chat: &Chat<Viewer>,
    input: ConversationAppendMessageInput,
) -> Result<(Chat<Viewer>, message::Model)> {
    let (role, content) = checked_message("", &input.role, input.content)?;
    // A caller who disconnects cannot leave a message stored but not broadcast.
    let (background, ports, proof, id) = (&ports.background, ports.clone(), chat.clone(), chat.id());
    let appended = background.complete(async move {
        // Commits and broadcasts before the next append begins.
        let _turn = ports.told.turn().await;
        let mut txn = ports.begin(&proof).await?;
        let conversation = take(&txn, &ports, id, None).await?;
        let characters = Func::sum(Func::char_length(Expr::col(message::Column::Content)));
        let held: Option<(Option<i64>, Option<i64>)> = of_conversation(id)
            .select_only()
            .column_as(message::Column::Position.max(), "last")
            .column_as(Expr::expr(characters), "characters")
            .into_tuple()
            .one(&txn)
            .await?;
        let (last, characters) = held.unwrap_or_default();
        let position = last.map_or(0, |last| last.saturating_add(1));
        if position >= i64::from(MAX_MESSAGES) {
            return Err(Error::conflict(format!(
                "The conversation has the maximum of {MAX_MESSAGES} messages. Create a new one."
            )));
        }
        let characters = characters.unwrap_or(0).unsigned_abs().saturating_add(content.chars().count() as u64);
        if characters > MAX_CHARACTERS {
            return Err(Error::conflict(format!(
                "The messages of a conversation must have at most {MAX_CHARACTERS} characters in total (got {characters}). Create a new conversation."
            )));
        }
        let checked = Checked { role, content, at: ports.now() };
        let row = row_of(&ports, id, position, checked).insert(&txn).await?;
        txn.created(row.id).await?;
        txn.commit_addition().await?;
        ports.told.tell(&row);
        Ok((conversation, row))
    });
    let (conversation, row) = appended.await?;
    Ok((chat.changed(conversation)?, row))
}

/// One page of messages. Errors: `Invalid` for invalid page arguments.
pub(super) async fn page(ports: &Ports, chat: &Chat<Viewer>, args: &PageArgs) -> Result<ConversationMessageConnection> {
    let sizes = PageArgs { first: args.first, last: args.last, ..PageArgs::default() };
    let window = sizes.window(connection::MAX_PAGE)?;
    let (after, before) = (read_cursor("after", &args.after)?, read_cursor("before", &args.before)?);
    let mut cut = of_conversation(chat.id());
    cut = after.into_iter().fold(cut, |cut, position| cut.filter(message::Column::Position.gt(position)));
    cut = before.into_iter().fold(cut, |cut, position| cut.filter(message::Column::Position.lt(position)));
    cut = if window.backward {
        cut.order_by_desc(message::Column::Position)
    } else {
        cut.order_by_asc(message::Column::Position)
    };
    let mut rows = cut.limit(window.size.saturating_add(1)).all(ports.database.reader(chat)).await?;
    let size = usize::try_from(window.size).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    if window.backward {
        rows.reverse();
    }
    let rows = rows.into_iter().map(|row| ConversationMessage::new(chat, Arc::new(row))).collect::<Result<_>>()?;
    Ok(ConversationMessageConnection {
        rows,
        has_previous: if window.backward { more } else { after.is_some() },
        has_next: if window.backward { before.is_some() } else { more },
        chat: chat.clone(),
        ports: ports.clone(),
    })
}

/// A message, for members with access to its conversation. Errors: `NotFound`, `Forbidden`.
pub(crate) async fn find(cx: &Cx, id: Uuid) -> Result<ConversationMessage> {
    let (row, chat) = cx.message(id).await?;
    ConversationMessage::new(&chat, Arc::new(row))
}

// Graph

/// A message of a conversation.
#[Object]
impl ConversationMessage {
    /// Global ID.
    pub(crate) async fn id(&self) -> ID {
        Kind::ConversationMessage.global(self.row.id)
    }

    /// UUID, as used by REST and support.
    async fn database_id(&self) -> Uuid {
        self.row.id
    }

    /// Position in the conversation, starting at 0, without gaps.
    async fn position(&self) -> i32 {
        i32::try_from(self.row.position).unwrap_or(i32::MAX)
    }

    /// Author's role, such as `user` or `assistant`, 1 to 32 characters.
    async fn role(&self) -> &str {
        &self.row.role
    }

    /// Text, 1 to 100,000 characters.
    #[graphql(directive = crate::cost::cost::apply(CONTENT_COST))]
    async fn content(&self) -> &str {
        &self.row.content
    }

    /// Time of the message, UTC.
    async fn created_at(&self) -> Instant {
        Instant(self.row.sent_at)
    }

    /// The conversation.
    async fn conversation(&self) -> Conversation {
        Conversation(self.chat.clone())
    }
}

/// A page of messages, in order.
#[Object]
impl ConversationMessageConnection {
    /// Messages of this page with their cursors, in order.
    async fn edges(&self) -> List<ConversationMessageEdge> {
        self.rows.iter().map(|row| ConversationMessageEdge { cursor: row.cursor(), node: row.clone() }).collect()
    }

    /// Messages of this page, in order.
    async fn nodes(&self) -> List<&ConversationMessage> {
        self.rows.iter().collect()
    }

    /// Position of this page in the conversation.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_previous_page: self.has_previous,
            has_next_page: self.has_next,
            start_cursor: self.rows.first().map(ConversationMessage::cursor),
            end_cursor: self.rows.last().map(ConversationMessage::cursor),
        }
    }

    /// Number of messages in the whole conversation.
    async fn total_count(&self) -> Option<async_graphql::Result<i32>> {
        let answer: async_graphql::Result<Option<i32>> = async {
            let count = of_conversation(self.chat.id())
                .count(self.ports.database.reader(&self.chat))
                .await
                .map_err(Error::from)?;
            Ok(i32::try_from(count).ok())
        }
        .await;
        answer.transpose()
    }
}
