//! Sends a log to the server that holds the data folder, over a Unix domain socket in that folder.
//!
//! - To the server: one JSON line ([`Request`]), then chunks (length as four bytes, big-endian, then that many bytes);
//!   a chunk of length 0 ends the log. A connection that closes before it imports nothing.
//! - To the client: JSON lines, any number of `progress`, then one `done` or `refused`.
//! - The socket has mode 0600: users who can open it can read the data folder as well.

use std::{fs, io, io::Read, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use async_trait::async_trait;
use schema::{
    error::{Error, Result},
    error_code::ErrorCode,
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, watch},
    task::JoinSet,
};

use super::{Importer, Options, Progress, Summary, Target};

/// The socket's name in the data folder.
pub const SOCKET: &str = "footfall.sock";

/// Maximum size of a chunk, in bytes.
const CHUNK: usize = 256 * 1024;
/// Maximum number of chunks queued for the parser.
const WAITING: usize = 4;
/// Maximum size of a request line, in bytes.
const MAX_REQUEST: u64 = 64 * 1024;

/// A request of the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// ID or domain of the website.
    pub website: String,
    /// Options of the operator.
    pub options: Options,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Progress(Progress),
    Done(Box<Summary>),
    Refused { code: String, field: Option<String>, message: String },
}

/// Website lookup on the server.
#[async_trait]
pub trait Websites: Send + Sync {
    /// The website with this ID or domain. Errors: `NotFound`.
    async fn find(&self, id_or_domain: &str) -> Result<Target>;
}

/// Listens at `path`, mode 0600. The caller holds the data folder, so an existing socket is left over from a stopped
/// server.
///
/// Errors: `Invalid` when the path is too long for a socket or its folder is not writable.
pub fn listen(path: &Path) -> Result<UnixListener> {
    let wrong = |error: io::Error| {
        let why = match error.kind() {
            io::ErrorKind::InvalidInput => "its path must be shorter than about 100 bytes for the import socket",
            _ => "must be a writable folder on a local disk (cannot create the import socket in it)",
        };
        Error::invalid("data folder", why)
    };
    // Under its final name the socket never exists with other rights than its own.
    let fresh = path.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(wrong(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&fresh).map_err(wrong)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600)).map_err(wrong)?;
    fs::rename(&fresh, path).map_err(wrong)?;
    Ok(listener)
}

/// Serves imports until it is dropped; running ones end with it. Each connection is one import.
pub async fn serve(listener: &UnixListener, importer: Importer, websites: Arc<dyn Websites>) {
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (importer, websites) = (importer.clone(), Arc::clone(&websites));
                    running.spawn(async move { answer(stream, importer, websites).await });
                }
                Err(error) => {
                    // Mostly too many open files: wait for others to be closed.
                    tracing::warn!(error.source = %error, "cannot accept an import connection");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
            Some(_) = running.join_next() => {}
        }
    }
}

async fn answer(stream: UnixStream, importer: Importer, websites: Arc<dyn Websites>) {
    let (read, mut write) = stream.into_split();
    let reply = match take(BufReader::new(read), &mut write, importer, websites).await {
        Ok(summary) => Reply::Done(Box::new(summary)),
        Err(error) => {
            if let Error::Internal(source) = &error {
                tracing::error!(error.source = ?source, "an import failed");
            }
            let field = error.field().map(str::to_owned);
            Reply::Refused { code: error.code().to_owned(), field, message: error.message() }
        }
    };
    // A client that has disconnected cannot be notified.
    let _ = say(&mut write, &reply).await;
    let _ = write.shutdown().await;
}

async fn take(
    mut from: impl AsyncRead + AsyncBufReadExt + Unpin + Send + 'static,
    to: &mut (impl AsyncWrite + Unpin),
    importer: Importer,
    websites: Arc<dyn Websites>,
) -> Result<Summary> {
    let mut line = String::new();
    (&mut from).take(MAX_REQUEST).read_line(&mut line).await.map_err(|_| no_request())?;
    let request: Request = serde_json::from_str(&line).map_err(|_| no_request())?;
    let target = websites.find(&request.website).await?;

    let (send, chunks) = mpsc::channel(WAITING);
    let pumping = tokio::spawn(pump(from, send));
    let (report, mut reports) = watch::channel(Progress::default());
    let importing = importer.import(Chunks::new(chunks), target, request.options, move |at| {
        report.send_replace(at);
    });
    tokio::pin!(importing);
    let outcome = loop {
        tokio::select! {
            outcome = &mut importing => break outcome,
            Ok(()) = reports.changed() => {
                let at = *reports.borrow_and_update();
                // The import also runs if the client disconnects after sending the whole log.
                let _ = say(to, &Reply::Progress(at)).await;
            }
        }
    };
    pumping.abort();
    outcome
}

fn no_request() -> Error {
    Error::invalid(
        "request",
        "must be one line of JSON that names the website; use the same version of footfall at both ends",
    )
}

