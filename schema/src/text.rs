//! User-entered names and notes: limited in length, on one line, without surrounding white space.

use crate::error::{Error, Result};

/// A one-line text with at most this many characters; `None` if it is blank. Errors: `Invalid` for `field`.
pub(crate) fn line(field: &str, text: &str, most: usize) -> Result<Option<String>> {
    match text.chars().count() {
        length if length > most => {
            Err(Error::invalid(field, format!("must have at most {most} characters (got {length})")))
        }
        _ if text.contains(char::is_control) => {
            Err(Error::invalid(field, "cannot contain control characters or line breaks"))
        }
        _ => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
    }
}

/// Like [`line`], for a required text. Errors: `Invalid` for `field`.
pub(crate) fn name(field: &str, text: &str, most: usize) -> Result<String> {
    line(field, text, most)?
        .ok_or_else(|| Error::invalid(field, format!("must have 1 to {most} characters and cannot be blank")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_around_a_text_is_counted_and_not_kept() {
        assert_eq!(name("name", " Ada ", 5).unwrap(), "Ada");
        assert_eq!(name("name", " Ada  ", 5).unwrap_err().message(), "name: must have at most 5 characters (got 6)");
        assert_eq!(
            name("name", "  ", 5).unwrap_err().message(),
            "name: must have 1 to 5 characters and cannot be blank"
        );
        assert_eq!(line("note", "  ", 5).unwrap(), None);
        for text in ["a\nb", "\u{85}a", "a\0"] {
            let why = "note: cannot contain control characters or line breaks";
            assert_eq!(line("note", text, 5).unwrap_err().message(), why);
        }
    }
}
