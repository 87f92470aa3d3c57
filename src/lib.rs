//! Footfall: self-hosted web analytics with a GraphQL schema at its core; this crate is one way to serve it.
//!
//! This file is the only wiring: it opens the stores, builds the schema, mounts the routes and runs them.

pub mod account_pages;
mod allocators;
pub mod auth;
pub mod body;
pub mod cli;
pub mod config;
pub mod data_folder;
pub mod database;
pub mod demo;
pub mod domain_verification;
pub mod erasure;
pub mod events;
pub mod fair_queue;
pub mod form_encoding;
pub mod health;
pub mod http;
pub mod import;
pub mod ingest;
pub mod jobs;
pub mod live;
pub mod log;
pub mod long_work;
pub mod mail;
pub mod outgoing;
pub mod passwords;
pub mod rate_limit;
pub mod rest;
pub mod series_buckets;
pub mod server;
mod start_error;
pub mod system;
#[cfg(test)]
mod test_server;
pub mod tokens;
pub mod tracker;
pub mod turns;
pub mod variable_defaults;
pub mod vault;
mod visitor_map;
pub mod webhooks;
pub mod widgets;

pub use start_error::StartError;

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{Json, Router, routing::get};
use schema::{
    Ports,
    access::Operator,
    background::Background,
    ports::{Clock, DomainProof, Events, Ids, NoTraffic, Sink},
};

use crate::{
    auth::Door,
    config::Config,
    data_folder::Held,
    domain_verification::Internet,
    erasure::Eraser,
    events::{Store, duckdb::Budget},
    health::Health,
    http::{Endpoint, HttpConfig, Middleware, PersistedDocuments, middleware},
    import::{Importer, handover},
    ingest::{
        agent::Agents,
        chain::Chain,
        delivery::Delivery,
        endpoints::{Gateway, payments},
        enrich::Enricher,
        intake::{self, Intake, Sequencer},
        journal::{self, outbox::OutboxReader},
        ledger::{Book, Notes},
        limiter::Limiter,
        quotas::{self, TeamEvents},
        read_your_writes::ReadYourWrites,
        salts::Salts,
        seen::{Limits, Seen},
        sites::Sites as Tracked,
    },
    jobs::{JOBS, Work, supervisor::Jobs},
    live::{Hub, MEMORY_MS},
    outgoing::Outgoing,
    passwords::BoundedArgon2,
    rate_limit::Callers,
    rest::{Rest, Shell},
    server::{connections::Connections, listeners::Listeners},
    system::{SystemClock, SystemIds},
    tokens::{Keyring, external::External},
    vault::FolderVault,
    webhooks::{Relay, Sender},
};

/// The REST API's documents.
pub const DOCUMENTS: &[&str] = &[
    include_str!("../schema/rest/external.graphql"),
    include_str!("../schema/rest/websites.graphql"),
    include_str!("../schema/rest/users.graphql"),
    include_str!("../schema/rest/auth.graphql"),
    include_str!("../schema/rest/api-keys.graphql"),
    include_str!("../schema/rest/webhooks.graphql"),
    include_str!("../schema/rest/teams.graphql"),
    include_str!("../schema/rest/conversations.graphql"),
    include_str!("../schema/rest/onboarding.graphql"),
    include_str!("../schema/rest/billing.graphql"),
    include_str!("../schema/rest/live.graphql"),
];

/// Descriptions of the routes that are not documents: ingest, widgets, health, keys.
const BESIDE: &str = include_str!("../schema/rest/fixed.json");

/// How long requests may still run after a stop was requested.
const GRACE: Duration = Duration::from_secs(10);

/// How long background jobs may still run after that, to deliver what was accepted.
const DRAIN: Duration = Duration::from_secs(20);

/// A running installation: its stores are open and its data folder is held.
pub struct App {
    /// What the schema reaches.
    pub ports: Ports,
    /// Log import.
    pub importer: Importer,
    config: Config,
    service: Middleware<Arc<Gateway>>,
    store: Store,
    inflow: Inflow,
    intake: Intake,
    jobs: Jobs,
    held: Arc<Held>,
}

/// The way of events to the event store.
struct Inflow {
    intake: intake::Task,
    delivery: Delivery,
    relay: Relay,
    sender: Sender,
}

