//! `user`: accounts.

use std::sync::Arc;

use clap::{Args, Subcommand};
use schema::{operator_lists, user};
use serde_json::json;

use super::{
    NotOpened, beside, configured,
    password::Password,
    print::{Format, ListOptions, day, instant, say, say_json, table},
};
use crate::{StartError, Surroundings, config::Flags, control_plane};

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Creates an account with its own team
    Create(UserCreate),
    /// Lists all accounts, one per line
    List(ListOptions),
    /// Sets the password of an account and ends its sessions
    Password(UserPassword),
    /// Confirms the e-mail address of an account, like the mailed link
    Confirm(UserConfirm),
    /// Makes an account an operator, who manages plans but has no access to other teams' analytics
    Operator(UserOperator),
}

#[derive(Debug, Args)]
pub(super) struct UserCreate {
    /// E-mail address to sign in with
    #[arg(long)]
    email: String,
    /// Full name
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    password: Password,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
pub(super) struct UserPassword {
    /// E-mail address of the account
    email: String,
    #[command(flatten)]
    password: Password,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
pub(super) struct UserConfirm {
    /// Current or pending e-mail address of the account
    email: String,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
pub(super) struct UserOperator {
    /// E-mail address of the account
    email: String,
    /// Ends the account's operation instead
    #[arg(long)]
    revoke: bool,
    #[command(flatten)]
    flags: Flags,
}

pub(super) async fn obey(command: UserCommand) -> Result<(), StartError> {
    match command {
        UserCommand::Create(asked) => create(asked).await,
        UserCommand::List(asked) => list(asked).await,
        UserCommand::Password(asked) => {
            let (_, ports, operator) = beside(asked.flags).await?;
            let password = asked.password.read()?;
            schema::password::set_by_operator(&ports, &operator, &asked.email, password).await?;
            say("The password was set and the account's sessions were ended.")
        }
        UserCommand::Confirm(asked) => {
            let (_, ports, operator) = beside(asked.flags).await?;
            user::email_proof::confirm_by_operator(&ports, &operator, &asked.email).await?;
            say(&format!("The address {} was confirmed.", asked.email.trim().to_lowercase()))
        }
        UserCommand::Operator(asked) => {
            let (_, ports, operator) = beside(asked.flags).await?;
            user::operators::set(&ports, &operator.installation(), &asked.email, !asked.revoke).await?;
            let email = asked.email.trim().to_lowercase();
            let what = if asked.revoke { "is no operator any more" } else { "is an operator" };
            say(&format!("The account {email} {what}."))
        }
    }
}

/// Creates an account. The first one may come before the first start, so this also creates the data folder, once
/// nothing else can be wrong.
async fn create(asked: UserCreate) -> Result<(), StartError> {
    let config = configured(asked.flags)?;
    let password = asked.password.read()?;
    user::creation::check(&asked.email, &password, asked.name.as_deref())?;
    let (ports, _) = control_plane(&config, Arc::new(NotOpened), &Surroundings::default()).await?;
    let operator = config.data.operator()?;
    let id = user::creation::create(&ports, &operator, &asked.email, password, asked.name).await?;
    let email = asked.email.trim().to_lowercase();
    if asked.format.json {
        return say_json(&json!({ "id": id, "email": email }));
    }
    say(&format!("Created account {email} ({id})."))
}

async fn list(asked: ListOptions) -> Result<(), StartError> {
    let (_, ports, operator) = beside(asked.flags).await?;
    let accounts = operator_lists::accounts(&ports, &operator).await?;
    if asked.format.json {
        let rows = accounts.iter().map(|account| {
            json!({
                "id": account.id, "email": account.email, "fullName": account.full_name,
                "isOperator": account.is_operator, "emailVerified": account.email_verified,
                "defaultTeamId": account.default_team_id, "createdAt": instant(account.created_at),
            })
        });
        return say_json(&rows.collect());
    }
    let rows: Vec<_> = accounts
        .into_iter()
        .map(|account| {
            [
                account.email,
                account.full_name.unwrap_or_else(|| "-".to_owned()),
                account.id.to_string(),
                account.default_team_id.to_string(),
                day(account.created_at),
                if account.is_operator { "operator" } else { "-" }.to_owned(),
            ]
        })
        .collect();
    say(&table(["EMAIL", "NAME", "ID", "DEFAULT TEAM", "CREATED", "ROLE"], &rows))
}
