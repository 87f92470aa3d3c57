//! The declared settings, as clap knows them: which ones a command's help shows, and which variables exist.

use std::{collections::BTreeSet, ffi::OsString};

use clap::Command;

/// Beginning of the names of all environment variables of Footfall.
const PREFIX: &str = "FOOTFALL_";

/// Settings that commands on accounts, keys and websites use.
const OF_CONTROL_PLANE: &[&str] = &["data", "config", "public_url", "database_url", "log"];

/// Settings that imports use.
const OF_IMPORTS: &[&str] =
    &["data", "config", "database_url", "geo_database", "datacentres", "memory_mib", "threads", "log"];

/// Hides settings from the help of commands that do not use them. They are accepted all the same, so that one
/// environment suits every command.
pub(super) fn with_relevant_help(command: Command) -> Command {
    command.mut_subcommands(|group| {
        let settings = match group.get_name() {
            "user" | "key" | "website" => Some(OF_CONTROL_PLANE),
            "import" => Some(OF_IMPORTS),
            _ => None,
        };
        match settings {
            Some(settings) => group.mut_subcommands(|command| showing(command, settings)),
            None => group,
        }
    })
}

fn showing(command: Command, settings: &[&str]) -> Command {
    command
        .mut_args(|argument| {
            let is_setting = argument.get_help_heading() == Some("Settings");
            let is_used = settings.contains(&argument.get_id().as_str());
            if is_setting && !is_used { argument.hide(true) } else { argument }
        })
        .after_help("The other settings of `footfall serve` are accepted too.")
}

/// Environment variables that look like settings but are declared by no argument.
pub(super) fn unknown_variables(
    command: &Command,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Vec<String> {
    let mut known = BTreeSet::new();
    collect_variables(command, &mut known);
    let mut unknown: Vec<String> = variables
        .filter(|(name, _)| !known.contains(name))
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with(PREFIX))
        .collect();
    unknown.sort();
    unknown
}

fn collect_variables(command: &Command, known: &mut BTreeSet<OsString>) {
    known.extend(command.get_arguments().filter_map(|argument| argument.get_env()).map(OsString::from));
    command.get_subcommands().for_each(|inner| collect_variables(inner, known));
}
