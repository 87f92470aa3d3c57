//! Rules for every account: name, password, and unique e-mail address.

use entity::user;

use crate::{
    error::{Error, Result},
    text,
};

/// Minimum and maximum length of a password, in characters.
const PASSWORD: std::ops::RangeInclusive<usize> = 8..=200;

/// Errors: `Invalid` for `field` when the password is too short or too long.
pub(crate) fn checked_password(field: &str, password: &str) -> Result<()> {
    let characters = password.chars().count();
    if PASSWORD.contains(&characters) {
        return Ok(());
    }
    Err(Error::invalid(field, format!("must have 8 to 200 characters (got {characters})")))
}

/// A person's name; `None` if empty. Errors: `Invalid` when it is longer than 100 characters, or has several lines.
pub(crate) fn checked_name(name: Option<String>) -> Result<Option<String>> {
    Ok(name.map(|name| text::line("fullName", &name, 100)).transpose()?.flatten())
}

/// The message for an address that another account has.
pub(crate) const TAKEN: &str = "An account with this e-mail address already exists";

/// The readable name of an identity provider: `google` is Google.
pub(crate) fn called(provider: &str) -> String {
    match provider {
        "github" => "GitHub".to_owned(),
        "gitlab" => "GitLab".to_owned(),
        "linkedin" | "linkedin_oidc" => "LinkedIn".to_owned(),
        other => {
            let mut letters = other.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().to_string() + letters.as_str())
        }
    }
}

/// The readable name of an account's external identity provider; `None` for an account with a password.
pub(crate) fn external_login(user: &user::Model) -> Option<String> {
    match (&user.provider, &user.password_hash) {
        (Some(provider), _) => Some(called(provider)),
        (None, None) => Some("your identity provider".to_owned()),
        (None, Some(_)) => None,
    }
}

/// Classifies a failed change of an account.
pub(crate) fn failed(source: sea_orm::DbErr) -> Error {
    match source {
        sea_orm::DbErr::RecordNotUpdated => Error::unauthenticated("This account no longer exists."),
        source => Error::of_write(source, format!("{TAKEN}. Choose another one.")),
    }
}
