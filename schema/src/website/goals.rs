//! Goals of a website: rules over its events. Completions count in `conversions`, over the past and the present alike.
//!
//! - A goal is accessed only through its website, so that the ID of another website's goal is unknown here.
//! - `goal_rule` says what completes a goal; ingest compares each event with it on arrival, and the event store compiles it to SQL.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use entity::goal;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, IntoActiveModel as _, PaginatorTrait as _,
    QueryFilter as _, SqlErr,
};
use uuid::Uuid;

use crate::{
    access::{
        AtLeast, Editor, Level, On, Reach as _, Role, Site, Viewer, access_directive,
        creation::{Creation, Outcome},
        cx::Cx,
    },
    analytics::{query::FilterOperator, report::Money},
    cost,
    error::{Error, Result},
    id::Kind,
    list::List,
    ports::Ports,
    scalars::Instant,
};

use super::{
    Website,
    change::{Change, GoalCreated, GoalDeleted, GoalUpdated, Setting},
};

pub mod input;
mod stored;

pub use input::{GoalCreateInput, GoalUpdateInput};
pub use stored::definitions;

// Vocabulary

/// What completes a goal.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GoalKind {
    /// A view of a page.
    Page,
    /// An event with a name, and with properties if conditions are given.
    Event,
    /// A call of `zenovay('goal', name)`, or an event of type GOAL from a server.
    Call,
}

/// How a pattern is compared with the path of a page.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchKind {
    /// The whole path.
    Exact,
    /// The beginning of the path.
    Prefix,
    /// The whole path; `*` matches any text, including slashes.
    Glob,
    /// A regular expression in RE2 syntax, which matches anywhere in the path.
    Regex,
}

/// A condition on a property of an event.
#[derive(SimpleObject, Debug, Clone)]
pub struct PropertyCondition {
    /// Name of the property.
    pub property: String,
    /// Comparison operator.
    pub operator: FilterOperator,
    /// Values to compare with.
    #[graphql(directive = cost::list_size::apply(Some(input::MAX_VALUES), None))]
    pub values: Vec<String>,
}

/// A goal of a website.
#[derive(Debug, Clone)]
pub struct Goal {
    row: Arc<goal::Model>,
    site: Site<Viewer>,
}

/// Input for deleting a goal.
#[derive(async_graphql::InputObject, Debug, Clone)]
pub struct GoalDeleteInput {
    /// The goal: global ID or UUID.
    pub goal_id: ID,
}

/// The result of creating a goal.
#[derive(SimpleObject)]
pub struct GoalCreatePayload {
    /// The goal.
    pub goal: Goal,
    /// The website.
    pub website: Website,
    /// `clientMutationId` of the input.
    pub client_mutation_id: Option<String>,
}

/// The goal after the change.
#[derive(SimpleObject)]
pub struct GoalUpdatePayload {
    /// The goal.
    pub goal: Goal,
    /// The website.
    pub website: Website,
}

/// The result of deleting a goal.
#[derive(SimpleObject)]
pub struct GoalDeletePayload {
    /// Global ID of the deleted goal.
    pub deleted_id: ID,
    /// The website, with its remaining goals.
    pub website: Website,
}

impl Goal {
    pub(crate) fn new<R: Level + AtLeast<Viewer>>(site: &Site<R>, row: goal::Model) -> Result<Self> {
        if row.website_id != site.id() {
            return Err(Error::broken("a website's proof met another website's goal"));
        }
        Ok(Self { row: Arc::new(row), site: site.lower() })
    }
}

// Rules

/// Maximum number of goals per website.
pub(crate) const MAX_GOALS: u32 = 100;

/// Maximum number of goals per website whose paths are matched by GLOB or REGEX: each is compared with every page view.
const MAX_PATTERN_GOALS: u64 = 20;

/// Name of the list in the audit log.
const LIST: &str = "goals";

const MISSING: &str = "The goal";
const TAKEN: &str = "The website already has a goal with this name.";

