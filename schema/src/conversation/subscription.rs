//! The subscription to the messages of a conversation.
//!
//! - A subscriber that falls too far behind receives an error and the stream ends, rather than losing messages
//!   silently.

use std::sync::Arc;

use async_graphql::{Context, ID, Subscription};
use entity::conversation_message as message;
use futures_util::{
    StreamExt as _,
    stream::{BoxStream, unfold},
};
use tokio::sync::broadcast::error::RecvError;

use super::messages::ConversationMessage;
use crate::{
    access::{
        Chat, On, Reach as _, Role, Viewer, access_directive,
        stream_access::{IDLE, Lasting, Proven},
    },
    error::{Error, Result},
    message_broadcast::Heard,
};

/// A subscriber whose access is re-checked.
struct Listener {
    lasting: Lasting,
    chat: Chat<Viewer>,
    heard: Heard,
}

impl Listener {
    /// Errors: 401, 400 (malformed ID), 404, 403.
    async fn begin(ctx: &Context<'_>, id: &ID) -> Result<Self> {
        let (cx, lasting) = (ctx.cx()?, Lasting::begin(ctx.cx()?));
        let prove = || cx.chat("conversationId", id);
        let heard = cx.ports().told.listen(prove().await?.id());
        // Checked again after subscribing: a stream of a conversation deleted in between would never end.
        Ok(Self { lasting, chat: prove().await?, heard })
    }

    /// The next message; `None` once the conversation is deleted. Errors: lost access, or too far behind.
    async fn next(&mut self) -> Option<Result<ConversationMessage>> {
        let heard = loop {
            match tokio::time::timeout(IDLE, self.heard.recv()).await {
                Ok(heard) => break heard,
                Err(_) => {
                    let due = self.lasting.is_due_when_idle().await;
                    if let Err(error) = self.renew(due).await {
                        return Some(Err(error));
                    }
                }
            }
        };
        match heard {
            Ok(row) => Some(self.face(row).await),
            Err(RecvError::Closed) => None,
            Err(RecvError::Lagged(missed)) => Some(Err(Error::Unavailable {
                retry_after: 1,
                why: format!("The subscription fell {missed} messages behind. Query `messages` and subscribe again."),
            })),
        }
    }

    async fn face(&mut self, row: Arc<message::Model>) -> Result<ConversationMessage> {
        let due = self.lasting.is_due().await;
        self.renew(due).await?;
        ConversationMessage::new(&self.chat, row)
    }

    async fn renew(&mut self, due: Result<Option<Proven>>) -> Result<()> {
        if let Some(proven) = due? {
            self.chat = self.lasting.cx().chat("conversationId", &self.chat.id().to_string()).await?;
            self.lasting.renew(proven);
        }
        Ok(())
    }
}

// Graph

/// Conversation subscriptions.
#[derive(Debug, Default, Clone, Copy)]
pub struct ConversationSubscription;

#[Subscription]
impl ConversationSubscription {
    /// Messages appended to a conversation, each once, in order. The stream ends when the conversation is deleted, and
    /// ends with an error when the caller loses access or falls 256 messages behind.
    #[doc = access_line!(CONVERSATION, VIEWER)]
    #[graphql(directive = access_directive::access::apply(On::Conversation, Some(Role::Viewer), None))]
    async fn conversation_message_added(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The conversation: global ID or UUID.")] conversation_id: ID,
    ) -> async_graphql::Result<BoxStream<'static, Result<ConversationMessage>>> {
        let listener = Listener::begin(ctx, &conversation_id).await?;
        let messages = unfold(Some(listener), |state| async move {
            let mut listener = state?;
            let message = listener.next().await?;
            let goes_on = message.is_ok().then_some(listener);
            Some((message, goes_on))
        });
        Ok(messages.boxed())
    }
}
