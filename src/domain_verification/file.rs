//! The verification file of a domain: fetched over HTTPS, or over HTTP if HTTPS does not respond, from a public
//! address.
//!
//! - Redirects are followed within the host only. At most 16 KiB are read.

use std::{
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{Arc, LazyLock},
};

use axum::http::{Request, Response, header};
use futures_util::future::{Either, select};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use schema::website::domains::FILE_PATH;
use tokio::{
    io::{self, AsyncRead, AsyncReadExt as _, AsyncWrite},
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

/// Asks for the place over an open connection. `None` if the answer is not HTTP.
pub(super) async fn exchange(stream: impl AsyncRead + AsyncWrite + Send, host: &str, place: &Place) -> Option<Answer> {
    let (reader, writer) = io::split(stream);
    let bounded = TokioIo::new(io::join(reader.take(MAX_BYTES), writer));
    let (mut sender, connection) = http1::Builder::new().title_case_headers(true).handshake(bounded).await.ok()?;
    let request = Request::get(&place.path)
        .header(header::HOST, host)
        .header(header::ACCEPT, "text/plain")
        .header(header::USER_AGENT, "Footfall")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .ok()?;
    let answer = pin!(async { Some(read(sender.send_request(request).await.ok()?, host, place).await) });
    match select(answer, pin!(connection)).await {
        Either::Left((answer, _)) => answer,
        // What was received before the connection ended is still to be read.
        Either::Right((_, answer)) => answer.await,
    }
}

async fn read(response: Response<Incoming>, host: &str, place: &Place) -> Answer {
    match response.status().as_u16() {
        200 => Answer::Text(text(response.into_body()).await),
        301 | 302 | 303 | 307 | 308 => {
            let target = response.headers().get(header::LOCATION).and_then(|target| target.to_str().ok());
            target.and_then(|target| place_of(target, host, place)).map_or(Answer::Nothing, Answer::Elsewhere)
        }
        _ => Answer::Nothing,
    }
}

async fn text(mut body: Incoming) -> String {
    let mut bytes = Vec::new();
    // A body cut short, by its server or by the limit, has delivered its data.
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
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
