//! Invitations to sign up: a one-time link for a person without an account, who joins the inviting team.
//!
//! - The link is mailed if mail is configured. It proves the address only if it was mailed or created by the operator.
//! - It works once, within seven days, and only while its author is allowed to invite.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::Duration;
use entity::{invitation, membership, team, user};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait as _,
    QueryFilter as _, sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    access::{
        self, Admin, Myself, On, Reach as _, Role, access_directive,
        creation::{Creation, Outcome},
        credential::digest,
    },
    attempts::Quota,
    audit::{self, AuditAction, Line},
    caller::AddressHash,
    constraint::Constrained,
    error::{Error, Result},
    error_code::{ErrorCode, errors},
    idempotency::KEY,
    letters::{self, Letter},
    ports::{Page, Ports, SignUp},
    scalars::{EmailAddress, Instant},
    team::{members, team_meant},
};

// Vocabulary

/// Number of characters in a token.
const TOKEN: usize = 48;

/// Number of days for which an invitation is valid.
const DAYS: i64 = 7;

/// The person to invite, the team to join, and the role.
#[derive(InputObject, Debug, Clone)]
pub struct InvitationCreateInput {
    /// E-mail address of a person without an account. Not case-sensitive.
    pub email: EmailAddress,
    /// Role to join the team with, at most the caller's own. `OWNER` is not allowed: ownership can only be offered to
    /// members.
    #[graphql(default_with = "Role::Viewer")]
    pub role: Role,
    /// The team to join: global ID or UUID. Null means the caller's default team.
    pub team_id: Option<ID>,
    /// Idempotency key, 1 to 200 characters. Repeating the mutation with the same key and input within 24 hours creates
    /// nothing and returns the row that was created.
    #[graphql(directive = Constrained::apply(KEY))]
    pub client_mutation_id: Option<String>,
}

/// Input for withdrawing an invitation.
#[derive(InputObject, Debug, Clone)]
pub struct InvitationRevokeInput {
    /// E-mail address that was invited.
    pub email: EmailAddress,
    /// The team: global ID or UUID. Null means the caller's default team.
    pub team_id: Option<ID>,
}

/// An invitation to sign up and join a team.
#[derive(SimpleObject, Debug, Clone)]
pub struct Invitation {
    /// E-mail address of the new account.
    pub email: EmailAddress,
    /// Role to join the team with.
    pub role: Role,
    /// Creation time, UTC.
    pub created_at: Instant,
    /// Expiry of the invitation, UTC.
    pub expires_at: Instant,
}

/// The result of creating an invitation.
#[derive(SimpleObject, Debug, Clone)]
pub struct InvitationCreatePayload {
    /// The invitation. It replaces any earlier invitation of the team to this address.
    pub invitation: Invitation,
    /// One-time link to hand over. Shown only once: null if it was mailed, or if the request was repeated with the same
    /// `clientMutationId`.
    pub link: Option<String>,
    /// Token of the link, for `signUp`; null where `link` is.
    pub token: Option<String>,
    /// `clientMutationId` of the input.
    pub client_mutation_id: Option<String>,
}

/// The result of withdrawing an invitation.
#[derive(SimpleObject, Debug, Clone)]
pub struct InvitationRevokePayload {
    /// Address of the withdrawn invitation.
    pub email: EmailAddress,
}

impl Invitation {
    fn new(row: invitation::Model) -> Result<Self> {
        Ok(Self {
            email: EmailAddress::stored(row.email),
            role: Role::of_level(row.role).ok_or_else(|| Error::broken("an invitation with an unknown role"))?,
            created_at: Instant(row.created_at),
            expires_at: Instant(row.expires_at),
        })
    }
}

// Rules

/// Errors: `Forbidden` if signing up is closed, except for the operator.
fn may_invite(ports: &Ports, myself: &Myself) -> Result<()> {
    if ports.sign_up == SignUp::Closed && !myself.user().is_operator {
        return Err(Error::forbidden("Signing up is closed. Only the operator can invite people without an account."));
    }
    Ok(())
}

/// Withdraws the invitations of a team to an address. Returns the number of valid ones.
async fn withdraw(db: &impl ConnectionTrait, ports: &Ports, team: Uuid, email: &EmailAddress) -> Result<u64> {
    let now = ports.now();
    let ended = invitation::Entity::update_many()
        .col_expr(invitation::Column::ExpiresAt, Expr::value(now))
        .filter(invitation::Column::TeamId.eq(team))
        .filter(invitation::Column::Email.eq(email.as_str()))
        .filter(invitation::Column::UsedAt.is_null())
        .filter(invitation::Column::ExpiresAt.gt(now))
        .exec(db)
        .await?;
    Ok(ended.rows_affected)
}

