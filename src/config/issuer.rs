//! Settings of the trusted external issuer, whose tokens are accepted in addition to this server's own.

use clap::Args;

use crate::StartError;

/// Flags of the trusted issuer; each is also an environment variable.
#[derive(Debug, Clone, Default, Args)]
pub struct IssuerFlags {
    /// Issuer (`iss`) whose access tokens are accepted in addition to this server's own [default: none]
    #[arg(long, value_name = "URL", env = "FOOTFALL_AUTH_EXTERNAL_ISSUER")]
    pub auth_external_issuer: Option<String>,
    /// Audience (`aud`) that its tokens must contain
    #[arg(long, value_name = "NAME", env = "FOOTFALL_AUTH_EXTERNAL_AUDIENCE")]
    pub auth_external_audience: Option<String>,
    /// URL of its public keys (a JWK set), for tokens signed with RS256, ES256 or EdDSA
    #[arg(long, value_name = "URL", env = "FOOTFALL_AUTH_EXTERNAL_JWKS_URL")]
    pub auth_external_jwks_url: Option<String>,
    /// Secret that its tokens are signed with, for HS256; safer in the environment variable
    #[arg(long, value_name = "SECRET", env = "FOOTFALL_AUTH_EXTERNAL_HS256_SECRET", hide_env_values = true)]
    pub auth_external_hs256_secret: Option<String>,
}

/// Minimum length of a secure HS256 secret, in bytes.
const SECRET_BYTES: usize = 32;

impl IssuerFlags {
    /// These settings, falling back to those below.
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            auth_external_issuer: self.auth_external_issuer.or(below.auth_external_issuer),
            auth_external_audience: self.auth_external_audience.or(below.auth_external_audience),
            auth_external_jwks_url: self.auth_external_jwks_url.or(below.auth_external_jwks_url),
            auth_external_hs256_secret: self.auth_external_hs256_secret.or(below.auth_external_hs256_secret),
        }
    }

    /// The effective settings; `None` without an issuer. Errors: inconsistent settings.
    pub(super) fn checked(self) -> Result<Option<IssuerSettings>, StartError> {
        let wrong = |why: &str| StartError::new(why.to_owned());
        let jwks_url = filled(self.auth_external_jwks_url);
        let hs256_secret = filled(self.auth_external_hs256_secret);
        let Some(issuer) = filled(self.auth_external_issuer) else {
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
        let audience = filled(self.auth_external_audience)
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
        Ok(Some(IssuerSettings { issuer, audience, jwks_url, hs256_secret }))
    }
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

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

impl std::fmt::Debug for IssuerSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuerSettings").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_setting_is_refused_by_name() {
        let text = |text: &str| Some(text.to_owned());
        let whole = IssuerFlags {
            auth_external_issuer: text("https://id.example/auth/v1"),
            auth_external_audience: text("authenticated"),
            auth_external_jwks_url: text("https://id.example/jwks.json"),
            auth_external_hs256_secret: None,
        };
        assert!(whole.clone().checked().unwrap().is_some());
        assert!(IssuerFlags::default().checked().unwrap().is_none());
        let url = |url: &str| IssuerFlags { auth_external_jwks_url: text(url), ..whole.clone() };
        for (wrong, name) in [
            (IssuerFlags { auth_external_issuer: None, ..whole.clone() }, "auth_external_issuer"),
            (IssuerFlags { auth_external_issuer: text("footfall"), ..whole.clone() }, "auth_external_issuer"),
            (IssuerFlags { auth_external_audience: None, ..whole.clone() }, "auth_external_audience"),
            (IssuerFlags { auth_external_jwks_url: None, ..whole.clone() }, "auth_external_jwks_url"),
            (url("http://id.example/jwks.json"), "https://"),
            (url("http://127.0.0.1.id.example/jwks.json"), "https://"),
            (IssuerFlags { auth_external_hs256_secret: text("short"), ..whole.clone() }, "32 bytes"),
        ] {
            let error = wrong.checked().unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        url("http://127.0.0.1:9/jwks.json").checked().unwrap();
    }
}