/// Creates a goal. Errors: `Invalid`; `Conflict` when the website has one with this name, or too many.
pub async fn create(ports: &Ports, site: &Site<Editor>, input: GoalCreateInput) -> Result<(Goal, Site<Editor>)> {
    let id = ports.ids.uuid();
    let mut change = Change::<GoalCreated>::begin(ports, site).await?;
    let row = input.into_row(id, site.id(), change.row().currency.as_str(), ports.now())?;
    let row = row.into_active_model().reset_all().insert(change.transaction()).await.map_err(refused)?;
    check_numbers(&change, site.id()).await?;
    change.created(id).await?;
    let site = change.commit(&[LIST]).await?;
    Ok((Goal::new(&site, row)?, site))
}

/// Changes a goal. Errors: `NotFound` when the website has no such goal; as [`create`].
pub async fn update(
    ports: &Ports,
    site: &Site<Editor>,
    id: Uuid,
    input: GoalUpdateInput,
) -> Result<(Goal, Site<Editor>)> {
    let change = Change::<GoalUpdated>::begin(ports, site).await?;
    let found = goal::Entity::find_by_id(id).filter(goal::Column::WebsiteId.eq(site.id()));
    let before = found.one(change.transaction()).await?.ok_or_else(|| Error::not_found(MISSING))?;
    let after = input.applied_to(before.clone(), change.row().currency.as_str())?;
    if after == before {
        let site = change.commit(&[]).await?;
        return Ok((Goal::new(&site, after)?, site));
    }
    let row = after.into_active_model().reset_all().update(change.transaction()).await.map_err(refused)?;
    check_numbers(&change, site.id()).await?;
    let site = change.commit(&[LIST]).await?;
    Ok((Goal::new(&site, row)?, site))
}

/// Deletes a goal. Errors: `NotFound` when the website has no such goal.
pub async fn delete(ports: &Ports, site: &Site<Editor>, id: Uuid) -> Result<Site<Editor>> {
    let change = Change::<GoalDeleted>::begin(ports, site).await?;
    let gone = goal::Entity::delete_many()
        .filter(goal::Column::Id.eq(id))
        .filter(goal::Column::WebsiteId.eq(site.id()))
        .exec(change.transaction())
        .await?;
    if gone.rows_affected == 0 {
        return Err(Error::not_found(MISSING));
    }
    change.commit(&[LIST]).await
}

fn refused(source: sea_orm::DbErr) -> Error {
    match source.sql_err() {
        Some(SqlErr::ForeignKeyConstraintViolation(_)) => Error::not_found("The website"),
        _ => Error::of_write(source, TAKEN),
    }
}

/// Errors: `Conflict` when the website has too many goals.
async fn check_numbers<S: Setting>(change: &Change<'_, S>, website: Uuid) -> Result<()> {
    let goals = goal::Entity::find().filter(goal::Column::WebsiteId.eq(website));
    if goals.clone().count(change.transaction()).await? > u64::from(MAX_GOALS) {
        return Err(Error::conflict(format!("The website already has the maximum of {MAX_GOALS} goals. Delete one.")));
    }
    let patterns = goals.filter(goal::Column::MatchKind.is_in([stored::GLOB, stored::REGEX]));
    if patterns.count(change.transaction()).await? > MAX_PATTERN_GOALS {
        return Err(Error::conflict(format!(
            "The website already has the maximum of {MAX_PATTERN_GOALS} goals that match paths by GLOB or REGEX. Use EXACT or PREFIX, or delete one."
        )));
    }
    Ok(())
}

/// A goal, for members with access to its website. Errors: `NotFound`, `Forbidden`.
pub(crate) async fn find(cx: &Cx, field: &str, id: Uuid) -> Result<Goal> {
    let (row, site) = cx.of_website::<goal::Entity, Viewer>(field, id, MISSING).await?;
    Goal::new(&site, row)
}

// Graph

/// A goal of a website. Completions are computed from stored events, so that a new or changed goal counts over the past
/// as well.
#[Object]
impl Goal {
    /// Global ID.
    pub(crate) async fn id(&self) -> ID {
        Kind::Goal.global(self.row.id)
    }

    /// UUID, as used by webhooks and support.
    async fn database_id(&self) -> Uuid {
        self.row.id
    }

    /// Name, unique within the website: the value of dimension GOAL.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// What completes the goal.
    async fn kind(&self) -> Result<GoalKind> {
        stored::kind(&self.row)
    }

    /// How `pattern` is compared with the path; null unless `kind` is PAGE.
    #[graphql(name = "match")]
    async fn match_kind(&self) -> Option<Result<MatchKind>> {
        stored::match_kind(&self.row).transpose()
    }

