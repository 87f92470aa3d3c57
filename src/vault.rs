//! Encryption of secrets that must be readable later (ChaCha20-Poly1305), with a key that follows from the data folder's secret.

use hmac::Mac as _;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use schema::{
    error::{Error, Result},
    ports::Vault,
};
use uuid::Uuid;

use crate::ingest::identity::Secret;

/// A key. A sealed secret is a nonce followed by the encrypted text.
pub struct FolderVault(LessSafeKey);

impl FolderVault {
    /// The key of an installation.
    ///
    /// # Errors
    /// Internal: the key has the wrong length, which does not happen.
    pub fn new(secret: &Secret) -> Result<Self> {
        let key = secret.keyed("vault").finalize().into_bytes();
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key).map_err(|_| Error::broken("a key has the wrong length"))?;
        Ok(Self(LessSafeKey::new(key)))
    }
}

impl Vault for FolderVault {
    fn seal(&self, row: Uuid, secret: &str) -> Result<Vec<u8>> {
        let mut nonce = [0_u8; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|error| Error::broken(error.to_string()))?;
        let (mut sealed, mut text) = (nonce.to_vec(), secret.as_bytes().to_vec());
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(row.as_bytes()), &mut text)
            .map_err(|_| Error::broken("a secret cannot be encrypted"))?;
        sealed.append(&mut text);
        Ok(sealed)
    }

    fn open(&self, row: Uuid, sealed: &[u8]) -> Result<String> {
        let wrong = || Error::broken("a secret was encrypted with the key of another data folder");
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(wrong)?;
        let (nonce, mut text) = (Nonce::assume_unique_for_key(*nonce), text.to_vec());
        let text = self.0.open_in_place(nonce, Aad::from(row.as_bytes()), &mut text).map_err(|_| wrong())?;
        String::from_utf8(text.to_vec()).map_err(Error::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_opens_and_only_for_the_same_row() {
        let vault = |byte| FolderVault::new(&Secret::new([byte; 32])).unwrap();
        let row = Uuid::from_u128(1);
        let sealed = vault(1).seal(row, "whsec_c2VjcmV0").unwrap();
        assert_ne!(sealed, vault(1).seal(row, "whsec_c2VjcmV0").unwrap());
        assert!(!sealed.windows(6).any(|part| part == b"whsec_"));
        assert_eq!(vault(1).open(row, &sealed).unwrap(), "whsec_c2VjcmV0");
        assert!(vault(2).open(row, &sealed).is_err());
        assert!(vault(1).open(Uuid::from_u128(2), &sealed).is_err());
        assert!(vault(1).open(row, &sealed[..8]).is_err());
    }
}
