//! Access tokens: EdDSA (Ed25519) JWTs, with signing keys in files that rotate.
//!
//! - The algorithm comes from the key record, found by `kid`; the token's header has no influence on it.
//! - The newest key signs. Older ones still verify, so a rotation signs out no user.

pub mod external;

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration, Utc};
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey as _};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use schema::{
    Error, Result,
    ports::{AccessClaims, Clock, Tokens},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Lifetime of an access token in minutes, unless set by [`Keyring::with_minutes`].
pub const ACCESS_MINUTES: i64 = 15;

/// Allowed clock difference, in seconds.
const LEEWAY_SECONDS: i64 = 5;

/// `iss` of this server's tokens.
pub const ISSUER: &str = "footfall";

/// `aud` of this server's tokens.
pub const AUDIENCE: &str = "footfall-api";

const REFUSED: &str = "The access token is invalid or expired. Refresh it or sign in again.";

/// A signing key as stored: a JWK with the private part.
#[derive(Serialize, Deserialize)]
struct KeyFile {
    kid: String,
    kty: String,
    crv: String,
    alg: String,
    created_at: DateTime<Utc>,
    x: String,
    d: String,
}

struct Key {
    kid: String,
    created_at: DateTime<Utc>,
    x: String,
    signing: EncodingKey,
    verifying: DecodingKey,
}

/// Claims of this server's tokens. Every claim is required.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    sid: Uuid,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// The signing keys of an installation.
pub struct Keyring {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    minutes: i64,
    /// Oldest first; never empty.
    keys: RwLock<Vec<Arc<Key>>>,
}

impl Key {
    fn generate(now: DateTime<Utc>) -> io::Result<KeyFile> {
        let mut seed = [0_u8; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let key = SigningKey::from_bytes(&seed);
        let mut kid = [0_u8; 12];
        getrandom::fill(&mut kid).map_err(io::Error::other)?;
        Ok(KeyFile {
            kid: URL_SAFE_NO_PAD.encode(kid),
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            alg: "EdDSA".to_owned(),
            created_at: now,
            x: URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes()),
            d: URL_SAFE_NO_PAD.encode(seed),
        })
    }

    fn read(file: KeyFile) -> io::Result<Self> {
        let unfit = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("the key {:?} {what}", file.kid));
        if file.alg != "EdDSA" || file.crv != "Ed25519" {
            return Err(unfit("is not an Ed25519 key"));
        }
        let seed = URL_SAFE_NO_PAD.decode(&file.d).ok().and_then(|seed| <[u8; 32]>::try_from(seed).ok());
        let key = SigningKey::from_bytes(&seed.ok_or_else(|| unfit("has an invalid private part"))?);
        // The public part is computed, never believed: a short one makes verification panic.
        let public = key.verifying_key();
        let x = URL_SAFE_NO_PAD.encode(public.as_bytes());
        let der = key.to_pkcs8_der().map_err(|_| unfit("cannot be encoded"))?;
        Ok(Self {
            signing: EncodingKey::from_ed_der(der.as_bytes()),
            verifying: DecodingKey::from_ed_der(public.as_bytes()),
            kid: file.kid,
            created_at: file.created_at,
            x,
        })
    }
}

impl Keyring {
    /// The same keys, with this lifetime of access tokens in minutes.
    #[must_use]
    pub fn with_minutes(self, minutes: i64) -> Self {
        Self { minutes, ..self }
    }

    /// Reads the keys in `folder` (created if missing), and creates the first one. Files have mode 0600, the folder
    /// 0700.
    pub fn open(folder: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let folder = folder.into();
        private_folder(&folder)?;
        let mut keys = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                keep_private(&path)?;
                let key = fs::read(&path).and_then(|bytes| Key::read(serde_json::from_slice(&bytes)?));
                keys.push(Arc::new(key.map_err(|error| {
                    io::Error::new(
                        error.kind(),
                        format!(
                            "{} is damaged ({error}); restore it from a backup, or remove it: users whose tokens it signed must sign in again",
                            path.display()
                        ),
                    )
                })?));
            }
        }
        keys.sort_by(|a, b| (a.created_at, &a.kid).cmp(&(b.created_at, &b.kid)));
        let ring = Self { folder, clock, minutes: ACCESS_MINUTES, keys: RwLock::new(keys) };
        if ring.keys().is_empty() {
            ring.rotate()?;
        }
        Ok(ring)
    }

    /// Creates a new key that signs from now on. Tokens of older keys stay valid until they expire.
    pub fn rotate(&self) -> io::Result<()> {
        let file = Key::generate(self.clock.now())?;
        write_private(&self.folder, &format!("{}.json", file.kid), &serde_json::to_vec_pretty(&file)?)?;
        let key = Arc::new(Key::read(file)?);
        self.keys.write().unwrap_or_else(PoisonError::into_inner).push(key);
        Ok(())
    }

    /// The public keys as a JWK set, for `/.well-known/jwks.json`; newest first.
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        let jwk = |key: &Arc<Key>| {
            serde_json::json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key.kid, "x": key.x
            })
        };
        serde_json::json!({ "keys": self.keys().iter().rev().map(jwk).collect::<Vec<_>>() })
    }

    fn keys(&self) -> Vec<Arc<Key>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn key(&self, kid: &str) -> Option<Arc<Key>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().find(|key| key.kid == kid).cloned()
    }
}

impl Tokens for Keyring {
    fn issue(&self, claims: AccessClaims) -> Result<(String, DateTime<Utc>)> {
        let key = self.keys.read().unwrap_or_else(PoisonError::into_inner).last().cloned();
        let key = key.ok_or_else(|| Error::broken("there is no signing key"))?;
        let now = self.clock.now();
        let expires_at = now + Duration::minutes(self.minutes);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: claims.user,
            sid: claims.session,
            iat: now.timestamp(),
            nbf: now.timestamp(),
            exp: expires_at.timestamp(),
        };
        let header = Header { kid: Some(key.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        let token = jsonwebtoken::encode(&header, &claims, &key.signing).map_err(Error::internal)?;
        Ok((token, DateTime::from_timestamp(expires_at.timestamp(), 0).unwrap_or(expires_at)))
    }

    fn verify(&self, token: &str) -> Result<AccessClaims> {
        let refused = || Error::unauthenticated(REFUSED);
        let header = jsonwebtoken::decode_header(token).map_err(|_| refused())?;
        let key = header.kid.and_then(|kid| self.key(&kid)).ok_or_else(refused)?;
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        // Times are compared below, with our own clock.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.verifying, &rules).map_err(|_| refused())?.claims;
        let now = self.clock.now().timestamp();
        if claims.exp.saturating_add(LEEWAY_SECONDS) <= now || claims.nbf > now.saturating_add(LEEWAY_SECONDS) {
            return Err(refused());
        }
        Ok(AccessClaims { user: claims.sub, session: claims.sid })
    }
}

fn private_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// A copy or a backup may have made the file readable to others.
fn keep_private(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
            tracing::warn!("a signing key was readable by other users; its mode was changed to 0600");
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

/// Writes a new file atomically.
fn write_private(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let draft = folder.join(format!("{name}.draft"));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, folder.join(name))?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
