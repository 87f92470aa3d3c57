//! An SMTP submission client: greeting, encryption, authentication, one message, goodbye.
//!
//! - The whole conversation has a time limit, and the server's responses a size limit.
//! - The server's responses are not repeated in errors: they often contain the recipient's address.

use std::{io, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use schema::{Error, Result};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

use crate::{
    StartError,
    config::mail::{MailSettings, MailTls},
};

/// Time limit of one delivery.
const PATIENCE: Duration = Duration::from_secs(30);

/// Maximum length of one line of the server, in bytes.
const LINE_BYTES: u64 = 4 * 1024;

/// Maximum number of lines in one response of the server.
const LINES: usize = 100;

/// A mail server.
pub(super) struct Server {
    host: String,
    port: u16,
    tls: MailTls,
    name: ServerName<'static>,
    connector: TlsConnector,
    login: Option<(String, String)>,
}

impl Server {
    /// A server with a certificate of a public authority. Errors: an invalid host name.
    pub(super) fn new(settings: &MailSettings) -> std::result::Result<Self, StartError> {
        Self::trusting(settings, RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
    }

    fn trusting(settings: &MailSettings, roots: RootCertStore) -> std::result::Result<Self, StartError> {
        let wrong = StartError::new;
        let name = ServerName::try_from(settings.host.clone())
            .map_err(|_| wrong(format!("mail_host: must be a host name or address (got {:?})", settings.host)))?;
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            host: settings.host.clone(),
            port: settings.port,
            tls: settings.tls,
            name,
            connector: TlsConnector::from(Arc::new(tls)),
            login: settings.login.clone(),
        })
    }

    /// Sends a message. Errors: internal, with the step that failed.
    pub(super) async fn deliver(&self, from: &str, to: &str, message: &str) -> Result<()> {
        let delivered = tokio::time::timeout(PATIENCE, self.converse(from, to, message)).await;
        delivered.unwrap_or_else(|_| Err(Error::broken("the mail server took too long")))
    }

    async fn converse(&self, from: &str, to: &str, message: &str) -> Result<()> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(|error| failed("connecting", &error))?;
        let domain = from.rsplit('@').next().unwrap_or_default();
        match self.tls {
            MailTls::Tls => {
                let mut talk = Talk::over(self.encrypted(stream).await?);
                talk.expect("the greeting", 220).await?;
                talk.submit(domain, self.login.as_ref(), from, to, message).await
            }
            MailTls::None => {
                let mut talk = Talk::over(stream);
                talk.expect("the greeting", 220).await?;
                talk.submit(domain, self.login.as_ref(), from, to, message).await
            }
            MailTls::Starttls => {
                let mut talk = Talk::over(stream);
                talk.expect("the greeting", 220).await?;
                talk.ask("EHLO", &format!("EHLO {domain}"), 250).await?;
                talk.ask("STARTTLS", "STARTTLS", 220).await?;
                // Anything received before encryption is not trusted afterwards.
                let mut talk = Talk::over(self.encrypted(talk.plain()?).await?);
                talk.submit(domain, self.login.as_ref(), from, to, message).await
            }
        }
    }

    async fn encrypted(&self, stream: TcpStream) -> Result<impl AsyncRead + AsyncWrite + Unpin + use<>> {
        let encrypted = self.connector.connect(self.name.clone(), stream).await;
        encrypted.map_err(|error| failed("encryption", &error))
    }
}

fn failed(step: &str, error: &io::Error) -> Error {
    Error::broken(format!("mail: {step}: {error}"))
}

/// A conversation with a server.
struct Talk<S> {
    stream: BufReader<S>,
}

