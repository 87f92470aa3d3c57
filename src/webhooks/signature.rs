//! Headers of a request: Standard Webhooks, and the signature that the API's page documents.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use schema::webhook::sending::Message;
use sha2::Sha256;

/// Headers of an attempt. `secrets`: the current one first.
pub(super) fn headers(message: &Message, secrets: &[String], timestamp: i64) -> HeaderMap {
    let body = message.body.as_bytes();
    let signed = format!("{}.{timestamp}.", message.id);
    let standard: Vec<String> = secrets.iter().map(|secret| standard(secret, signed.as_bytes(), body)).collect();
    let mut texts = vec![
        ("content-type", "application/json".to_owned()),
        ("user-agent", "Footfall-Webhooks/1.0".to_owned()),
        ("webhook-id", message.id.to_string()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", standard.join(" ")),
    ];
    let hexadecimal = ["x-zenovay-signature", "x-zenovay-signature-previous"];
    texts.extend(hexadecimal.into_iter().zip(secrets.iter().map(|secret| hexadecimal_of(secret, body))));
    texts.extend(message.website.map(|website| ("x-footfall-website", website.to_string())));
    let mut headers = HeaderMap::with_capacity(texts.len() + 1);
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    headers
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    // A key of any length is valid.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// `v1,` and base64. The key is what `whsec_` is followed by, decoded.
fn standard(secret: &str, signed: &[u8], body: &[u8]) -> String {
    let key = STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap_or_default();
    format!("v1,{}", STANDARD.encode(mac(&key, &[signed, body])))
}

/// Lower-case hexadecimal, over the body alone. The key is the secret as it was shown.
fn hexadecimal_of(secret: &str, body: &[u8]) -> String {
    hex::encode(mac(secret.as_bytes(), &[body]))
}