/// The clock and the generator; tests supply their own.
#[derive(Clone)]
pub struct Surroundings {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// IDs and secrets.
    pub ids: Arc<dyn Ids>,
    /// Domain verification lookups.
    pub proof: Arc<dyn DomainProof>,
}

impl Default for Surroundings {
    fn default() -> Self {
        let ids = Arc::new(SystemIds);
        Self { clock: Arc::new(SystemClock), proof: Arc::new(Internet::new(ids.clone())), ids }
    }
}

/// Opens the control plane only: for commands that work beside a running server.
///
/// # Errors
/// When the database or the signing keys cannot be opened.
pub async fn control_plane(
    config: &Config,
    events: Arc<dyn Events>,
    around: &Surroundings,
) -> Result<(Ports, Arc<Keyring>), StartError> {
    let place = match &config.settings.database_url {
        Some(url) => url.clone(),
        None => {
            config.data.create()?;
            config.data.control_plane().to_string_lossy().into_owned()
        }
    };
    let (writer, reader) = database::open(&place).await.map_err(|error| StartError::new(error.to_string()))?;
    config.data.create()?;
    let keyring = Keyring::open(config.data.keys(), around.clock.clone())
        .map_err(|error| StartError::new(format!("cannot open the signing keys: {error}")))?;
    let keyring = Arc::new(keyring.with_minutes(i64::from(config.settings.token_minutes)));
    let changes = Arc::default();
    let ports = Ports {
        database: schema::database::Database::new(writer, reader, Arc::clone(&changes)),
        events,
        clock: around.clock.clone(),
        ids: around.ids.clone(),
        passwords: Arc::new(BoundedArgon2::default()),
        tokens: keyring.clone(),
        issuer: config.issuer.clone().map(|issuer| External::open(issuer, around.clock.clone())),
        sign_up: config.settings.signup,
        limits: config.settings.limits,
        key_usage: Arc::default(),
        attempts: Arc::default(),
        mail: mail::sender(config.mail.as_ref(), &config.public_url(), &around.clock, &around.ids)?,
        changes,
        told: Arc::default(),
        background: Background::default(),
        live: Arc::new(NoTraffic),
        ledger: Arc::new(NoTraffic),
        proof: around.proof.clone(),
        erasure: Arc::new(NoTraffic),
        outgoing: Arc::new(outgoing(config)),
        vault: Arc::new(FolderVault::new(&config.data.secret()?)?),
        deliveries: Arc::default(),
    };
    Ok((ports, keyring))
}

fn outgoing(config: &Config) -> Outgoing {
    let settings = &config.settings;
    Outgoing { allows_private: settings.webhook_private, allows_http: settings.webhook_http }
}

/// The REST API over the published schema.
///
/// # Errors
/// A document does not match the schema.
pub fn rest_api() -> Result<Rest, StartError> {
    let index = schema::index().map_err(StartError::new)?;
    Rest::load(DOCUMENTS, Arc::new(index))
        .and_then(|rest| rest.beside(BESIDE))
        .map_err(|error| StartError::new(format!("invalid REST document: {error}")))
}

impl App {
    /// Opens everything and mounts the routes.
    ///
    /// # Errors
    /// When the folder is held by another process, or a store cannot be opened. A folder that did not exist before is removed.
    pub async fn build(config: Config, around: Surroundings) -> Result<Self, StartError> {
        let held = Arc::new(config.data.hold()?);
        Self::open(config, around, Arc::clone(&held)).await.inspect_err(|_| held.discard())
    }

