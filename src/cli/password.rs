//! Passwords for the command line: from the environment, a terminal or standard input.

use std::io::{self, BufRead as _, IsTerminal as _};

use clap::Args;

use crate::StartError;

#[derive(Debug, Args)]
pub(super) struct Password {
    /// Password; safer in the environment variable. Read from standard input if omitted
    #[arg(long, env = "FOOTFALL_PASSWORD", hide_env_values = true)]
    password: Option<String>,
}

impl Password {
    /// The password as given; a terminal is asked twice, because what is typed is not shown.
    pub(super) fn read(self) -> Result<String, StartError> {
        if let Some(password) = self.password {
            return Ok(password);
        }
        if io::stdin().is_terminal() {
            let password = ask("Password (not shown): ")?;
            return if ask("Repeat the password: ")? == password {
                Ok(password)
            } else {
                Err(StartError::new("the passwords differ; nothing was changed".to_owned()))
            };
        }
        let mut line = String::new();
        io::stdin()
            .lock()
            .read_line(&mut line)
            .map_err(|error| StartError::new(format!("cannot read the password from standard input: {error}")))?;
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

fn ask(prompt: &str) -> Result<String, StartError> {
    rpassword::prompt_password(prompt)
        .map_err(|error| StartError::new(format!("cannot read the password from the terminal: {error}")))
}
