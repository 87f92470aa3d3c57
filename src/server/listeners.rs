//! The sockets on which one server accepts connections.

use std::{
    future::poll_fn,
    io::{self, ErrorKind},
    net::SocketAddr,
    task::Poll,
};

use tokio::net::{TcpListener, TcpStream};

use crate::config::listen::ListenAddress;

/// One socket per address.
#[derive(Debug)]
pub struct Listeners(Vec<TcpListener>);

impl From<TcpListener> for Listeners {
    fn from(listener: TcpListener) -> Self {
        Self(vec![listener])
    }
}

impl Listeners {
    /// Listens on all addresses of a host. Addresses that this machine lacks are skipped if another one works, such as
    /// `::1` where IPv6 is disabled.
    ///
    /// # Errors
    /// When the host is unknown, the port is in use at one of its addresses, or no address works.
    pub async fn bind(at: &ListenAddress) -> io::Result<Self> {
        let mut sockets: Vec<TcpListener> = Vec::new();
        let mut refused = io::Error::new(ErrorKind::NotFound, "the host has no address");
        for address in at.resolve().await? {
            let port = match sockets.first() {
                // All addresses share the port that the first one was given.
                Some(first) if at.port() == 0 => first.local_addr()?.port(),
                _ => at.port(),
            };
            match TcpListener::bind((address, port)).await {
                Ok(socket) => sockets.push(socket),
                Err(error) if error.kind() == ErrorKind::AddrInUse && at.port() != 0 => return Err(error),
                Err(error) => refused = error,
            }
        }
        if sockets.is_empty() { Err(refused) } else { Ok(Self(sockets)) }
    }

    /// Address and port of the first socket.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.first().map_or_else(|| Err(ErrorKind::NotConnected.into()), TcpListener::local_addr)
    }

    /// The next connection on any socket.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| {
            for socket in &self.0 {
                if let Poll::Ready(accepted) = socket.poll_accept(cx) {
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await
    }
}
