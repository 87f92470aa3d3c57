//! Settings. The default file is the manual; a file, the environment and flags override it.

pub mod issuer;
pub mod listen;
pub mod mail;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, ValueEnum};
use schema::ports::{Limits, SignUp};
use serde::Deserialize;

use self::{
    issuer::{IssuerFlags, IssuerSettings},
    listen::ListenAddress,
    mail::{MailFlags, MailSettings, MailTls},
};
use crate::{StartError, data_folder::DataFolder, http::FreeText, ingest::address::Proxies, server::connections};

/// The defaults, with their descriptions.
pub const DEFAULTS: &str = include_str!("config.default.toml");

/// Sign-up policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SignUpSetting {
    /// Open to everyone.
    Open,
    /// Requires an invitation by an admin of a team.
    Invite,
    /// Requires an invitation by the operator.
    Closed,
}

/// Whether plan limits are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LimitsSetting {
    /// No rate limit, quota or feature restriction.
    Off,
}

/// Policy for GraphQL documents that are not persisted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum FreeTextSetting {
    /// Allowed for everyone.
    Allowed,
    /// Allowed for everyone, and logged.
    Reported,
    /// Refused.
    Refused,
}

/// Flags of every command; each is also an environment variable.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings")]
pub struct Flags {
    /// Folder for all data: databases, signing keys, import socket [default: footfall-data; for `demo` a temporary folder]
    #[arg(long, value_name = "DIR", env = "FOOTFALL_DATA")]
    pub data: Option<PathBuf>,
    /// Configuration file (TOML) [default: footfall.toml in the data folder, if it exists]
    #[arg(long, value_name = "FILE", env = "FOOTFALL_CONFIG")]
    pub config: Option<PathBuf>,
    /// Address or host name, and port, to listen on [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDR", env = "FOOTFALL_LISTEN")]
    pub listen: Option<ListenAddress>,
    /// Public URL of this server, for links in mails and invitations [default: http:// and the listen address]
    #[arg(long, value_name = "URL", env = "FOOTFALL_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// Control plane database: a postgres:// URL [default: SQLite in the data folder]
    #[arg(long, value_name = "URL", env = "FOOTFALL_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Sign-up policy; the first account is always allowed and becomes the operator's [default: closed]
    #[arg(long, value_name = "WHO", env = "FOOTFALL_SIGNUP")]
    pub signup: Option<SignUpSetting>,
    /// Enforcement of plan limits [default: off]
    #[arg(long, value_name = "HOW", env = "FOOTFALL_LIMITS")]
    pub limits: Option<LimitsSetting>,
    /// Origins whose pages can call the API in a browser, separated by commas; * for all
    #[arg(long, value_name = "ORIGINS", env = "FOOTFALL_CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Option<Vec<String>>,
    /// Allow GraphQL introspection [default: true]
    #[arg(long, value_name = "BOOL", env = "FOOTFALL_INTROSPECTION")]
    pub introspection: Option<bool>,
    /// Policy for GraphQL documents that are not persisted [default: allowed]
    #[arg(long, value_name = "WHO", env = "FOOTFALL_FREE_TEXT")]
    pub free_text: Option<FreeTextSetting>,
    /// MaxMind DB file for countries, regions and cities [default: built-in countries]
    #[arg(long, value_name = "FILE", env = "FOOTFALL_GEO_DATABASE")]
    pub geo_database: Option<PathBuf>,
    /// File with data center networks, one per line; events from them count as bot traffic
    #[arg(long, value_name = "FILE", env = "FOOTFALL_DATACENTRES")]
    pub datacentres: Option<PathBuf>,
    /// Memory limit of the event store's buffers, in MiB [default: 224]
    #[arg(long, value_name = "MIB", env = "FOOTFALL_MEMORY_MIB", value_parser = clap::value_parser!(u32).range(64..))]
    pub memory_mib: Option<u32>,
    /// Threads per analytics query; 0 for one per processor, at most four [default: 0]
    #[arg(long, value_name = "N", env = "FOOTFALL_THREADS")]
    pub threads: Option<u32>,
    /// Time limit of one request, in seconds [default: 5]
    #[arg(long, value_name = "S", env = "FOOTFALL_TIMEOUT_SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout_seconds: Option<u64>,
    /// Maximum size of one response, in MiB [default: 8]
    #[arg(long, value_name = "MIB", env = "FOOTFALL_ANSWER_MIB", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub answer_mib: Option<u32>,
    /// Lifetime of access tokens, in minutes [default: 15; for `demo` a day]
    #[arg(long, value_name = "M", env = "FOOTFALL_TOKEN_MINUTES", value_parser = clap::value_parser!(u32).range(1..=10_080))]
    pub token_minutes: Option<u32>,
    /// Trusted proxies, whose X-Forwarded-For is used: addresses and networks, separated by commas [default: none]
    #[arg(long, value_name = "NETWORKS", env = "FOOTFALL_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Option<Vec<String>>,
    /// Maximum number of beacons per address and minute; 0 for no limit [default: 0]
    #[arg(long, value_name = "N", env = "FOOTFALL_INGEST_PER_MINUTE")]
    pub ingest_per_minute: Option<u64>,
    /// Maximum number of connections; 0 for as many as the limit of open files allows [default: 0]
    #[arg(long, value_name = "N", env = "FOOTFALL_MAX_CONNECTIONS")]
    pub max_connections: Option<usize>,
    /// Maximum number of connections per address, except trusted proxies [default: 1024]
    #[arg(long, value_name = "N", env = "FOOTFALL_MAX_CONNECTIONS_PER_ADDRESS")]
    pub max_connections_per_address: Option<usize>,
    /// Time limit for the head of a request and between two parts of its body, in seconds [default: 10]
    #[arg(long, value_name = "S", env = "FOOTFALL_HEADER_SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub header_seconds: Option<u64>,
    /// Time limit for the whole body of a request, in seconds [default: 60]
    #[arg(long, value_name = "S", env = "FOOTFALL_BODY_SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub body_seconds: Option<u64>,
    /// Time limit for idle connections, in seconds [default: 75]
    #[arg(long, value_name = "S", env = "FOOTFALL_IDLE_SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub idle_seconds: Option<u64>,
    /// Maximum size of the journal, which buffers events while the event store is unavailable, in MiB [default: 1024]
    #[arg(long, value_name = "MIB", env = "FOOTFALL_JOURNAL_MIB", value_parser = clap::value_parser!(u32).range(1..))]
    pub journal_mib: Option<u32>,
    /// The mail server.
    #[command(flatten)]
    pub mail: MailFlags,
    /// The trusted external issuer.
    #[command(flatten)]
    pub issuer: IssuerFlags,
    /// Log filter: a level, or a filter such as info,footfall::events=trace [default: info,sea_orm_migration=warn]
    #[arg(long, value_name = "FILTER", env = "FOOTFALL_LOG")]
    pub log: Option<String>,
}

