//! Settings. The default file is the manual; a file, the environment and flags override it.

pub mod choices;
pub mod issuer;
pub mod listen;
pub mod mail;
pub mod settings;
mod values;

use std::{path::Path, time::Duration};

pub use self::settings::{Flags, Settings};
use self::{issuer::IssuerSettings, mail::MailSettings};
use crate::{StartError, data_folder::DataFolder, server::connections};

/// The defaults, with their descriptions.
pub const DEFAULTS: &str = include_str!("config.default.toml");

/// The configuration of a process.
#[derive(Clone)]
pub struct Config {
    /// The data folder.
    pub data: DataFolder,
    /// The effective settings.
    pub settings: Settings,
    /// The mail server, if configured.
    pub mail: Option<MailSettings>,
    /// The trusted external issuer, if configured.
    pub issuer: Option<IssuerSettings>,
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
        let settings = over_defaults(flags.over(file.unwrap_or_default()))?;
        let (mail, issuer) = (MailSettings::new(&settings)?, IssuerSettings::new(&settings)?);
        Ok(Self { data, settings, mail, issuer })
    }

    /// Public URL of this server, without a trailing slash: by default, where it listens.
    #[must_use]
    pub fn public_url(&self) -> String {
        let listen = &self.settings.listen;
        match &self.settings.public_url {
            Some(url) => url.clone(),
            None if listen.is_unspecified() => format!("http://localhost:{}", listen.port()),
            None => format!("http://{listen}"),
        }
    }

    /// Limits of connections.
    #[must_use]
    pub fn connections(&self) -> connections::Limits {
        let seconds = |seconds: u64| Duration::from_secs(seconds.max(1));
        connections::Limits {
            header: seconds(self.settings.header_seconds),
            body: seconds(self.settings.body_seconds),
            idle: seconds(self.settings.idle_seconds),
            connections: self.settings.max_connections,
            per_address: self.settings.max_connections_per_address,
            proxies: self.settings.trusted_proxies.clone(),
        }
    }
}

fn over_defaults(flags: Flags) -> Result<Settings, StartError> {
    flags.over(parse(DEFAULTS, "the defaults")?).checked()
}

fn read(path: &Path) -> Result<Flags, StartError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| StartError::new(format!("cannot read the configuration file {name} ({error})")))?;
    parse(&text, &name)
}

fn parse(text: &str, name: &str) -> Result<Flags, StartError> {
    toml::from_str(text)
        .map_err(|error| StartError::new(format!("{name}: {}", error.to_string().trim_end().replace('\n', "\n  "))))
}

#[cfg(test)]
mod tests;
