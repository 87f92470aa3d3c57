//! Parsing of `ID` arguments: a global ID (type tag and UUID, base64url) or a plain UUID.

use async_graphql::ID;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::error::{Error, Result};

/// The types with a global ID. The letter is the first byte of the ID and never changes meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `User`.
    User,
    /// `Team`.
    Team,
    /// `Membership`.
    Membership,
    /// `Website`.
    Website,
    /// `ApiKey`.
    ApiKey,
    /// `IpExclusion`.
    IpExclusion,
    /// `PathExclusion`.
    PathExclusion,
    /// `Goal`.
    Goal,
    /// `AuditEntry`.
    AuditEntry,
    /// `Conversation`.
    Conversation,
    /// `ConversationMessage`.
    ConversationMessage,
    /// `Webhook`.
    Webhook,
    /// `WebhookDelivery`.
    WebhookDelivery,
    /// `Person`.
    Person,
}

/// Encodes a text as an opaque cursor.
#[must_use]
pub fn opaque(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// Reverses [`opaque`]; `None` if the input is not valid.
#[must_use]
pub fn read_opaque(opaque: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(opaque).ok()?).ok()
}

impl Kind {
    const ALL: [Self; 14] = [
        Self::User,
        Self::Team,
        Self::Membership,
        Self::Website,
        Self::ApiKey,
        Self::IpExclusion,
        Self::PathExclusion,
        Self::Goal,
        Self::AuditEntry,
        Self::Conversation,
        Self::ConversationMessage,
        Self::Webhook,
        Self::WebhookDelivery,
        Self::Person,
    ];

    fn letter(self) -> u8 {
        match self {
            Self::User => b'U',
            Self::Team => b'T',
            Self::Membership => b'M',
            Self::Website => b'W',
            Self::ApiKey => b'K',
            Self::IpExclusion => b'I',
            Self::PathExclusion => b'P',
            Self::Goal => b'G',
            Self::AuditEntry => b'A',
            Self::Conversation => b'C',
            Self::ConversationMessage => b'S',
            Self::Webhook => b'H',
            Self::WebhookDelivery => b'D',
            Self::Person => b'R',
        }
    }

    /// The GraphQL type's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Team => "Team",
            Self::Membership => "Membership",
            Self::Website => "Website",
            Self::ApiKey => "ApiKey",
            Self::IpExclusion => "IpExclusion",
            Self::PathExclusion => "PathExclusion",
            Self::Goal => "Goal",
            Self::AuditEntry => "AuditEntry",
            Self::Conversation => "Conversation",
            Self::ConversationMessage => "ConversationMessage",
            Self::Webhook => "Webhook",
            Self::WebhookDelivery => "WebhookDelivery",
            Self::Person => "Person",
        }
    }

    /// The global ID of the object of this type with this UUID.
    #[must_use]
    pub fn global(self, uuid: Uuid) -> ID {
        let mut bytes = Vec::with_capacity(17);
        bytes.push(self.letter());
        bytes.extend_from_slice(uuid.as_bytes());
        ID(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads an argument `field` that must identify an object of this type. Errors: `Invalid` if it is neither form, or
    /// a global ID of another type.
    pub fn read(self, field: &str, id: &str) -> Result<Uuid> {
        if let Some(uuid) = plain(id) {
            return Ok(uuid);
        }
        match split(id) {
            Some((kind, uuid)) if kind == self => Ok(uuid),
            Some((kind, _)) => {
                Err(Error::invalid(field, format!("must be an ID of type {} (got type {})", self.name(), kind.name())))
            }
            None => Err(Error::invalid(
                field,
                format!(
                    "must be a UUID such as 5f0c2d1e-8b7a-4c6d-9e10-a1b2c3d4e5f6 or a global ID of type {}",
                    self.name()
                ),
            )),
        }
    }
}

/// Splits a global ID. Errors: `Invalid` if it is not one (a plain UUID does not identify a type).
pub fn split_global(field: &str, id: &str) -> Result<(Kind, Uuid)> {
    split(id).ok_or_else(|| Error::invalid(field, "must be a global ID from the `id` field of an object"))
}

fn split(id: &str) -> Option<(Kind, Uuid)> {
    let bytes = URL_SAFE_NO_PAD.decode(id).ok()?;
    let (letter, rest) = bytes.split_first()?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.letter() == *letter)?;
    Some((kind, Uuid::from_slice(rest).ok()?))
}

/// The hyphenated form only: other spellings of a UUID are more often mistakes than intent.
fn plain(id: &str) -> Option<Uuid> {
    (id.len() == 36).then(|| Uuid::try_parse(id).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_another_kind_is_refused() {
        let uuid = Uuid::from_u128(7);
        let global = Kind::Website.global(uuid);
        assert_eq!(Kind::Website.read("websiteId", &global).unwrap(), uuid);
        assert_eq!(Kind::Website.read("websiteId", &uuid.to_string()).unwrap(), uuid);
        let error = Kind::Team.read("teamId", &global).unwrap_err();
        assert_eq!(error.message(), "teamId: must be an ID of type Team (got type Website)");
        for broken in
            ["", "7", "not-an-id", "{00000000-0000-0000-0000-000000000007}", "V0000000000000000000000000000000"]
        {
            let error = Kind::Website.read("websiteId", broken).unwrap_err();
            assert_eq!((error.status(), error.field()), (400, Some("websiteId")), "{broken}");
        }
        assert_eq!(split_global("id", &global).unwrap(), (Kind::Website, uuid));
        split_global("id", &uuid.to_string()).unwrap_err();
    }
}
