//! `import access-log`: here where the data folder is free, else in the server that holds it.

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{configured, say};
use crate::{
    App, StartError, Surroundings,
    config::Flags,
    import::{Options, Progress, handover},
    target,
};

#[derive(Debug, Args)]
pub(super) struct AccessLog {
    /// The log, plain or gzip; - for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// The website that it is of
    #[arg(long, value_name = "ID|DOMAIN")]
    website: String,
    /// Counts bots like people; without it they are dropped and counted
    #[arg(long)]
    keep_bots: bool,
    #[command(flatten)]
    flags: Flags,
}

/// Imports a log and prints what came of it.
///
/// # Errors
/// When the file cannot be read or is no access log, the website is unknown, or the event store refuses.
pub(super) async fn access_log(asked: AccessLog) -> Result<(), StartError> {
    let config = configured(asked.flags)?;
    let (source, length): (Box<dyn Read + Send>, Option<u64>) = if asked.file.as_os_str() == "-" {
        (Box::new(io::stdin()), None)
    } else {
        let shown = asked.file.display();
        let unreadable = |error: io::Error| StartError::new(format!("{shown} cannot be read: {error}"));
        let file = File::open(&asked.file).map_err(unreadable)?;
        let about = file.metadata().map_err(unreadable)?;
        if about.is_dir() {
            return Err(StartError::new(format!("{shown} is a folder; an access log is expected")));
        }
        (Box::new(file), about.is_file().then_some(about.len()))
    };
    let bar = Bar::new(length);
    let options = Options { keep_bots: asked.keep_bots };
    let show = {
        let bar = bar.clone();
        move |at: Progress| bar.show(at)
    };
    let socket = config.data.socket();
    let summary = match App::build(config, Surroundings::default()).await {
        Ok(app) => {
            let target = target(&app.ports, &asked.website).await?;
            app.importer.import(source, target, options, show).await
        }
        Err(error) if error.is_held() => {
            let request = handover::Request { website: asked.website, options };
            handover::hand_over(&socket, &request, source, show).await
        }
        Err(error) => return Err(error),
    };
    bar.0.finish_and_clear();
    say(&summary?.to_string())
}

/// The progress bar; draws on a terminal only.
#[derive(Clone)]
struct Bar(ProgressBar);

impl Bar {
    fn new(length: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
        let template = match length {
            Some(_) => "{bar:40} {percent:>3} %  {msg}",
            None => "{spinner} {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self(bar)
    }

    fn show(&self, at: Progress) {
        self.0.set_position(at.bytes);
        self.0.set_message(match at.page_views {
            0 => format!("{} lines read", at.lines),
            _ => format!("{} lines read, {} of {} page views handled", at.lines, at.handled, at.page_views),
        });
    }
}