    async fn open(config: Config, around: Surroundings, held: Arc<Held>) -> Result<Self, StartError> {
        let secret = config.data.secret()?;
        let budget = Budget { memory_mib: config.settings.memory_mib, threads: config.settings.threads };
        let time_limit = Duration::from_secs(config.settings.timeout_seconds);
        let path = config.data.event_store();
        let store = tokio::task::spawn_blocking(move || Store::open(Some(&path), budget, time_limit))
            .await
            .map_err(|error| StartError::new(error.to_string()))?
            .map_err(|error| StartError::new(format!("cannot open the event store: {error}")))?;
        let (mut ports, keyring) = control_plane(&config, Arc::new(store.clone()), &around).await?;
        let enricher =
            Arc::new(Enricher::new(config.settings.geo_database.as_deref(), config.settings.datacentres.as_deref())?);
        let scratch = config.data.path().to_path_buf();
        let importer = Importer {
            events: Arc::new(store.clone()),
            clock: ports.clock.clone(),
            enricher,
            secret,
            scratch,
            turn: Arc::default(),
        };
        let (inflow, gateway) = inflow(&config, &mut ports, &held.operator(), store.clone(), &importer).await?;
        let intake = gateway.intake.clone();
        let jobs = Jobs::default();
        let health = Health::new(ports.clone(), Arc::new(store.clone()), intake.clone(), jobs.clone());
        let service = routes(&config, &ports, keyring, gateway, health)?;
        Ok(Self { ports, importer, config, service, store, inflow, intake, jobs, held })
    }

    /// The routes, for benchmarks with their own listener.
    pub fn router(&self) -> Router {
        self.service.clone().into_router()
    }

    /// Proof that this process has locked the data folder.
    #[must_use]
    pub fn operator(&self) -> Operator {
        self.held.operator()
    }

    /// The intake.
    #[must_use]
    pub fn intake(&self) -> Intake {
        self.intake.clone()
    }

    /// The event store, for benchmarks that query it directly.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Serves until `stop` resolves, then waits for running requests.
    ///
    /// # Errors
    /// When the socket for imports cannot be created. A folder that did not exist before is removed.
    pub async fn serve(
        self,
        listeners: impl Into<Listeners>,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), StartError> {
        // The rules for user agents take a tenth of a second to compile; no request waits for them.
        tokio::task::spawn_blocking(Agents::warm);
        let background = self.ports.background.clone();
        let socket = self.config.data.socket();
        let listener = handover::listen(&socket).inspect_err(|_| self.held.discard())?;
        let work = Work {
            operator: self.operator(),
            imports: (listener, self.importer),
            ports: self.ports,
            intake: self.inflow.intake.into(),
            delivery: self.inflow.delivery.into(),
            relay: self.inflow.relay.into(),
            sender: self.inflow.sender.into(),
        };
        self.jobs.start(JOBS, work);
        let (told, stopping) = tokio::sync::oneshot::channel::<()>();
        let connections = Arc::new(Connections::new(self.config.connections()));
        let serving = server::serve(listeners, self.service, connections, async move {
            stop.await;
            drop(told);
        });
        let overdue = async {
            let _ = stopping.await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            () = serving => {}
            () = overdue => tracing::warn!("requests were still running ten seconds after the stop"),
        }
        let ended = async { tokio::join!(self.jobs.stop(), background.finish()) };
        if tokio::time::timeout(DRAIN, ended).await.is_err() {
            tracing::warn!(
                "background jobs were still running at the end; undelivered events stay in the journal until the next start"
            );
        }
        let _ = std::fs::remove_file(socket);
        Ok(())
    }
}

