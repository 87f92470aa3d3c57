//! The audit log: who changed what. Rules write a line in the transaction of the change; admins of the team read it.
//!
//! - A line names the fields that changed, never their values: no secret and no address ends up in it.
//! - Sign-ins belong to an account; an admin sees those of the team's active members, from the moment at which they joined.

use async_graphql::{Context, Enum, ID, Object};
use chrono::{DateTime, Utc};
use entity::{audit_entry, membership, user};
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
    connection::{self, Page, PageArgs, Place},
    error::{Error, Result},
    id::Kind,
    ports::Ports,
    scalars::Instant,
    user_profile::UserProfile,
};

// Vocabulary

macro_rules! actions {
    ($( $(#[$doc:meta])* $action:ident = $text:literal, )+) => {
        /// What was done.
        #[derive(Enum, Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum AuditAction { $( $(#[$doc])* $action, )+ }

        impl AuditAction {
            const ALL: &[Self] = &[$( Self::$action, )+];

            /// As rows spell it. Never changed.
            fn text(self) -> &'static str {
                match self { $( Self::$action => $text, )+ }
            }
        }
    };
}

actions! {
    /// An account was made.
    SignUp = "sign_up",
    /// Somebody signed in.
    SignIn = "sign_in",
    /// Somebody tried to sign in to a known account and failed.
    SignInFailed = "sign_in_failed",
    /// Somebody signed out.
    SignOut = "sign_out",
    /// A password was changed by its owner.
    PasswordChange = "password_change",
    /// A password was set with a mailed secret, or by the operator.
    PasswordReset = "password_reset",
    /// A profile was changed.
    UserUpdate = "user_update",
    /// An e-mail address was changed, or a change was asked for that waits for its proof.
    UserUpdateEmail = "user_update_email",
    /// An e-mail address was proven with a mailed link, or by the operator.
    EmailConfirm = "email_confirm",
    /// The change of an e-mail address was undone with a mailed link.
    EmailUndo = "email_undo",
    /// An account was deleted.
    UserDelete = "user_delete",
    /// A team was made.
    TeamCreate = "team_create",
    /// A team was changed.
    TeamUpdate = "team_update",
    /// A member left.
    TeamLeave = "team_leave",
    /// Ownership was offered to another member, to be handed over.
    TeamTransfer = "team_transfer",
    /// A member accepted an offer of ownership.
    TeamAcceptOwnership = "team_accept_ownership",
    /// A member declined an offer of ownership.
    TeamDeclineOwnership = "team_decline_ownership",
    /// A member was invited.
    MemberInvite = "member_invite",
    /// A member's role was changed.
    MemberUpdate = "member_update",
    /// A member was removed.
    MemberRemove = "member_remove",
    /// An invitation to sign up was made.
    InvitationCreate = "invitation_create",
    /// An invitation to sign up was withdrawn.
    InvitationRevoke = "invitation_revoke",
    /// A new account joined with an invitation.
    InvitationAccept = "invitation_accept",
    /// A website was made.
    WebsiteCreate = "website_create",
    /// A website and all its data were deleted.
    WebsiteDelete = "website_delete",
    /// General settings were changed.
    WebsiteUpdateGeneral = "website_update_general",
    /// Notification preferences were changed.
    WebsiteUpdateNotifications = "website_update_notifications",
    /// Revenue settings were changed.
    WebsiteUpdateRevenue = "website_update_revenue",
    /// Domains were changed.
    WebsiteUpdateDomains = "website_update_domains",
    /// The domain was checked for its proof.
    WebsiteVerifyDomain = "website_verify_domain",
    /// An address was excluded.
    WebsiteExcludeIp = "website_exclude_ip",
    /// The exclusion of an address was removed.
    WebsiteRemoveIpExclusion = "website_remove_ip_exclusion",
    /// Paths were excluded.
    WebsiteExcludePath = "website_exclude_path",
    /// An exclusion of paths was removed.
    WebsiteRemovePathExclusion = "website_remove_path_exclusion",
    /// An API key was made.
    ApiKeyCreate = "api_key_create",
    /// An API key was revoked.
    ApiKeyRevoke = "api_key_revoke",
    /// An API key was replaced by a new one.
    ApiKeyRotate = "api_key_rotate",
}

/// A line of the audit log.
#[derive(Debug, Clone)]
pub struct AuditEntry(VisibleLine);

connection!(AuditEntryConnection, AuditEntryEdge, AuditEntry, "lines");

/// A line to write.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    /// What was done.
    pub action: AuditAction,
    /// Who did it.
    pub caller: Caller,
    /// The team it is about; `None` for what concerns the account only.
    pub team: Option<Uuid>,
    /// The website it is about.
    pub website: Option<Uuid>,
    /// What it was done to, as people call it: a domain, an e-mail address, the name of a key.
    pub target: &'a str,
    /// GraphQL names of the fields that changed.
    pub changed: &'a [&'a str],
}

