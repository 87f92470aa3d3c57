//! Settings of the mail server.

use clap::{Args, ValueEnum};
use schema::scalars::EmailAddress;
use serde::Deserialize;

use crate::StartError;

/// Encryption of the connection to the mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// Starts unencrypted and is encrypted before anything else is sent (STARTTLS).
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// No encryption.
    None,
}

impl MailTls {
    fn usual_port(self) -> u16 {
        match self {
            Self::Starttls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

/// Flags of the mail server; each is also an environment variable.
#[derive(Debug, Clone, Default, Args)]
pub struct MailFlags {
    /// Mail server for password resets, address confirmations and invitations [default: none]
    #[arg(long, value_name = "HOST", env = "FOOTFALL_MAIL_HOST")]
    pub mail_host: Option<String>,
    /// Port of the mail server; 0 for the standard port [default: 0]
    #[arg(long, value_name = "PORT", env = "FOOTFALL_MAIL_PORT")]
    pub mail_port: Option<u16>,
    /// Encryption of the connection to the mail server [default: starttls]
    #[arg(long, value_name = "HOW", env = "FOOTFALL_MAIL_TLS")]
    pub mail_tls: Option<MailTls>,
    /// User name at the mail server; no authentication if omitted
    #[arg(long, value_name = "NAME", env = "FOOTFALL_MAIL_USER")]
    pub mail_user: Option<String>,
    /// Password at the mail server; safer in the environment variable
    #[arg(long, value_name = "PASSWORD", env = "FOOTFALL_MAIL_PASSWORD", hide_env_values = true)]
    pub mail_password: Option<String>,
    /// Sender address of mails
    #[arg(long, value_name = "ADDRESS", env = "FOOTFALL_MAIL_FROM")]
    pub mail_from: Option<String>,
    /// URL of the page to choose a new password, containing {secret}; if omitted, the mail contains the secret
    #[arg(long, value_name = "URL", env = "FOOTFALL_MAIL_RESET_PAGE")]
    pub mail_reset_page: Option<String>,
}

impl MailFlags {
    /// These settings, falling back to those below.
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            mail_host: self.mail_host.or(below.mail_host),
            mail_port: self.mail_port.or(below.mail_port),
            mail_tls: self.mail_tls.or(below.mail_tls),
            mail_user: self.mail_user.or(below.mail_user),
            mail_password: self.mail_password.or(below.mail_password),
            mail_from: self.mail_from.or(below.mail_from),
            mail_reset_page: self.mail_reset_page.or(below.mail_reset_page),
        }
    }

    /// The effective settings; `None` without a server. Errors: inconsistent settings.
    pub(super) fn checked(self) -> Result<Option<MailSettings>, StartError> {
        let wrong = |why: &str| StartError::new(why.to_owned());
        let Some(host) = filled(self.mail_host) else { return Ok(None) };
        let from = self.mail_from.as_deref().and_then(EmailAddress::checked);
        let from = from.ok_or_else(|| wrong("mail_from: must be an e-mail address such as footfall@shop.example"))?;
        let tls = self.mail_tls.unwrap_or(MailTls::Starttls);
        let login = filled(self.mail_user).map(|user| (user, self.mail_password.unwrap_or_default()));
        let is_here = host == "localhost" || host.parse().is_ok_and(|host: std::net::IpAddr| host.is_loopback());
        if tls == MailTls::None && login.is_some() && !is_here {
            return Err(wrong(
                "mail_tls: must be starttls or tls with mail_user, so that the password is encrypted (got none)",
            ));
        }
        let reset_page = filled(self.mail_reset_page);
        if reset_page.as_ref().is_some_and(|page| !page.contains("{secret}") || page.chars().any(char::is_whitespace)) {
            return Err(wrong("mail_reset_page: must be a URL that contains {secret}"));
        }
        let port = self.mail_port.filter(|port| *port != 0).unwrap_or_else(|| tls.usual_port());
        Ok(Some(MailSettings { host, port, tls, login, from: from.as_str().to_owned(), reset_page }))
    }
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

/// A mail server and how to use it.
#[derive(Clone)]
pub struct MailSettings {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Encryption of the connection.
    pub tls: MailTls,
    /// User name and password.
    pub login: Option<(String, String)>,
    /// Sender address of mails.
    pub from: String,
    /// URL of the page to choose a new password, containing `{secret}`.
    pub reset_page: Option<String>,
}

impl std::fmt::Debug for MailSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailSettings").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(host: &str) -> MailFlags {
        let text = |text: &str| Some(text.to_owned());
        MailFlags { mail_host: text(host), mail_from: text("footfall@shop.example"), ..MailFlags::default() }
    }

    #[test]
    fn without_a_host_there_is_no_mail_and_ports_are_the_usual_ones() {
        assert!(MailFlags::default().checked().unwrap().is_none());
        assert!(flags("").checked().unwrap().is_none());
        for (tls, port) in [(MailTls::Starttls, 587), (MailTls::Tls, 465), (MailTls::None, 25)] {
            let settings = MailFlags { mail_tls: Some(tls), mail_port: Some(0), ..flags("mail.example") };
            assert_eq!(settings.checked().unwrap().unwrap().port, port);
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused_by_name() {
        let text = |text: &str| Some(text.to_owned());
        let login = MailFlags { mail_user: text("a"), mail_password: text("hidden"), ..flags("mail.example") };
        for (wrong, name) in [
            (MailFlags { mail_from: None, ..flags("mail.example") }, "mail_from"),
            (MailFlags { mail_tls: Some(MailTls::None), ..login.clone() }, "mail_tls"),
            (MailFlags { mail_reset_page: text("https://a.example/"), ..flags("mail.example") }, "mail_reset_page"),
        ] {
            let error = wrong.checked().unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains("hidden"), "{error}");
        }
        assert!(!format!("{:?}", login.checked().unwrap()).contains("hidden"));
    }
}
