//! User-entered names and notes: limited in length, on one line, without surrounding white space.

use crate::{
    constraint::Constraint,
    error::{Error, Result},
};

/// A one-line text that keeps the length of `rule`; `None` if it is blank. Errors: `Invalid` for `field`.
pub(crate) fn line(field: &str, text: &str, rule: Constraint) -> Result<Option<String>> {
    let most = rule.max_length();
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
pub(crate) fn name(field: &str, text: &str, rule: Constraint) -> Result<String> {
    let blank = || format!("must have 1 to {} characters and cannot be blank", rule.max_length());
    line(field, text, rule)?.ok_or_else(|| Error::invalid(field, blank()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_around_a_text_is_counted_and_not_kept() {
        let said = |text: &str| name("name", text, Constraint::name(5)).map_err(|error| error.message());
        assert_eq!(said(" Ada ").unwrap(), "Ada");
        assert_eq!(said(" Ada  ").unwrap_err(), "name: must have at most 5 characters (got 6)");
        assert_eq!(said("  ").unwrap_err(), "name: must have 1 to 5 characters and cannot be blank");
        let said = |text: &str| line("note", text, Constraint::line(5)).map_err(|error| error.message());
        assert_eq!(said("  ").unwrap(), None);
        for text in ["a\nb", "\u{85}a", "a\0"] {
            assert_eq!(said(text).unwrap_err(), "note: cannot contain control characters or line breaks");
        }
    }
}
