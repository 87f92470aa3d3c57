//! Delivery to a mail server, by lettre: encryption, authentication, one message.
//!
//! - A delivery has a time limit.
//! - The server's responses are not repeated in errors: they often contain the recipient's address.

use std::{error::Error as _, io, time::Duration};

use lettre::{
    address::Envelope,
    transport::smtp::{
        self,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters},
        extension::ClientId,
    },
};
use schema::{Error, Result};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::clear_text::ClearText;
use crate::{
    StartError,
    config::mail::{MailSettings, MailTls},
};

/// Time limit of one delivery.
const PATIENCE: Duration = Duration::from_secs(30);

/// A mail server.
pub(super) struct Server {
    host: String,
    port: u16,
    encryption: MailTls,
    tls: TlsParameters,
    login: Option<Credentials>,
}

impl Server {
    /// A server with a certificate of a public authority. Errors: an invalid host name.
    pub(super) fn new(settings: &MailSettings) -> std::result::Result<Self, StartError> {
        Self::trusting(settings, CertificateStore::WebpkiRoots, None)
    }

    fn trusting(
        settings: &MailSettings,
        store: CertificateStore,
        root: Option<Certificate>,
    ) -> std::result::Result<Self, StartError> {
        let host = settings.host.clone();
        // lettre would refuse it with the first mail.
        ServerName::try_from(host.as_str())
            .map_err(|_| StartError::new(format!("mail_host: must be a host name or address (got {host:?})")))?;
        let tls = TlsParameters::builder(host.clone()).certificate_store(store);
        let tls = root.into_iter().fold(tls, |tls, root| tls.add_root_certificate(root));
        Ok(Self {
            host,
            port: settings.port,
            encryption: settings.tls,
            tls: tls.build_rustls().map_err(|error| StartError::new(error.to_string()))?,
            login: settings.login.clone().map(Credentials::from),
        })
    }

    /// Sends a message, whose lines end in CRLF. Errors: internal, with the step that failed.
    pub(super) async fn deliver(&self, envelope: &Envelope, message: &[u8]) -> Result<()> {
        let delivered = tokio::time::timeout(PATIENCE, self.converse(envelope, message)).await;
        delivered.unwrap_or_else(|_| Err(Error::broken("the mail server took too long")))
    }

    async fn converse(&self, envelope: &Envelope, message: &[u8]) -> Result<()> {
        let hello = envelope.from().map_or_else(ClientId::default, |from| ClientId::Domain(from.domain().to_owned()));
        let mut connection = self.connect(&hello).await?;
        if let Some(login) = &self.login {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            connection.auth(&mechanisms, login).await.map_err(|error| failed("AUTH", &error))?;
        }
        // lettre ends the last line itself.
        let message = message.strip_suffix(b"\r\n").unwrap_or(message);
        connection.send(envelope, message).await.map_err(|error| failed("the message", &error))?;
        // The server has accepted the message, whatever it sends next.
        let _ = connection.quit().await;
        Ok(())
    }

    async fn connect(&self, hello: &ClientId) -> Result<AsyncSmtpConnection> {
        let address = (self.host.as_str(), self.port);
        let connecting = |error: smtp::Error| failed("connecting", &error);
        if self.encryption != MailTls::Starttls {
            let tls = (self.encryption == MailTls::Tls).then(|| self.tls.clone());
            return AsyncSmtpConnection::connect_tokio1(address, None, hello, tls, None).await.map_err(connecting);
        }
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(|error| Error::broken(format!("mail: connecting: {error}")))?;
        let stream = Box::new(ClearText::new(stream));
        let mut connection = AsyncSmtpConnection::connect_with_transport(stream, hello).await.map_err(connecting)?;
        connection.starttls(self.tls.clone(), hello).await.map_err(|error| failed("STARTTLS", &error))?;
        Ok(connection)
    }
}

fn failed(step: &str, error: &smtp::Error) -> Error {
    let is_ours = error.is_client() || error.source().is_some_and(|source| source.is::<io::Error>());
    Error::broken(match error.status() {
        Some(status) => format!("mail: the server answered {status} to {step}"),
        None if is_ours => format!("mail: {step}: {error}"),
        None => format!("mail: {step}: the response is not SMTP"),
    })
}

#[cfg(test)]
#[path = "smtp_tests.rs"]
mod tests;