/// Settings in a file. Unknown names are errors.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layer {
    listen: Option<ListenAddress>,
    public_url: Option<String>,
    database_url: Option<String>,
    signup: Option<SignUpSetting>,
    limits: Option<LimitsSetting>,
    cors_origins: Option<Vec<String>>,
    introspection: Option<bool>,
    free_text: Option<FreeTextSetting>,
    geo_database: Option<PathBuf>,
    datacentres: Option<PathBuf>,
    memory_mib: Option<u32>,
    threads: Option<u32>,
    timeout_seconds: Option<u64>,
    answer_mib: Option<u32>,
    token_minutes: Option<u32>,
    trusted_proxies: Option<Vec<String>>,
    ingest_per_minute: Option<u64>,
    max_connections: Option<usize>,
    max_connections_per_address: Option<usize>,
    header_seconds: Option<u64>,
    body_seconds: Option<u64>,
    idle_seconds: Option<u64>,
    journal_mib: Option<u32>,
    mail_host: Option<String>,
    mail_port: Option<u16>,
    mail_tls: Option<MailTls>,
    mail_user: Option<String>,
    mail_password: Option<String>,
    mail_from: Option<String>,
    mail_reset_page: Option<String>,
    auth_external_issuer: Option<String>,
    auth_external_audience: Option<String>,
    auth_external_jwks_url: Option<String>,
    auth_external_hs256_secret: Option<String>,
    log: Option<String>,
}

