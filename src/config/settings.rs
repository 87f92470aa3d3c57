//! The table of settings. A row makes a flag, an environment variable, a name in configuration files, a line of `--help`
//! and a field of [`Settings`]. Its default is in `config.default.toml`, which a start refuses without one.

use std::path::PathBuf;

use clap::Args;
use schema::ports::{Limits, SignUp};
use serde::Deserialize;

use super::{
    choices::{FreeTextSetting, LimitsSetting, SignUpSetting},
    listen::ListenAddress,
    mail::MailTls,
    values::{convert, filled, named, origins, postgres, proxies, public_url, threads, unless_zero},
};
use crate::{StartError, http::FreeText, ingest::address::Proxies};

/// A row: description and flag as clap reads them, then `name: Type;`, or `name: Type => Type = check;` for a setting
/// whose value is checked or converted. In brackets, the commands other than `serve`, `demo` and `migrate` that use it.
macro_rules! settings {
    ($( $(#[$($attribute:tt)*])* $([$($user:ident)+])? $name:ident: $given:ty $(=> $value:ty = $check:expr)?; )+) => {
        /// Flags of every command; each is also an environment variable and, but for the first two, a name in configuration
        /// files, where unknown names are errors.
        #[derive(Debug, Clone, Default, Args, Deserialize)]
        #[command(next_help_heading = "Settings")]
        #[serde(deny_unknown_fields, default)]
        pub struct Flags {
            /// Folder for all data: databases, signing keys, import socket [default: footfall-data; for `demo` a temporary folder]
            #[arg(long, value_name = "DIR", env = "FOOTFALL_DATA")]
            #[serde(skip)]
            pub data: Option<PathBuf>,
            /// Configuration file (TOML) [default: footfall.toml in the data folder, if it exists]
            #[arg(long, value_name = "FILE", env = "FOOTFALL_CONFIG")]
            #[serde(skip)]
            pub config: Option<PathBuf>,
            $( $(#[$($attribute)*])* pub $name: Option<$given>, )+
        }

        impl Flags {
            /// These settings, falling back to those below.
            pub(super) fn over(self, below: Self) -> Self {
                Self {
                    data: self.data.or(below.data),
                    config: self.config.or(below.config),
                    $( $name: self.$name.or(below.$name), )+
                }
            }

            /// Checks every setting. Errors: one that is missing or invalid, by name.
            pub(super) fn checked(self) -> Result<Settings, StartError> {
                $(
                    let name = stringify!($name);
                    let given = self.$name.ok_or_else(|| StartError::new(format!("the defaults lack {name}")))?;
                    let $name = settings!(@check name, given $(, $check)?);
                )+
                Ok(Settings { $( $name, )+ })
            }
        }

        /// The effective settings. A path or text that is empty is `None`.
        #[derive(Clone)]
        pub struct Settings {
            $(
                #[doc = concat!("The setting `", stringify!($name), "`.")]
                pub $name: settings!(@type $given $(, $value)?),
            )+
        }

        /// Whether commands of a kind use a setting: `accounts`, `imports`.
        #[must_use]
        pub fn is_used_by(command: &str, setting: &str) -> bool {
            matches!(setting, "data" | "config")
                || match setting {
                    $( stringify!($name) => { let users: &[&str] = &[$( $(stringify!($user)),+ )?]; users.contains(&command) } )+
                    _ => false,
                }
        }
    };
    (@type $given:ty) => { $given };
    (@type $given:ty, $value:ty) => { $value };
    (@check $name:ident, $given:ident) => { $given };
    (@check $name:ident, $given:ident, $check:expr) => {
        ($check)($given).map_err(|why: String| StartError::new(format!("{}: {why}", $name)))?
    };
}

settings! {
    /// Address or host name, and port, to listen on [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDR", env = "FOOTFALL_LISTEN")]
    listen: ListenAddress;
    /// Public URL of this server, for links in mails and invitations [default: http:// and the listen address]
    #[arg(long, value_name = "URL", env = "FOOTFALL_PUBLIC_URL")]
    [accounts] public_url: String => Option<String> = public_url;
    /// Control plane database: a postgres:// URL [default: SQLite in the data folder]
    #[arg(long, value_name = "URL", env = "FOOTFALL_DATABASE_URL", hide_env_values = true)]
    [accounts imports] database_url: String => Option<String> = postgres;
    /// Sign-up policy; the first account is always allowed and becomes the operator's [default: closed]
    #[arg(long, value_name = "WHO", env = "FOOTFALL_SIGNUP")]
    signup: SignUpSetting => SignUp = convert;
    /// Enforcement of plan limits [default: off]
    #[arg(long, value_name = "HOW", env = "FOOTFALL_LIMITS")]
    limits: LimitsSetting => Limits = convert;
    /// Origins whose pages can call the API in a browser, separated by commas; * for all
    #[arg(long, value_name = "ORIGINS", env = "FOOTFALL_CORS_ORIGINS", value_delimiter = ',')]
    cors_origins: Vec<String> => Vec<String> = origins;
    /// Allow GraphQL introspection [default: true]
    #[arg(long, value_name = "BOOL", env = "FOOTFALL_INTROSPECTION")]
    introspection: bool;
    /// Policy for GraphQL documents that are not persisted [default: allowed]
    #[arg(long, value_name = "WHO", env = "FOOTFALL_FREE_TEXT")]
    free_text: FreeTextSetting => FreeText = convert;
    /// MaxMind DB file for countries, regions and cities [default: built-in countries]
    #[arg(long, value_name = "FILE", env = "FOOTFALL_GEO_DATABASE")]
    [imports] geo_database: PathBuf => Option<PathBuf> = named;
    /// File with data center networks, one per line; events from them count as bot traffic
    #[arg(long, value_name = "FILE", env = "FOOTFALL_DATACENTRES")]
    [imports] datacentres: PathBuf => Option<PathBuf> = named;
    /// Memory limit of the event store's buffers, in MiB [default: 160]
    #[arg(long, value_name = "MIB", env = "FOOTFALL_MEMORY_MIB", value_parser = clap::value_parser!(u32).range(64..))]
    [imports] memory_mib: u32;
    /// Threads per analytics query; 0 for one per processor, at most four [default: 0]
    #[arg(long, value_name = "N", env = "FOOTFALL_THREADS")]
    [imports] threads: u32 => u32 = threads;
    /// Time limit of one request, in seconds [default: 5]
    #[arg(long, value_name = "S", env = "FOOTFALL_TIMEOUT_SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout_seconds: u64;
    /// Maximum size of one response, in MiB [default: 8]
    #[arg(long, value_name = "MIB", env = "FOOTFALL_ANSWER_MIB", value_parser = clap::value_parser!(u32).range(1..=1024))]
    answer_mib: u32;
    /// Lifetime of access tokens, in minutes [default: 15; for `demo` a day]
    #[arg(long, value_name = "M", env = "FOOTFALL_TOKEN_MINUTES", value_parser = clap::value_parser!(u32).range(1..=10_080))]
    token_minutes: u32;
    /// Trusted proxies, whose X-Forwarded-For is used: addresses and networks, separated by commas [default: none]
    #[arg(long, value_name = "NETWORKS", env = "FOOTFALL_TRUSTED_PROXIES", value_delimiter = ',')]
    trusted_proxies: Vec<String> => Proxies = proxies;
    /// Maximum number of beacons per address and minute; 0 for no limit [default: 0]
    #[arg(long, value_name = "N", env = "FOOTFALL_INGEST_PER_MINUTE")]
    ingest_per_minute: u64;
    /// Maximum number of connections; 0 for as many as the limit of open files allows [default: 0]
    #[arg(long, value_name = "N", env = "FOOTFALL_MAX_CONNECTIONS")]
    max_connections: usize => Option<usize> = unless_zero;
    /// Maximum number of connections per address, except trusted proxies [default: 1024]
    #[arg(long, value_name = "N", env = "FOOTFALL_MAX_CONNECTIONS_PER_ADDRESS")]
    max_connections_per_address: usize;
    /// Time limit for the head of a request and between two parts of its body, in seconds [default: 10]
    #[arg(long, value_name = "S", env = "FOOTFALL_HEADER_SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    header_seconds: u64;
    /// Time limit for the whole body of a request, in seconds [default: 60]
    #[arg(long, value_name = "S", env = "FOOTFALL_BODY_SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    body_seconds: u64;
    /// Time limit for idle connections, in seconds [default: 75]
    #[arg(long, value_name = "S", env = "FOOTFALL_IDLE_SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    idle_seconds: u64;
    /// Maximum size of the journal, which buffers events while the event store is unavailable, in MiB [default: 1024]
    #[arg(long, value_name = "MIB", env = "FOOTFALL_JOURNAL_MIB", value_parser = clap::value_parser!(u32).range(1..))]
    journal_mib: u32;
    /// Allow webhooks to addresses that are not public, such as those of the operator's network [default: false]
    #[arg(long, value_name = "BOOL", env = "FOOTFALL_WEBHOOK_PRIVATE")]
    webhook_private: bool;
    /// Allow webhooks without encryption (http) [default: false]
    #[arg(long, value_name = "BOOL", env = "FOOTFALL_WEBHOOK_HTTP")]
    webhook_http: bool;
    /// Mail server for password resets, address confirmations and invitations [default: none]
    #[arg(long, value_name = "HOST", env = "FOOTFALL_MAIL_HOST")]
    mail_host: String => Option<String> = filled;
    /// Port of the mail server; 0 for the standard port [default: 0]
    #[arg(long, value_name = "PORT", env = "FOOTFALL_MAIL_PORT")]
    mail_port: u16;
    /// Encryption of the connection to the mail server [default: starttls]
    #[arg(long, value_name = "HOW", env = "FOOTFALL_MAIL_TLS")]
    mail_tls: MailTls;
    /// User name at the mail server; no authentication if omitted
    #[arg(long, value_name = "NAME", env = "FOOTFALL_MAIL_USER")]
    mail_user: String => Option<String> = filled;
    /// Password at the mail server; safer in the environment variable
    #[arg(long, value_name = "PASSWORD", env = "FOOTFALL_MAIL_PASSWORD", hide_env_values = true)]
    mail_password: String;
    /// Sender address of mails
    #[arg(long, value_name = "ADDRESS", env = "FOOTFALL_MAIL_FROM")]
    mail_from: String => Option<String> = filled;
    /// URL of the page to choose a new password, containing {secret}; if omitted, the mail contains the secret
    #[arg(long, value_name = "URL", env = "FOOTFALL_MAIL_RESET_PAGE")]
    mail_reset_page: String => Option<String> = filled;
    /// Issuer (`iss`) whose access tokens are accepted in addition to this server's own [default: none]
    #[arg(long, value_name = "URL", env = "FOOTFALL_AUTH_EXTERNAL_ISSUER")]
    auth_external_issuer: String => Option<String> = filled;
    /// Audience (`aud`) that its tokens must contain
    #[arg(long, value_name = "NAME", env = "FOOTFALL_AUTH_EXTERNAL_AUDIENCE")]
    auth_external_audience: String => Option<String> = filled;
    /// URL of its public keys (a JWK set), for tokens signed with RS256, ES256 or EdDSA
    #[arg(long, value_name = "URL", env = "FOOTFALL_AUTH_EXTERNAL_JWKS_URL")]
    auth_external_jwks_url: String => Option<String> = filled;
    /// Secret that its tokens are signed with, for HS256; safer in the environment variable
    #[arg(long, value_name = "SECRET", env = "FOOTFALL_AUTH_EXTERNAL_HS256_SECRET", hide_env_values = true)]
    auth_external_hs256_secret: String => Option<String> = filled;
    /// Log filter: a level, or a filter such as info,footfall::events=trace [default: info,sea_orm_migration=warn]
    #[arg(long, value_name = "FILTER", env = "FOOTFALL_LOG")]
    [accounts imports] log: String;
}
