//! The audit log. Rules write an entry in the transaction of the change; admins of the team can read it.
//!
//! - An entry names the fields that changed but not their values, so that it contains no secrets or addresses.
//! - Sign-ins belong to an account. An admin sees those of the team's active members, from the time they joined.

use async_graphql::{Context, Enum, ID, Object};
use chrono::{DateTime, Utc};
use entity::{api_key, audit_entry, membership, user};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::Set,
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, QueryFilter as _, QuerySelect as _,
    QueryTrait as _,
    sea_query::{Expr, ExprTrait as _},
};
use uuid::Uuid;

use crate::{
    access::cx::Cx,
    access::{self, Admin, Caller, Reach as _, VisibleLine},
    connection::{self, ListOrder, Page, PageArgs, Place},
    error::{Error, Result},
    id::Kind,
    ports::Ports,
    scalars::Instant,
    user_profile::UserProfile,
};

// Vocabulary

macro_rules! actions {
    ($( $(#[$doc:meta])* $action:ident = $text:literal, )+) => {
        /// Type of the action.
        #[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum AuditAction { $( $(#[$doc])* $action, )+ }

        impl AuditAction {
            const ALL: &[Self] = &[$( Self::$action, )+];

            /// Stored spelling. Never changed.
            fn text(self) -> &'static str {
                match self { $( Self::$action => $text, )+ }
            }
        }
    };
}

actions! {
    /// An account was created.
    SignUp = "sign_up",
    /// A user signed in.
    SignIn = "sign_in",
    /// A sign-in to an existing account failed.
    SignInFailed = "sign_in_failed",
    /// A user signed out.
    SignOut = "sign_out",
    /// A user changed their password.
    PasswordChange = "password_change",
    /// A password was reset with a mailed secret or by the operator.
    PasswordReset = "password_reset",
    /// A user profile was changed.
    UserUpdate = "user_update",
    /// An e-mail address was changed, or a change was requested that awaits confirmation.
    UserUpdateEmail = "user_update_email",
    /// An e-mail address was confirmed with a mailed link or by the operator.
    EmailConfirm = "email_confirm",
    /// A change of an e-mail address was undone with a mailed link.
    EmailUndo = "email_undo",
    /// An account became an operator of the installation, or stopped being one.
    UserUpdateOperator = "user_update_operator",
    /// An account was deleted.
    UserDelete = "user_delete",
    /// A team was created.
    TeamCreate = "team_create",
    /// A team was changed.
    TeamUpdate = "team_update",
    /// The plan of a team was changed.
    TeamUpdatePlan = "team_update_plan",
    /// A member left a team.
    TeamLeave = "team_leave",
    /// Ownership of a team was offered to a member, who is to replace the current owner.
    TeamTransfer = "team_transfer",
    /// A member accepted ownership of a team.
    TeamAcceptOwnership = "team_accept_ownership",
    /// A member declined ownership of a team.
    TeamDeclineOwnership = "team_decline_ownership",
    /// A member was invited to a team.
    MemberInvite = "member_invite",
    /// A member's role was changed.
    MemberUpdate = "member_update",
    /// A member was removed from a team.
    MemberRemove = "member_remove",
    /// An invitation to sign up was created.
    InvitationCreate = "invitation_create",
    /// An invitation to sign up was withdrawn.
    InvitationRevoke = "invitation_revoke",
    /// A new account joined a team through an invitation.
    InvitationAccept = "invitation_accept",
    /// A website was created.
    WebsiteCreate = "website_create",
    /// A website and all its data were deleted.
    WebsiteDelete = "website_delete",
    /// General settings of a website were changed.
    WebsiteUpdateGeneral = "website_update_general",
    /// Notification preferences of a website were changed.
    WebsiteUpdateNotifications = "website_update_notifications",
    /// Revenue settings of a website were changed.
    WebsiteUpdateRevenue = "website_update_revenue",
    /// Domains of a website were changed.
    WebsiteUpdateDomains = "website_update_domains",
    /// The number of days for which a website's events are kept was changed.
    WebsiteUpdateRetention = "website_update_retention",
    /// A domain verification was attempted.
    WebsiteVerifyDomain = "website_verify_domain",
    /// An IP address or network was excluded.
    WebsiteExcludeIp = "website_exclude_ip",
    /// An IP exclusion was removed.
    WebsiteRemoveIpExclusion = "website_remove_ip_exclusion",
    /// A path pattern was excluded.
    WebsiteExcludePath = "website_exclude_path",
    /// A path exclusion was removed.
    WebsiteRemovePathExclusion = "website_remove_path_exclusion",
    /// A goal was created.
    GoalCreate = "goal_create",
    /// A goal was changed.
    GoalUpdate = "goal_update",
    /// A goal was deleted.
    GoalDelete = "goal_delete",
    /// A person was forgotten: every trace on a website was removed.
    VisitorForget = "visitor_forget",
    /// An API key was created.
    ApiKeyCreate = "api_key_create",
    /// An API key was revoked.
    ApiKeyRevoke = "api_key_revoke",
    /// An API key was rotated.
    ApiKeyRotate = "api_key_rotate",
    /// A webhook was created.
    WebhookCreate = "webhook_create",
    /// A webhook was changed.
    WebhookUpdate = "webhook_update",
    /// A webhook was deleted.
    WebhookDelete = "webhook_delete",
    /// The secret of a webhook was rotated.
    WebhookRotateSecret = "webhook_rotate_secret",
    /// A webhook was disabled because its URL is gone or kept failing.
    WebhookDisable = "webhook_disable",
}

/// An entry of the audit log.
#[derive(Debug, Clone)]
pub struct AuditEntry(VisibleLine);

connection!(AuditEntryConnection, AuditEntryEdge, AuditEntry, "audit entries", "newest first");

/// An entry to write.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    /// Type of the action.
    pub action: AuditAction,
    /// The actor.
    pub caller: Caller,
    /// The team concerned; `None` for an action on an account only.
    pub team: Option<Uuid>,
    /// The website concerned.
    pub website: Option<Uuid>,
    /// Readable name of the object, such as a domain, an e-mail address or the name of an API key.
    pub target: &'a str,
    /// GraphQL names of the fields that changed.
    pub changed: &'a [&'a str],
}

