//! Lists of objects, resolved cooperatively: a long response yields the thread between its items.
//!
//! - The framework polls every item of a list at once. Items resolved from memory never wait, so that neither the time
//!   limit nor a client that disconnected could stop such a response early.
//! - Each item consumes one unit of the task's budget, as each read of a socket does. A schema extension would do the
//!   same for each field, at a third of the response time.

use std::{borrow::Cow, future::poll_fn, pin::Pin, task::Poll};

use async_graphql::{
    ContextSelectionSet, OutputType, Positioned, ServerError, ServerResult, Value, parser::types::Field, registry,
};
use tokio::task::coop;

/// The result of a field that returns a list of objects.
#[derive(Debug, Clone)]
pub struct List<T>(Vec<T>);

impl<T> From<Vec<T>> for List<T> {
    fn from(items: Vec<T>) -> Self {
        Self(items)
    }
}

impl<T> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl<T: OutputType> OutputType for List<T> {
    fn type_name() -> Cow<'static, str> {
        <Vec<T> as OutputType>::type_name()
    }

    fn qualified_type_name() -> String {
        <Vec<T> as OutputType>::qualified_type_name()
    }

    fn create_type_info(registry: &mut registry::Registry) -> String {
        <Vec<T> as OutputType>::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        let items = self.0.iter().enumerate().map(|(index, item)| {
            let ctx = ctx.with_index(index);
            Box::pin(async move {
                let resolved = item.resolve(&ctx, field).await;
                // A field below has its own path, which the framework's lists replace by their own.
                resolved.map_err(|error| if error.path.is_empty() { ctx.set_error_path(error) } else { error })
            })
        });
        in_turns(items, self.0.len()).await.map(Value::List)
    }
}

/// Resolves items concurrently, starting as many of them per poll as the task's budget allows. Errors: the first one.
async fn in_turns<F>(mut items: impl Iterator<Item = Pin<Box<F>>>, count: usize) -> ServerResult<Vec<Value>>
where
    F: Future<Output = ServerResult<Value>> + ?Sized,
{
    let mut values = Vec::with_capacity(count);
    let mut waiting: Vec<(usize, Pin<Box<F>>)> = Vec::new();
    poll_fn(move |cx| {
        let mut failed: Option<ServerError> = None;
        waiting.retain_mut(|(place, item)| {
            if !coop::has_budget_remaining() {
                return true;
            }
            let Poll::Ready(resolved) = item.as_mut().poll(cx) else { return true };
            if let Poll::Ready(turn) = coop::poll_proceed(cx) {
                turn.made_progress();
            }
            match resolved {
                Ok(value) => values.get_mut(*place).map_or((), |slot| *slot = value),
                Err(error) => failed = Some(error),
            }
            false
        });
        while failed.is_none() {
            let Poll::Ready(turn) = coop::poll_proceed(cx) else { return Poll::Pending };
            let Some(mut item) = items.next() else {
                return if waiting.is_empty() { Poll::Ready(Ok(std::mem::take(&mut values))) } else { Poll::Pending };
            };
            turn.made_progress();
            match item.as_mut().poll(cx) {
                Poll::Ready(Ok(value)) => values.push(value),
                Poll::Ready(Err(error)) => failed = Some(error),
                Poll::Pending => {
                    waiting.push((values.len(), item));
                    values.push(Value::Null);
                }
            }
        }
        failed.map_or(Poll::Pending, |error| Poll::Ready(Err(error)))
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema, value};
    use tokio::sync::Notify;

    use super::*;

    /// Resolved from memory, and counted.
    struct Row(usize, Arc<AtomicUsize>);

    #[Object]
    impl Row {
        async fn number(&self) -> usize {
            self.1.fetch_add(1, Ordering::SeqCst);
            self.0
        }

        async fn below(&self) -> List<Row> {
            (0..100).map(|number| Row(number, self.1.clone())).collect()
        }
    }

    /// Every third waits for a bell, and one may fail.
    struct Slow(usize, Arc<Notify>);

    #[Object]
    impl Slow {
        async fn number(&self, fail: Option<usize>) -> async_graphql::Result<usize> {
            if self.0.is_multiple_of(3) {
                self.1.notified().await;
            }
            if fail == Some(self.0) { Err("broken".into()) } else { Ok(self.0) }
        }
    }

    struct Root(Arc<AtomicUsize>, Arc<Notify>);

    #[Object]
    impl Root {
        async fn rows(&self, count: usize) -> List<Row> {
            (0..count).map(|number| Row(number, self.0.clone())).collect()
        }

        async fn slow(&self) -> List<Slow> {
            (0..1_000).map(|number| Slow(number, self.1.clone())).collect()
        }
    }

    type Toy = Schema<Root, EmptyMutation, EmptySubscription>;

    fn toy() -> (Toy, Arc<AtomicUsize>, Arc<Notify>) {
        let (count, bell) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        (Schema::new(Root(count.clone(), bell.clone()), EmptyMutation, EmptySubscription), count, bell)
    }

    #[tokio::test]
    async fn a_long_list_is_answered_whole_and_in_order() {
        let (toy, resolved, _) = toy();
        let answer = toy.execute("{ rows(count: 10000) { number } }").await;
        let rows: Vec<Value> = (0..10_000).map(|number| value!({ "number": number })).collect();
        assert_eq!(answer.data, value!({ "rows": rows }));
        assert_eq!(resolved.load(Ordering::SeqCst), 10_000);
    }

    #[tokio::test]
    async fn the_time_limit_stops_what_never_waits() {
        for (question, whole) in
            [("{ rows(count: 10000) { number } }", 10_000), ("{ rows(count: 100) { below { number } } }", 10_000)]
        {
            let (toy, resolved, _) = toy();
            assert!(tokio::time::timeout(Duration::ZERO, toy.execute(question)).await.is_err(), "{question}");
            let begun = resolved.load(Ordering::SeqCst);
            assert!(0 < begun && begun < whole / 20, "{question}: {begun} of {whole}");
        }
    }

    #[tokio::test]
    async fn items_that_wait_keep_their_places() {
        let (toy, _, bell) = toy();
        let ring = tokio::spawn(async move {
            loop {
                bell.notify_waiters();
                tokio::task::yield_now().await;
            }
        });
        let answer = toy.execute("{ slow { number } }").await;
        let rows: Vec<Value> = (0..1_000).map(|number| value!({ "number": number })).collect();
        assert_eq!(answer.data, value!({ "slow": rows }), "{:?}", answer.errors);
        for place in [300, 301] {
            let answer = toy.execute(format!("{{ slow {{ number(fail: {place}) }} }}")).await;
            let path = value!(["slow", place, "number"]);
            assert_eq!(serde_json::to_value(&answer.errors[0].path).unwrap(), path.into_json().unwrap());
        }
        ring.abort();
    }
}
