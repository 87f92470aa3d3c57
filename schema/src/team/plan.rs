//! The plan of a team, which operators of the installation set.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::{team, website};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _,
    sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    access::{Installation, On, Reach as _, access_directive},
    audit::{self, AuditAction, Line},
    error::{Error, Result},
    id::Kind,
    plan::{PlanLimits, PlanName},
    ports::Ports,
};

// Vocabulary

/// A team's new plan.
#[derive(InputObject, Debug, Clone)]
pub struct TeamUpdatePlanInput {
    /// The plan. Its limits apply only if the installation enforces plan limits.
    pub plan: PlanName,
}

/// The plan after the change. Operators do not see the team itself.
#[derive(SimpleObject)]
pub struct TeamUpdatePlanPayload {
    /// Global ID of the team.
    pub team_id: ID,
    /// Limits of the team's plan.
    pub limits: PlanLimits,
}

// Rules

/// Sets the plan of a team. What a lower plan does not allow is kept, and no more of it can be added. Errors: `NotFound`.
pub async fn set(ports: &Ports, installation: &Installation, id: Uuid, plan: PlanName) -> Result<()> {
    let txn = ports.begin(installation).await?;
    let row = team::Entity::find_by_id(id).one(&txn).await?.ok_or_else(|| Error::not_found("The team"))?;
    if row.plan == plan.text() {
        return Ok(());
    }
    let row = team::ActiveModel { id: Unchanged(id), plan: Set(plan.text().to_owned()), ..Default::default() };
    let row = row.update(&txn).await?;
    let caller = installation.caller();
    let action = AuditAction::TeamUpdatePlan;
    let line = Line { action, caller, team: Some(id), website: None, target: &row.name, changed: &["plan"] };
    audit::note(&txn, ports, line).await?;
    // Ingest obeys the plan too; a server beside this process sees it by the time of the change.
    website::Entity::update_many()
        .col_expr(website::Column::UpdatedAt, Expr::value(ports.now()))
        .filter(website::Column::TeamId.eq(id))
        .exec(&txn)
        .await?;
    let websites: Vec<Uuid> = website::Entity::find()
        .select_only()
        .column(website::Column::Id)
        .filter(website::Column::TeamId.eq(id))
        .into_tuple()
        .all(&txn)
        .await?;
    txn.commit_changing(&[id], &websites).await
}

// Graph

/// Mutations of plans.
#[derive(Debug, Default, Clone, Copy)]
pub struct TeamPlanMutation;

#[Object]
impl TeamPlanMutation {
    /// Sets the plan of a team. Websites, members and settings above a lower plan's limits are kept; no more can be added.
    #[doc = access_line!(OPERATOR)]
    #[graphql(directive = access_directive::access::apply(On::Operator, None, None))]
    async fn team_update_plan(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The team: global ID or UUID.")] team_id: ID,
        #[graphql(desc = "The new plan.")] input: TeamUpdatePlanInput,
    ) -> Option<async_graphql::Result<TeamUpdatePlanPayload>> {
        let answer: async_graphql::Result<Option<TeamUpdatePlanPayload>> = async {
            let cx = ctx.cx()?;
            let installation = cx.installation().await?;
            let team = Kind::Team.read("teamId", &team_id)?;
            set(cx.ports(), &installation, team, input.plan).await?;
            Ok(Some(TeamUpdatePlanPayload { team_id: Kind::Team.global(team), limits: input.plan.limits() }))
        }
        .await;
        answer.transpose()
    }
}