/// Opens the journal, delivers what a crash left in it, and restores the live visitors.
async fn inflow(
    config: &Config,
    ports: &mut Ports,
    operator: &Operator,
    store: Store,
    importer: &Importer,
) -> Result<(Inflow, Gateway), StartError> {
    let place = config.data.journal();
    let (mut writer, reader) = journal::open(&place).await?;
    let sink: Arc<dyn Sink> = Arc::new(store);
    let position = sink.delivered().await?;
    writer.begin_after(position).await?;
    let hub = Hub::new(ports.clock.clone());
    let notes = Notes::default();
    ports.live = Arc::new(hub.clone());
    ports.ledger = Arc::new(Book::open(&place, ports.clock.clone(), notes.clone()).await?);
    let mut delivery =
        Delivery { sink: sink.clone(), clock: ports.clock.clone(), journal: reader, state: Arc::default() };
    delivery.state.delivered.store(position, Ordering::Release);
    let position = delivery.begin().await?;
    let left = delivery.journal.bytes_after(position).await?;
    // The running server erases the rest.
    if left == 0 {
        erasure::at_start(ports, operator, &*sink, &mut writer, position).await?;
    }
    let since_ms = ports.now().timestamp_millis() - MEMORY_MS;
    let mut recent = sink.since(since_ms).await?;
    recent.extend(delivery.newest_left(since_ms).await?);
    hub.recall(&recent);
    let seen = Seen::open(&config.data.seen_ids(), writer.recent_ids().await?, Limits::default())
        .map_err(|error| StartError::new(format!("cannot open the IDs of earlier events: {error}")))?;
    let most_bytes = u64::from(config.settings.journal_mib) << 20;
    let month = quotas::month_of(ports.now().timestamp_millis());
    let team_events = TeamEvents::new(month, writer.team_events(month).await?);
    let (sequencer, state) = Sequencer::new(ports.clock.clone(), hub, most_bytes, &recent, seen, position);
    let sequencer = sequencer.with_team_events(team_events);
    delivery.state = Arc::clone(&state);
    if left > 0 {
        state.left(writer.last(), left);
    }
    let mut outbox = OutboxReader::open(&place).await?;
    state.outbox.store(outbox.count().await?, Ordering::Release);
    let relay = Relay { outbox, state: Arc::clone(&state) };
    ports.events = Arc::new(ReadYourWrites { events: ports.events.clone(), state });
    let (intake, task) = sequencer.open(writer);
    ports.erasure = Arc::new(Eraser { intake: intake.clone(), sink });
    let gateway = Gateway {
        sites: Tracked::new(ports.clone(), *operator),
        chain: Chain {
            enricher: importer.enricher.clone(),
            secret: importer.secret.clone(),
            salts: Arc::new(Salts::new(config.data.salts())),
            session_agents: Arc::default(),
            clock: ports.clock.clone(),
            ids: ports.ids.clone(),
        },
        intake,
        notes,
        proxies: Arc::new(config.settings.trusted_proxies.clone()),
        limiter: Arc::new(Limiter::new(config.settings.ingest_per_minute)),
        ports: ports.clone(),
    };
    let sender = Sender::new(ports.clone(), *operator, outgoing(config));
    Ok((Inflow { intake: task, delivery, relay, sender }, gateway))
}

fn routes(
    config: &Config,
    ports: &Ports,
    keyring: Arc<Keyring>,
    gateway: Gateway,
    health: Health,
) -> Result<Middleware<Arc<Gateway>>, StartError> {
    let rest = rest_api()?;
    let health = Arc::new(health);
    let http = HttpConfig {
        trusted: PersistedDocuments::new(rest.stored().map(|stored| stored.text), config.settings.free_text),
        cors_origins: config.settings.cors_origins.clone(),
        introspection: config.settings.introspection,
        timeout: Duration::from_secs(config.settings.timeout_seconds),
        answer_bytes: (config.settings.answer_mib as usize) << 20,
        buckets: series_buckets::at_most,
        ..HttpConfig::default()
    };
    let proxies = config.settings.trusted_proxies.clone();
    let callers = Callers::new(ports.limits, ports.clock.clone(), proxies, gateway.limiter.clone());
    let callers = Arc::new(callers.with_places(gateway.chain.enricher.clone()));
    let door = Door::new(ports.clone(), callers.clone(), &gateway.chain.secret);
    let trusted = schema::build_trusted();
    let executor = schema::build(config.settings.introspection);
    let graphql = Endpoint::new(executor, door.clone(), rest.index(), http.clone(), ports.clock.clone());
    let accounts = account_pages::routes(trusted.clone(), door.clone());
    let rest = rest.router(Shell {
        executor: Arc::new(trusted),
        gate: Arc::new(door),
        clock: ports.clock.clone(),
        timeout: http.timeout,
        answer_bytes: http.answer_bytes,
    });
    let fixed = Router::new()
        .route("/health", get(move || async move { health.answer().await }))
        .route("/.well-known/jwks.json", get(move || async move { Json(keyring.jwks()) }));
    let widgets = rate_limit::limited(widgets::routes::routes(ports.clone(), gateway.sites.clone()), callers.clone());
    // Shared: the server copies what it serves for each connection.
    let gateway = Arc::new(gateway);
    let payments = payments::routes(Arc::clone(&gateway));
    let routes = graphql.routes().merge(rest).merge(fixed).merge(tracker::routes()).merge(widgets).merge(accounts);
    Ok(middleware(gateway, routes.merge(payments), &http, ports.ids.clone(), callers))
}
