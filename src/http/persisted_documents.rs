//! Persisted documents: a request may name one by its ID, and a setting controls who may still send text.

use std::collections::HashMap;

use axum::http::StatusCode;
use schema::error_code::ErrorCode;
use sha2::{Digest as _, Sha256};

use super::{refusal::Refusal, request::Asked};

/// Policy for documents that are not persisted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FreeText {
    /// Allowed for everyone.
    #[default]
    Allowed,
    /// Allowed; text that is not a persisted document is logged by its ID.
    Reported,
    /// Refused: only persisted documents run, named by ID or sent unchanged.
    Refused,
}

/// The persisted documents by ID: `sha256:` and the hexadecimal hash of the text.
#[derive(Debug, Clone, Default)]
pub struct PersistedDocuments {
    documents: HashMap<String, String>,
    free_text: FreeText,
}

/// The ID of a document's text.
#[must_use]
pub fn document_id(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold("sha256:".to_owned(), |id, byte| format!("{id}{byte:02x}"))
}

impl PersistedDocuments {
    /// Persists these texts.
    #[must_use]
    pub fn new<'a>(texts: impl Iterator<Item = &'a str>, free_text: FreeText) -> Self {
        Self { documents: texts.map(|text| (document_id(text), text.to_owned())).collect(), free_text }
    }

    /// Inserts the text of the named document. Errors: 404 for an unknown ID, 403 for text that is not allowed.
    pub fn resolve(&self, mut asked: Asked) -> Result<Asked, Refusal> {
        if let Some(id) = &asked.document_id {
            let text = self.documents.get(id).ok_or_else(|| {
                let message = format!("documentId: must be the ID of a persisted document (got {id}); send the document's text as `query` instead");
                Refusal::transport(StatusCode::NOT_FOUND, ErrorCode::NotFound, message).about("documentId")
            })?;
            asked.query.clone_from(text);
            return Ok(asked);
        }
        if self.free_text != FreeText::Allowed {
            let id = document_id(&asked.query);
            let known = self.documents.contains_key(&id);
            if !known && self.free_text == FreeText::Refused {
                let message = "This server runs only persisted documents. Send `documentId`: `sha256:` followed by the hash of the text.";
                return Err(Refusal::transport(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message).about("query"));
            }
            if !known {
                tracing::info!(document.id = %id, "a document that is not persisted was sent");
            }
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str, document_id: Option<&str>) -> Asked {
        Asked { query: query.into(), document_id: document_id.map(str::to_owned), ..Asked::default() }
    }

    #[test]
    fn stored_documents_run_by_id_and_others_as_the_setting_says() {
        let stored = "{ plans { name } }";
        let id = document_id(stored);
        for (free_text, passes) in [(FreeText::Allowed, true), (FreeText::Reported, true), (FreeText::Refused, false)] {
            let trusted = PersistedDocuments::new([stored].into_iter(), free_text);
            assert_eq!(trusted.resolve(asked("", Some(&id))).map(|asked| asked.query).ok().as_deref(), Some(stored));
            assert!(trusted.resolve(asked(stored, None)).is_ok());
            assert_eq!(trusted.resolve(asked("{ viewer { id } }", None)).is_ok(), passes);
            let refusal = trusted.resolve(asked("", Some("sha256:00"))).expect_err("not stored");
            assert_eq!(refusal.status, StatusCode::NOT_FOUND);
        }
    }
}
