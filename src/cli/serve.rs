//! `serve` and `demo`: a server until a signal stops it.

use std::{future::Future, path::Path, sync::Arc};

use async_graphql::MaybeUndefined;
use schema::{
    Ports,
    access::Operator,
    api_key,
    ports::SignUp,
    scalars::EmailAddress,
    session, user,
    website::{
        self, NewWebsite,
        general::{WebsiteUpdateGeneralInput, update_general},
    },
};
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use super::{configured, print::say};
use crate::{
    App, StartError, Surroundings,
    config::{Config, Flags, choices::SignUpSetting, listen::ListenAddress},
    demo,
    server::listeners::Listeners,
};

/// The demo account.
const DEMO_EMAIL: &str = "demo@footfall.example";

/// Runs the server until it is stopped.
///
/// # Errors
/// When the port is in use, the data folder is in use, or a store cannot be opened.
pub(super) async fn serve(config: Config) -> Result<(), StartError> {
    raise_file_limit();
    if config.settings.signup == SignUp::Open && config.mail.is_none() {
        tracing::warn!(
            "sign-up is open and mail is not configured, so e-mail addresses are not confirmed: set mail_host, or signup = \"invite\""
        );
    }
    let (listeners, base) = listen(&config.settings.listen).await?;
    let app = App::build(config.clone(), Surroundings::default()).await?;
    let has_accounts = user::count(&app.ports, &app.operator()).await? > 0;
    // Installed before the address is printed, so that a signal after that stops the server cleanly.
    let stop = stopped()?;
    say(&format!("Footfall listens on {base}"))?;
    say(&format!("GraphiQL is at {base}/graphql"))?;
    let data = absolute(config.data.path());
    say(&format!("Version {}, data folder {data}", env!("CARGO_PKG_VERSION")))?;
    if !has_accounts {
        say(&format!(
            "No account exists yet. Create the first one, the operator's, in another terminal:\n  footfall user create --email you@example.com --data {}",
            shell_word(&data)
        ))?;
    }
    app.serve(listeners, stop).await
}

