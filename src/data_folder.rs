//! The data folder: private, held by one process at a time, contains the installation's secret.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use schema::access::{LockFile, Operator};

use crate::{StartError, ingest::identity::Secret};

/// The folder that contains all data of an installation.
#[derive(Debug, Clone)]
pub struct DataFolder(PathBuf);

/// Held for as long as the process uses the folder's event store.
#[derive(Debug)]
pub struct Held {
    lock: LockFile,
    /// The folder, if this process has created it.
    created: Option<PathBuf>,
}

impl Held {
    /// Proof that this process has locked the folder.
    #[must_use]
    pub fn operator(&self) -> Operator {
        Operator::new(&self.lock)
    }

    /// Removes the folder if this process has created it: for a start that failed.
    pub fn discard(&self) {
        if let Some(Err(error)) = self.created.as_ref().map(fs::remove_dir_all) {
            tracing::warn!(error.source = %error, "cannot remove the new data folder");
        }
    }
}

impl DataFolder {
    /// The folder at this path, which may not exist yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_path_buf())
    }

    /// Creates the folder (mode 0700) if it does not exist, and restricts what it contains to this user.
    ///
    /// # Errors
    /// When it cannot be created, or is not a folder.
    pub fn create(&self) -> Result<(), StartError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(|error| {
            StartError::new(format!(
                "cannot create the data folder {} ({error}); choose another with --data",
                self.0.display()
            ))
        })?;
        self.make_private();
        Ok(())
    }

    /// Restricts the folder (mode 0700) and, if it contains an installation, every file in it (0600) to this user:
    /// engines create files beside their own, and an earlier version or a copy may have left them readable.
    fn make_private(&self) {
        // A folder that all users share, such as /tmp or the root, stays theirs.
        let is_shared = self.0.parent().is_none()
            || fs::metadata(&self.0).is_ok_and(|folder| folder.permissions().mode() & 0o1000 != 0);
        if !is_shared {
            let _ = fs::set_permissions(&self.0, fs::Permissions::from_mode(0o700));
        }
        if self.control_plane().exists() {
            make_files_private(&self.0, 0);
        }
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn lock_file(&self) -> Result<LockFile, StartError> {
        LockFile::open(&self.0).map_err(|error| {
            StartError::new(format!(
                "cannot write to the data folder {} ({error}); choose another with --data",
                self.0.display()
            ))
        })
    }

    /// Proof that this process can write the folder, also beside a running server.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn operator(&self) -> Result<Operator, StartError> {
        Ok(Operator::new(&self.lock_file()?))
    }

    /// Creates the folder if it does not exist, and locks it for this process.
    ///
    /// # Errors
    /// When another process holds it, or it is not writable.
    pub fn hold(&self) -> Result<Held, StartError> {
        let created = (!self.0.exists()).then(|| self.0.clone());
        self.create()?;
        let lock = self.lock_file()?;
        match lock.lock() {
            Ok(true) => Ok(Held { lock, created }),
            Ok(false) => Err(StartError::held(&self.0)),
            Err(error) => Err(StartError::new(format!("cannot lock the data folder {} ({error})", self.0.display()))),
        }
    }

    /// The SQLite file of the control plane.
    #[must_use]
    pub fn control_plane(&self) -> PathBuf {
        self.0.join("footfall.sqlite")
    }

    /// The DuckDB file of the event store.
    #[must_use]
    pub fn event_store(&self) -> PathBuf {
        self.0.join("events.duckdb")
    }

    /// The folder of signing keys.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// The journal: acknowledged events that may not be in the event store yet, and the ledger.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal.sqlite")
    }

    /// The folder of event IDs that were accepted.
    #[must_use]
    pub fn seen_ids(&self) -> PathBuf {
        self.0.join("seen-ids")
    }

    /// The salts of cookieless visitors.
    #[must_use]
    pub fn salts(&self) -> PathBuf {
        self.0.join("salts")
    }

    /// The socket over which a running server accepts imports.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.0.join("footfall.sock")
    }

    /// The configuration file that is read by default.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.0.join("footfall.toml")
    }

    /// The secret that keys visitor IDs of imports; created on the first call, mode 0600.
    ///
    /// # Errors
    /// When it cannot be read or created.
    pub fn secret(&self) -> Result<Secret, StartError> {
        let path = self.0.join("secret");
        let failed = |error: io::Error| StartError::new(format!("cannot use the secret {} ({error})", path.display()));
        let mut bytes = [0_u8; 32];
        match File::open(&path) {
            Ok(mut file) => file.read_exact(&mut bytes).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if self.event_store().exists() {
                    tracing::warn!(
                        "the secret {} was missing and has been created: today's visitors will be counted again",
                        path.display()
                    );
                }
                getrandom::fill(&mut bytes).map_err(|error| failed(io::Error::other(error.to_string())))?;
                write_private(&path, &bytes).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
        Ok(Secret::new(bytes))
    }
}

/// Levels of folders within the data folder.
const MAX_DEPTH: u32 = 4;

/// Sets files to 0600 and folders to 0700. Skips links and files of other users.
fn make_files_private(folder: &Path, depth: u32) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && depth < MAX_DEPTH {
            let _ = fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o700));
            make_files_private(&entry.path(), depth + 1);
        } else if kind.is_file() {
            let _ = fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o600));
        }
    }
}

/// From now on, files that this process creates are readable by this user only, including those of the engines.
pub fn make_new_files_private() {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

/// Writes a file (mode 0600) atomically. It is on disk when this returns.
///
/// # Errors
/// When the folder is not writable.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}