impl Talk<TcpStream> {
    /// The stream, to continue encrypted. Errors: the server has sent more than expected.
    fn plain(self) -> Result<TcpStream> {
        if self.stream.buffer().is_empty() {
            return Ok(self.stream.into_inner());
        }
        Err(Error::broken("mail: the server spoke before encryption began"))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    fn over(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    async fn submit(
        &mut self,
        domain: &str,
        login: Option<&(String, String)>,
        from: &str,
        to: &str,
        message: &str,
    ) -> Result<()> {
        let offers = self.ask("EHLO", &format!("EHLO {domain}"), 250).await?;
        if let Some((user, password)) = login {
            self.log_in(&offers, user, password).await?;
        }
        let offers_utf8 = offers.iter().any(|offer| offer.eq_ignore_ascii_case("SMTPUTF8"));
        let utf8 = match from.is_ascii() && to.is_ascii() {
            true => "",
            false if offers_utf8 => " SMTPUTF8",
            false => return Err(Error::broken("mail: the server takes no addresses outside ASCII")),
        };
        self.ask("MAIL", &format!("MAIL FROM:<{from}>{utf8}"), 250).await?;
        self.ask("RCPT", &format!("RCPT TO:<{to}>"), 250).await?;
        self.ask("DATA", "DATA", 354).await?;
        // A line that begins with a dot would end the message.
        let stuffed = message.replace("\r\n.", "\r\n..");
        self.ask("the message", &format!("{stuffed}."), 250).await?;
        // The server has accepted the message, whatever it sends next.
        let _ = self.ask("QUIT", "QUIT", 221).await;
        Ok(())
    }

    async fn log_in(&mut self, offers: &[String], user: &str, password: &str) -> Result<()> {
        let ways = offers.iter().find_map(|offer| {
            let (word, ways) = offer.split_once([' ', '='])?;
            word.eq_ignore_ascii_case("AUTH").then(|| ways.to_ascii_uppercase())
        });
        let ways = ways.unwrap_or_default();
        let offers = |way: &str| ways.split_whitespace().any(|offered| offered == way);
        if offers("PLAIN") {
            let secret = STANDARD.encode(format!("\0{user}\0{password}"));
            self.ask("AUTH", &format!("AUTH PLAIN {secret}"), 235).await?;
        } else if offers("LOGIN") {
            self.ask("AUTH", "AUTH LOGIN", 334).await?;
            self.ask("AUTH", &STANDARD.encode(user), 334).await?;
            self.ask("AUTH", &STANDARD.encode(password), 235).await?;
        } else {
            return Err(Error::broken("mail: the server offers neither AUTH PLAIN nor AUTH LOGIN"));
        }
        Ok(())
    }

    /// Sends a line and reads the response. Errors: a status other than `right`.
    async fn ask(&mut self, step: &str, line: &str, right: u16) -> Result<Vec<String>> {
        let said = async {
            self.stream.write_all(format!("{line}\r\n").as_bytes()).await?;
            self.stream.flush().await
        };
        said.await.map_err(|error| failed(step, &error))?;
        self.expect(step, right).await
    }

    /// Reads a response. Errors: a status other than `right`.
    async fn expect(&mut self, step: &str, right: u16) -> Result<Vec<String>> {
        let (status, lines) = self.answer().await.map_err(|error| failed(step, &error))?;
        if status == right {
            return Ok(lines);
        }
        Err(Error::broken(format!("mail: the server answered {status} to {step}")))
    }

    /// The status and the texts of a response.
    async fn answer(&mut self) -> io::Result<(u16, Vec<String>)> {
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "the response is not SMTP");
        let mut lines = Vec::new();
        while lines.len() < LINES {
            let mut line = String::new();
            (&mut self.stream).take(LINE_BYTES).read_line(&mut line).await?;
            let line = line.strip_suffix('\n').ok_or_else(broken)?.trim_end();
            let (status, rest) = line.split_at_checked(3).ok_or_else(broken)?;
            let status: u16 = status.parse().map_err(|_| broken())?;
            lines.push(rest.get(1..).unwrap_or_default().to_owned());
            if !rest.starts_with('-') {
                return Ok((status, lines));
            }
        }
        Err(broken())
    }
}

#[cfg(test)]
#[path = "smtp_tests.rs"]
mod tests;
