//! Proofs of access. Only this module can create them.
//!
//! - Rules take a proof as an argument, so a rule without an access check does not compile.
//! - Roles are read from the database on each request, never from a token. A deactivated member counts as a non-member.
//! - Order of errors: 401 for a missing or invalid credential, 400 for a malformed ID, 404 for an unknown object, 403
//!   for no access or too low a role.

use std::{marker::PhantomData, sync::Arc};

use entity::{api_key, membership, team, user, website};
use uuid::Uuid;

use crate::{
    database::sealed::Sealed,
    error::{Error, Result},
    id::Kind,
    website_row::zone_of,
};

mod authorize;
pub mod chat;
pub(crate) mod creation;
pub mod credential;
pub mod cx;
mod loaders;
pub mod operator;
mod owned;
pub mod public_access;
pub mod public_website;
mod reach;
pub(crate) mod stream_access;
mod unproven;
mod visible_line;
#[macro_use]
pub mod access_directive;

pub use access_directive::{Access, On};
pub use authorize::authorize;
pub use chat::{AuthoredChat, Chat};
pub use operator::{Installation, LockFile, Operator};
pub use public_access::{RealtimeView, TrackedWebsite, WebsiteView};
pub use public_website::PublicWebsite;
pub use reach::Reach;
pub use unproven::Unproven;
pub use visible_line::VisibleLine;

use cx::Cx;
use loaders::{SiteKey, TeamKey};

pub use crate::{
    caller::{Caller, Scopes, SignedIn},
    role::{Admin, AtLeast, Editor, Level, Owner, Role, Viewer},
};

/// How the caller reached the object that a proof covers.
#[derive(Debug, Clone, Copy)]
struct Standing {
    held: Role,
    caller: Caller,
}

impl Standing {
    fn new(caller: Caller, level: Option<i16>, thing: &str) -> Result<Self> {
        match (level.and_then(Role::of_level), caller) {
            (Some(_), Caller::Key { scopes, .. }) if !scopes.reads() => Err(Error::forbidden(format!(
                "This API key does not have the scope READ, so it can't access the {thing}."
            ))),
            (Some(held), caller) => Ok(Self { held, caller }),
            (None, Caller::Key { .. }) => {
                Err(Error::forbidden(format!("This API key doesn't have access to this {thing}.")))
            }
            (None, _) => Err(Error::forbidden(format!(
                "You don't have access to this {thing}. Ask an admin of its team for access."
            ))),
        }
    }

    fn at_least(self, needed: Role, thing: &str) -> Result<()> {
        if self.held >= needed {
            return Ok(());
        }
        Err(Error::forbidden(match self.caller {
            Caller::Key { scopes, .. } if needed <= Role::Editor && !scopes.has(Scopes::MANAGE) => {
                format!(
                    "This API key can only read this {thing}. Changes require a key with the scope MANAGE, or a signed-in user with the role {} or above.",
                    needed.name()
                )
            }
            Caller::Key { .. } => {
                format!(
                    "API keys can't do this. It requires a signed-in user with the role {} or above on this {thing}.",
                    needed.name()
                )
            }
            _ => format!(
                "This requires the role {} or above on this {thing} (yours is {}).",
                needed.name(),
                self.held.name()
            ),
        }))
    }
}

/// Proof that the caller holds at least `R` on a website.
#[derive(Debug)]
pub struct Site<R: Level = Viewer> {
    row: Arc<website::Model>,
    standing: Standing,
    level: PhantomData<fn() -> R>,
}

/// Proof that the caller holds at least `R` in a team.
#[derive(Debug)]
pub struct Team<R: Level = Viewer> {
    row: Arc<team::Model>,
    standing: Standing,
    level: PhantomData<fn() -> R>,
}