impl Layer {
    fn read(text: &str, name: &str) -> Result<Self, StartError> {
        toml::from_str(text)
            .map_err(|error| StartError::new(format!("{name}: {}", error.to_string().trim_end().replace('\n', "\n  "))))
    }

    fn under(self, over: Self) -> Self {
        Self {
            listen: over.listen.or(self.listen),
            public_url: over.public_url.or(self.public_url),
            database_url: over.database_url.or(self.database_url),
            signup: over.signup.or(self.signup),
            limits: over.limits.or(self.limits),
            cors_origins: over.cors_origins.or(self.cors_origins),
            introspection: over.introspection.or(self.introspection),
            free_text: over.free_text.or(self.free_text),
            geo_database: over.geo_database.or(self.geo_database),
            datacentres: over.datacentres.or(self.datacentres),
            memory_mib: over.memory_mib.or(self.memory_mib),
            threads: over.threads.or(self.threads),
            timeout_seconds: over.timeout_seconds.or(self.timeout_seconds),
            answer_mib: over.answer_mib.or(self.answer_mib),
            token_minutes: over.token_minutes.or(self.token_minutes),
            trusted_proxies: over.trusted_proxies.or(self.trusted_proxies),
            ingest_per_minute: over.ingest_per_minute.or(self.ingest_per_minute),
            max_connections: over.max_connections.or(self.max_connections),
            max_connections_per_address: over.max_connections_per_address.or(self.max_connections_per_address),
            header_seconds: over.header_seconds.or(self.header_seconds),
            body_seconds: over.body_seconds.or(self.body_seconds),
            idle_seconds: over.idle_seconds.or(self.idle_seconds),
            journal_mib: over.journal_mib.or(self.journal_mib),
            mail_host: over.mail_host.or(self.mail_host),
            mail_port: over.mail_port.or(self.mail_port),
            mail_tls: over.mail_tls.or(self.mail_tls),
            mail_user: over.mail_user.or(self.mail_user),
            mail_password: over.mail_password.or(self.mail_password),
            mail_from: over.mail_from.or(self.mail_from),
            mail_reset_page: over.mail_reset_page.or(self.mail_reset_page),
            auth_external_issuer: over.auth_external_issuer.or(self.auth_external_issuer),
            auth_external_audience: over.auth_external_audience.or(self.auth_external_audience),
            auth_external_jwks_url: over.auth_external_jwks_url.or(self.auth_external_jwks_url),
            auth_external_hs256_secret: over.auth_external_hs256_secret.or(self.auth_external_hs256_secret),
            log: over.log.or(self.log),
        }
    }

    fn mail(&mut self) -> MailFlags {
        MailFlags {
            mail_host: self.mail_host.take(),
            mail_port: self.mail_port.take(),
            mail_tls: self.mail_tls.take(),
            mail_user: self.mail_user.take(),
            mail_password: self.mail_password.take(),
            mail_from: self.mail_from.take(),
            mail_reset_page: self.mail_reset_page.take(),
        }
    }

    fn issuer(&mut self) -> IssuerFlags {
        IssuerFlags {
            auth_external_issuer: self.auth_external_issuer.take(),
            auth_external_audience: self.auth_external_audience.take(),
            auth_external_jwks_url: self.auth_external_jwks_url.take(),
            auth_external_hs256_secret: self.auth_external_hs256_secret.take(),
        }
    }
}

