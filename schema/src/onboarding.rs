//! Onboarding progress of users, stored for the dashboard.
//!
//! - Each user has at most one record, independent of teams.
//! - The dashboard's object is stored unchanged, including the order of its keys.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, SimpleObject, Value};
use entity::onboarding;
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, EntityTrait as _, IntoActiveModel as _};
use uuid::Uuid;

use crate::{
    access::{Myself, On, Reach as _, access_directive},
    constraint::{Constrained, Constraint},
    error::{Error, Result},
    ports::Ports,
    scalars::{Instant, Json},
};

// Vocabulary

/// Name of a step.
const STEP: Constraint = Constraint::name(100);

/// Maximum size of the dashboard's object as JSON, in bytes.
const MAX_BYTES: usize = 32 * 1024;

/// Onboarding progress of a user.
#[derive(SimpleObject, Debug, Clone)]
pub struct Onboarding {
    /// UUID of the user.
    pub user_database_id: Uuid,
    /// Name of the current step, as defined by the dashboard; null before the first step.
    pub current_step: Option<String>,
    /// Whether onboarding is complete. False if nothing was saved.
    pub is_completed: bool,
    /// The dashboard's own object, unchanged; `{}` if nothing was saved.
    pub data: Json,
    /// Time when onboarding was first saved, UTC; null if it was never saved.
    pub created_at: Option<Instant>,
    /// Time when onboarding was last saved, UTC; null if it was never saved.
    pub updated_at: Option<Instant>,
}

/// Onboarding progress to save. Omitted fields stay unchanged, except `isCompleted`.
#[derive(InputObject, Debug, Clone)]
pub struct OnboardingSaveInput {
    /// Name of the current step, as defined by the dashboard, 1 to 100 characters; null for none.
    #[graphql(directive = Constrained::apply(STEP))]
    pub current_step: MaybeUndefined<String>,
    /// The dashboard's own JSON object, at most 32,768 bytes as JSON. Replaces the existing object. Cannot be null.
    #[graphql(directive = Constrained::apply(Constraint::OBJECT.not_null()))]
    pub data: MaybeUndefined<Json>,
    /// Whether onboarding is complete. Defaults to false.
    #[graphql(default = false)]
    pub is_completed: bool,
}

/// The result of saving onboarding progress.
#[derive(SimpleObject)]
pub struct OnboardingSavePayload {
    /// The saved record.
    pub onboarding: Onboarding,
}

// Rules

fn face(row: onboarding::Model) -> Result<Onboarding> {
    let data: Value = serde_json::from_str(&row.data).map_err(Error::internal)?;
    Ok(Onboarding {
        user_database_id: row.user_id,
        current_step: row.current_step,
        is_completed: row.completed,
        data: Json(data),
        created_at: Some(Instant(row.created_at)),
        updated_at: Some(Instant(row.updated_at)),
    })
}

/// The user's record, or the default before the first one is saved.
pub(crate) async fn load(ports: &Ports, myself: &Myself) -> Result<Onboarding> {
    match onboarding::Entity::find_by_id(myself.id()).one(ports.database.reader(myself)).await? {
        Some(row) => face(row),
        None => Ok(Onboarding {
            user_database_id: myself.id(),
            current_step: None,
            is_completed: false,
            data: Json(Value::Object(Default::default())),
            created_at: None,
            updated_at: None,
        }),
    }
}

fn checked_step(step: String) -> Result<String> {
    let wrong = |why: String| Err(Error::invalid("currentStep", why));
    if step.trim().is_empty() {
        return wrong(format!("must have 1 to {} characters and cannot be blank", STEP.max_length()));
    }
    STEP.check_length("currentStep", &step)?;
    if step.chars().any(char::is_control) {
        return wrong("cannot contain control characters; use a word such as add_website".to_owned());
    }
    Ok(step)
}

fn checked_data(data: &Value) -> Result<String> {
    if !matches!(data, Value::Object(_)) {
        return Err(Error::invalid("data", "must be a JSON object"));
    }
    let text = serde_json::to_string(data).map_err(Error::internal)?;
    if text.len() > MAX_BYTES {
        return Err(Error::invalid(
            "data",
            format!("must have at most {MAX_BYTES} bytes as JSON (got {})", text.len()),
        ));
    }
    Ok(text)
}

/// Creates or updates the user's record. Errors: `Invalid`.
pub async fn save(ports: &Ports, myself: &Myself, input: OnboardingSaveInput) -> Result<Onboarding> {
    let step = match input.current_step {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(step) => Some(Some(checked_step(step)?)),
    };
    let data = match input.data {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => {
            return Err(Error::invalid("data", "cannot be null; omit it to keep the current value, or pass {}"));
        }
        MaybeUndefined::Value(data) => Some(checked_data(&data.0)?),
    };
    let now = ports.now();
    let txn = ports.begin(myself).await?;
    let row = match onboarding::Entity::find_by_id(myself.id()).one(&txn).await? {
        Some(known) => {
            let mut row = known.into_active_model();
            if let Some(step) = step {
                row.current_step = Set(step);
            }
            if let Some(data) = data {
                row.data = Set(data);
            }
            row.completed = Set(input.is_completed);
            row.updated_at = Set(now);
            row.update(&txn).await?
        }
        None => {
            let row = onboarding::ActiveModel {
                user_id: Set(myself.id()),
                current_step: Set(step.flatten()),
                completed: Set(input.is_completed),
                data: Set(data.unwrap_or_else(|| "{}".to_owned())),
                created_at: Set(now),
                updated_at: Set(now),
            };
            row.insert(&txn)
                .await
                .map_err(|source| Error::of_write(source, "The record was saved concurrently. Save it again."))?
        }
    };
    txn.commit_addition().await?;
    face(row)
}

// Graph

/// Onboarding mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct OnboardingMutation;

#[Object]
impl OnboardingMutation {
    /// Saves the caller's onboarding progress.
    #[doc = access_line!(USER)]
    #[graphql(directive = access_directive::access::apply(On::User, None, None))]
    async fn onboarding_save(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The onboarding progress to save.")] input: OnboardingSaveInput,
    ) -> Option<async_graphql::Result<OnboardingSavePayload>> {
        let answer: async_graphql::Result<Option<OnboardingSavePayload>> = async {
            let onboarding = save(ctx.cx()?.ports(), &ctx.myself().await?, input).await?;
            Ok(Some(OnboardingSavePayload { onboarding }))
        }
        .await;
        answer.transpose()
    }
}
