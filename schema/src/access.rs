//! Proofs of what a caller may do: the only place that mints them.
//!
//! - A rule takes a proof, so a rule that nobody guarded does not compile.
//! - Roles come from the database on each request, never from a token. A deactivated member is a non-member.
//! - No credential 401, then a malformed id 400, then unknown 404, no part 403, too low a role 403.

use std::{marker::PhantomData, sync::Arc};

use entity::{api_key, membership, team, user, website};
use uuid::Uuid;

use crate::{
    database::sealed::Sealed,
    error::{Error, Result},
    id::Kind,
    website_row::zone_of,
};

pub mod chat;
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

pub use access_directive::{On, Stated};
pub use chat::{AuthoredChat, Chat};
pub use operator::{LockFile, Operator};
pub use public_access::{RealtimeView, TrackedWebsite, WebsiteView};
pub use public_website::PublicWebsite;
pub use reach::Reach;
pub use unproven::Unproven;
pub use visible_line::VisibleLine;

use cx::Cx;
use loaders::{SiteKey, TeamKey};

pub use crate::{
    caller::{Caller, SignedIn},
    role::{Admin, AtLeast, Editor, Level, Owner, Role, Viewer},
};

/// What a proof knows of how it was reached.
#[derive(Debug, Clone, Copy)]
struct Standing {
    held: Role,
    caller: Caller,
}

impl Standing {
    fn new(caller: Caller, level: Option<i16>, thing: &str) -> Result<Self> {
        match (level.and_then(Role::of_level), caller) {
            (Some(held), caller) => Ok(Self { held, caller }),
            (None, Caller::Key { .. }) => Err(Error::forbidden(format!("This API key has no access to this {thing}."))),
            (None, _) => {
                Err(Error::forbidden(format!("You have no part in this {thing}. Ask a member of its team for access.")))
            }
        }
    }

