//! Rules for every account: name, password, and unique e-mail address.

use entity::user;

use crate::{
    constraint::Constraint,
    error::{Error, Result},
    text,
};

/// A new password.
pub(crate) const PASSWORD: Constraint = Constraint::length(8, 200);

/// A person's name.
pub(crate) const FULL_NAME: Constraint = Constraint::line(100);

/// Errors: `Invalid` for `field` when the password is too short or too long.
pub(crate) fn checked_password(field: &str, password: &str) -> Result<()> {
    PASSWORD.check_length(field, password)
}

/// A person's name; `None` if empty. Errors: `Invalid` when it is longer than 100 characters, or has several lines.
pub(crate) fn checked_name(name: Option<String>) -> Result<Option<String>> {
    Ok(name.map(|name| text::line("fullName", &name, FULL_NAME)).transpose()?.flatten())
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
