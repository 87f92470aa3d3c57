//! The verification file of a domain: fetched over HTTPS, or over HTTP if HTTPS does not respond, from a public
//! address.
//!
//! - Redirects are followed within the host only. At most 16 KiB are read.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, LazyLock},
};

use schema::website::domains::FILE_PATH;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

/// Maximum number of bytes to read, including the head.
const MAX_BYTES: u64 = 16 * 1024;

/// Maximum number of redirects.
const HOPS: usize = 3;

/// Ports that may be connected to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doors {
    pub(super) https: u16,
    pub(super) http: u16,
}

/// A URL on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) secure: bool,
    pub(super) path: String,
}

/// What a server answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Text(String),
    Elsewhere(Place),
    Nothing,
}

/// Trust in the authorities that browsers trust. `None` if the crypto library offers no protocol, which does not
/// happen.
static TRUST: LazyLock<Option<Arc<ClientConfig>>> = LazyLock::new(|| {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().ok()?;
    Some(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
});

/// The content of the file; `None` if the host does not serve it.
pub(super) async fn fetch(host: &str, doors: Doors, allowed: fn(IpAddr) -> bool) -> Option<String> {
    // The port is put in later: the check is of addresses.
    let found = tokio::net::lookup_host((host, 0)).await.ok()?;
    let addresses: Vec<IpAddr> =
        found.map(|address| address.ip()).filter(|address| allowed(*address)).take(2).collect();
    for secure in [true, false] {
        let mut place = Place { secure, path: FILE_PATH.to_owned() };
        for _ in 0..=HOPS {
            match ask(host, &addresses, doors, &place).await {
                Some(Answer::Text(text)) => return Some(text),
                Some(Answer::Elsewhere(next)) if next != place => place = next,
                _ => break,
            }
        }
    }
    None
}

async fn ask(host: &str, addresses: &[IpAddr], doors: Doors, place: &Place) -> Option<Answer> {
    let port = if place.secure { doors.https } else { doors.http };
    for address in addresses {
        let Ok(stream) = TcpStream::connect(SocketAddr::new(*address, port)).await else { continue };
        if !place.secure {
            return exchange(stream, host, place).await;
        }
        let name = ServerName::try_from(host.to_owned()).ok()?;
        let connector = TlsConnector::from(TRUST.clone()?);
        return exchange(connector.connect(name, stream).await.ok()?, host, place).await;
    }
    None
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, host: &str, place: &Place) -> Option<Answer> {
    // HTTP/1.0: the answer comes in one piece and ends with the connection.
    let request = format!(
        "GET {} HTTP/1.0\r\nHost: {host}\r\nAccept: text/plain\r\nUser-Agent: Footfall\r\nConnection: close\r\n\r\n",
        place.path
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    let mut bytes = Vec::new();
    // A connection closed without close_notify has delivered its data.
    let _ = stream.take(MAX_BYTES).read_to_end(&mut bytes).await;
    Some(read(&String::from_utf8_lossy(&bytes), host, place))
}

/// Parses a response.
pub(super) fn read(answer: &str, host: &str, place: &Place) -> Answer {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return Answer::Nothing };
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    match status {
        "200" => Answer::Text(body.to_owned()),
        "301" | "302" | "303" | "307" | "308" => {
            let header = |line: &str| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
            };
            let target = lines.find_map(header).and_then(|target| place_of(&target, host, place));
            target.map_or(Answer::Nothing, Answer::Elsewhere)
        }
        _ => Answer::Nothing,
    }
}

/// The target of a redirect, if it stays on the host.
fn place_of(target: &str, host: &str, place: &Place) -> Option<Place> {
    let fits = |path: &str| path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    if target.starts_with('/') && !target.starts_with("//") {
        return fits(target).then(|| Place { secure: place.secure, path: target.to_owned() });
    }
    let (scheme, rest) = target.split_once("://")?;
    let secure = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let (authority, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
    (authority.eq_ignore_ascii_case(host) && fits(path)).then(|| Place { secure, path: path.to_owned() })
}
