//! Access tokens of a trusted external issuer, such as Supabase: checked against its secret or its public keys.
//!
//! - The key determines the algorithm, never the token: the secret verifies HS256 only, a public key the algorithm of
//!   its type only.
//! - Keys in or referenced by a token's header (`jwk`, `jku`, `x5u`) are ignored.

mod keys;

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use schema::{
    Error, Result,
    ports::{Clock, ExternalClaims, Issuer},
    scalars::{EmailAddress, Url},
};
use serde::Deserialize;
use serde_json::{Map, Value};

use self::keys::PublicKeys;
use super::LEEWAY_SECONDS;
use crate::config::issuer::IssuerSettings;

const REFUSED: &str = "The access token is invalid or expired. Refresh it or sign in again.";

/// Maximum length of a subject, in characters.
const SUBJECT: usize = 255;

/// Maximum length of a provider's name, in characters.
const PROVIDER: usize = 32;

/// Claims of a token. Claims that are not required here are not required of issuers either.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    email: Option<String>,
    email_verified: Option<Value>,
    name: Option<String>,
    picture: Option<String>,
    app_metadata: Option<Map<String, Value>>,
    user_metadata: Option<Map<String, Value>>,
}

/// A trusted issuer.
pub struct External {
    settings: IssuerSettings,
    secret: Option<DecodingKey>,
    keys: Option<PublicKeys>,
    clock: Arc<dyn Clock>,
}

impl External {
    /// Trusts tokens by these settings. The issuer is not contacted before the first token.
    #[must_use]
    pub fn open(settings: IssuerSettings, clock: Arc<dyn Clock>) -> Arc<dyn Issuer> {
        let secret = settings.hs256_secret.as_ref().map(|secret| DecodingKey::from_secret(secret.as_bytes()));
        let keys = settings.jwks_url.clone().map(|url| PublicKeys::new(url, Arc::clone(&clock)));
        Arc::new(Self { settings, secret, keys, clock })
    }

    async fn claims(&self, token: &str) -> Option<Claims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        if asks_for_more(token) {
            return None;
        }
        let found;
        let (key, algorithm) = if header.alg == Algorithm::HS256 {
            (self.secret.as_ref()?, Algorithm::HS256)
        } else {
            found = self.keys.as_ref()?.find(&header.kid?).await?;
            (&found.verifying, found.algorithm)
        };
        let mut rules = Validation::new(algorithm);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.set_issuer(&[&self.settings.issuer]);
        rules.set_audience(&[&self.settings.audience]);
        // Times are compared below, with our own clock.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &rules).ok()?.claims;
        let (now, leeway) = (seconds(self.clock.now()), seconds_of(LEEWAY_SECONDS));
        let is_timely = claims.exp + leeway > now && claims.nbf.is_none_or(|from| from <= now + leeway);
        let is_somebody = !claims.sub.trim().is_empty() && claims.sub.chars().count() <= SUBJECT;
        (is_timely && is_somebody).then_some(claims)
    }
}

#[async_trait::async_trait]
impl Issuer for External {
    async fn verify(&self, token: &str) -> Result<ExternalClaims> {
        let refused = || Error::unauthenticated(REFUSED);
        let claims = self.claims(token).await.ok_or_else(refused)?;
        let of_user = |key: &str| claims.user_metadata.as_ref().and_then(|data| data.get(key));
        let text_of_user = |key: &str| of_user(key).and_then(Value::as_str).map(str::to_owned);
        // Absent is as good as true: most issuers hand out no token before.
        let is_denied = |verified: Option<&Value>| verified.is_some_and(|verified| *verified != Value::Bool(true));
        let is_doubtful = is_denied(claims.email_verified.as_ref()) || is_denied(of_user("email_verified"));
        let email = claims.email.as_deref().and_then(EmailAddress::checked).filter(|_| !is_doubtful);
        let provider = claims.app_metadata.as_ref().and_then(|data| data.get("provider")).and_then(Value::as_str);
        let picture = claims.picture.clone().or_else(|| text_of_user("avatar_url")).or_else(|| text_of_user("picture"));
        let name = text_of_user("full_name").or_else(|| text_of_user("name")).or_else(|| claims.name.clone());
        Ok(ExternalClaims {
            subject: format!("{}|{}", self.settings.issuer, claims.sub),
            email,
            provider: spelled(provider),
            full_name: name
                .map(|name| name.trim().chars().take(100).collect())
                .filter(|name: &String| !name.is_empty()),
            avatar_url: picture.as_deref().and_then(Url::checked),
            issued_at: claims.iat.and_then(instant),
            until: instant(claims.exp).ok_or_else(refused)?,
        })
    }
}

/// Whether the header lists extensions that must be understood (`crit`); none is supported.
fn asks_for_more(token: &str) -> bool {
    let header = token.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok());
    let header = header.and_then(|header| serde_json::from_slice::<Map<String, Value>>(&header).ok());
    header.is_none_or(|header| header.contains_key("crit"))
}

/// A provider's name as stored: lower case, without invalid characters.
fn spelled(provider: Option<&str>) -> String {
    let name = provider.unwrap_or_default().to_lowercase();
    let name: String =
        name.chars().filter(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ':')).take(PROVIDER).collect();
    if name.is_empty() { "external".to_owned() } else { name }
}

#[expect(clippy::cast_precision_loss, reason = "seconds stay far below 2^53")]
fn seconds_of(seconds: i64) -> f64 {
    seconds as f64
}

fn seconds(at: DateTime<Utc>) -> f64 {
    seconds_of(at.timestamp())
}

#[expect(clippy::cast_possible_truncation, reason = "what is out of range is no instant")]
fn instant(seconds: f64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds as i64, 0)
}
