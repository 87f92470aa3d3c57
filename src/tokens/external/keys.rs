//! The public keys of a trusted issuer: a JWK set, fetched on demand and cached.
//!
//! - It is fetched at most once a minute, whatever tokens contain; if it cannot be fetched, the old keys stay valid.
//! - A key that is too short or of an unsupported type is skipped, before anything is verified with it.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey};
use schema::ports::Clock;
use serde::Deserialize;
use tokio::sync::Mutex;

/// Minimum interval between fetches, in seconds.
const PAUSE_SECONDS: i64 = 60;

/// Minutes after which keys are fetched again, so that a withdrawn one is no longer accepted.
const FRESH_MINUTES: i64 = 60;

/// Time limit of a fetch.
const PATIENCE: Duration = Duration::from_secs(5);

/// Maximum size of a response, in bytes.
const BYTES: u64 = 256 * 1024;

/// Maximum number of keys read from a response.
const MAX_KEYS: usize = 100;

/// A key and the only algorithm that it verifies.
pub(super) struct PublicKey {
    pub(super) algorithm: Algorithm,
    pub(super) verifying: DecodingKey,
}

#[derive(Default)]
struct Known {
    keys: HashMap<String, Arc<PublicKey>>,
    read_at: Option<DateTime<Utc>>,
}

/// The keys at a URL.
pub(super) struct PublicKeys {
    url: String,
    clock: Arc<dyn Clock>,
    known: RwLock<Arc<Known>>,
    /// Time of the last fetch; locked during a fetch.
    tried: Mutex<Option<DateTime<Utc>>>,
}

/// A published key.
#[derive(Deserialize)]
struct Jwk {
    kid: Option<String>,
    kty: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<serde_json::Value>,
}

impl PublicKeys {
    pub(super) fn new(url: String, clock: Arc<dyn Clock>) -> Self {
        Self { url, clock, known: RwLock::default(), tried: Mutex::default() }
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The key with this ID, fetched if it is not known.
    pub(super) async fn find(&self, kid: &str) -> Option<Arc<PublicKey>> {
        let (known, now) = (self.known(), self.clock.now());
        let is_fresh = known.read_at.is_some_and(|at| now - at < TimeDelta::minutes(FRESH_MINUTES));
        if let Some(key) = known.keys.get(kid).filter(|_| is_fresh) {
            return Some(Arc::clone(key));
        }
        let mut tried = self.tried.lock().await;
        // A waiting request finds the keys fetched by the one before.
        if tried.is_none_or(|at| now - at >= TimeDelta::seconds(PAUSE_SECONDS)) {
            *tried = Some(now);
            let url = self.url.clone();
            match tokio::task::spawn_blocking(move || ask(&url)).await {
                Ok(Ok(keys)) => {
                    let known = Arc::new(Known { keys, read_at: Some(now) });
                    *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
                }
                Ok(Err(why)) => tracing::warn!(error.source = %why, "cannot read the external issuer's keys"),
                Err(_) => tracing::warn!("fetching the external issuer's keys was interrupted"),
            }
        }
        drop(tried);
        self.known().keys.get(kid).cloned()
    }
}

fn ask(url: &str) -> Result<HashMap<String, Arc<PublicKey>>, String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .max_redirects(0)
        .proxy(None)
        .https_only(url.starts_with("https://"))
        .build()
        .into();
    let mut response = agent.get(url).call().map_err(|error| error.to_string())?;
    if response.status() != 200 {
        return Err(format!("the response has status {}", response.status()));
    }
    let text = response.body_mut().with_config().limit(BYTES).read_to_string().map_err(|error| error.to_string())?;
    read(&text)
}

/// The usable keys of a set.
fn read(text: &str) -> Result<HashMap<String, Arc<PublicKey>>, String> {
    let set: JwkSet = serde_json::from_str(text).map_err(|_| "the response is not a JWK set".to_owned())?;
    // An unsupported key type does not prevent the use of the others.
    let jwks = set.keys.into_iter().take(MAX_KEYS).filter_map(|jwk| serde_json::from_value::<Jwk>(jwk).ok());
    Ok(jwks.filter_map(|jwk| Some((jwk.kid.clone()?, Arc::new(usable(&jwk)?)))).collect())
}

fn bytes(part: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part?).ok()
}

fn usable(jwk: &Jwk) -> Option<PublicKey> {
    if jwk.usage.as_ref().is_some_and(|usage| usage != "sig") {
        return None;
    }
    let is_coordinate = |part: Option<&String>| bytes(part).is_some_and(|bytes| bytes.len() == 32);
    let (name, algorithm, verifying) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => {
            let modulus = bytes(jwk.n.as_ref())?;
            if !(256..=1024).contains(&modulus.len()) || !(1..=8).contains(&bytes(jwk.e.as_ref())?.len()) {
                return None;
            }
            let key = DecodingKey::from_rsa_components(jwk.n.as_ref()?, jwk.e.as_ref()?).ok()?;
            ("RS256", Algorithm::RS256, key)
        }
        ("EC", Some("P-256")) if is_coordinate(jwk.x.as_ref()) && is_coordinate(jwk.y.as_ref()) => {
            let key = DecodingKey::from_ec_components(jwk.x.as_ref()?, jwk.y.as_ref()?).ok()?;
            ("ES256", Algorithm::ES256, key)
        }
        // Checking with a shorter one panics.
        ("OKP", Some("Ed25519")) if is_coordinate(jwk.x.as_ref()) => {
            ("EdDSA", Algorithm::EdDSA, DecodingKey::from_ed_components(jwk.x.as_ref()?).ok()?)
        }
        _ => return None,
    };
    jwk.alg.as_ref().is_none_or(|alg| alg == name).then_some(PublicKey { algorithm, verifying })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn kept(key: Value) -> Option<Algorithm> {
        let keys = read(&json!({ "keys": [key] }).to_string()).unwrap();
        keys.into_values().next().map(|key| key.algorithm)
    }

    #[test]
    fn only_sound_keys_of_the_known_kinds_are_kept() {
        let text = |length: usize| URL_SAFE_NO_PAD.encode(vec![7_u8; length]);
        let okp = json!({ "kid": "a", "kty": "OKP", "crv": "Ed25519", "x": text(32), "use": "sig", "alg": "EdDSA" });
        assert_eq!(kept(okp.clone()), Some(Algorithm::EdDSA));
        let with = |name: &str, value: Value| {
            let mut key = okp.clone();
            key[name] = value;
            key
        };
        for bad in [
            with("x", json!(text(31))),
            with("x", json!("not base64!")),
            with("use", json!("enc")),
            with("alg", json!("HS256")),
            with("crv", json!("X25519")),
            with("kid", Value::Null),
            json!({ "kid": "a", "kty": "oct", "k": text(32) }),
            json!({ "kid": "a", "kty": "RSA", "n": text(128), "e": "AQAB" }),
            json!({ "kid": "a", "kty": "EC", "crv": "P-256", "x": text(32), "y": text(5) }),
            json!(7),
        ] {
            assert_eq!(kept(bad.clone()), None, "{bad}");
        }
        assert_eq!(kept(json!({ "kid": "a", "kty": "RSA", "n": text(256), "e": "AQAB" })), Some(Algorithm::RS256));
        for broken in ["", "[]", "{}", "{\"keys\": 7}"] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }
}
