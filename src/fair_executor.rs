//! Executes GraphQL requests, of every caller as many at the same time as leaves room for the others.
//!
//! - A request waits for its turn within its time limit.
//! - Subscriptions do not wait: each has a bound of its own.

use std::{any::TypeId, sync::Arc};

use async_graphql::{Data, Executor, Request, Response, parser::types::OperationType};
use futures_util::stream::BoxStream;
use schema::{Cx, access::Caller};
use uuid::Uuid;

use crate::fair_queue::{FairQueue, Places};

/// Requests that are executed at the same time. More than there are processors, as most of them wait for a store.
const PLACES: Places = Places { total: 24, alone: 16, beside_others: 3 };

/// Whose requests share places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Share {
    /// One account.
    User(Uuid),
    /// The API keys of one team.
    Keys(Uuid),
    /// All anonymous queries together.
    Anonymous,
    /// All anonymous mutations together: signing in waits for no public dashboard.
    SigningIn,
    /// The person at the command line.
    Operator,
}

/// An executor whose callers take turns.
#[derive(Clone)]
pub struct FairExecutor<E> {
    inner: E,
    queue: FairQueue<Share>,
}

impl<E: Executor> FairExecutor<E> {
    /// Takes turns at `inner`.
    #[must_use]
    pub fn new(inner: E) -> Self {
        Self { inner, queue: FairQueue::new(PLACES) }
    }

    /// Executes with `other` instead, in the same queue.
    #[must_use]
    pub fn beside<O: Executor>(&self, other: O) -> FairExecutor<O> {
        FairExecutor { inner: other, queue: self.queue.clone() }
    }
}

impl<E: Executor> Executor for FairExecutor<E> {
    async fn execute(&self, request: Request) -> Response {
        let _turn = self.queue.turn(share(&request)).await;
        self.inner.execute(request).await
    }

    fn execute_stream(&self, request: Request, session: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        self.inner.execute_stream(request, session)
    }
}

fn share(request: &Request) -> Share {
    let is_mutation = found::<OperationType>(request) == Some(&OperationType::Mutation);
    match found::<Cx>(request).map(Cx::caller) {
        Some(Caller::User { user, .. }) => Share::User(user),
        Some(Caller::Key { team, .. }) => Share::Keys(team),
        Some(Caller::Operator) => Share::Operator,
        Some(Caller::Anonymous | Caller::Refused(_)) | None if is_mutation => Share::SigningIn,
        Some(Caller::Anonymous | Caller::Refused(_)) | None => Share::Anonymous,
    }
}

/// What the request carries of a type.
fn found<T: 'static>(request: &Request) -> Option<&T> {
    request.data.get(&TypeId::of::<T>())?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _, future::pending, stream};

    use super::*;

    /// Never answers.
    #[derive(Clone)]
    struct Busy;

    impl Executor for Busy {
        async fn execute(&self, _: Request) -> Response {
            pending().await
        }

        fn execute_stream(&self, _: Request, _: Option<Arc<Data>>) -> BoxStream<'static, Response> {
            stream::pending().boxed()
        }
    }

    /// Answers at once.
    #[derive(Clone)]
    struct Idle;

    impl Executor for Idle {
        async fn execute(&self, _: Request) -> Response {
            Response::default()
        }

        fn execute_stream(&self, _: Request, _: Option<Arc<Data>>) -> BoxStream<'static, Response> {
            stream::empty().boxed()
        }
    }

    #[test]
    fn signing_in_waits_for_no_public_dashboard() {
        let busy = FairExecutor::new(Busy);
        let idle = busy.beside(Idle);
        let request = |kind: OperationType| Request::new("{ __typename }").data(kind);
        let mut dashboards: Vec<_> = (0..40).map(|_| Box::pin(busy.execute(request(OperationType::Query)))).collect();
        assert!(dashboards.iter_mut().all(|dashboard| dashboard.now_or_never().is_none()));
        assert!(idle.execute(request(OperationType::Query)).now_or_never().is_none(), "behind the others like it");
        for _ in 0..100 {
            assert!(idle.execute(request(OperationType::Mutation)).now_or_never().is_some());
        }
        drop(dashboards);
        assert!(idle.execute(request(OperationType::Query)).now_or_never().is_some());
    }
}
