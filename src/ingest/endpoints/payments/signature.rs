//! Signatures of payment providers: a time and HMAC-SHA256 of the time and the raw body, in one header.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Maximum difference between a signature's time and now, in seconds: what both providers recommend at most.
pub const TOLERANCE_S: i64 = 300;

/// How a provider writes its header.
#[derive(Debug, Clone, Copy)]
pub struct Scheme {
    /// Name of the header, lower case.
    pub header: &'static str,
    /// Between the parts of the header.
    separator: char,
    /// Name of the time, in seconds since 1970 UTC.
    time: &'static str,
    /// Name of a signature. There may be several while a secret is rotated.
    signature: &'static str,
    /// Between the time and the body in what is signed.
    joint: u8,
}

/// `Stripe-Signature: t=1772600767,v1=5257a8...`
pub const STRIPE: Scheme =
    Scheme { header: "stripe-signature", separator: ',', time: "t", signature: "v1", joint: b'.' };

/// `Paddle-Signature: ts=1772600767;h1=eb4d0d...`
pub const PADDLE: Scheme =
    Scheme { header: "paddle-signature", separator: ';', time: "ts", signature: "h1", joint: b':' };

impl Scheme {
    /// Whether the header signs this body with this secret, at about this time (seconds since 1970 UTC).
    #[must_use]
    pub fn verifies(&self, secret: &str, header: &str, body: &[u8], now_s: i64) -> bool {
        let parts = || header.split(self.separator).filter_map(|part| part.trim().split_once('='));
        let Some((_, time)) = parts().find(|(name, _)| *name == self.time) else { return false };
        if time.parse::<i64>().ok().is_none_or(|time| now_s.abs_diff(time) > TOLERANCE_S.unsigned_abs()) {
            return false;
        }
        let Ok(mut keyed) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
        keyed.update(time.as_bytes());
        keyed.update(&[self.joint]);
        keyed.update(body);
        // A header has room for a few hundred signatures; more than a handful are never honest.
        parts().filter(|(name, _)| *name == self.signature).take(8).any(|(_, signature)| {
            hex::decode(signature).is_ok_and(|signature| keyed.clone().verify_slice(&signature).is_ok())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_772_600_767;
    const BODY: &[u8] = br#"{"id":"evt_1"}"#;

    // Computed with Python's hmac: key "whsec_test_secret", message "1772600767." and "1772600767:" with the body.
    const OF_STRIPE: &str = "ef601bca70a8975b6656c2b8f96c85a2d0d671123f060f6d835d41d0b7b925a8";
    const OF_PADDLE: &str = "aad4866feedbcd1c90338980f5fe354ba85644be6f8e472fdf8b734955e0e7c8";

    #[test]
    fn only_the_secret_the_time_and_the_body_that_were_signed_verify() {
        let secret = "whsec_test_secret";
        let stripe = format!("t={NOW},v1={OF_STRIPE}");
        let paddle = format!("ts={NOW};h1={OF_PADDLE}");
        for (scheme, header) in [(STRIPE, &stripe), (PADDLE, &paddle)] {
            assert!(scheme.verifies(secret, header, BODY, NOW), "{header}");
            assert!(
                scheme.verifies(secret, header, BODY, NOW + 300) && scheme.verifies(secret, header, BODY, NOW - 300)
            );
            assert!(
                !scheme.verifies(secret, header, BODY, NOW + 301) && !scheme.verifies(secret, header, BODY, NOW - 301)
            );
            assert!(!scheme.verifies("other", header, BODY, NOW) && !scheme.verifies("", header, BODY, NOW));
            assert!(!scheme.verifies(secret, header, br#"{"id":"evt_2"}"#, NOW));
        }
        assert!(!PADDLE.verifies(secret, &stripe, BODY, NOW) && !STRIPE.verifies(secret, &paddle, BODY, NOW));
        let rotated = format!("t={NOW}, v1=00ff, v0={OF_STRIPE}, v1={OF_STRIPE}");
        assert!(STRIPE.verifies(secret, &rotated, BODY, NOW));
        let (other_time, cut) = (format!("t={},v1={OF_STRIPE}", NOW + 1), format!("t={NOW},v1={}", &OF_STRIPE[..62]));
        for bad in
            ["", "t=", "t=x,v1=y", &other_time, &cut, &format!("v1={OF_STRIPE}"), &format!("t={NOW},v0={OF_STRIPE}")]
        {
            assert!(!STRIPE.verifies(secret, bad, BODY, NOW), "{bad}");
        }
    }
}
