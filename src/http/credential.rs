//! Credentials of a request: the two headers, parsed strictly and not trusted yet.
//!
//! - Headers that a client could forge about its network address (`Forwarded`, `X-Forwarded-*`) are not read here.
//! - A credential is never logged and never echoed; `Debug` hides it.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use schema::{
    AddressHash,
    caller::RequestOrigin,
    error::{Error, Result},
};

use crate::rate_limit::Meter;

/// Every API key starts with this.
pub const KEY_PREFIX: &str = "zv_";

/// Maximum length of a credential, in bytes.
const MAX_LENGTH: usize = 4096;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The presented credential, not yet checked.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Credential {
    /// None.
    #[default]
    None,
    /// An API key, `zv_...`.
    Key(String),
    /// An access token (a JWT).
    Token(String),
}

/// The credential, not yet checked, and the source of the request.
#[derive(Debug, Clone, Default)]
pub struct Asker {
    /// The credential.
    pub credential: Credential,
    /// The client's address; `None` if unknown.
    pub client: Option<IpAddr>,
    /// The hash of the client's address; `None` if unknown.
    pub from: Option<AddressHash>,
    /// The header `Origin`.
    pub origin: Option<String>,
    /// The caller's limits, once the request was counted.
    pub meter: Arc<OnceLock<Meter>>,
}

impl Asker {
    /// Where the request comes from.
    #[must_use]
    pub fn sender(&self) -> RequestOrigin<'_> {
        RequestOrigin { address: self.client, origin: self.origin.as_deref() }
    }
}

/// The header `Origin`, which browsers send with requests of pages.
#[must_use]
pub fn origin_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ORIGIN)?.to_str().ok()
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Key(_) => "Key(hidden)",
            Self::Token(_) => "Token(hidden)",
        })
    }
}

impl Credential {
    /// Reads `Authorization: Bearer ...` and `X-API-Key: zv_...`.
    ///
    /// Errors: `Unauthenticated` when a header is malformed or repeated, or when both are present and differ.
    pub fn read(headers: &HeaderMap) -> Result<Self> {
        let bearer = single(headers, &header::AUTHORIZATION, "Authorization")?.map(bearer).transpose()?;
        let key = single(headers, &X_API_KEY, "X-API-Key")?.map(api_key).transpose()?;
        match (bearer, key) {
            (Some(one), Some(other)) if one != other => Err(Error::unauthenticated(
                "The headers Authorization and X-API-Key contain different credentials. Send only one of them.",
            )),
            (Some(one), _) | (None, Some(one)) => Ok(one),
            (None, None) => Ok(Self::None),
        }
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName, spelled: &str) -> Result<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::unauthenticated(format!("The header {spelled} must be sent only once.")));
    }
    readable(first).map(Some).ok_or_else(|| {
        Error::unauthenticated(format!("The header {spelled} must be printable ASCII of at most {MAX_LENGTH} bytes."))
    })
}

fn readable(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok().map(str::trim).filter(|text| text.len() <= MAX_LENGTH)
}

fn bearer(value: &str) -> Result<Credential> {
    let token = value
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty() && token.bytes().all(is_token_byte))
        .ok_or_else(|| {
            Error::unauthenticated("The header Authorization must be `Bearer <access token or API key>`.")
        })?;
    Ok(if token.starts_with(KEY_PREFIX) {
        Credential::Key(token.to_owned())
    } else {
        Credential::Token(token.to_owned())
    })
}

fn api_key(value: &str) -> Result<Credential> {
    if value.starts_with(KEY_PREFIX) && value.bytes().all(is_token_byte) {
        Ok(Credential::Key(value.to_owned()))
    } else {
        Err(Error::unauthenticated(format!(
            "The header X-API-Key must contain an API key that starts with `{KEY_PREFIX}`."
        )))
    }
}

/// `token68` of RFC 9110, which both JWTs and keys are made of.
const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&'static str, &str)]) -> Result<Credential> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a header value"));
        }
        Credential::read(&headers)
    }

    fn refusal(pairs: &[(&'static str, &str)]) -> String {
        let error = read(pairs).expect_err("a refusal");
        assert_eq!(error.status(), 401, "{error:?}");
        error.message()
    }

    #[test]
    fn keys_and_tokens_are_told_apart() {
        assert_eq!(read(&[]).expect("none"), Credential::None);
        assert_eq!(read(&[("authorization", "Bearer zv_abc")]).expect("key"), Credential::Key("zv_abc".into()));
        assert_eq!(read(&[("authorization", "bearer  a.b-c_d")]).expect("token"), Credential::Token("a.b-c_d".into()));
        assert_eq!(read(&[("x-api-key", "zv_abc")]).expect("key"), Credential::Key("zv_abc".into()));
    }

    #[test]
    fn both_headers_must_agree() {
        let same = [("authorization", "Bearer zv_a"), ("x-api-key", "zv_a")];
        assert_eq!(read(&same).expect("key"), Credential::Key("zv_a".into()));
        assert!(refusal(&[("authorization", "Bearer zv_a"), ("x-api-key", "zv_b")]).contains("different"));
        assert!(refusal(&[("authorization", "Bearer jwt"), ("x-api-key", "zv_b")]).contains("different"));
        assert!(refusal(&[("x-api-key", "zv_a"), ("x-api-key", "zv_a")]).contains("only once"));
    }

    #[test]
    fn malformed_headers_are_refused_with_what_would_be_right() {
        for value in ["zv_abc", "Basic dTpw", "Bearer", "Bearer ", "Bearer a b", "Bearer \u{e9}"] {
            let sentence = refusal(&[("authorization", value)]);
            assert!(sentence.contains("Authorization"), "{value}: {sentence}");
        }
        assert!(refusal(&[("x-api-key", "abc")]).contains("zv_"));
    }

    #[test]
    fn other_headers_are_no_credential() {
        assert_eq!(read(&[("api-key", "zv_abc"), ("x-forwarded-user", "root")]).expect("none"), Credential::None);
    }

    #[test]
    fn debug_hides_the_secret() {
        assert!(!format!("{:?}", Credential::Key("zv_secret".into())).contains("secret"));
    }
}