    fn at_least(self, needed: Role, thing: &str) -> Result<()> {
        if self.held >= needed {
            return Ok(());
        }
        Err(Error::forbidden(match self.caller {
            Caller::Key { .. } => {
                format!("An API key only reads; this needs a signed-in {} of this {thing}.", needed.name())
            }
            _ => format!(
                "This needs the role {} or above on this {thing}; yours is {}.",
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
            /// Identifier.
            #[must_use]
            pub fn id(&self) -> Uuid {
                self.row.id
            }

            /// The role the caller holds, which may be above `R`.
            #[must_use]
            pub fn role(&self) -> Role {
                self.standing.held
            }

            /// Who is asking.
            #[must_use]
            pub fn caller(&self) -> Caller {
                self.standing.caller
            }

            /// A stronger proof, without asking the database. Errors: `Forbidden` when the role is too low.
            pub fn require<H: Level>(&self) -> Result<$proof<H>> {
                self.standing.at_least(H::ROLE, $thing)?;
                Ok($proof { row: Arc::clone(&self.row), standing: self.standing, level: PhantomData })
            }

            /// A weaker proof.
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
impl Sealed for WebsiteView {}
impl Sealed for TrackedWebsite {}
impl Sealed for RealtimeView {}
impl Sealed for Unproven {}
impl Sealed for VisibleLine {}

impl<R: Level> Site<R> {
    /// Proves it for the caller of the request; `field` is the argument that carries the id.
    pub(crate) async fn find(cx: &Cx, field: &str, id: &str) -> Result<Self> {
        let caller = cx.caller().known()?;
        let id = Kind::Website.read(field, id)?;
        let found = cx.loaders().site(SiteKey(id)).await?;
        let (row, level) = found.ok_or_else(|| Error::not_found("The website"))?;
        Self::mint(row, Standing::new(caller, level, "website")?)
    }

    /// The row as it was when the proof was made.
    #[must_use]
    pub fn website(&self) -> &website::Model {
        &self.row
    }

    /// The website, as anyone may see it.
    pub(crate) fn public(&self) -> PublicWebsite {
        PublicWebsite::new(Arc::clone(&self.row))
    }

    /// The zone in which the website's days begin.
    #[must_use]
    pub fn timezone(&self) -> chrono_tz::Tz {
        zone_of(&self.row)
    }

    /// The same proof over the row as it is after a change.
    pub(crate) fn changed(&self, row: website::Model) -> Result<Self> {
        if row.id != self.row.id || row.team_id != self.row.team_id {
            return Err(Error::broken("a proof was carried over to another website"));
        }
        Ok(Self { row: Arc::new(row), ..self.clone() })
    }

    /// The website's team: whoever holds a role on a website holds it in the team.
    fn team(&self, row: Arc<team::Model>) -> Result<Team<R>> {
        if row.id != self.row.team_id {
            return Err(Error::broken("a website's proof met another team"));
        }
        Team::mint(row, self.standing)
    }
}

impl<R: Level> Team<R> {
    /// Proves it for the caller of the request; `field` is the argument that carries the id.
    pub(crate) async fn find(cx: &Cx, field: &str, id: &str) -> Result<Self> {
        cx.caller().known()?;
        Self::by_uuid(cx, Kind::Team.read(field, id)?).await
    }

    /// As [`Team::find`], for an id that a row holds.
    pub(crate) async fn by_uuid(cx: &Cx, id: Uuid) -> Result<Self> {
        let caller = cx.caller().known()?;
        let found = cx.loaders().team(TeamKey(id)).await?;
        let (row, level) = found.ok_or_else(|| Error::not_found("The team"))?;
        Self::mint(row, Standing::new(caller, level, "team")?)
    }

    /// The row as it was when the proof was made.
    #[must_use]
    pub fn team(&self) -> &team::Model {
        &self.row
    }

    /// The same proof over the row as it is after a change.
    pub(crate) fn changed(&self, row: team::Model) -> Result<Self> {
        if row.id != self.row.id {
            return Err(Error::broken("a proof was carried over to another team"));
        }
        Ok(Self { row: Arc::new(row), ..self.clone() })
    }

    /// The only website the caller reaches in this team; `None` when it reaches all.
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

    /// A website of this team. Errors: `Forbidden` for a key that reaches another one only.
    pub(crate) fn site(&self, row: website::Model) -> Result<Site<R>> {
        self.holds(row.team_id)?;
        if self.only_website().is_some_and(|only| only != row.id) {
            return Err(Error::forbidden("This API key has no access to this website."));
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
    /// Proves it for the caller of the request. Errors: `Unauthenticated`, `Forbidden` for an API key.
    pub(crate) async fn from_cx(cx: &Cx) -> Result<Self> {
        let Caller::User { user, session } = cx.caller().known()? else {
            return Err(Error::forbidden(
                "This needs a signed-in user; an API key speaks for a team, not for a person.",
            ));
        };
        let row = cx.loaders().user(user).await?;
        let row =
            row.ok_or_else(|| Error::unauthenticated("The account of this access token does not exist any more."))?;
        Ok(Self { row, session })
    }

    /// The user who has just proven to hold the password, or has just made the account.
    pub(crate) fn signed_in(row: user::Model, session: Uuid) -> Self {
        Self { row: Arc::new(row), session: SignedIn::Session(session) }
    }

    /// The same proof over the row as it is after a change.
    pub(crate) fn changed(&self, row: user::Model) -> Result<Self> {
        if row.id != self.row.id {
            return Err(Error::broken("a proof was carried over to another account"));
        }
        Ok(Self { row: Arc::new(row), session: self.session })
    }

    /// Who is asking.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller::User { user: self.row.id, session: self.session }
    }

    /// Identifier.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.row.id
    }

    /// The sign-in that the request belongs to.
    #[must_use]
    pub fn session(&self) -> SignedIn {
        self.session
    }

    /// The row as it was when the proof was made.
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

    /// A team the user has this part in.
    pub(crate) fn team(&self, row: Arc<team::Model>, part: &membership::Model) -> Result<Team<Viewer>> {
        let standing = self.standing(part, row.id)?;
        Team::mint(row, standing)
    }

    /// A website of a team the user has this part in.
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
    /// Proves it for the caller of the request. Errors: `Unauthenticated`, `Forbidden` for a signed-in user.
    pub(crate) async fn from_cx(cx: &Cx) -> Result<Self> {
        let Caller::Key { id, team, .. } = cx.caller().known()? else {
            return Err(Error::forbidden("This is about the calling API key; send one in `X-API-Key`."));
        };
        let row = cx.loaders().api_key(id).await?;
        let row = row.ok_or_else(|| Error::unauthenticated(credential::KEY_REFUSED))?;
        Ok(Self { row, team: Team::by_uuid(cx, team).await? })
    }

    /// The row as it was when the proof was made.
    #[must_use]
    pub fn api_key(&self) -> &api_key::Model {
        &self.row
    }

    /// The team whose websites the key reads.
    #[must_use]
    pub fn team(&self) -> &Team<Viewer> {
        &self.team
    }
}