/// Passes chunks on; the end of the connection without the closing chunk becomes an error.
async fn pump(mut from: impl AsyncRead + Unpin, to: mpsc::Sender<io::Result<Vec<u8>>>) {
    loop {
        let chunk = async {
            let length = usize::try_from(from.read_u32().await?).unwrap_or(usize::MAX);
            if length > CHUNK {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "chunk too long"));
            }
            let mut chunk = vec![0; length];
            from.read_exact(&mut chunk).await?;
            Ok(chunk)
        }
        .await;
        let last = chunk.as_ref().map_or(true, Vec::is_empty);
        if to.send(chunk).await.is_err() || last {
            return;
        }
    }
}

/// The chunks as a blocking reader, for the parser's thread.
struct Chunks {
    chunks: mpsc::Receiver<io::Result<Vec<u8>>>,
    rest: io::Cursor<Vec<u8>>,
    ended: bool,
}

impl Chunks {
    fn new(chunks: mpsc::Receiver<io::Result<Vec<u8>>>) -> Self {
        Self { chunks, rest: io::Cursor::default(), ended: false }
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = Read::read(&mut self.rest, buffer)?;
            if count > 0 || buffer.is_empty() || self.ended {
                return Ok(count);
            }
            let chunk = self.chunks.blocking_recv().unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))?;
            self.ended = chunk.is_empty();
            self.rest = io::Cursor::new(chunk);
        }
    }
}

async fn say(to: &mut (impl AsyncWrite + Unpin), reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    to.write_all(&line).await
}

/// Sends a log to the server that listens at `path` and waits for the result.
///
/// Errors: those of [`Importer::import`] and [`Websites::find`] on the server; `Conflict` when no server responds.
pub async fn hand_over(
    path: &Path,
    request: &Request,
    source: impl Read + Send + 'static,
    progress: impl Fn(Progress) + Send + Sync + 'static,
) -> Result<Summary> {
    let nobody = |_| {
        Error::conflict(
            "Another process holds the data folder and does not accept imports. Stop it and import again, or start a server there.",
        )
    };
    let stream = UnixStream::connect(path).await.map_err(nobody)?;
    let (read, mut write) = stream.into_split();
    let mut first = serde_json::to_vec(request).map_err(Error::internal)?;
    first.push(b'\n');
    let (send, mut chunks) = mpsc::channel(WAITING);
    // A thread of its own: one that waits for standard input must not keep the runtime, and so the process, from ending.
    std::thread::Builder::new()
        .name("footfall-import".to_owned())
        .spawn(move || read_chunks(source, &send))
        .map_err(Error::internal)?;
    let sending = async {
        write.write_all(&first).await.map_err(|_| Failed::Server)?;
        while let Some(chunk) = chunks.recv().await {
            let chunk = chunk.map_err(|_| Failed::Source)?;
            let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
            write.write_u32(length).await.map_err(|_| Failed::Server)?;
            write.write_all(&chunk).await.map_err(|_| Failed::Server)?;
        }
        write.write_u32(0).await.map_err(|_| Failed::Server)
    };
    let mut replies = BufReader::new(read).lines();
    let answer = async {
        while let Ok(Some(line)) = replies.next_line().await {
            match serde_json::from_str(&line).map_err(|_| no_request())? {
                Reply::Progress(at) => progress(at),
                Reply::Done(summary) => return Ok(*summary),
                Reply::Refused { code, field, message } => return Err(refusal(&code, field, message)),
            }
        }
        Err(Error::conflict(
            "The server stopped before the import was complete. Import the file again; page views already stored are not duplicated.",
        ))
    };
    tokio::pin!(answer);
    tokio::select! {
        outcome = &mut answer => outcome,
        sent = sending => match sent {
            Err(Failed::Source) => Err(Error::invalid("file", "cannot be read completely; nothing was imported.")),
            // A server that closes its end early has sent the reason.
            Ok(()) | Err(Failed::Server) => answer.await,
        },
    }
}

/// The side that failed while sending a log.
enum Failed {
    Source,
    Server,
}

/// Reads the source to its end, to an error, which is passed on, or until the receiver is dropped.
fn read_chunks(mut source: impl Read, to: &mpsc::Sender<io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; CHUNK];
        let read = match source.read(&mut chunk) {
            Ok(0) => return,
            Ok(count) => {
                chunk.truncate(count);
                Ok(chunk)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = read.is_err();
        if to.blocking_send(read).is_err() || failed {
            return;
        }
    }
}

/// Converts the server's refusal to an error of this process.
fn refusal(code: &str, field: Option<String>, message: String) -> Error {
    match field {
        Some(field) if code == ErrorCode::ValidationError.as_str() => {
            let why = message.strip_prefix(&format!("{field}: ")).unwrap_or(&message).to_owned();
            Error::Invalid { field, why }
        }
        _ if code == ErrorCode::NotFound.as_str() => {
            Error::not_found(message.strip_suffix(" was not found.").unwrap_or(&message))
        }
        _ => Error::conflict(message),
    }
}

#[cfg(test)]
#[path = "handover_tests.rs"]
mod tests;