    /// For PAGE the path or its pattern, for EVENT the name of the event, for CALL the name in the call.
    async fn pattern(&self) -> &str {
        &self.row.pattern
    }

    /// Conditions on properties of the event, all of which must hold; empty unless `kind` is EVENT.
    #[graphql(directive = cost::list_size::apply(Some(input::MAX_CONDITIONS), None))]
    async fn properties(&self) -> Result<List<PropertyCondition>> {
        let rules = stored::properties(&self.row)?;
        Ok(rules
            .into_iter()
            .map(|rule| PropertyCondition { property: rule.property, operator: rule.operator, values: rule.values })
            .collect())
    }

    /// Fixed value of a completion; null if a completion is worth the amount of its event.
    async fn value(&self) -> Option<Money> {
        stored::value(&self.row).map(|value| Money::from_micros(value.micros.into(), &value.currency))
    }

    /// Whether completions count. A disabled goal keeps its name and its settings.
    async fn is_enabled(&self) -> bool {
        self.row.is_enabled
    }

    /// Creation time, UTC.
    async fn created_at(&self) -> Instant {
        Instant(self.row.created_at)
    }

    /// The website.
    async fn website(&self) -> Website {
        Website::from(self.site.clone())
    }
}

/// Goal mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct GoalMutation;

#[Object]
impl GoalMutation {
    /// Creates a goal. Its completions count in the past as well. At most 100 per website.
    #[doc = access_line!(WEBSITE, EDITOR)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Editor), None))]
    async fn goal_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global ID or UUID.")] website_id: ID,
        #[graphql(desc = "The goal to create.")] input: GoalCreateInput,
    ) -> Option<async_graphql::Result<GoalCreatePayload>> {
        let answer: async_graphql::Result<Option<GoalCreatePayload>> = async {
            let site = ctx.site::<Editor>(&website_id).await?;
            let client_mutation_id = input.client_mutation_id.clone();
            let creation = Creation::new(ctx, client_mutation_id.as_deref())?;
            let (goal, site) = match creation.run(&site, create(creation.ports(), &site, input)).await? {
                Outcome::Created(created) => created,
                Outcome::Repeated(id) => (find(ctx.cx()?, "websiteId", id).await?, site),
            };
            Ok(Some(GoalCreatePayload { goal, website: Website::from(site.lower()), client_mutation_id }))
        }
        .await;
        answer.transpose()
    }

    /// Changes a goal. Completions are counted by the new rule, in the past as well.
    #[doc = access_line!(WEBSITE, EDITOR)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Editor), None))]
    async fn goal_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global ID or UUID.")] website_id: ID,
        #[graphql(desc = "The changes.")] input: GoalUpdateInput,
    ) -> Option<async_graphql::Result<GoalUpdatePayload>> {
        let answer: async_graphql::Result<Option<GoalUpdatePayload>> = async {
            let site = ctx.site::<Editor>(&website_id).await?;
            let id = Kind::Goal.read("goalId", &input.goal_id)?;
            let (goal, site) = update(ctx.cx()?.ports(), &site, id, input).await?;
            Ok(Some(GoalUpdatePayload { goal, website: Website::from(site.lower()) }))
        }
        .await;
        answer.transpose()
    }

    /// Deletes a goal. The events that completed it stay.
    #[doc = access_line!(WEBSITE, EDITOR)]
    #[graphql(directive = access_directive::access::apply(On::Website, Some(Role::Editor), None))]
    async fn goal_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The website: global ID or UUID.")] website_id: ID,
        #[graphql(desc = "The goal to delete.")] input: GoalDeleteInput,
    ) -> Option<async_graphql::Result<GoalDeletePayload>> {
        let answer: async_graphql::Result<Option<GoalDeletePayload>> = async {
            let site = ctx.site::<Editor>(&website_id).await?;
            let id = Kind::Goal.read("goalId", &input.goal_id)?;
            let site = delete(ctx.cx()?.ports(), &site, id).await?;
            Ok(Some(GoalDeletePayload { deleted_id: Kind::Goal.global(id), website: Website::from(site.lower()) }))
        }
        .await;
        answer.transpose()
    }
}
