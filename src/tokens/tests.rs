//! Hostile and honest tokens against a keyring in a temporary folder.

use std::sync::Mutex;

use serde_json::json;

use super::*;

struct At(Mutex<DateTime<Utc>>);

impl Clock for At {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

impl At {
    fn advance(&self, seconds: i64) {
        *self.0.lock().unwrap() += Duration::seconds(seconds);
    }
}

fn clock() -> Arc<At> {
    Arc::new(At(Mutex::new("2026-03-04T05:06:07Z".parse().unwrap())))
}

fn who() -> AccessClaims {
    AccessClaims { user: Uuid::from_u128(1), session: Uuid::from_u128(2) }
}

/// Signs any header and claims with the ring's own key, which an attacker cannot do, to reach the later checks.
fn signed(ring: &Keyring, header: &Header, claims: &serde_json::Value) -> String {
    jsonwebtoken::encode(header, claims, &ring.keys()[0].signing).unwrap()
}

fn header(ring: &Keyring) -> Header {
    Header { kid: Some(ring.keys()[0].kid.clone()), ..Header::new(Algorithm::EdDSA) }
}

fn claims() -> serde_json::Value {
    let now = clock().now().timestamp();
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": who().user, "sid": who().session, "iat": now, "nbf": now, "exp": now + 900 })
}

#[test]
fn an_issued_token_verifies_until_it_expires() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let ring = Keyring::open(dir.path(), clock.clone()).unwrap();
    let (token, expires_at) = ring.issue(who()).unwrap();
    assert_eq!(expires_at, clock.now() + Duration::minutes(15));
    assert_eq!(ring.verify(&token).unwrap(), who());
    clock.advance(15 * 60 + 4);
    ring.verify(&token).unwrap();
    clock.advance(1);
    assert_eq!(ring.verify(&token).unwrap_err().status(), 401);
}

#[test]
fn a_token_from_the_future_is_refused() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let ring = Keyring::open(dir.path(), clock.clone()).unwrap();
    let (token, _) = ring.issue(who()).unwrap();
    clock.advance(-6);
    ring.verify(&token).unwrap_err();
}

#[test]
fn every_claim_is_required_and_must_be_ours() {
    let dir = tempfile::tempdir().unwrap();
    let ring = Keyring::open(dir.path(), clock()).unwrap();
    ring.verify(&signed(&ring, &header(&ring), &claims())).unwrap();
    for claim in ["iss", "aud", "sub", "sid", "exp", "nbf"] {
        let mut without = claims();
        without.as_object_mut().unwrap().remove(claim);
        assert_eq!(ring.verify(&signed(&ring, &header(&ring), &without)).unwrap_err().status(), 401, "without {claim}");
        let mut wrong = claims();
        wrong[claim] = json!("somebody else");
        ring.verify(&signed(&ring, &header(&ring), &wrong)).unwrap_err();
    }
    let mut several = claims();
    several["aud"] = json!(["another", "third"]);
    ring.verify(&signed(&ring, &header(&ring), &several)).unwrap_err();
}

#[test]
fn the_header_chooses_neither_algorithm_nor_key() {
    let dir = tempfile::tempdir().unwrap();
    let ring = Keyring::open(dir.path(), clock()).unwrap();
    let kid = ring.keys()[0].kid.clone();
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).unwrap());
    for alg in ["none", "None", ""] {
        let unsigned = format!("{}.{}.", part(&json!({ "alg": alg, "typ": "JWT", "kid": kid })), part(&claims()));
        ring.verify(&unsigned).unwrap_err();
    }
    // The public key as an HMAC secret: the classic confusion.
    let public = URL_SAFE_NO_PAD.decode(&ring.keys()[0].x).unwrap();
    for secret in [public.as_slice(), ring.keys()[0].x.as_bytes()] {
        let header = Header { kid: Some(kid.clone()), ..Header::new(Algorithm::HS256) };
        let forged = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(secret)).unwrap();
        ring.verify(&forged).unwrap_err();
    }
    for kid in [None, Some("unknown".to_owned()), Some("../../etc/passwd".to_owned())] {
        ring.verify(&signed(&ring, &Header { kid, ..header(&ring) }, &claims())).unwrap_err();
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Keyring::open(elsewhere.path(), clock()).unwrap();
    ring.verify(&signed(&other, &header(&ring), &claims())).unwrap_err();
    for broken in ["", ".", "..", "a.b.c", "\u{0}", &"x".repeat(100_000)] {
        assert_eq!(ring.verify(broken).unwrap_err().status(), 401);
    }
}

#[test]
fn a_changed_byte_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let ring = Keyring::open(dir.path(), clock()).unwrap();
    let (token, _) = ring.issue(who()).unwrap();
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let mut body = claims();
    body["sub"] = json!(Uuid::from_u128(99));
    parts[1] = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&body).unwrap());
    ring.verify(&parts.join(".")).unwrap_err();
}

#[test]
fn rotation_signs_with_the_new_key_and_old_tokens_stay_good_across_a_restart() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let ring = Keyring::open(dir.path(), clock.clone()).unwrap();
    let (old, _) = ring.issue(who()).unwrap();
    clock.advance(1);
    ring.rotate().unwrap();
    let (new, _) = ring.issue(who()).unwrap();
    let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    assert_ne!(kid(&old), kid(&new));
    let again = Keyring::open(dir.path(), clock.clone()).unwrap();
    for ring in [&ring, &again] {
        assert_eq!(ring.verify(&old).unwrap(), who());
        assert_eq!(ring.verify(&new).unwrap(), who());
        assert_eq!(kid(&ring.issue(who()).unwrap().0), kid(&new), "the newest signs");
    }
    let jwks = again.jwks();
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 2);
    assert_eq!(jwks["keys"][0]["kid"], json!(kid(&new)));
    assert!(!jwks.to_string().contains("\"d\""), "the private part stays at home");
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_keys_even_after_a_careless_copy() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("keys");
    Keyring::open(&folder, clock()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let file = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    Keyring::open(&folder, clock()).unwrap();
    assert_eq!(mode(&file), 0o600);
}
