//! A connection to the address that was checked, for several POST requests one after the other.

use std::{
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::http::{HeaderMap, Request, header};
use futures_util::future::{Either, select};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

use super::{PATIENCE, Target, slow};

/// Addresses of a name that are tried.
const MAX_ADDRESSES: usize = 2;

/// Time limit for connecting to one address.
const CONNECTING: Duration = Duration::from_secs(3);

/// Maximum size of a response's body. A longer one ends the connection.
const MAX_BODY: usize = 64 * 1024;

/// Trust in the authorities that browsers trust. `None` if the crypto library offers no protocol, which does not happen.
static TRUST: LazyLock<Option<Arc<ClientConfig>>> = LazyLock::new(|| {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().ok()?;
    Some(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
});

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Driver = http1::Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>;

/// An open connection.
pub struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Pin<Box<Driver>>,
}

/// What a URL answered.
#[derive(Debug, Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Value of `Retry-After`, if it is a text.
    pub retry_after: Option<String>,
    /// Whether the connection can be used again.
    pub is_reusable: bool,
}

impl Connection {
    /// Resolves the name and connects to one of its addresses that is allowed.
    pub(super) async fn open(target: &Target, allowed: impl Fn(IpAddr) -> bool) -> Result<Self, String> {
        let found = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
        let found: Vec<SocketAddr> = found.map_err(|_| "The host name does not exist.".to_owned())?.collect();
        let allowed = found.into_iter().filter(|address| allowed(address.ip())).take(MAX_ADDRESSES);
        let allowed: Vec<SocketAddr> = allowed.collect();
        if allowed.is_empty() {
            return Err("The host name resolves to no public address.".to_owned());
        }
        for address in allowed {
            let Ok(Ok(stream)) = tokio::time::timeout(CONNECTING, TcpStream::connect(address)).await else { continue };
            let _ = stream.set_nodelay(true);
            let stream: Box<dyn Stream> =
                if target.is_secure { encrypted(stream, &target.host).await? } else { Box::new(stream) };
            let opened = http1::Builder::new().title_case_headers(true).handshake(TokioIo::new(stream)).await;
            let (sender, driver) = opened.map_err(|_| "The connection failed.".to_owned())?;
            return Ok(Self { sender, driver: Box::pin(driver) });
        }
        Err("The connection was refused.".to_owned())
    }

    /// Sends a POST request. Errors: a sentence for the URL's owner; the connection cannot be used again.
    pub async fn post(&mut self, target: &Target, headers: &HeaderMap, body: Bytes) -> Result<Response, String> {
        let mut request = Request::post(&target.path).body(Full::new(body)).map_err(|error| error.to_string())?;
        request.headers_mut().clone_from(headers);
        let host = target.authority.parse().map_err(|_| "The host name is invalid.".to_owned())?;
        request.headers_mut().insert(header::HOST, host);
        let Self { sender, driver } = self;
        let answer = Box::pin(async move {
            let response = sender.send_request(request).await.map_err(|_| lost())?;
            let status = response.status().as_u16();
            let retry_after = response.headers().get(header::RETRY_AFTER);
            let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
            let is_reusable = drained(response.into_body()).await && sender.ready().await.is_ok();
            Ok(Response { status, retry_after, is_reusable })
        });
        let answered = async {
            match select(answer, driver.as_mut()).await {
                Either::Left((answer, _)) => answer,
                // What was received before the connection ended is still to be read.
                Either::Right((_, answer)) => answer.await.map(|response| Response { is_reusable: false, ..response }),
            }
        };
        tokio::time::timeout(PATIENCE, answered).await.unwrap_or_else(|_| Err(slow()))
    }
}

fn lost() -> String {
    "The connection ended without a response.".to_owned()
}

async fn encrypted(stream: TcpStream, host: &str) -> Result<Box<dyn Stream>, String> {
    let failed = |why: &str| format!("The encryption failed: {why}.");
    let name = ServerName::try_from(host.to_owned()).map_err(|_| failed("the host name is invalid"))?;
    let trust = TRUST.clone().ok_or_else(|| failed("no protocol"))?;
    let stream = TlsConnector::from(trust).connect(name, stream).await.map_err(|error| failed(&error.to_string()))?;
    Ok(Box::new(stream))
}

/// Reads a body to its end; `false` if it is too long or cut short.
async fn drained(mut body: Incoming) -> bool {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        length += frame.data_ref().map_or(0, Bytes::len);
        if length > MAX_BODY {
            return false;
        }
    }
    true
}