// Rules

impl<'a> Line<'a> {
    /// An entry about an account only.
    pub(crate) fn of_account(action: AuditAction, caller: Caller, target: &'a str, changed: &'a [&'a str]) -> Self {
        Self { action, caller, team: None, website: None, target, changed }
    }
}

/// Writes an entry in the transaction of the change.
pub(crate) async fn note(db: &impl ConnectionTrait, ports: &Ports, line: Line<'_>) -> Result<()> {
    receipt(db, ports, line).await.map(|_| ())
}

/// Like [`note`]; returns the ID of the entry.
pub(crate) async fn receipt(db: &impl ConnectionTrait, ports: &Ports, line: Line<'_>) -> Result<Uuid> {
    let (user, actor) = match line.caller {
        Caller::User { user, .. } => {
            let row = user::Entity::find_by_id(user).one(db).await?;
            (Some(user), row.map_or_else(|| "a deleted account".to_owned(), |row| row.email))
        }
        Caller::Operator => (None, "operator".to_owned()),
        Caller::Key { id, .. } => {
            let row = api_key::Entity::find_by_id(id).one(db).await?;
            (None, row.map_or_else(|| "an API key".to_owned(), |row| format!("API key {}", row.name)))
        }
        Caller::Anonymous | Caller::Refused(_) => (None, "anonymous".to_owned()),
    };
    write(db, ports, line, user, actor).await
}

/// Writes an entry for an account without an authenticated owner: a failed sign-in, or an action of the operator.
pub(crate) async fn note_about(db: &impl ConnectionTrait, ports: &Ports, line: Line<'_>, user: Uuid) -> Result<()> {
    let actor = if line.caller == Caller::Operator { "operator" } else { "anonymous" };
    write(db, ports, line, Some(user), actor.to_owned()).await.map(|_| ())
}

/// Whether an action was recorded for an account after an instant.
pub(crate) async fn has_line_after(
    db: &impl ConnectionTrait,
    action: AuditAction,
    user: Uuid,
    at: DateTime<Utc>,
) -> Result<bool> {
    let lines = audit_entry::Entity::find()
        .filter(audit_entry::Column::UserId.eq(user))
        .filter(audit_entry::Column::Action.eq(action.text()))
        .filter(audit_entry::Column::CreatedAt.gt(at));
    Ok(lines.one(db).await?.is_some())
}

async fn write(
    db: &impl ConnectionTrait,
    ports: &Ports,
    line: Line<'_>,
    user: Option<Uuid>,
    actor: String,
) -> Result<Uuid> {
    let id = ports.ids.uuid();
    audit_entry::ActiveModel {
        id: Set(id),
        team_id: Set(line.team),
        website_id: Set(line.website),
        user_id: Set(user),
        actor: Set(actor),
        action: Set(line.action.text().to_owned()),
        target: Set(line.target.chars().take(400).collect()),
        changed: Set(serde_json::json!(line.changed).to_string()),
        created_at: Set(ports.now()),
    }
    .insert(db)
    .await?;
    Ok(id)
}

/// The entries of a team, and of its active members' accounts since they joined. IDs order entries of the same
/// millisecond.
pub(crate) async fn lines_of(ports: &Ports, team: &access::Team<Admin>, args: &PageArgs) -> Result<Page<AuditEntry>> {
    let window = args.window(connection::MAX_PAGE)?;
    let line = |column| Expr::col((audit_entry::Entity, column));
    let joined = |column| Expr::col((membership::Entity, column));
    let since_joining =
        Condition::any().add(joined(membership::Column::CreatedAt).lt(line(audit_entry::Column::CreatedAt))).add(
            joined(membership::Column::CreatedAt)
                .eq(line(audit_entry::Column::CreatedAt))
                .and(joined(membership::Column::Id).lt(line(audit_entry::Column::Id))),
        );
    let member = membership::Entity::find()
        .select_only()
        .column(membership::Column::Id)
        .filter(membership::Column::TeamId.eq(team.id()))
        .filter(membership::Column::DeactivatedAt.is_null())
        .filter(joined(membership::Column::UserId).eq(line(audit_entry::Column::UserId)))
        .filter(since_joining)
        .into_query();
    let of_accounts = Condition::all().add(audit_entry::Column::TeamId.is_null()).add(Expr::exists(member));
    let list = audit_entry::Entity::find()
        .filter(Condition::any().add(audit_entry::Column::TeamId.eq(team.id())).add(of_accounts));
    let place = |row: &audit_entry::Model| Place { at: row.created_at, id: row.id };
    let columns = (audit_entry::Column::CreatedAt, audit_entry::Column::Id);
    let page =
        connection::page(ports.database.reader(team), list, ListOrder::NewestFirst, columns, place, window).await?;
    page.try_map(|row| Ok(AuditEntry(team.line(row)?)))
}

/// One entry, for an admin of its team or the owner of the account concerned. Errors: `NotFound`, `Forbidden`.
pub(crate) async fn find(cx: &Cx, id: Uuid) -> Result<AuditEntry> {
    Ok(AuditEntry(VisibleLine::find(cx, id).await?))
}

// Graph

/// Maximum number of changed fields in an entry: more than any input has.
const MAX_CHANGED: u32 = 100;

/// An entry of the audit log: an action, its actor and its target.
#[Object]
impl AuditEntry {
    /// Global ID.
    pub(crate) async fn id(&self) -> ID {
        Kind::AuditEntry.global(self.0.row().id)
    }

