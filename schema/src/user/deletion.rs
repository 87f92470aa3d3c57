//! Deletion of an account with the teams that have no other members. Teams with other members must have another owner
//! first.
//!
//! - Each deleted website leaves a row from which its events are erased.
//! - Other members who lose their default team get another one.

use async_graphql::{Context, Object, SimpleObject};
use entity::{audit_entry, departure, erasure, membership, team, user, website};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{Set, Unchanged},
    ColumnTrait as _, DatabaseTransaction, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    sea_query::OnConflict,
};
use uuid::Uuid;

use crate::{
    access::{Myself, On, Reach as _, Role, access_directive, credential::digest},
    audit::{self, AuditAction, Line},
    cost::first_of,
    error::{Error, Result},
    error_code::{ErrorCode, errors},
    ports::Ports,
    team::creation,
};

// Vocabulary

/// Maximum numbers of teams and websites listed in the response.
const MAX_TEAMS: u32 = 100;
const MAX_WEBSITES: u32 = 1_000;

/// The result of deleting an account.
#[derive(SimpleObject, Debug, Clone)]
pub struct UserDeletePayload {
    /// UUIDs of the teams that were deleted with the account, at most 100.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_TEAMS), None))]
    pub deleted_team_database_ids: Vec<Uuid>,
    /// UUIDs of the websites that were deleted with those teams, at most 1,000. Their events are erased in the
    /// background.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_WEBSITES), None))]
    pub deleted_website_database_ids: Vec<Uuid>,
}

// Rules

/// What happens to a team that the user owns.
#[derive(Default)]
struct Owned {
    /// It has no other members.
    going: Vec<Uuid>,
    /// It has other members, but no other owner.
    orphaned: Vec<Uuid>,
    /// It continues without the user.
    staying: Vec<Uuid>,
}

async fn active(txn: &DatabaseTransaction, user: Uuid) -> Result<Vec<membership::Model>> {
    Ok(membership::Entity::find()
        .filter(membership::Column::UserId.eq(user))
        .filter(membership::Column::DeactivatedAt.is_null())
        .order_by_desc(membership::Column::Role)
        .order_by_asc(membership::Column::CreatedAt)
        .all(txn)
        .await?)
}

async fn owned(txn: &DatabaseTransaction, user: Uuid) -> Result<Owned> {
    let mut owned = Owned::default();
    for part in active(txn, user).await? {
        if part.role < Role::Owner.level() {
            owned.staying.push(part.team_id);
            continue;
        }
        let others = membership::Entity::find()
            .filter(membership::Column::TeamId.eq(part.team_id))
            .filter(membership::Column::UserId.ne(user))
            .filter(membership::Column::DeactivatedAt.is_null())
            .order_by_desc(membership::Column::Role)
            .one(txn)
            .await?;
        match others {
            None => owned.going.push(part.team_id),
            Some(highest) if highest.role < Role::Owner.level() => owned.orphaned.push(part.team_id),
            Some(_) => owned.staying.push(part.team_id),
        }
    }
    Ok(owned)
}

/// Errors: `Conflict`, naming the teams that need another owner first.
async fn nothing_orphaned(txn: &DatabaseTransaction, orphaned: &[Uuid]) -> Result<()> {
    if orphaned.is_empty() {
        return Ok(());
    }
    let teams = team::Entity::find().filter(team::Column::Id.is_in(orphaned.iter().copied()));
    let teams = teams.order_by_asc(team::Column::CreatedAt).all(txn).await?;
    let names: Vec<String> = teams.iter().map(|team| format!("\"{}\"", team.name)).collect();
    Err(Error::conflict(format!(
        "You are the last owner of {}, which has other members. Make one of them an owner, or remove them first.",
        names.join(", ")
    )))
}

/// Gives members who lose their default team another one: that with their highest role, or else a new one.
async fn settle(txn: &DatabaseTransaction, ports: &Ports, myself: Uuid, going: &[Uuid]) -> Result<()> {
    let stranded = user::Entity::find()
        .filter(user::Column::DefaultTeamId.is_in(going.iter().copied()))
        .filter(user::Column::Id.ne(myself))
        .all(txn)
        .await?;
    for stranded in stranded {
        let next = match active(txn, stranded.id).await?.first() {
            Some(part) => part.team_id,
            None => {
                let name = creation::own_name(stranded.full_name.as_deref(), &stranded.email);
                creation::found(txn, ports, stranded.id, name).await?.id
            }
        };
        let row = user::ActiveModel { id: Unchanged(stranded.id), default_team_id: Set(next), ..Default::default() };
        row.update(txn).await?;
    }
    Ok(())
}

