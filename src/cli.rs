//! The command line: arguments and commands. `--help` is the manual.

mod accounts;
mod import;
mod keys;
mod password;
mod print;
mod serve;
mod settings;
mod teams;
mod websites;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
};

use async_trait::async_trait;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use schema::{
    Ports,
    access::{Operator, Owner, Team},
    analytics::{
        event::Event,
        plan::{Answer, Plan},
    },
    error,
    ports::{Appended, Events},
};
use tracing_subscriber::EnvFilter;
use uuid::Uuid;

use self::{accounts::UserCommand, keys::KeyCommand, print::say, teams::TeamCommand, websites::WebsiteCommand};

use crate::{
    StartError, Surroundings, allocators,
    config::{Config, Flags},
    control_plane, data_folder, log,
};

/// Self-hosted web analytics with a GraphQL API.
///
/// Every setting can be given as a flag, as an environment variable or, except for the data folder, in a configuration
/// file: DATA/footfall.toml, or the file given by --config.
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
    /// Runs a server with three demo websites, 90 days of traffic and live visitors
    ///
    /// Without --data, all data is kept in a temporary folder that is deleted when the demo ends.
    Demo(Flags),
    /// Imports traffic recorded by other software
    #[command(subcommand)]
    Import(ImportCommand),
    /// Creates and lists accounts, sets passwords and confirms addresses; works beside a running server
    #[command(subcommand)]
    User(UserCommand),
    /// Lists teams and sets their plans; works beside a running server
    #[command(subcommand)]
    Team(TeamCommand),
    /// Creates, lists and revokes API keys; works beside a running server
    #[command(subcommand)]
    Key(KeyCommand),
    /// Creates and lists websites; works beside a running server
    #[command(subcommand)]
    Website(WebsiteCommand),
    /// Prints the API descriptions
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Migrates the databases to the newest version; `serve` does this too
    Migrate(Flags),
}

#[derive(Debug, Subcommand)]
enum ImportCommand {
    /// Imports an Apache or nginx access log (combined or common format, plain or gzip)
    ///
    /// A page view is a GET request answered with 2xx or 304 whose last path segment has no extension or one of html,
    /// htm, xhtml, php, asp, aspx, jsp. If a server is running, it imports the file.
    ///
    /// Importing a file again changes nothing, even if it has grown, was renamed or compressed, or if an earlier import
    /// was interrupted: a file that begins with all page views of an imported file is treated as that file. In any
    /// other file, lines equal to stored ones count as separate requests, as logged by several servers, unless they are
    /// part of a copy: a run of 50 consecutive page views (or all page views of a shorter file) of which at least nine
    /// in ten are already stored. The order of imports does not affect the results.
    AccessLog(import::AccessLog),
}

#[derive(Debug, Subcommand)]
enum SchemaCommand {
    /// Prints the GraphQL schema (SDL)
    Print,
    /// Prints the REST API description (OpenAPI 3.1)
    Openapi,
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let matches = settings::with_relevant_help(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if matches!(cli.command, Command::Serve(_) | Command::Demo(_)) {
        allocators::apply();
    }
    data_folder::make_new_files_private();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("cannot start the runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(obey(cli.command));
    // A blocked read of standard input must not keep the process alive.
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

/// Prints why the command failed. If that cannot be written, the exit status still reports it.
fn complain(why: &str) {
    let _ = writeln!(io::stderr(), "footfall: {why}");
}

async fn obey(command: Command) -> Result<(), StartError> {
    match command {
        Command::Serve(flags) => serve::serve(configured(flags)?).await,
        Command::Demo(flags) => serve::demo(flags).await,
        Command::Import(ImportCommand::AccessLog(import)) => import::access_log(import).await,
        Command::User(command) => accounts::obey(command).await,
        Command::Team(command) => teams::obey(command).await,
        Command::Key(command) => keys::obey(command).await,
        Command::Website(command) => websites::obey(command).await,
        Command::Schema(SchemaCommand::Print) => say(schema::sdl().trim_end()),
        Command::Schema(SchemaCommand::Openapi) => say(&openapi()?),
        Command::Migrate(flags) => {
            let config = configured(flags)?;
            let around = Surroundings::default();
            // Opening runs the migrations of both stores.
            drop(crate::App::build(config, around).await?);
            say("The databases are up to date.")
        }
    }
}

/// The REST API description, as committed and served.
///
/// # Errors
/// A document does not match the schema.
pub fn openapi() -> Result<String, StartError> {
    let description = crate::rest_api()?.openapi();
    serde_json::to_string_pretty(&description).map_err(|error| StartError::new(error.to_string()))
}

/// Reads the settings and starts logging.
fn configured(flags: Flags) -> Result<Config, StartError> {
    let config = Config::layered(flags)?;
    let filter = EnvFilter::try_new(&config.settings.log)
        .map_err(|error| StartError::new(format!("log: must be a level such as info, or a filter ({error})")))?;
    log::start(filter);
    for name in settings::unknown_variables(&Cli::command(), std::env::vars_os()) {
        tracing::warn!("the environment variable {name} is not a setting of Footfall and has no effect");
    }
    Ok(config)
}

/// Refuses a folder without an installation, so that a mistyped path does not create a new one.
fn installed(config: &Config) -> Result<(), StartError> {
    let sign = if config.settings.database_url.is_some() { config.data.keys() } else { config.data.control_plane() };
    if sign.exists() {
        return Ok(());
    }
    Err(StartError::new(format!(
        "no installation found in {}; specify its folder with --data, or create one with `footfall serve` or `footfall user create`",
        config.data.path().display()
    )))
}

/// Opens only the control plane, possibly beside a running server.
async fn beside(flags: Flags) -> Result<(Config, Ports, Operator), StartError> {
    let config = configured(flags)?;
    installed(&config)?;
    let (ports, _) = control_plane(&config, Arc::new(NotOpened), &Surroundings::default()).await?;
    let operator = config.data.operator()?;
    Ok((config, ports, operator))
}

#[derive(Debug, Args)]
struct TeamChoice {
    /// Team (ID)
    #[arg(long, value_name = "ID")]
    team: Option<Uuid>,
    /// E-mail address of an account, to select its default team
    #[arg(long, conflicts_with = "team")]
    email: Option<String>,
}

impl TeamChoice {
    async fn find(&self, ports: &Ports, operator: &Operator) -> Result<Team<Owner>, StartError> {
        match (&self.team, &self.email) {
            (Some(team), _) => Ok(operator.team(ports, *team).await?),
            (None, Some(email)) => Ok(operator.default_team(ports, email).await?),
            (None, None) => Err(StartError::new("specify --team or --email".to_owned())),
        }
    }
}

/// The event store of commands that do not use one.
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
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        settings::with_relevant_help(Cli::command()).debug_assert();
    }
}
