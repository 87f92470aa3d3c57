//! Proof of access to the data folder, which gives full access from the command line.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Arc,
};

use entity::{team, user, website};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use uuid::Uuid;

use super::{Caller, Owner, Role, Site, Standing, Team, cx::Cx};
use crate::{
    error::{Error, Result},
    ports::Ports,
};

const STANDING: Standing = Standing { held: Role::Owner, caller: Caller::Operator };

/// The lock file of a data folder, open for writing, which only the folder's owner can do (mode 0600 in a folder of mode 0700).
#[derive(Debug)]
pub struct LockFile(File);

impl LockFile {
    /// Opens the folder's lock file; makes it where it is missing.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join("footfall.lock");
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map(Self)
    }

    /// Locks the folder for as long as this value lives. `false`: another process has locked it.
    ///
    /// # Errors
    /// When files cannot be locked there.
    pub fn lock(&self) -> io::Result<bool> {
        match self.0.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Proof that the process can write the data folder, and thus every row and key in it.
///
/// Only the folder's lock file creates one:
///
/// ```compile_fail
/// # use footfall_schema::access::Operator;
/// let operator = Operator(());
/// ```
///
/// ```compile_fail
/// # use footfall_schema::access::Operator;
/// let operator = Operator::new(&());
/// ```
///
/// ```
/// # use footfall_schema::access::{LockFile, Operator};
/// # fn f(folder: &std::path::Path) -> std::io::Result<()> {
/// let operator = Operator::new(&LockFile::open(folder)?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Operator(());

/// Proof that the caller operates the installation: an account that is an operator's, or the command line. It gives
/// access to plans and operators, but not to websites.
#[derive(Debug, Clone, Copy)]
pub struct Installation {
    caller: Caller,
}

impl Installation {
    /// Checks the caller of the request. Errors: `Unauthenticated`; `Forbidden` for an API key and for any other account.
    pub(crate) async fn from_cx(cx: &Cx) -> Result<Self> {
        let myself = cx.myself().await?;
        if myself.user().is_operator {
            return Ok(Self { caller: myself.caller() });
        }
        Err(Error::forbidden("This requires an operator of this installation."))
    }

    /// The caller.
    #[must_use]
    pub const fn caller(&self) -> Caller {
        self.caller
    }
}

impl Operator {
    /// Creates the proof. Call this only in code that a person runs on the server with access to the data folder (the
    /// command line), never while serving a request.
    #[must_use]
    pub fn new(_: &LockFile) -> Self {
        Self(())
    }

    /// The website with this UUID or domain. Errors: `NotFound`; `Conflict` when several teams use the domain.
    pub async fn site(&self, ports: &Ports, id_or_domain: &str) -> Result<Site<Owner>> {
        let rows = website::Entity::find();
        let mut rows = match Uuid::try_parse(id_or_domain) {
            Ok(id) => rows.filter(website::Column::Id.eq(id)),
            Err(_) => rows.filter(website::Column::Domain.eq(id_or_domain.trim().to_lowercase())),
        }
        .all(ports.database.reader(self))
        .await?;
        let several = rows.len() > 1;
        match rows.pop() {
            Some(_) if several => {
                Err(Error::conflict("Several websites use this domain. Specify the website's ID instead."))
            }
            Some(row) => Site::mint(Arc::new(row), STANDING),
            None => Err(Error::not_found(format!("A website with the ID or domain {id_or_domain:?}"))),
        }
    }

    /// The team with this UUID. Errors: `NotFound`.
    pub async fn team(&self, ports: &Ports, id: Uuid) -> Result<Team<Owner>> {
        let row = team::Entity::find_by_id(id).one(ports.database.reader(self)).await?;
        Team::mint(Arc::new(row.ok_or_else(|| Error::not_found("The team"))?), STANDING)
    }

    /// Proof for the installation's settings, plans and operators.
    #[must_use]
    pub const fn installation(&self) -> Installation {
        Installation { caller: Caller::Operator }
    }

    /// The default team of the user with this e-mail address. Errors: `NotFound`.
    pub async fn default_team(&self, ports: &Ports, email: &str) -> Result<Team<Owner>> {
        let user = user::Entity::find()
            .filter(user::Column::Email.eq(email.trim().to_lowercase()))
            .one(ports.database.reader(self))
            .await?
            .ok_or_else(|| Error::not_found("An account with this e-mail address"))?;
        self.team(ports, user.default_team_id).await
    }
}
