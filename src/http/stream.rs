//! Operations whose response may be a stream: shared by WebSocket and event streams.
//!
//! - A query or a mutation has one result, with the same limits as over plain HTTP.
//! - A subscription runs until it ends or is dropped; a panic ends it with an error.

use std::{panic::AssertUnwindSafe, sync::Arc};

use async_graphql::{Executor, parser::types::OperationType};
use futures_util::{
    FutureExt as _, StreamExt as _,
    stream::{BoxStream, unfold},
};
use schema::error::Error;

use super::{
    RequestId,
    answer::Rendered,
    credential::Asker,
    graphql::{Admit, Checking, Endpoint},
    refusal::Refusal,
    request::Asked,
};

/// A running operation.
pub enum Opened {
    /// The only result.
    One(Box<Rendered>),
    /// Results until the end.
    Stream(BoxStream<'static, Rendered>),
}

impl<E: Executor, A: Admit> Endpoint<E, A> {
    /// Starts an operation. Errors: everything that prevents its execution or aborts a query.
    pub(super) async fn open(
        self: &Arc<Self>,
        asked: Asked,
        checking: Checking<'_>,
        asker: Asker,
        get: bool,
        id: RequestId,
    ) -> Result<Opened, Refusal> {
        let (prepared, limit) = self.prepared(asked, checking, &asker.credential, get, true)?;
        if prepared.operation != OperationType::Subscription {
            return self.execute((prepared, limit), asker, id).await.map(|answer| Opened::One(Box::new(answer)));
        }
        let request = self.admitted(asker, prepared.request, prepared.cost).await?.request.data(id);
        let answers = self.executor.execute_stream(request, None);
        let endpoint = Arc::clone(self);
        let rendered = unfold(Some(answers), move |answers| {
            let endpoint = Arc::clone(&endpoint);
            async move {
                let mut answers = answers?;
                match AssertUnwindSafe(answers.next()).catch_unwind().await {
                    Ok(Some(answer)) => {
                        let refused = answer.data == async_graphql::Value::Null && !answer.errors.is_empty();
                        Some((endpoint.rendered(answer, refused, id), Some(answers)))
                    }
                    Ok(None) => None,
                    Err(_panic) => {
                        let error = async_graphql::Error::from(Error::broken("a subscription panicked"));
                        let answer =
                            async_graphql::Response::from_errors(vec![error.into_server_error(Default::default())]);
                        Some((endpoint.rendered(answer, true, id), None))
                    }
                }
            }
        });
        Ok(Opened::Stream(rendered.boxed()))
    }
}