/// The effective settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data folder.
    pub data: DataFolder,
    /// Address or host name, and port, to listen on.
    pub listen: ListenAddress,
    /// Public URL of this server, without a trailing slash.
    pub public_url: String,
    /// A PostgreSQL URL, or `None` for SQLite in the data folder.
    pub database_url: Option<String>,
    /// Sign-up policy.
    pub sign_up: SignUp,
    /// Whether plan limits are enforced.
    pub limits: Limits,
    /// Origins whose pages can call the API in a browser.
    pub cors_origins: Vec<String>,
    /// Whether introspection is allowed.
    pub introspection: bool,
    /// Policy for GraphQL documents that are not persisted.
    pub free_text: FreeText,
    /// A MaxMind DB file that replaces the built-in countries.
    pub geo_database: Option<PathBuf>,
    /// A file with data center networks.
    pub datacentres: Option<PathBuf>,
    /// Memory limit of the event store's buffers, in MiB.
    pub memory_mib: u32,
    /// Threads per analytics query.
    pub threads: u32,
    /// Time limit of one request, in seconds.
    pub timeout_seconds: u64,
    /// Maximum size of one response, in MiB.
    pub answer_mib: u32,
    /// Lifetime of access tokens, in minutes.
    pub token_minutes: u32,
    /// Trusted proxies, whose forwarding headers are used.
    pub trusted_proxies: Proxies,
    /// Maximum number of beacons per address and minute; 0 for no limit.
    pub ingest_per_minute: u64,
    /// Limits of connections.
    pub connections: connections::Limits,
    /// Maximum size of the journal, in MiB.
    pub journal_mib: u32,
    /// The mail server, if configured.
    pub mail: Option<MailSettings>,
    /// The trusted external issuer, if configured.
    pub issuer: Option<IssuerSettings>,
    /// Log filter.
    pub log: String,
}

impl Config {
    /// Merges all sources. The data folder may not exist yet.
    ///
    /// # Errors
    /// When a file cannot be read or a value is invalid; the message names the file and the line.
    pub fn layered(flags: Flags) -> Result<Self, StartError> {
        let data = DataFolder::new(flags.data.as_deref().unwrap_or(Path::new("footfall-data")));
        let file = match &flags.config {
            Some(path) => Some(read(path)?),
            None => Some(data.configuration()).filter(|path| path.exists()).map(|path| read(&path)).transpose()?,
        };
        let over = Layer {
            listen: flags.listen,
            public_url: flags.public_url,
            database_url: flags.database_url,
            signup: flags.signup,
            limits: flags.limits,
            cors_origins: flags.cors_origins,
            introspection: flags.introspection,
            free_text: flags.free_text,
            geo_database: flags.geo_database,
            datacentres: flags.datacentres,
            memory_mib: flags.memory_mib,
            threads: flags.threads,
            timeout_seconds: flags.timeout_seconds,
            answer_mib: flags.answer_mib,
            token_minutes: flags.token_minutes,
            trusted_proxies: flags.trusted_proxies,
            ingest_per_minute: flags.ingest_per_minute,
            max_connections: flags.max_connections,
            max_connections_per_address: flags.max_connections_per_address,
            header_seconds: flags.header_seconds,
            body_seconds: flags.body_seconds,
            idle_seconds: flags.idle_seconds,
            journal_mib: flags.journal_mib,
            log: flags.log,
            ..Layer::default()
        };
        let mut layer = Layer::read(DEFAULTS, "the defaults")?.under(file.unwrap_or_default()).under(over);
        let missing = || StartError::new("the defaults lack a setting".to_owned());
        let processors =
            std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1));
        let mail = flags.mail.over(layer.mail()).checked()?;
        let issuer = flags.issuer.over(layer.issuer()).checked()?;
        let listen = layer.listen.ok_or_else(missing)?;
        let trusted_proxies = Proxies::read(&layer.trusted_proxies.ok_or_else(missing)?).map_err(|wrong| {
            StartError::new(format!(
                "trusted_proxies: must be addresses or networks such as 10.0.0.1 or 10.0.0.0/8 (got {wrong:?})"
            ))
        })?;
        let seconds =
            |seconds: Option<u64>| seconds.map(|seconds| Duration::from_secs(seconds.max(1))).ok_or_else(missing);
        let connections = connections::Limits {
            header: seconds(layer.header_seconds)?,
            body: seconds(layer.body_seconds)?,
            idle: seconds(layer.idle_seconds)?,
            connections: layer.max_connections.filter(|most| *most > 0),
            per_address: layer.max_connections_per_address.ok_or_else(missing)?,
            proxies: trusted_proxies.clone(),
        };
        Ok(Self {
            data,
            mail,
            issuer,
            connections,
            trusted_proxies,
            public_url: public_url(layer.public_url, &listen)?,
            listen,
            database_url: layer.database_url.filter(|url| !url.is_empty()).map(postgres).transpose()?,
            sign_up: match layer.signup.ok_or_else(missing)? {
                SignUpSetting::Open => SignUp::Open,
                SignUpSetting::Invite => SignUp::Invite,
                SignUpSetting::Closed => SignUp::Closed,
            },
            limits: match layer.limits.ok_or_else(missing)? {
                LimitsSetting::Off => Limits::Off,
            },
            cors_origins: origins(layer.cors_origins.ok_or_else(missing)?)?,
            introspection: layer.introspection.ok_or_else(missing)?,
            free_text: match layer.free_text.ok_or_else(missing)? {
                FreeTextSetting::Allowed => FreeText::Allowed,
                FreeTextSetting::Reported => FreeText::Reported,
                FreeTextSetting::Refused => FreeText::Refused,
            },
            geo_database: layer.geo_database.filter(|path| !path.as_os_str().is_empty()),
            datacentres: layer.datacentres.filter(|path| !path.as_os_str().is_empty()),
            memory_mib: layer.memory_mib.ok_or_else(missing)?,
            threads: layer.threads.filter(|threads| *threads > 0).unwrap_or(processors.min(4)),
            timeout_seconds: layer.timeout_seconds.ok_or_else(missing)?,
            answer_mib: layer.answer_mib.ok_or_else(missing)?,
            token_minutes: layer.token_minutes.ok_or_else(missing)?,
            ingest_per_minute: layer.ingest_per_minute.ok_or_else(missing)?,
            journal_mib: layer.journal_mib.ok_or_else(missing)?,
            log: layer.log.ok_or_else(missing)?,
        })
    }
}

