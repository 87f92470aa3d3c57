//! The connection of STARTTLS, and what may pass before it is encrypted.
//!
//! - Nothing but EHLO and STARTTLS is said in clear text.
//! - The reader receives one line at a time. What follows the response to STARTTLS is left for TLS, which rejects it:
//!   lettre would keep it, and take it for a response of the encrypted server.
//! - What the server says has a size limit.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncBufRead as _, AsyncRead, AsyncWrite, BufReader, ReadBuf},
    net::TcpStream,
};

/// Maximum size of what the server says, the TLS handshake included, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// The first byte of the first TLS record.
const HANDSHAKE: u8 = 22;

/// A connection that begins in clear text.
#[derive(Debug)]
pub(super) struct ClearText {
    stream: BufReader<TcpStream>,
    is_encrypted: bool,
    /// Bytes that the server may still say.
    left: usize,
}

impl ClearText {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream: BufReader::new(stream), is_encrypted: false, left: MAX_BYTES }
    }
}

impl AsyncRead for ClearText {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let mut received = ready!(Pin::new(&mut this.stream).poll_fill_buf(cx))?;
        if !this.is_encrypted {
            received = received.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        }
        // At the limit the connection seems to end.
        let length = received.len().min(this.left).min(buffer.remaining());
        let read = received.get(..length).unwrap_or_default();
        buffer.put_slice(read);
        this.left = this.left.saturating_sub(length);
        Pin::new(&mut this.stream).consume(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClearText {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.is_encrypted |= bytes.first() == Some(&HANDSHAKE);
        if !this.is_encrypted && !bytes.starts_with(b"EHLO ") && bytes != b"STARTTLS\r\n" {
            return Poll::Ready(Err(io::Error::other("not said in clear text")));
        }
        Pin::new(&mut this.stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for ClearText {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.get_ref().peer_addr()
    }
}
