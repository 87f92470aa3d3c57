//! Mail to account holders: plain text over SMTP, if a server is configured; and links to pages of this server.

mod clear_text;
mod smtp;

use std::sync::Arc;

use async_trait::async_trait;
use lettre::{
    Address, Message,
    message::{
        Body, Mailbox,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0},
    },
};
use schema::{
    Error, Result,
    ports::{Clock, Ids, Mail, Page},
};

use self::smtp::Server;
use crate::{StartError, config::mail::MailSettings};

/// Maximum length of a line that stays as it is, in bytes; SMTP allows 998.
const MAX_LINE: usize = 900;

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
    let from = settings.from.parse().map_err(|_| StartError::new("mail_from: must be an e-mail address".to_owned()))?;
    let from = Mailbox::new(Some("Footfall".to_owned()), from);
    let (reset_page, clock, ids) = (settings.reset_page.clone(), Arc::clone(clock), Arc::clone(ids));
    Ok(Arc::new(Post { server, from, reset_page, public_url, clock, ids }))
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
    from: Mailbox,
    reset_page: Option<String>,
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
        self.reset_page.as_ref().map(|page| page.replace(PLACE, secret))
    }

    fn page(&self, page: Page, token: &str) -> String {
        link(&self.public_url, page, token)
    }

    async fn send(&self, to: &str, subject: &str, text: &str) -> Result<()> {
        let to = to.parse().map_err(|_| Error::broken("a mail to what is no e-mail address"))?;
        let message = self.message(to, subject, text)?;
        self.server.deliver(message.envelope(), &message.formatted()).await
    }
}

impl Post {
    fn message(&self, to: Address, subject: &str, text: &str) -> Result<Message> {
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(subject)
            .date(self.clock.now().into())
            .message_id(Some(format!("<{}@{}>", self.ids.uuid(), self.from.email.domain())))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .header(MIME_VERSION_1_0)
            .header(ContentType::TEXT_PLAIN)
            .body(body(text))
            .map_err(Error::internal)
    }
}

/// The text in a form that every server accepts. Plain lines stay as they are; lettre alone would break links after 76
/// characters.
fn body(text: &str) -> Body {
    if text.is_ascii() && text.lines().all(|line| line.len() <= MAX_LINE) {
        let lines: String = text.lines().map(|line| format!("{line}\r\n")).collect();
        return Body::dangerous_pre_encoded(lines.into_bytes(), ContentTransferEncoding::SevenBit);
    }
    Body::new(text.to_owned())
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;
    use crate::{
        config::mail::MailTls,
        system::{SystemClock, SystemIds},
    };

    /// The message as it is sent; `None` for an address that is none.
    fn message(to: &str, subject: &str, text: &str) -> Option<String> {
        let settings = MailSettings {
            host: "localhost".to_owned(),
            port: 25,
            tls: MailTls::None,
            login: None,
            from: "footfall@shop.example".to_owned(),
            reset_page: None,
        };
        let post = Post {
            server: Server::new(&settings).unwrap(),
            from: settings.from.parse().unwrap(),
            reset_page: None,
            public_url: String::new(),
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds),
        };
        let message = post.message(to.parse().ok()?, subject, text).unwrap();
        Some(String::from_utf8(message.formatted()).unwrap())
    }

    #[test]
    fn plain_text_stays_readable_and_other_text_is_packed() {
        let long = format!("https://shop.example/?{}", "a=".repeat(400));
        let plain = message("ada@shop.example", "Hello", &format!("a\n{long}\n")).unwrap();
        let (head, body) = plain.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("Content-Transfer-Encoding: 7bit"), "{head}");
        assert_eq!(body, format!("a\r\n{long}\r\n"));
        let packed = message("ada@shop.example", "Größe", &"Größe ".repeat(40)).unwrap();
        assert!(packed.is_ascii() && packed.lines().all(|line| line.len() <= 78), "{packed}");
        let (head, body) = packed.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("Content-Transfer-Encoding: base64"), "{head}");
        let body: String = body.lines().collect();
        assert_eq!(String::from_utf8(STANDARD.decode(body).unwrap()).unwrap(), "Größe ".repeat(40));
    }

    #[test]
    fn nothing_ends_a_header_or_an_address() {
        let sent = message("ada@shop.example", "Hello\r\nBcc: eve@evil.example\r\n\r\nHi", "text").unwrap();
        let (head, _) = sent.split_once("\r\n\r\n").unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        assert!(head.contains("Auto-Submitted: auto-generated") && head.contains("MIME-Version: 1.0"), "{head}");
        for bad in
            ["ada@shop.example>", "ada@shop.example\r\nRCPT TO:<eve@evil.example", "a>@shop.example", "a b@x.example"]
        {
            assert!(message(bad, "Hello", "text").is_none(), "{bad}");
        }
    }
}