macro_rules! proof {
    ($proof:ident, $row:ty, $thing:literal) => {
        impl<R: Level> Clone for $proof<R> {
            fn clone(&self) -> Self {
                Self { row: Arc::clone(&self.row), standing: self.standing, level: PhantomData }
            }
        }

        impl<R: Level> $proof<R> {
            /// ID of the object.
            #[must_use]
            pub fn id(&self) -> Uuid {
                self.row.id
            }

            /// The role the caller holds, which may be above `R`.
            #[must_use]
            pub fn role(&self) -> Role {
                self.standing.held
            }

            /// The caller.
            #[must_use]
            pub fn caller(&self) -> Caller {
                self.standing.caller
            }

            /// A proof for a higher role, without another database query. Errors: `Forbidden` when the caller's role is
            /// too low.
            pub fn require<H: Level>(&self) -> Result<$proof<H>> {
                self.standing.at_least(H::ROLE, $thing)?;
                Ok($proof { row: Arc::clone(&self.row), standing: self.standing, level: PhantomData })
            }

            /// A proof for a lower role.
            #[must_use]
            pub fn lower<L: Level>(&self) -> $proof<L>
            where
                R: AtLeast<L>,
            {
                $proof { row: Arc::clone(&self.row), standing: self.standing, level: PhantomData }
            }

            fn mint(row: Arc<$row>, standing: Standing) -> Result<Self> {
                standing.at_least(R::ROLE, $thing)?;
                Ok(Self { row, standing, level: PhantomData })
            }
        }
    };
}

proof!(Site, website::Model, "website");
proof!(Team, team::Model, "team");

// What opens the database: nothing else does.
impl<R: Level> Sealed for Site<R> {}
impl<R: Level> Sealed for Team<R> {}
impl<R: Level> Sealed for Chat<R> {}
impl Sealed for AuthoredChat {}
impl Sealed for Myself {}
impl Sealed for ThisKey {}
impl Sealed for Operator {}
impl Sealed for Installation {}
impl Sealed for WebsiteView {}
impl Sealed for TrackedWebsite {}
impl Sealed for RealtimeView {}
impl Sealed for Unproven {}
impl Sealed for VisibleLine {}

impl<R: Level> Site<R> {
    /// Checks the caller of the request. `field` is the argument that carries the ID.
    pub(crate) async fn find(cx: &Cx, field: &str, id: &str) -> Result<Self> {
        cx.caller().known()?;
        Self::by_uuid(cx, Kind::Website.read(field, id)?).await
    }

    /// Like [`Site::find`], for an ID that comes from a row.
    pub(crate) async fn by_uuid(cx: &Cx, id: Uuid) -> Result<Self> {
        let caller = cx.caller().known()?;
        let found = cx.loaders().site(SiteKey(id)).await?;
        let (row, level) = found.ok_or_else(|| Error::not_found("The website"))?;
        Self::mint(row, Standing::new(caller, level, "website")?)
    }

    /// The row as read when access was checked.
    #[must_use]
    pub fn website(&self) -> &website::Model {
        &self.row
    }

    /// The website, as anyone may see it.
    pub(crate) fn public(&self) -> PublicWebsite {
        PublicWebsite::new(Arc::clone(&self.row))
    }

    /// Time zone in which the website's days begin.
    #[must_use]
    pub fn timezone(&self) -> chrono_tz::Tz {
        zone_of(&self.row)
    }

    /// The same proof with the row as it is after a change.
    pub(crate) fn changed(&self, row: website::Model) -> Result<Self> {
        if row.id != self.row.id || row.team_id != self.row.team_id {
            return Err(Error::broken("a proof was carried over to another website"));
        }
        Ok(Self { row: Arc::new(row), ..self.clone() })
    }

    /// The website's team. A role on a website is the member's role in its team.
    fn team(&self, row: Arc<team::Model>) -> Result<Team<R>> {
        if row.id != self.row.team_id {
            return Err(Error::broken("a website's proof met another team"));
        }
        Team::mint(row, self.standing)
    }
}

impl<R: Level> Team<R> {
    /// Checks the caller of the request. `field` is the argument that carries the ID.
    pub(crate) async fn find(cx: &Cx, field: &str, id: &str) -> Result<Self> {
        cx.caller().known()?;
        Self::by_uuid(cx, Kind::Team.read(field, id)?).await
    }

    /// Like [`Team::find`], for an ID that comes from a row.
    pub(crate) async fn by_uuid(cx: &Cx, id: Uuid) -> Result<Self> {
        let caller = cx.caller().known()?;
        let found = cx.loaders().team(TeamKey(id)).await?;
        let (row, level) = found.ok_or_else(|| Error::not_found("The team"))?;
        Self::mint(row, Standing::new(caller, level, "team")?)
    }

    /// The row as read when access was checked.
    #[must_use]
    pub fn team(&self) -> &team::Model {
        &self.row
    }

    /// The same proof with the row as it is after a change.
    pub(crate) fn changed(&self, row: team::Model) -> Result<Self> {
        if row.id != self.row.id {
            return Err(Error::broken("a proof was carried over to another team"));
        }
        Ok(Self { row: Arc::new(row), ..self.clone() })
    }

