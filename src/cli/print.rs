//! What commands print: lines, tables and JSON.

use std::io::{self, Write as _};

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use serde_json::Value;

use crate::{StartError, config::Flags};

/// The output format of a command.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Format {
    /// Print JSON, for scripts
    #[arg(long)]
    pub(super) json: bool,
}

/// Options of a command that lists rows.
#[derive(Debug, Args)]
pub(super) struct ListOptions {
    #[command(flatten)]
    pub(super) format: Format,
    #[command(flatten)]
    pub(super) flags: Flags,
}

/// Prints a line. A closed pipe is not an error.
pub(super) fn say(line: &str) -> Result<(), StartError> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(StartError::new(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a value as JSON on several lines.
pub(super) fn say_json(value: &Value) -> Result<(), StartError> {
    say(&serde_json::to_string_pretty(value).map_err(|error| StartError::new(error.to_string()))?)
}

/// An instant as the API writes it.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The day of an instant, UTC.
pub(super) fn day(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d").to_string()
}

/// Aligned columns: a line of headings, then one line per row.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = std::iter::once(headings.map(str::to_owned))
        .chain(rows.iter().cloned())
        .map(|row| row.map(|cell| cell.replace(char::is_control, " ")))
        .collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_aligned_line() {
        let rows = [["Zoë".to_owned(), "x".to_owned()], ["a\nb c".to_owned(), String::new()]];
        assert_eq!(table(["NAME", "ID"], &rows), "NAME   ID\nZoë    x\na b c");
    }
}
