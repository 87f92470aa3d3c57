//! Terminal side of an import: opens the given log, and shows a progress bar if standard error is a terminal.

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::Path,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use schema::error::{Error, Result};

use super::Progress;

/// Opens a log: a file, or standard input for `-`. Also returns its size in bytes, if known.
///
/// Errors: `Invalid` with field `file` for a missing or unreadable file, or one that is not a regular file.
pub fn open(name: &Path) -> Result<(Box<dyn Read + Send>, Option<u64>)> {
    if name == Path::new("-") {
        return Ok((Box::new(io::stdin()), None));
    }
    let wrong = |why: &str| {
        Error::invalid("file", format!("{} {why}; must be an access log, or - for standard input", name.display()))
    };
    let file = File::open(name).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => wrong("does not exist"),
        io::ErrorKind::PermissionDenied => wrong("is not readable by this user"),
        _ => wrong("cannot be opened"),
    })?;
    let about = file.metadata().map_err(|_| wrong("cannot be opened"))?;
    if about.is_dir() {
        return Err(wrong("is a folder"));
    }
    // A pipe has a length of 0 that means nothing.
    let size = about.is_file().then_some(about.len());
    Ok((Box::new(file), size))
}

/// Shows the progress of an import on standard error, if that is a terminal. `size` is that returned by [`open`].
pub fn progress_bar(size: Option<u64>) -> impl Fn(Progress) + Send + Sync + 'static {
    let target = if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(size, target);
    bar.set_style(style(match size {
        Some(_) => "{bar:32} {binary_bytes}/{binary_total_bytes}  {msg}",
        None => "{spinner} {binary_bytes}  {msg}",
    }));
    move |at| show(&bar, at)
}

fn style(template: &str) -> ProgressStyle {
    // The templates are ours and a test reads them; a bar without style beats no import.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn show(bar: &ProgressBar, at: Progress) {
    if at.page_views == 0 {
        bar.set_position(at.bytes);
        bar.set_message(format!("{} lines read", at.lines));
        return;
    }
    // The log is read; from here the bar counts page views.
    if bar.length() != Some(at.page_views) || bar.message().ends_with("read") {
        bar.set_style(style("{bar:32} {pos}/{len}  {msg}"));
        bar.set_length(at.page_views);
        bar.set_message("page views stored");
    }
    bar.set_position(at.handled);
    if at.handled >= at.page_views {
        bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_opened_or_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("access.log");
        std::fs::write(&log, "12345").unwrap();
        let (mut source, size) = open(&log).unwrap();
        let mut text = String::new();
        source.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), size), ("12345", Some(5)));
        assert_eq!(open(Path::new("-")).unwrap().1, None);
        for (name, says) in
            [(folder.path().join("absent"), "does not exist"), (folder.path().to_owned(), "is a folder")]
        {
            let error = open(&name).err().unwrap();
            assert_eq!(error.field(), Some("file"));
            assert!(error.message().contains(says), "{}", error.message());
        }
    }

    #[test]
    fn the_bar_follows_reading_and_storing() {
        for size in [Some(100), None] {
            let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::hidden());
            show(&bar, Progress { bytes: 40, lines: 7, ..Progress::default() });
            assert_eq!((bar.position(), bar.message().as_str()), (40, "7 lines read"));
            show(&bar, Progress { bytes: 100, lines: 9, page_views: 5, handled: 2 });
            assert_eq!((bar.position(), bar.length(), bar.message().as_str()), (2, Some(5), "page views stored"));
            show(&bar, Progress { bytes: 100, lines: 9, page_views: 5, handled: 5 });
            assert!(bar.is_finished());
        }
        for template in [
            "{bar:32} {binary_bytes}/{binary_total_bytes}  {msg}",
            "{spinner} {binary_bytes}  {msg}",
            "{bar:32} {pos}/{len}  {msg}",
        ] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