/// Runs the demo until it is stopped.
///
/// # Errors
/// Like [`serve`]; also when the given data folder already contains accounts.
pub(super) async fn demo(mut flags: Flags) -> Result<(), StartError> {
    let temporary = match &flags.data {
        Some(_) => None,
        None => {
            let folder = tempfile::Builder::new().prefix("footfall-demo-").tempdir();
            let folder =
                folder.map_err(|error| StartError::new(format!("cannot create a temporary folder: {error}")))?;
            flags.data = Some(folder.path().to_path_buf());
            Some(folder)
        }
    };
    flags.signup = flags.signup.or(Some(SignUpSetting::Open));
    // A demo is used for longer than a quarter of an hour.
    flags.token_minutes = flags.token_minutes.or(Some(24 * 60));
    let config = configured(flags)?;
    raise_file_limit();
    let (listeners, base) = listen(&config.settings.listen).await?;
    let data = absolute(config.data.path());
    let app = App::build(config, Surroundings::default()).await?;
    let ports = app.ports.clone();
    let operator = app.operator();
    if user::count(&ports, &operator).await? > 0 {
        return Err(StartError::new(
            "the demo requires an empty data folder; omit --data, or run `footfall serve` instead".to_owned(),
        ));
    }
    let password = ports.ids.secret(16);
    user::creation::create(&ports, &operator, DEMO_EMAIL, password.clone(), Some("Demo".to_owned())).await?;
    let team = operator.default_team(&ports, DEMO_EMAIL).await?;
    let now = ports.clock.now();
    let mut sites = Vec::new();
    for site in demo::websites() {
        let new = NewWebsite {
            domain: site.domain.to_owned(),
            name: site.name.to_owned(),
            timezone: site.timezone.parse().ok(),
            currency: Some(site.currency.to_owned()),
        };
        let id = website::create(&ports, &team, new).await?.id();
        demo::fill(site, id, demo::SEED, now, &ports.events).await?;
        sites.push((site, id));
    }
    let code = demo_code(&ports, &operator, sites.first().map(|(_, id)| *id)).await?;
    let (_, key) = api_key::create(&ports, &team, "Demo", None, api_key::Grant::default()).await?;
    let email = EmailAddress::checked(DEMO_EMAIL)
        .ok_or_else(|| StartError::new("the demo's e-mail address is invalid".to_owned()))?;
    let token = session::sign_in(&ports, &email, password.clone(), None).await?.0.access_token;
    let version = env!("CARGO_PKG_VERSION");
    let lifetime = if temporary.is_some() { "  (deleted when the demo ends)" } else { "" };
    let first = sites.first().map(|(_, id)| id.to_string()).unwrap_or_default();
    let stop = stopped()?;
    say(&format!(
        "Footfall's demo: three websites, 90 days of traffic, visitors arriving now.

  GraphiQL    {base}/graphql#token={token}&website={first}
  Tracker     {base}/playground/tracker.html#token={token}&website={first}
  Widget      {base}/widgets/{code}/realtime
  Sign in     {DEMO_EMAIL}  password {password}
  API key     {key}
  Website     {first}  (bergkaffee.example)
  Version     {version}
  Data        {data}{lifetime}

Commands to try:

  curl -H 'X-API-Key: {key}' {base}/api/external/v1/websites

  curl -H 'X-API-Key: {key}' '{base}/api/external/v1/analytics/{first}?range=30d'

  curl -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' {base}/graphql \\
    -d '{{\"query\":\"{{ website(id: \\\"{first}\\\") {{ name analytics(range: {{ preset: LAST_30_DAYS }}) {{ totals {{ visitors pageviews }} breakdown(by: PAGE, first: 3) {{ nodes {{ value metrics {{ pageviews }} }} }} }} }} }}\"}}'

Press Ctrl-C to stop."
    ))?;
    let visitors = demo::trickle(sites, demo::SEED, app.intake(), Arc::clone(&ports.clock));
    let served = tokio::select! {
        served = app.serve(listeners, stop) => served,
        never = visitors => match never {},
    };
    drop(temporary);
    served
}

/// The tracking code of the first website, which accepts events of pages on this machine, such as the page with the
/// tracker.
async fn demo_code(ports: &Ports, operator: &Operator, first: Option<Uuid>) -> Result<String, StartError> {
    let Some(first) = first else { return Ok(String::new()) };
    let site = operator.site(ports, &first.to_string()).await?;
    let input = WebsiteUpdateGeneralInput { allow_localhost: MaybeUndefined::Value(true), ..Default::default() };
    let site = update_general(ports, &site.lower(), input).await?;
    Ok(site.website().tracking_code.clone())
}

/// Raises the limit of open files as far as the system allows: each connection needs one.
fn raise_file_limit() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(error.source = %error, "cannot raise the limit of open files");
    }
}

/// Listens, and returns the base URL too, with the port that the system chose for 0.
async fn listen(at: &ListenAddress) -> Result<(Listeners, String), StartError> {
    let listeners = Listeners::bind(at).await.map_err(|error| {
        StartError::new(match error.kind() {
            std::io::ErrorKind::AddrInUse => format!("{at} is already in use; choose another address with --listen"),
            _ => format!("cannot listen on {at} ({error}); choose another address with --listen"),
        })
    })?;
    let address =
        listeners.address().map_err(|error| StartError::new(format!("cannot read the listener's address: {error}")))?;
    Ok((listeners, format!("http://{}", at.with_port(address.port()))))
}

/// The path from the root, to be understood in another folder too.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string()
}

/// The text as one word of a shell command.
fn shell_word(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Resolves at SIGINT or SIGTERM.
fn stopped() -> Result<impl Future<Output = ()> + Send + 'static, StartError> {
    let failed = |error| StartError::new(format!("cannot receive signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
