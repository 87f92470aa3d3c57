//! The command line: what can be said, and what happens then. `--help` is the manual.

mod import;
mod serve;

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    process::ExitCode,
    sync::Arc,
};

use async_trait::async_trait;
use clap::{Args, Parser, Subcommand};
use schema::{
    Ports,
    access::{Operator, Owner, Team},
    analytics::{
        event::Event,
        plan::{Answer, Plan},
    },
    api_key, error, password,
    ports::{Appended, Events},
    user,
    website::{self, NewWebsite},
};
use tracing_subscriber::EnvFilter;
use uuid::Uuid;

use crate::{
    StartError, Surroundings,
    config::{Config, Flags},
    control_plane, data_folder, log,
};

/// Self-hosted web analytics with a GraphQL API.
///
/// Every setting has an environment twin and, but for the data folder, a place in a configuration file: DATA/footfall.toml, or the file that
/// --config names.
#[derive(Debug, Parser)]
#[command(name = "footfall", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server
    Serve(Flags),
    /// Runs a server with three websites, 90 days of traffic and live visitors
    ///
    /// Without --data everything lies in a temporary folder that goes away with the demo.
    Demo(Flags),
    /// Imports traffic that was recorded elsewhere
    #[command(subcommand)]
    Import(ImportCommand),
    /// Makes accounts, resets passwords and confirms addresses; works beside a running server
    #[command(subcommand)]
    User(UserCommand),
    /// Makes API keys; works beside a running server
    #[command(subcommand)]
    Key(KeyCommand),
    /// Makes websites; works beside a running server
    #[command(subcommand)]
    Website(WebsiteCommand),
    /// Prints what the API publishes
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Brings the databases to the newest version; `serve` does this too
    Migrate(Flags),
}

#[derive(Debug, Subcommand)]
enum ImportCommand {
    /// Imports an Apache or nginx access log (combined or common format, plain or gzip)
    ///
    /// A page view is a GET answered 2xx or 304 whose last path segment has no extension or one of html, htm, xhtml, php, asp,
    /// aspx, jsp. Beside a running server the file is handed to it.
    ///
    /// Importing a file again changes nothing, also after it grew, was renamed or packed, or when an import of it was broken off: a
    /// file that begins with all page views of an imported one is that one. In any other file, lines that are equal to stored ones
    /// are requests of their own, as two servers log them, except in a copy: among 50 page views in a row (in order of time; all of
    /// a shorter file) of which at least nine in ten are stored. The order in which files are imported changes no number.
    AccessLog(import::AccessLog),
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Makes an account with a team of its own
    Create(UserCreate),
    /// Sets an account's password and ends its sessions
    Password(UserPassword),
    /// Confirms that an e-mail address is its account's, as the mailed link does
    Confirm(UserConfirm),
}

