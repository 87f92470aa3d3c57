//! The client against a TLS server: what is sent unencrypted and encrypted, and which certificates it rejects.

use std::sync::{Arc, Mutex};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    },
};

use super::*;

/// Lines that a server received, unencrypted and encrypted.
type Heard = Arc<Mutex<(Vec<String>, Vec<String>)>>;

fn certificate() -> (CertificateDer<'static>, PrivatePkcs8KeyDer<'static>) {
    let file: serde_json::Value = serde_json::from_str(include_str!("../../tests/data/mail.json")).unwrap();
    let bytes = |name: &str| STANDARD.decode(file[name].as_str().unwrap()).unwrap();
    (bytes("certificate").into(), bytes("key").into())
}

fn acceptor() -> TlsAcceptor {
    let (certificate, key) = certificate();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into());
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

/// What the server answers to STARTTLS.
const READY: &str = "220 go ahead\r\n";

/// Serves one client until it disconnects. `says`: the response to STARTTLS; `None` for a server that uses TLS from the
/// first byte.
async fn serve(listener: TcpListener, says: Option<&'static str>, auth: &'static str, heard: Heard) {
    let (mut stream, _) = listener.accept().await.unwrap();
    if let Some(says) = says {
        stream.write_all(b"220 here\r\n").await.unwrap();
        let mut clear = BufReader::new(&mut stream);
        let mut line = String::new();
        while clear.read_line(&mut line).await.is_ok_and(|bytes| bytes > 0) {
            heard.lock().unwrap().0.push(line.trim_end().to_owned());
            let is_over = line.starts_with("STARTTLS");
            let answer = if is_over { says } else { "250-here\r\n250 STARTTLS\r\n" };
            clear.get_mut().write_all(answer.as_bytes()).await.unwrap();
            line.clear();
            if is_over && says.starts_with("220") {
                break;
            }
        }
        if !says.starts_with("220") {
            return;
        }
    }
    let Ok(stream) = acceptor().accept(stream).await else { return };
    let mut talk = BufReader::new(stream);
    if says.is_none() {
        talk.get_mut().write_all(b"220 here\r\n").await.unwrap();
    }
    let (mut line, mut is_data) = (String::new(), false);
    while talk.read_line(&mut line).await.is_ok_and(|bytes| bytes > 0) {
        let said = line.trim_end_matches("\r\n").to_owned();
        let offers = format!("250-here\r\n250 AUTH {auth}\r\n");
        let answer = match said.split(' ').next().unwrap_or_default() {
            "." => {
                is_data = false;
                "250 taken\r\n"
            }
            _ if is_data => "",
            "EHLO" => &offers,
            "AUTH" if said == "AUTH LOGIN" => "334 VXNlcm5hbWU6\r\n",
            "AUTH" => "235 welcome\r\n",
            "MAIL" | "RCPT" => "250 fine\r\n",
            "DATA" => {
                is_data = true;
                "354 go on\r\n"
            }
            "QUIT" => "221 bye\r\n",
            _ if STANDARD.decode(&said).is_ok_and(|bytes| bytes == b"me") => "334 UGFzc3dvcmQ6\r\n",
            _ => "235 welcome\r\n",
        };
        heard.lock().unwrap().1.push(said);
        talk.get_mut().write_all(answer.as_bytes()).await.unwrap();
        talk.get_mut().flush().await.unwrap();
        line.clear();
    }
}

fn settings(port: u16, tls: MailTls) -> MailSettings {
    MailSettings {
        host: "localhost".to_owned(),
        port,
        tls,
        login: Some(("me".to_owned(), "secret".to_owned())),
        from: "footfall@shop.example".to_owned(),
        reset_page: None,
    }
}

fn envelope() -> Envelope {
    let to = vec!["ada@shop.example".parse().unwrap()];
    Envelope::new(Some("footfall@shop.example".parse().unwrap()), to).unwrap()
}

/// Sends a mail to such a server. Returns the result, and what the server received.
async fn send(says: Option<&'static str>, auth: &'static str, trusts: bool) -> (Result<()>, Vec<String>, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = if says.is_some() { MailTls::Starttls } else { MailTls::Tls };
    let settings = settings(listener.local_addr().unwrap().port(), tls);
    let server = if trusts {
        let root = Certificate::from_der(certificate().0.to_vec()).unwrap();
        Server::trusting(&settings, CertificateStore::None, Some(root)).unwrap()
    } else {
        Server::new(&settings).unwrap()
    };
    let heard = Heard::default();
    let serving = tokio::spawn(serve(listener, says, auth, heard.clone()));
    let outcome = server.deliver(&envelope(), b"Hello\r\n.dot\r\n").await;
    drop(server);
    serving.await.unwrap();
    let heard = heard.lock().unwrap().clone();
    (outcome, heard.0, heard.1)
}

#[tokio::test]
async fn a_server_whose_line_never_ends_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = settings(listener.local_addr().unwrap().port(), MailTls::Starttls);
    let endless = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        while stream.write_all(&[b'2'; 4_096]).await.is_ok() {}
    });
    let server = Server::new(&settings).unwrap();
    let outcome = tokio::time::timeout(PATIENCE / 2, server.deliver(&envelope(), b"Hello\r\n")).await;
    outcome.unwrap().unwrap_err();
    endless.await.unwrap();
}

const MESSAGE: [&str; 7] =
    ["MAIL FROM:<footfall@shop.example>", "RCPT TO:<ada@shop.example>", "DATA", "Hello", "..dot", ".", "QUIT"];

#[tokio::test]
async fn after_starttls_everything_is_said_encrypted() {
    let (outcome, clear, encrypted) = send(Some(READY), "PLAIN LOGIN", true).await;
    outcome.unwrap();
    assert_eq!(clear, ["EHLO shop.example", "STARTTLS"]);
    assert_eq!(
        encrypted[..2],
        ["EHLO shop.example".to_owned(), format!("AUTH PLAIN {}", STANDARD.encode("\0me\0secret"))]
    );
    assert_eq!(encrypted[2..], MESSAGE);
}

#[tokio::test]
async fn from_the_first_byte_with_the_older_way_of_signing_in() {
    let (outcome, clear, encrypted) = send(None, "LOGIN", true).await;
    outcome.unwrap();
    assert!(clear.is_empty());
    let login = ["EHLO shop.example", "AUTH LOGIN", &STANDARD.encode("me"), &STANDARD.encode("secret")];
    assert_eq!(encrypted[..4], login);
    assert_eq!(encrypted[4..], MESSAGE);
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_without_a_trusted_certificate() {
    for says in [Some(READY), None] {
        let (outcome, _, encrypted) = send(says, "PLAIN", false).await;
        assert!(outcome.is_err());
        assert!(encrypted.is_empty(), "{encrypted:?}");
    }
}

#[tokio::test]
async fn what_a_stranger_slips_in_before_encryption_ends_it_and_so_does_a_server_without() {
    for says in ["220 go ahead\r\n250 AUTH PLAIN\r\n", "502 what\r\n"] {
        let (outcome, clear, encrypted) = send(Some(says), "PLAIN", true).await;
        assert!(outcome.is_err(), "{says}");
        assert_eq!(clear, ["EHLO shop.example", "STARTTLS"]);
        assert!(encrypted.is_empty(), "{encrypted:?}");
    }
}