/// Records deleted websites whose events may remain, so that these are erased too.
pub(crate) async fn leave_erasures(txn: &DatabaseTransaction, ports: &Ports, websites: &[Uuid]) -> Result<()> {
    let now = ports.now();
    for website_id in websites {
        let row = erasure::ActiveModel { website_id: Set(*website_id), created_at: Set(now) };
        let kept = OnConflict::column(erasure::Column::WebsiteId).do_nothing().to_owned();
        erasure::Entity::insert(row).on_conflict(kept).exec_without_returning(txn).await?;
    }
    Ok(())
}

/// Deletes the account with its sessions and everything that belongs to it alone: teams without other members, their
/// websites, keys and data. Errors: `Conflict` while it is the last owner of a team with other members.
pub async fn delete(ports: &Ports, myself: &Myself) -> Result<UserDeletePayload> {
    let txn = ports.begin(myself).await?;
    let Owned { going, orphaned, staying } = owned(&txn, myself.id()).await?;
    nothing_orphaned(&txn, &orphaned).await?;
    let websites: Vec<Uuid> = website::Entity::find()
        .select_only()
        .column(website::Column::Id)
        .filter(website::Column::TeamId.is_in(going.iter().copied()))
        .into_tuple()
        .all(&txn)
        .await?;
    leave_erasures(&txn, ports, &websites).await?;
    let email = &myself.user().email;
    for team in staying {
        let line = Line::of_account(AuditAction::UserDelete, myself.caller(), email, &[]);
        audit::note(&txn, ports, Line { team: Some(team), ..line }).await?;
    }
    // Entries that concern only the account are deleted with it, because no one else can read them.
    audit_entry::Entity::delete_many()
        .filter(audit_entry::Column::TeamId.is_null())
        .filter(audit_entry::Column::UserId.eq(myself.id()))
        .exec(&txn)
        .await?;
    settle(&txn, ports, myself.id(), &going).await?;
    if let Some(subject) = &myself.user().external_subject {
        depart(&txn, ports, subject).await?;
    }
    if user::Entity::delete_by_id(myself.id()).exec(&txn).await?.rows_affected != 1 {
        return Err(Error::unauthenticated("This account no longer exists."));
    }
    team::Entity::delete_many().filter(team::Column::Id.is_in(going.iter().copied())).exec(&txn).await?;
    let line = Line::of_account(AuditAction::UserDelete, myself.caller(), "an account", &[]);
    audit::note(&txn, ports, line).await?;
    txn.commit_changing(&going, &websites).await?;
    Ok(UserDeletePayload {
        deleted_team_database_ids: first_of(going, MAX_TEAMS),
        deleted_website_database_ids: first_of(websites, MAX_WEBSITES),
    })
}

/// Records the deletion of an account with external sign-in, so that tokens issued before do not create it again. Only
/// a digest of issuer and subject is stored.
async fn depart(txn: &DatabaseTransaction, ports: &Ports, subject: &str) -> Result<()> {
    let row = departure::ActiveModel { subject_hash: Set(digest(subject)), left_at: Set(ports.now()) };
    let again = OnConflict::column(departure::Column::SubjectHash).update_column(departure::Column::LeftAt).to_owned();
    departure::Entity::insert(row).on_conflict(again).exec_without_returning(txn).await?;
    Ok(())
}

// Graph

/// Account deletion mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct AccountDeletionMutation;

#[Object]
impl AccountDeletionMutation {
    /// Deletes the signed-in user's account immediately and permanently. Teams without other members are deleted with
    /// it, including their websites, API keys and events. Fails with `CONFLICT`, naming the team, while the user is the
    /// last owner of a team with other members.
    #[doc = access_line!(USER)]
    #[graphql(directive = access_directive::access::apply(On::User, None, None), directive = errors::apply(vec![ErrorCode::Conflict]))]
    async fn user_delete(&self, ctx: &Context<'_>) -> Option<async_graphql::Result<UserDeletePayload>> {
        let answer: async_graphql::Result<Option<UserDeletePayload>> =
            async { Ok(Some(delete(ctx.cx()?.ports(), &ctx.myself().await?).await?)) }.await;
        answer.transpose()
    }
}