#[derive(Debug, Args)]
struct UserConfirm {
    /// E-mail address of the account, or the one that it waits for
    email: String,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
struct UserCreate {
    /// E-mail address that signs in
    #[arg(long)]
    email: String,
    /// Full name
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    password: Password,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
struct UserPassword {
    /// E-mail address of the account
    email: String,
    #[command(flatten)]
    password: Password,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
struct Password {
    /// The password; better through the environment, or typed: without either it is read from standard input
    #[arg(long, env = "FOOTFALL_PASSWORD", hide_env_values = true)]
    password: Option<String>,
}

impl Password {
    fn read(self) -> Result<String, StartError> {
        if let Some(password) = self.password {
            return Ok(password);
        }
        if io::stdin().is_terminal() {
            return rpassword::prompt_password("Password (not shown): ")
                .map_err(|error| StartError::new(format!("the password cannot be read from the terminal: {error}")));
        }
        let mut line = String::new();
        io::stdin()
            .lock()
            .read_line(&mut line)
            .map_err(|error| StartError::new(format!("the password cannot be read from standard input: {error}")))?;
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Makes an API key and prints it; it is shown only once
    Create(KeyCreate),
}

#[derive(Debug, Args)]
struct KeyCreate {
    /// What the key is for, up to 64 characters
    #[arg(long)]
    name: String,
    /// Only this website (id or domain); without it the key reads all websites of the team
    #[arg(long, value_name = "ID|DOMAIN")]
    website: Option<String>,
    #[command(flatten)]
    owner: TeamChoice,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
struct TeamChoice {
    /// The team (id)
    #[arg(long, value_name = "ID")]
    team: Option<Uuid>,
    /// The default team of the account with this e-mail address
    #[arg(long, conflicts_with = "team")]
    email: Option<String>,
}

impl TeamChoice {
    async fn find(&self, ports: &Ports, operator: &Operator) -> Result<Team<Owner>, StartError> {
        match (&self.team, &self.email) {
            (Some(team), _) => Ok(operator.team(ports, *team).await?),
            (None, Some(email)) => Ok(operator.default_team(ports, email).await?),
            (None, None) => Err(StartError::new("say whose it is: --team ID, or --email of its owner".to_owned())),
        }
    }
}

#[derive(Debug, Subcommand)]
enum WebsiteCommand {
    /// Makes a website and prints its id and tracking code
    Create(WebsiteCreate),
}

#[derive(Debug, Args)]
struct WebsiteCreate {
    /// Host name, such as shop.example
    domain: String,
    /// Its name; the domain where none is given
    #[arg(long)]
    name: Option<String>,
    /// IANA time zone in which its days begin
    #[arg(long, default_value = "UTC")]
    timezone: chrono_tz::Tz,
    #[command(flatten)]
    owner: TeamChoice,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Subcommand)]
enum SchemaCommand {
    /// Prints the GraphQL schema (SDL)
    Print,
    /// Prints the description of the REST API (OpenAPI 3.1)
    Openapi,
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    data_folder::make_new_files_private();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("the runtime cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(obey(cli.command));
    // A blocked read of standard input must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    log::finish();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Says why the command fails; where that cannot be written, its status says it.
fn complain(why: &str) {
    let _ = writeln!(io::stderr(), "footfall: {why}");
}

async fn obey(command: Command) -> Result<(), StartError> {
    match command {
        Command::Serve(flags) => serve::serve(configured(flags)?).await,
        Command::Demo(flags) => serve::demo(flags).await,
        Command::Import(ImportCommand::AccessLog(import)) => import::access_log(import).await,
        Command::User(UserCommand::Create(asked)) => {
            // The first account may come before the first start.
            let config = configured(asked.flags)?;
            let (ports, _) = control_plane(&config, Arc::new(NotOpened), &Surroundings::default()).await?;
            let operator = config.data.operator()?;
            let password = asked.password.read()?;
            let id = user::creation::create(&ports, &operator, &asked.email, password, asked.name).await?;
            say(&format!("Made the account {} ({id}).", asked.email))
        }
        Command::User(UserCommand::Password(asked)) => {
            let (ports, operator) = beside(asked.flags).await?;
            password::set_by_operator(&ports, &operator, &asked.email, asked.password.read()?).await?;
            say("The password is set, and the account's sessions have ended.")
        }
        Command::User(UserCommand::Confirm(asked)) => {
            let (ports, operator) = beside(asked.flags).await?;
            user::email_proof::confirm_by_operator(&ports, &operator, &asked.email).await?;
            say(&format!("The address {} is confirmed.", asked.email.trim().to_lowercase()))
        }
        Command::Key(KeyCommand::Create(asked)) => {
            let (ports, operator) = beside(asked.flags).await?;
            let site = match &asked.website {
                Some(website) => Some(operator.site(&ports, website).await?),
                None => None,
            };
            let team = match &site {
                Some(site) => operator.team(&ports, site.website().team_id).await?,
                None => asked.owner.find(&ports, &operator).await?,
            };
            let site = site.map(|site| site.lower());
            let (_, secret) = api_key::create(&ports, &team, &asked.name, site.as_ref()).await?;
            say(&secret)
        }
        Command::Website(WebsiteCommand::Create(asked)) => {
            let (ports, operator) = beside(asked.flags).await?;
            let team = asked.owner.find(&ports, &operator).await?;
            let name = asked.name.unwrap_or_else(|| asked.domain.clone());
            let new = NewWebsite { domain: asked.domain, name, timezone: Some(asked.timezone), currency: None };
            let site = website::create(&ports, &team, new).await?;
            say(&format!("Made the website {} with the tracking code {}.", site.id(), site.website().tracking_code))
        }
        Command::Schema(SchemaCommand::Print) => say(schema::sdl().trim_end()),
        Command::Schema(SchemaCommand::Openapi) => say(&openapi()?),
        Command::Migrate(flags) => {
            let config = configured(flags)?;
            let around = Surroundings::default();
            // Opening is migrating, for both stores.
            drop(crate::App::build(config, around).await?);
            say("The databases are at the newest version.")
        }
    }
}

/// The description of the REST API as it is committed and served.
///
/// # Errors
/// A document that does not fit the schema.
pub fn openapi() -> Result<String, StartError> {
    let description = crate::rest_api()?.openapi();
    serde_json::to_string_pretty(&description).map_err(|error| StartError::new(error.to_string()))
}

/// Prints a line; a closed pipe is no fault.
fn say(line: &str) -> Result<(), StartError> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(StartError::new(format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Reads the settings and begins to log.
fn configured(flags: Flags) -> Result<Config, StartError> {
    let config = Config::layered(flags)?;
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|error| StartError::new(format!("log: {error}; a level such as info is right")))?;
    log::start(filter);
    Ok(config)
}

/// Refuses a folder without an installation, so that a mistyped one is not filled with a new one.
fn installed(config: &Config) -> Result<(), StartError> {
    if config.database_url.is_some() || config.data.control_plane().exists() {
        return Ok(());
    }
    Err(StartError::new(format!(
        "there is no installation in {}; name its folder with --data, or make one with `footfall serve` or `footfall user create`",
        config.data.path().display()
    )))
}

/// The control plane alone, beside a server that may be running.
async fn beside(flags: Flags) -> Result<(Ports, Operator), StartError> {
    let config = configured(flags)?;
    installed(&config)?;
    let (ports, _) = control_plane(&config, Arc::new(NotOpened), &Surroundings::default()).await?;
    Ok((ports, config.data.operator()?))
}

/// The event store of commands that have no use for one.
struct NotOpened;

impl NotOpened {
    fn refuse<T>() -> error::Result<T> {
        Err(error::Error::broken("this command does not open the event store"))
    }
}

#[async_trait]
impl Events for NotOpened {
    async fn ask(&self, _: &Plan) -> error::Result<Vec<Answer>> {
        Self::refuse()
    }

    async fn first_event(&self, _: Uuid) -> error::Result<Option<i64>> {
        Self::refuse()
    }

    async fn count_since(&self, _: &[Uuid], _: i64) -> error::Result<u64> {
        Self::refuse()
    }

    async fn append(&self, _: Vec<Event>, _: i64) -> error::Result<Appended> {
        Self::refuse()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
