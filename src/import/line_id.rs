//! The ID of an imported page view, derived from its line and its log.
//!
//! - Bytes 0 and 1: the number of page views of the same client and instant that precede it in the log, so that entry
//!   and exit pages do not depend on which of two logs is imported first.
//! - Bytes 2 to 7: the line's text, except the four bits of the version.
//! - Bytes 8 to 15: the text, the log, and the number of equal lines that precede it there.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A version that no standard defines and no other event has.
const VERSION: u8 = 0x90;

/// Bits of [`line`] in an ID.
pub(crate) const LINE_MASK: u64 = 0xffff_ffff_0fff;

/// The ID of a line: its digest, the number of equal ones that precede it in the log, and of those of its client at its
/// instant.
pub(super) fn new(digest: &[u8; 16], log: u64, equal_before: u64, at_once_before: u64) -> Uuid {
    let hash = Sha256::new_with_prefix(digest).chain_update(log.to_le_bytes()).chain_update(equal_before.to_le_bytes());
    let in_log: [u8; 32] = hash.finalize().into();
    let mut bytes = *digest;
    bytes[..2].copy_from_slice(&u16::try_from(at_once_before).unwrap_or(u16::MAX).to_be_bytes());
    bytes[6] = bytes[6] & 0x0f | VERSION;
    bytes[8..].copy_from_slice(&in_log[..8]);
    Uuid::from_bytes(bytes)
}

/// The part of an ID that depends on the line's text only.
pub(crate) fn line(id: Uuid) -> u64 {
    id.as_u64_pair().0 & LINE_MASK
}

/// The tiebreaker for page views of one visitor and instant: their order in the log, then their text. 0 for events that
/// are not imported: the earlier arrival comes first.
pub(crate) fn order(id: Uuid) -> u64 {
    if id.as_bytes()[6] & 0xf0 == VERSION { id.as_u64_pair().0 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_text_log_and_number() {
        let id = new(&[7; 16], 1, 0, 0);
        assert_eq!(id, new(&[7; 16], 1, 0, 0));
        for other in [new(&[8; 16], 1, 0, 0), new(&[7; 16], 2, 0, 0), new(&[7; 16], 1, 1, 0), new(&[7; 16], 1, 0, 1)] {
            assert_ne!(other, id);
        }
        assert_eq!(line(new(&[7; 16], 2, 5, 9)), line(id));
        assert_ne!(line(new(&[8; 16], 1, 0, 0)), line(id));
    }

    #[test]
    fn the_order_is_that_of_the_log_and_of_imports_only() {
        assert!(order(new(&[9; 16], 1, 0, 0)) < order(new(&[7; 16], 1, 0, 1)));
        assert!(order(new(&[7; 16], 1, 0, 1)) < order(new(&[7; 16], 1, 0, 90_000)));
        assert_eq!(order(Uuid::from_u128(u128::MAX)), 0);
        assert_eq!(order(uuid::Builder::from_custom_bytes([7; 16]).into_uuid()), 0);
    }
}
