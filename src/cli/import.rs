//! `import access-log`: imports in this process if the data folder is free, otherwise in the server that holds it.

use std::path::PathBuf;

use clap::Args;

use super::{configured, installed, print::say};
use crate::{
    App, StartError, Surroundings,
    config::Flags,
    import::{Options, handover, target, terminal},
};

/// Memory limit of the event store's buffers for a standalone import, in MiB: storing needs less than querying.
const MEMORY_MIB: u32 = 64;

#[derive(Debug, Args)]
pub(super) struct AccessLog {
    /// Log file, plain or gzip; - for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// Website that the log belongs to (ID or domain)
    #[arg(long, value_name = "ID|DOMAIN")]
    website: String,
    /// Import bot traffic too; by default bots are dropped and counted
    #[arg(long)]
    keep_bots: bool,
    #[command(flatten)]
    flags: Flags,
}

/// Imports a log and prints the result.
///
/// # Errors
/// When the file cannot be read or is not an access log, the website is unknown, or the event store refuses.
pub(super) async fn access_log(asked: AccessLog) -> Result<(), StartError> {
    let mut config = configured(asked.flags)?;
    config.settings.memory_mib = config.settings.memory_mib.min(MEMORY_MIB);
    installed(&config)?;
    let (source, size) = terminal::open(&asked.file)?;
    let progress = terminal::progress_bar(size);
    let options = Options { keep_bots: asked.keep_bots };
    let socket = config.data.socket();
    let summary = match App::build(config, Surroundings::default()).await {
        Ok(app) => {
            let target = target::find(&app.ports, &app.operator(), &asked.website).await?;
            app.importer.import(source, target, options, progress).await
        }
        Err(error) if error.is_held() => {
            let request = handover::Request { website: asked.website, options };
            handover::hand_over(&socket, &request, source, progress).await
        }
        Err(error) => return Err(error),
    };
    say(&summary?.to_string())
}