/// Invites a person without an account to sign up and join the team. Errors: `Forbidden` if signing up is closed, for a
/// role above the caller's and for a full team, `Invalid` for role `OWNER`, `Conflict` for an address that belongs to
/// an account, `TooOften`. Returns the token too, unless it was mailed.
pub async fn create(
    ports: &Ports,
    myself: &Myself,
    team: &access::Team<Admin>,
    email: &EmailAddress,
    role: Role,
    from: Option<AddressHash>,
) -> Result<(Invitation, Option<String>)> {
    may_invite(ports, myself)?;
    if role == Role::Owner {
        return Err(Error::invalid(
            "role",
            "must be VIEWER, EDITOR or ADMIN; ownership can be offered to members only",
        ));
    }
    ports.attempts.take(Quota::Invitation, Some(myself.id()), from, ports.now())?;
    let mut txn = members::begin_invitation(ports, team, role).await?;
    if user::Entity::find().filter(user::Column::Email.eq(email.as_str())).one(&txn).await?.is_some() {
        return Err(Error::conflict(
            "An account with this e-mail address already exists. Invite it with `websiteInviteMember`.",
        ));
    }
    withdraw(&txn, ports, team.id(), email).await?;
    let (now, token) = (ports.now(), ports.ids.secret(TOKEN));
    let row = invitation::ActiveModel {
        id: Set(ports.ids.uuid()),
        team_id: Set(team.id()),
        invited_by: Set(myself.id()),
        email: Set(email.as_str().to_owned()),
        role: Set(role.level()),
        proves_address: Set(ports.mail.is_set_up() || myself.user().is_operator),
        hash: Set(digest(&token)),
        created_at: Set(now),
        expires_at: Set(now + Duration::days(DAYS)),
        used_at: Set(None),
    };
    let row = row.insert(&txn).await?;
    txn.created(row.id).await?;
    note(&txn, ports, AuditAction::InvitationCreate, team, email).await?;
    txn.commit().await?;
    let invitation = Invitation::new(row)?;
    if !ports.mail.is_set_up() {
        return Ok((invitation, Some(token)));
    }
    let inviter = myself.user().full_name.as_ref().unwrap_or(&myself.user().email);
    let link = ports.mail.page(Page::Invitation, &token);
    letters::send(ports, vec![Letter::invitation(email.as_str(), inviter, &team.team().name, &link)]);
    Ok((invitation, None))
}

/// An invitation of the team, used or not. Errors: `NotFound`.
async fn of_team(ports: &Ports, team: &access::Team<Admin>, id: Uuid) -> Result<Invitation> {
    let row = invitation::Entity::find_by_id(id).filter(invitation::Column::TeamId.eq(team.id()));
    let row = row.one(ports.database.reader(team)).await?;
    Invitation::new(row.ok_or_else(|| Error::not_found("The invitation"))?)
}

async fn note(
    db: &impl ConnectionTrait,
    ports: &Ports,
    action: AuditAction,
    team: &access::Team<Admin>,
    email: &EmailAddress,
) -> Result<()> {
    let (caller, target) = (team.caller(), email.as_str());
    let line = Line { action, caller, team: Some(team.id()), website: None, target, changed: &[] };
    audit::note(db, ports, line).await
}

/// Withdraws an invitation of the team. Errors: `NotFound` if there is no valid one.
pub async fn revoke(ports: &Ports, team: &access::Team<Admin>, email: &EmailAddress) -> Result<()> {
    let txn = ports.begin(team).await?;
    if withdraw(&txn, ports, team.id(), email).await? == 0 {
        return Err(Error::not_found("An invitation to this e-mail address"));
    }
    note(&txn, ports, AuditAction::InvitationRevoke, team, email).await?;
    txn.commit().await?;
    Ok(())
}

