//! Settings of the mail server.

use clap::ValueEnum;
use schema::scalars::EmailAddress;
use serde::Deserialize;

use super::Settings;
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

impl MailSettings {
    /// The configured mail server; `None` without one. Errors: inconsistent settings.
    pub(super) fn new(settings: &Settings) -> Result<Option<Self>, StartError> {
        let wrong = |why: &str| StartError::new(why.to_owned());
        let Some(host) = settings.mail_host.clone() else { return Ok(None) };
        let from = settings.mail_from.as_deref().and_then(EmailAddress::checked);
        let from = from.ok_or_else(|| wrong("mail_from: must be an e-mail address such as footfall@shop.example"))?;
        let tls = settings.mail_tls;
        let login = settings.mail_user.clone().map(|user| (user, settings.mail_password.clone()));
        let is_here = host == "localhost" || host.parse().is_ok_and(|host: std::net::IpAddr| host.is_loopback());
        if tls == MailTls::None && login.is_some() && !is_here {
            return Err(wrong(
                "mail_tls: must be starttls or tls with mail_user, so that the password is encrypted (got none)",
            ));
        }
        let reset_page = settings.mail_reset_page.clone();
        if reset_page.as_ref().is_some_and(|page| !page.contains("{secret}") || page.chars().any(char::is_whitespace)) {
            return Err(wrong("mail_reset_page: must be a URL that contains {secret}"));
        }
        let port = if settings.mail_port == 0 { tls.usual_port() } else { settings.mail_port };
        Ok(Some(Self { host, port, tls, login, from: from.as_str().to_owned(), reset_page }))
    }
}

impl std::fmt::Debug for MailSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailSettings").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Flags, over_defaults},
        *,
    };

    fn flags(host: &str) -> Flags {
        let text = |text: &str| Some(text.to_owned());
        Flags { mail_host: text(host), mail_from: text("footfall@shop.example"), ..Flags::default() }
    }

    fn checked(flags: Flags) -> Result<Option<MailSettings>, StartError> {
        MailSettings::new(&over_defaults(flags)?)
    }

    #[test]
    fn without_a_host_there_is_no_mail_and_ports_are_the_usual_ones() {
        assert!(checked(Flags::default()).unwrap().is_none());
        assert!(checked(flags("")).unwrap().is_none());
        for (tls, port) in [(MailTls::Starttls, 587), (MailTls::Tls, 465), (MailTls::None, 25)] {
            let settings = Flags { mail_tls: Some(tls), mail_port: Some(0), ..flags("mail.example") };
            assert_eq!(checked(settings).unwrap().unwrap().port, port);
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused_by_name() {
        let text = |text: &str| Some(text.to_owned());
        let login = Flags { mail_user: text("a"), mail_password: text("hidden"), ..flags("mail.example") };
        for (wrong, name) in [
            (Flags { mail_from: None, ..flags("mail.example") }, "mail_from"),
            (Flags { mail_tls: Some(MailTls::None), ..login.clone() }, "mail_tls"),
            (Flags { mail_reset_page: text("https://a.example/"), ..flags("mail.example") }, "mail_reset_page"),
        ] {
            let error = checked(wrong).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains("hidden"), "{error}");
        }
        assert!(!format!("{:?}", checked(login).unwrap()).contains("hidden"));
    }
}