    /// UUID, as used by REST and support.
    async fn database_id(&self) -> Uuid {
        self.0.row().id
    }

    /// Type of the action.
    async fn action(&self) -> Result<AuditAction> {
        let action = AuditAction::ALL.iter().find(|action| action.text() == self.0.row().action);
        action.copied().ok_or_else(|| Error::broken("the audit log has an action that this version does not know"))
    }

    /// Name of the actor at the time: an e-mail address, `operator` for the command line, or `anonymous`.
    async fn actor(&self) -> &str {
        &self.0.row().actor
    }

    /// The account that performed the action, or that a failed sign-in was for; null if it was deleted.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<UserProfile>> {
        Ok(ctx.cx()?.loaders().actor(&self.0).await?.map(UserProfile))
    }

    /// UUID of the website concerned, which may have been deleted; null if no website is involved.
    async fn website_database_id(&self) -> Option<Uuid> {
        self.0.row().website_id
    }

    /// Readable name of the object, such as a domain, an e-mail address or the name of an API key.
    async fn target(&self) -> &str {
        &self.0.row().target
    }

    /// Schema names of the fields that changed. Their values are not stored.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_CHANGED), None))]
    async fn changed(&self) -> Vec<String> {
        crate::cost::first_of(serde_json::from_str(&self.0.row().changed).unwrap_or_default(), MAX_CHANGED)
    }

    /// Time of the action, UTC.
    async fn created_at(&self) -> Instant {
        Instant(self.0.row().created_at)
    }
}