/// The invitation for a token and an address. Errors: `Invalid` if it is unknown, used, expired, for another address,
/// or its author is no longer allowed to invite.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    ports: &Ports,
    token: &str,
    email: &EmailAddress,
) -> Result<invitation::Model> {
    let refused = || Error::invalid("invitation", "is unknown, used or expired; request a new one");
    let row = invitation::Entity::find()
        .filter(invitation::Column::Hash.eq(digest(token)))
        .filter(invitation::Column::UsedAt.is_null())
        .filter(invitation::Column::ExpiresAt.gt(ports.now()))
        .one(db)
        .await?
        .ok_or_else(refused)?;
    if row.email != email.as_str() {
        return Err(Error::invalid("email", "must be the address that was invited"));
    }
    let maker = members::active(row.team_id).filter(membership::Column::UserId.eq(row.invited_by)).one(db).await?;
    let maker = maker.filter(|part| part.role >= Role::Admin.level() && part.role >= row.role);
    if maker.is_none() {
        return Err(refused());
    }
    Ok(row)
}

/// Adds the new account to the inviting team and uses up the invitation. Errors: `Invalid` if another request used it
/// first, `Forbidden` for a full team.
pub(crate) async fn accept(
    txn: &DatabaseTransaction,
    ports: &Ports,
    myself: &Myself,
    invitation: &invitation::Model,
) -> Result<()> {
    let used = invitation::Entity::update_many()
        .col_expr(invitation::Column::UsedAt, Expr::value(ports.now()))
        .filter(invitation::Column::Id.eq(invitation.id))
        .filter(invitation::Column::UsedAt.is_null())
        .exec(txn)
        .await?;
    let team = team::Entity::find_by_id(invitation.team_id).one(txn).await?;
    let (1, Some(team)) = (used.rows_affected, team) else {
        return Err(Error::invalid("invitation", "was already used; request a new one"));
    };
    members::room_for_member(txn, ports, &team).await?;
    let part = membership::ActiveModel {
        id: Set(ports.ids.uuid()),
        team_id: Set(team.id),
        user_id: Set(myself.id()),
        role: Set(invitation.role),
        created_at: Set(ports.now()),
        deactivated_at: Set(None),
    };
    part.insert(txn).await?;
    let line = Line {
        action: AuditAction::InvitationAccept,
        caller: myself.caller(),
        team: Some(team.id),
        website: None,
        target: &invitation.email,
        changed: &["role"],
    };
    audit::note(txn, ports, line).await
}

// Graph

/// Invitation mutations.
#[derive(Debug, Default, Clone, Copy)]
pub struct InvitationMutation;

#[Object]
impl InvitationMutation {
    /// Invites a person without an account. A one-time link lets them sign up, even under `signup = "invite"`, and join
    /// the team. The link is mailed if mail is configured, and returned otherwise. If signing up is closed, only the
    /// operator can invite. Fails with `CONFLICT` if the address belongs to an account.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None), directive = errors::apply(vec![ErrorCode::Conflict]))]
    async fn invitation_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person to invite, the team to join, and the role.")] input: InvitationCreateInput,
    ) -> Option<async_graphql::Result<InvitationCreatePayload>> {
        let answer: async_graphql::Result<Option<InvitationCreatePayload>> = async {
            let cx = ctx.cx()?;
            let team = team_meant::<Admin>(cx, input.team_id.as_ref()).await?;
            let myself = cx.myself().await?;
            let creation = Creation::new(ctx, input.client_mutation_id.as_deref())?;
            let created = create(creation.ports(), &myself, &team, &input.email, input.role, cx.from());
            let (invitation, token) = match creation.run(&team, created).await? {
                Outcome::Created(created) => created,
                Outcome::Repeated(id) => (of_team(cx.ports(), &team, id).await?, None),
            };
            let link = token.as_ref().map(|token| cx.ports().mail.page(Page::Invitation, token));
            let client_mutation_id = input.client_mutation_id;
            Ok(Some(InvitationCreatePayload { invitation, link, token, client_mutation_id }))
        }
        .await;
        answer.transpose()
    }

    /// Withdraws an invitation. Its link stops working.
    #[doc = access_line!(TEAM, ADMIN)]
    #[graphql(directive = access_directive::access::apply(On::Team, Some(Role::Admin), None))]
    async fn invitation_revoke(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The invitation to withdraw.")] input: InvitationRevokeInput,
    ) -> Option<async_graphql::Result<InvitationRevokePayload>> {
        let answer: async_graphql::Result<Option<InvitationRevokePayload>> = async {
            let cx = ctx.cx()?;
            let team = team_meant::<Admin>(cx, input.team_id.as_ref()).await?;
            revoke(cx.ports(), &team, &input.email).await?;
            Ok(Some(InvitationRevokePayload { email: input.email }))
        }
        .await;
        answer.transpose()
    }
}
