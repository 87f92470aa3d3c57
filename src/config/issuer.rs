//! Settings of the trusted external issuer, whose tokens are accepted in addition to this server's own.

use super::Settings;
use crate::StartError;

/// Minimum length of a secure HS256 secret, in bytes.
const SECRET_BYTES: usize = 32;

/// Anyone who can modify the keys in transit can sign in as any user.
fn is_safe(url: &str) -> bool {
    url.starts_with("https://")
        || ["127.0.0.1", "localhost", "[::1]"].iter().any(|host| {
            let rest = url.strip_prefix("http://").and_then(|rest| rest.strip_prefix(host));
            rest.is_some_and(|rest| rest.starts_with([':', '/']))
        })
}

/// A trusted issuer.
#[derive(Clone)]
pub struct IssuerSettings {
    /// `iss` of its tokens.
    pub issuer: String,
    /// `aud` of its tokens.
    pub audience: String,
    /// URL of its public keys.
    pub jwks_url: Option<String>,
    /// Secret of its HS256 tokens.
    pub hs256_secret: Option<String>,
}

impl IssuerSettings {
    /// The configured issuer; `None` without one. Errors: inconsistent settings.
    pub(super) fn new(settings: &Settings) -> Result<Option<Self>, StartError> {
        let wrong = |why: &str| StartError::new(why.to_owned());
        let jwks_url = settings.auth_external_jwks_url.clone();
        let hs256_secret = settings.auth_external_hs256_secret.clone();
        let Some(issuer) = settings.auth_external_issuer.clone() else {
            let is_meant = jwks_url.is_some() || hs256_secret.is_some();
            return if is_meant {
                Err(wrong("auth_external_issuer: is required with other auth_external settings"))
            } else {
                Ok(None)
            };
        };
        if issuer == crate::tokens::ISSUER || issuer.len() > 200 {
            return Err(wrong(
                "auth_external_issuer: must have at most 200 characters and differ from this server's own issuer",
            ));
        }
        let audience = settings
            .auth_external_audience
            .clone()
            .ok_or_else(|| wrong("auth_external_audience: is required (Supabase's is authenticated)"))?;
        if jwks_url.is_none() && hs256_secret.is_none() {
            return Err(wrong("auth_external_jwks_url: is required unless auth_external_hs256_secret is set"));
        }
        if jwks_url.as_ref().is_some_and(|url| !is_safe(url)) {
            return Err(wrong(
                "auth_external_jwks_url: must begin with https:// (http:// is allowed for this machine only)",
            ));
        }
        if hs256_secret.as_ref().is_some_and(|secret| secret.len() < SECRET_BYTES) {
            return Err(wrong("auth_external_hs256_secret: must have at least 32 bytes"));
        }
        Ok(Some(Self { issuer, audience, jwks_url, hs256_secret }))
    }
}

impl std::fmt::Debug for IssuerSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuerSettings").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Flags, over_defaults},
        *,
    };

    fn checked(flags: Flags) -> Result<Option<IssuerSettings>, StartError> {
        IssuerSettings::new(&over_defaults(flags)?)
    }

    #[test]
    fn half_a_setting_is_refused_by_name() {
        let text = |text: &str| Some(text.to_owned());
        let whole = Flags {
            auth_external_issuer: text("https://id.example/auth/v1"),
            auth_external_audience: text("authenticated"),
            auth_external_jwks_url: text("https://id.example/jwks.json"),
            ..Flags::default()
        };
        assert!(checked(whole.clone()).unwrap().is_some());
        assert!(checked(Flags::default()).unwrap().is_none());
        let url = |url: &str| Flags { auth_external_jwks_url: text(url), ..whole.clone() };
        for (wrong, name) in [
            (Flags { auth_external_issuer: None, ..whole.clone() }, "auth_external_issuer"),
            (Flags { auth_external_issuer: text("footfall"), ..whole.clone() }, "auth_external_issuer"),
            (Flags { auth_external_audience: None, ..whole.clone() }, "auth_external_audience"),
            (Flags { auth_external_jwks_url: None, ..whole.clone() }, "auth_external_jwks_url"),
            (url("http://id.example/jwks.json"), "https://"),
            (url("http://127.0.0.1.id.example/jwks.json"), "https://"),
            (Flags { auth_external_hs256_secret: text("short"), ..whole.clone() }, "32 bytes"),
        ] {
            let error = checked(wrong).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        checked(url("http://127.0.0.1:9/jwks.json")).unwrap();
    }
}
