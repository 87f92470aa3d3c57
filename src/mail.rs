//! Mail to account holders: plain text over SMTP, if a server is configured; and links to pages of this server.

mod smtp;

use std::{fmt::Write as _, sync::Arc};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use schema::{
    Error, Result,
    ports::{Clock, Ids, Mail, Page},
    scalars::EmailAddress,
};

use self::smtp::Server;
use crate::{StartError, config::mail::MailSettings};

/// Characters of a line of base64.
const LINE: usize = 76;

/// The placeholder for the secret in `mail_reset_page`.
const PLACE: &str = "{secret}";

/// The mailer for these settings; without a server it sends nothing. `public_url`: the public URL of this server.
///
/// # Errors
/// When the settings are inconsistent.
pub fn sender(
    settings: Option<&MailSettings>,
    public_url: &str,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
) -> std::result::Result<Arc<dyn Mail>, StartError> {
    let public_url = public_url.to_owned();
    let Some(settings) = settings else { return Ok(Arc::new(LinksOnly { public_url })) };
    let server = Server::new(settings)?;
    let (settings, clock, ids) = (settings.clone(), Arc::clone(clock), Arc::clone(ids));
    Ok(Arc::new(Post { server, settings, public_url, clock, ids }))
}

fn link(public_url: &str, page: Page, token: &str) -> String {
    format!("{public_url}{}?token={token}", page.path())
}

/// Sends nothing; links are passed on by the people who created them.
struct LinksOnly {
    public_url: String,
}

#[async_trait]
impl Mail for LinksOnly {
    fn is_set_up(&self) -> bool {
        false
    }

    fn reset_page(&self, _: &str) -> Option<String> {
        None
    }

    fn page(&self, page: Page, token: &str) -> String {
        link(&self.public_url, page, token)
    }

    async fn send(&self, _: &str, _: &str, _: &str) -> Result<()> {
        Err(Error::broken("no mail is set up"))
    }
}

/// Sends mail through a server.
struct Post {
    server: Server,
    settings: MailSettings,
    public_url: String,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

#[async_trait]
impl Mail for Post {
    fn is_set_up(&self) -> bool {
        true
    }

    fn reset_page(&self, secret: &str) -> Option<String> {
        self.settings.reset_page.as_ref().map(|page| page.replace(PLACE, secret))
    }

    fn page(&self, page: Page, token: &str) -> String {
        link(&self.public_url, page, token)
    }

    async fn send(&self, to: &str, subject: &str, text: &str) -> Result<()> {
        // It stands between angle brackets in a line of its own: nothing may end either.
        let to = EmailAddress::checked(to).ok_or_else(|| Error::broken("a mail to what is no e-mail address"))?;
        let message = self.message(to.as_str(), subject, text);
        self.server.deliver(&self.settings.from, to.as_str(), &message).await
    }
}

impl Post {
    /// The message with its headers, lines ended by CRLF.
    fn message(&self, to: &str, subject: &str, text: &str) -> String {
        let from = &self.settings.from;
        let domain = from.rsplit('@').next().unwrap_or_default();
        let (encoding, body) = encoded(text);
        let mut message = String::new();
        for (name, value) in [
            ("From", format!("Footfall <{from}>")),
            ("To", format!("<{to}>")),
            ("Subject", subject.to_owned()),
            ("Date", self.clock.now().to_rfc2822()),
            ("Message-ID", format!("<{}@{domain}>", self.ids.uuid())),
            ("Auto-Submitted", "auto-generated".to_owned()),
            ("MIME-Version", "1.0".to_owned()),
            ("Content-Type", "text/plain; charset=utf-8".to_owned()),
            ("Content-Transfer-Encoding", encoding.to_owned()),
        ] {
            // Writing into a string does not fail.
            let _ = write!(message, "{name}: {value}\r\n");
        }
        message + "\r\n" + &body
    }
}

/// The body in a form that every server accepts, and its encoding.
fn encoded(text: &str) -> (&'static str, String) {
    if text.is_ascii() && text.lines().all(|line| line.len() <= 900) {
        return ("7bit", text.lines().map(|line| format!("{line}\r\n")).collect());
    }
    let packed = STANDARD.encode(text);
    let mut rest = packed.as_str();
    let mut lines = String::with_capacity(packed.len() + packed.len() / LINE * 2 + 2);
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(LINE).unwrap_or((rest, ""));
        lines.push_str(line);
        lines.push_str("\r\n");
        rest = after;
    }
    ("base64", lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_readable_and_other_text_is_packed() {
        assert_eq!(encoded("a\nb\n"), ("7bit", "a\r\nb\r\n".to_owned()));
        let (encoding, body) = encoded(&"Größe ".repeat(40));
        assert_eq!(encoding, "base64");
        assert!(body.lines().all(|line| line.len() <= LINE && line.is_ascii()), "{body}");
        let packed: String = body.lines().collect();
        assert_eq!(String::from_utf8(STANDARD.decode(packed).unwrap()).unwrap(), "Größe ".repeat(40));
    }
}
