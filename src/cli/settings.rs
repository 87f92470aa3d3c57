//! The declared settings, as clap knows them: which ones a command's help shows, and which variables exist.

use std::{collections::BTreeSet, ffi::OsString};

use clap::Command;

use crate::config::settings::is_used_by;

/// Beginning of the names of all environment variables of Footfall.
const PREFIX: &str = "FOOTFALL_";

/// Hides settings from the help of commands that do not use them. They are accepted all the same, so that one
/// environment suits every command.
pub(super) fn with_relevant_help(command: Command) -> Command {
    command.mut_subcommands(|group| match group.get_name() {
        "user" | "team" | "key" | "website" => group.mut_subcommands(|command| showing(command, "accounts")),
        "import" => group.mut_subcommands(|command| showing(command, "imports")),
        _ => group,
    })
}

fn showing(command: Command, users: &str) -> Command {
    command
        .mut_args(|argument| {
            let is_setting = argument.get_help_heading() == Some("Settings");
            let is_used = is_used_by(users, argument.get_id().as_str());
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn flags_and_variables_are_spelled_like_their_settings() {
        let command = super::super::Cli::command();
        let serve = command.find_subcommand("serve").unwrap();
        let settings = serve.get_arguments().filter(|argument| argument.get_help_heading() == Some("Settings"));
        for argument in settings.inspect(|argument| assert!(argument.get_help().is_some(), "{argument:?}")) {
            let name = argument.get_id().as_str();
            assert_eq!(argument.get_long(), Some(&*name.replace('_', "-")));
            assert_eq!(argument.get_env(), Some(&*OsString::from(format!("{PREFIX}{}", name.to_uppercase()))));
        }
    }
}