// Rules

impl<'a> Line<'a> {
    /// A line that concerns the account alone.
    pub(crate) fn of_account(action: AuditAction, caller: Caller, target: &'a str, changed: &'a [&'a str]) -> Self {
        Self { action, caller, team: None, website: None, target, changed }
    }
}

/// Writes a line, in the transaction of the change.
pub(crate) async fn note(db: &impl ConnectionTrait, ports: &Ports, line: Line<'_>) -> Result<()> {
    let (user, actor) = match line.caller {
        Caller::User { user, .. } => {
            let row = user::Entity::find_by_id(user).one(db).await?;
            (Some(user), row.map_or_else(|| "a deleted account".to_owned(), |row| row.email))
        }
        Caller::Operator => (None, "operator".to_owned()),
        Caller::Key { .. } | Caller::Anonymous | Caller::Refused(_) => (None, "anonymous".to_owned()),
    };
    write(db, ports, line, user, actor).await
}

/// Writes a line about an account whose owner has not proven to be there, such as a failed sign-in, or the operator acted.
pub(crate) async fn note_about(db: &impl ConnectionTrait, ports: &Ports, line: Line<'_>, user: Uuid) -> Result<()> {
    let actor = if line.caller == Caller::Operator { "operator" } else { "anonymous" };
    write(db, ports, line, Some(user), actor.to_owned()).await
}

/// Whether something was done to an account after an instant.
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
) -> Result<()> {
    audit_entry::ActiveModel {
        id: Set(ports.ids.uuid()),
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
    Ok(())
}

/// The lines of a team, and of its active members' accounts since they joined. Of lines of the same millisecond the ids tell which came first.
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
    let page = connection::page(ports.database.reader(team), list, columns, place, window).await?;
    page.try_map(|row| Ok(AuditEntry(team.line(row)?)))
}

/// One line, for an admin of its team, or for the one whose account it is about. Errors: `NotFound`, `Forbidden`.
pub(crate) async fn find(cx: &Cx, id: Uuid) -> Result<AuditEntry> {
    Ok(AuditEntry(VisibleLine::find(cx, id).await?))
}

// Graph

/// Names of changed fields at most: more than any input has.
const MAX_CHANGED: u32 = 100;

/// A line of the audit log: who changed what.
#[Object]
impl AuditEntry {
    /// Global id.
    pub(crate) async fn id(&self) -> ID {
        Kind::AuditEntry.global(self.0.row().id)
    }

    /// The UUID that REST and support use.
    async fn database_id(&self) -> Uuid {
        self.0.row().id
    }

    /// What was done.
    async fn action(&self) -> Result<AuditAction> {
        let action = AuditAction::ALL.iter().find(|action| action.text() == self.0.row().action);
        action.copied().ok_or_else(|| Error::broken("the audit log has an action that this version does not know"))
    }

    /// How the actor was called then: an e-mail address, `operator` for the command line, or `anonymous`.
    async fn actor(&self) -> &str {
        &self.0.row().actor
    }

    /// The account that acted, or that a failed sign-in was for; null when it is gone.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<UserProfile>> {
        Ok(ctx.cx()?.loaders().actor(&self.0).await?.map(UserProfile))
    }

    /// The UUID of the website it is about, which may be gone; null for what is about no website.
    async fn website_id(&self) -> Option<Uuid> {
        self.0.row().website_id
    }

    /// What it was done to, as people call it: a domain, an e-mail address, the name of a key.
    async fn target(&self) -> &str {
        &self.0.row().target
    }

    /// Names of the fields that changed, as the schema spells them. Their values are not kept.
    #[graphql(directive = crate::cost::list_size::apply(Some(MAX_CHANGED), None))]
    async fn changed(&self) -> Vec<String> {
        crate::cost::first_of(serde_json::from_str(&self.0.row().changed).unwrap_or_default(), MAX_CHANGED)
    }

    /// When, UTC.
    async fn created_at(&self) -> Instant {
        Instant(self.0.row().created_at)
    }
}
