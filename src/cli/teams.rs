//! `team`: teams and their plans.

use clap::{Args, Subcommand, ValueEnum};
use schema::{operator_lists, plan::PlanName, team};
use serde_json::json;
use uuid::Uuid;

use super::{
    beside,
    print::{ListOptions, day, instant, say, say_json, table},
};
use crate::{StartError, config::Flags};

#[derive(Debug, Subcommand)]
pub(super) enum TeamCommand {
    /// Lists all teams with their plans, one per line
    List(ListOptions),
    /// Sets the plan of a team; a running server applies it within a second
    Plan(TeamPlan),
}

#[derive(Debug, Args)]
pub(super) struct TeamPlan {
    /// Team (ID), or the e-mail address of an account for its default team
    team: String,
    /// Plan
    plan: PlanChoice,
    #[command(flatten)]
    flags: Flags,
}

/// Name of a plan.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum PlanChoice {
    Free,
    Pro,
    Scale,
    Enterprise,
}

impl From<PlanChoice> for PlanName {
    fn from(choice: PlanChoice) -> Self {
        match choice {
            PlanChoice::Free => Self::Free,
            PlanChoice::Pro => Self::Pro,
            PlanChoice::Scale => Self::Scale,
            PlanChoice::Enterprise => Self::Enterprise,
        }
    }
}

pub(super) async fn obey(command: TeamCommand) -> Result<(), StartError> {
    match command {
        TeamCommand::List(asked) => list(asked).await,
        TeamCommand::Plan(asked) => {
            let (_, ports, operator) = beside(asked.flags).await?;
            let team = match Uuid::try_parse(&asked.team) {
                Ok(id) => id,
                Err(_) => operator.default_team(&ports, &asked.team).await?.id(),
            };
            let plan = PlanName::from(asked.plan);
            team::plan::set(&ports, &operator.installation(), team, plan).await?;
            say(&format!("The team {team} is on the plan {}.", plan.text()))
        }
    }
}

async fn list(asked: ListOptions) -> Result<(), StartError> {
    let (_, ports, operator) = beside(asked.flags).await?;
    let teams = operator_lists::teams(&ports, &operator).await?;
    if asked.format.json {
        let rows = teams.iter().map(|team| {
            json!({ "id": team.id, "name": team.name, "plan": team.plan, "createdAt": instant(team.created_at) })
        });
        return say_json(&rows.collect());
    }
    let rows: Vec<_> =
        teams.into_iter().map(|team| [team.id.to_string(), team.plan, day(team.created_at), team.name]).collect();
    say(&table(["ID", "PLAN", "CREATED", "NAME"], &rows))
}
