//! A toy schema with everything the endpoint must cope with: errors, panics, pages, enums, input objects.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_graphql::{Context, Enum, InputObject, Object, Request as GraphRequest, Schema, SimpleObject};
use async_trait::async_trait;
use axum::Router;
use chrono::{DateTime, Utc};
use futures_util::Stream;
use schema::{
    access::Caller,
    error::{Error, Result},
    ports::{Clock, Ids},
    scalars::Instant,
};
use uuid::Uuid;

use crate::http::{
    HttpConfig,
    credential::{Asker, Credential},
    graphql::{Admit, Admitted, Endpoint},
    middleware::{Nothing, middleware},
};

struct Fixed(AtomicU64);

impl Clock for Fixed {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }
}

impl Ids for Fixed {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }

    fn secret(&self, length: usize) -> String {
        "x".repeat(length)
    }
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum Size {
    Small,
    Large,
}

#[derive(InputObject)]
struct When {
    at: Instant,
}

#[derive(SimpleObject)]
struct Row {
    name: String,
    note: Option<String>,
}

struct Query;

#[Object]
impl Query {
    async fn caller(&self, cx: &Context<'_>) -> async_graphql::Result<String> {
        Ok(format!("{:?}", cx.data::<Credential>()?))
    }

    async fn rows(&self, first: Option<i32>) -> Vec<Row> {
        (0..first.unwrap_or(2)).map(|n| Row { name: n.to_string(), note: None }).collect()
    }

    async fn me(&self) -> Query {
        Query
    }

    async fn size(&self, size: Size) -> Size {
        size
    }

    async fn when(&self, when: When) -> Instant {
        when.at
    }

    async fn echo(&self, text: String) -> String {
        text
    }

    // A `Result<Option<_>>` that fails takes its parent with it; an `Option<Result<_>>` only nulls itself.
    async fn secret(&self) -> Option<Result<String>> {
        Some(Err(Error::forbidden("Only owners may see this.")))
    }

    async fn broken(&self) -> Option<Result<String>> {
        Some(Err(Error::broken("SELECT password FROM users")))
    }

    async fn forgotten(&self, cx: &Context<'_>) -> async_graphql::Result<u8> {
        Ok(*cx.data::<u8>()?)
    }

    async fn panics(&self) -> String {
        {
            if std::hint::black_box(true) {
                panic!("boom")
            }
            String::new()
        }
    }

    async fn never(&self, cx: &Context<'_>) -> async_graphql::Result<String> {
        let _guard = Dropped::new(cx)?;
        std::future::pending().await
    }
}

/// Counts a thousand when it is made, and a million when it is dropped.
struct Dropped(Arc<AtomicU64>);

impl Dropped {
    fn new(cx: &Context<'_>) -> async_graphql::Result<Self> {
        let counter = cx.data::<Arc<AtomicU64>>()?.clone();
        counter.fetch_add(1_000, Ordering::SeqCst);
        Ok(Self(counter))
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1_000_000, Ordering::SeqCst);
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn count(&self, cx: &Context<'_>, by: Option<u64>) -> async_graphql::Result<u64> {
        let by = by.unwrap_or(1);
        Ok(cx.data::<Arc<AtomicU64>>()?.fetch_add(by, Ordering::SeqCst) + by)
    }

    async fn verbose(&self, cx: &Context<'_>) -> async_graphql::Result<String> {
        cx.data::<Arc<AtomicU64>>()?.fetch_add(1, Ordering::SeqCst);
        Ok("x".repeat(1_000))
    }

    async fn never(&self) -> u64 {
        std::future::pending().await
    }
}

struct Subscription;

#[async_graphql::Subscription]
impl Subscription {
    async fn silence(&self, cx: &Context<'_>) -> async_graphql::Result<impl Stream<Item = i32>> {
        let guard = Dropped::new(cx)?;
        Ok(futures_util::stream::once(async move {
            let _guard = guard;
            std::future::pending().await
        }))
    }
}

struct Toy;

#[async_trait]
impl Admit for Toy {
    async fn admit(&self, asker: Asker, request: GraphRequest) -> Result<Admitted> {
        match asker.credential {
            Credential::Token(token) if token == "expired" => {
                Err(Error::unauthenticated("The access token has expired."))
            }
            other => {
                let is_known = other != Credential::None;
                Ok(Admitted { caller: Caller::Anonymous, is_known, request: request.data(other) })
            }
        }
    }
}

pub(super) fn app(config: HttpConfig) -> Router {
    let counter = Arc::new(AtomicU64::new(0));
    let schema = Schema::build(Query, Mutation, Subscription).data(counter).finish();
    let sdl = schema.sdl();
    let fixed = Arc::new(Fixed(AtomicU64::new(1)));
    let endpoint = Endpoint::new(schema, Toy, &sdl, config.clone(), fixed.clone()).expect("an SDL that parses");
    middleware(Nothing, endpoint.routes(), &config, fixed).into_router()
}