/// Errors: a URL that browsers cannot open.
fn public_url(given: Option<String>, listen: &ListenAddress) -> Result<String, StartError> {
    let Some(url) = given.filter(|url| !url.trim().is_empty()) else {
        return Ok(if listen.is_unspecified() {
            format!("http://localhost:{}", listen.port())
        } else {
            format!("http://{listen}")
        });
    };
    let url = url.trim().trim_end_matches('/');
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    if host.is_empty()
        || host.starts_with('/')
        || host.contains(['?', '#', '@', '"', '<'])
        || host.contains(char::is_whitespace)
    {
        return Err(StartError::new(format!(
            "public_url: must be a URL such as https://analytics.shop.example (got {url:?})"
        )));
    }
    Ok(url.to_owned())
}

/// Errors: a URL with another scheme. It is not repeated, because it may contain a password.
fn postgres(url: String) -> Result<String, StartError> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(url);
    }
    let kind = url.split_once("://").map_or("none", |(kind, _)| kind);
    Err(StartError::new(format!(
        "database_url: must be postgres://user:password@host/database, or empty for SQLite in the data folder (got scheme {kind:?})"
    )))
}

/// Errors: a value that browsers never send as an `Origin`.
fn origins(given: Vec<String>) -> Result<Vec<String>, StartError> {
    for origin in given.iter().map(|origin| origin.trim()).filter(|origin| !origin.is_empty() && *origin != "*") {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        let host = host.map(|host| host.strip_suffix('/').unwrap_or(host));
        if host.is_none_or(|host| host.is_empty() || host.contains(['/', '?', '#', '@', '*', ' '])) {
            return Err(StartError::new(format!(
                "cors_origins: must be origins such as https://dashboard.example, or * for all (got {origin:?})"
            )));
        }
    }
    Ok(given.into_iter().filter(|origin| !origin.trim().is_empty()).collect())
}

fn read(path: &Path) -> Result<Layer, StartError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| StartError::new(format!("cannot read the configuration file {name} ({error})")))?;
    Layer::read(&text, &name)
}

#[cfg(test)]
mod tests;