    /// The only website that the caller can read in this team; `None` when the caller can read all of them.
    #[must_use]
    pub fn only_website(&self) -> Option<Uuid> {
        match self.standing.caller {
            Caller::Key { website, .. } => website,
            _ => None,
        }
    }

    /// Errors: internal, for a row of another team.
    fn holds(&self, team: Uuid) -> Result<()> {
        if team == self.row.id { Ok(()) } else { Err(Error::broken("a team's proof met another team's row")) }
    }

    /// A website of this team. Errors: `Forbidden` for an API key that is limited to another website.
    pub(crate) fn site(&self, row: website::Model) -> Result<Site<R>> {
        self.holds(row.team_id)?;
        if self.only_website().is_some_and(|only| only != row.id) {
            return Err(Error::forbidden("This API key doesn't have access to this website."));
        }
        Site::mint(Arc::new(row), self.standing)
    }
}

/// Proof that the caller is this user.
#[derive(Debug, Clone)]
pub struct Myself {
    row: Arc<user::Model>,
    session: SignedIn,
}

impl Myself {
    /// Checks the caller of the request. Errors: `Unauthenticated`; `Forbidden` for an API key.
    pub(crate) async fn from_cx(cx: &Cx) -> Result<Self> {
        let Caller::User { user, session } = cx.caller().known()? else {
            return Err(Error::forbidden("This requires a signed-in user. API keys represent a team, not a person."));
        };
        let row = cx.loaders().user(user).await?;
        let row = row.ok_or_else(|| Error::unauthenticated("The account of this access token no longer exists."))?;
        Ok(Self { row, session })
    }

    /// A user whose password was just verified or whose account was just created.
    pub(crate) fn signed_in(row: user::Model, session: Uuid) -> Self {
        Self { row: Arc::new(row), session: SignedIn::Session(session) }
    }

    /// The same proof with the row as it is after a change.
    pub(crate) fn changed(&self, row: user::Model) -> Result<Self> {
        if row.id != self.row.id {
            return Err(Error::broken("a proof was carried over to another account"));
        }
        Ok(Self { row: Arc::new(row), session: self.session })
    }

    /// The caller.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller::User { user: self.row.id, session: self.session }
    }

    /// ID of the object.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.row.id
    }

    /// The session of the request.
    #[must_use]
    pub fn session(&self) -> SignedIn {
        self.session
    }

    /// The row as read when access was checked.
    #[must_use]
    pub fn user(&self) -> &user::Model {
        &self.row
    }

    fn standing(&self, part: &membership::Model, team: Uuid) -> Result<Standing> {
        if part.user_id != self.row.id || part.team_id != team || part.deactivated_at.is_some() {
            return Err(Error::broken("a membership was taken for another's"));
        }
        Standing::new(self.caller(), Some(part.role), "team")
    }

    /// A team in which the user is an active member.
    pub(crate) fn team(&self, row: Arc<team::Model>, part: &membership::Model) -> Result<Team<Viewer>> {
        let standing = self.standing(part, row.id)?;
        Team::mint(row, standing)
    }

    /// A website of a team in which the user is an active member.
    pub(crate) fn site(&self, row: website::Model, part: &membership::Model) -> Result<Site<Viewer>> {
        let standing = self.standing(part, row.team_id)?;
        Site::mint(Arc::new(row), standing)
    }
}

/// Proof that the caller presented this API key.
#[derive(Debug, Clone)]
pub struct ThisKey {
    row: Arc<api_key::Model>,
    team: Team<Viewer>,
}

impl ThisKey {
    /// Checks the caller of the request. Errors: `Unauthenticated`; `Forbidden` for a signed-in user.
    pub(crate) async fn from_cx(cx: &Cx) -> Result<Self> {
        let Caller::Key { id, team, .. } = cx.caller().known()? else {
            return Err(Error::forbidden("This requires an API key. Send one in the header `X-API-Key`."));
        };
        let row = cx.loaders().api_key(id).await?;
        let row = row.ok_or_else(|| Error::unauthenticated(credential::KEY_REFUSED))?;
        Ok(Self { row, team: Team::by_uuid(cx, team).await? })
    }

    /// The row as read when access was checked.
    #[must_use]
    pub fn api_key(&self) -> &api_key::Model {
        &self.row
    }

    /// The team whose websites the key can read.
    #[must_use]
    pub fn team(&self) -> &Team<Viewer> {
        &self.team
    }
}
