//! Both ends of the socket, and misbehaving clients.

use std::{io::Cursor, path::PathBuf, sync::Mutex};

use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::{
    super::{
        memory::Memory,
        tests::{importer, line, target},
    },
    *,
};

struct OneSite;

#[async_trait]
impl Websites for OneSite {
    async fn find(&self, id_or_domain: &str) -> Result<Target> {
        if id_or_domain == "site.example" {
            Ok(target())
        } else {
            Err(Error::not_found(format!("The website {id_or_domain:?}")))
        }
    }
}

struct Server {
    store: Arc<Memory>,
    socket: PathBuf,
    task: JoinHandle<()>,
    _folder: TempDir,
}

impl Server {
    fn start(store: Memory) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join(SOCKET);
        // A socket left over from a stopped server must not block the import.
        drop(listen(&socket).unwrap());
        let store = Arc::new(store);
        let (listener, importer) = (listen(&socket).unwrap(), importer(&store));
        let task = tokio::spawn(async move { serve(&listener, importer, Arc::new(OneSite)).await });
        Self { store, socket, task, _folder: folder }
    }

    async fn hand_over(&self, website: &str, source: impl Read + Send + 'static) -> Result<Summary> {
        let request = Request { website: website.to_owned(), options: Options::default() };
        hand_over(&self.socket, &request, source, |_| {}).await
    }

    fn stored(&self) -> usize {
        self.store.events.lock().unwrap().len()
    }
}

fn log(lines: usize) -> Vec<u8> {
    line("192.0.2.1", "17/May/2015:10:05:03", "/a").repeat(lines).into_bytes()
}

#[tokio::test]
async fn a_log_is_handed_over_with_progress_and_summary() {
    let server = Server::start(Memory::default());
    let mode = fs::metadata(&server.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let request = Request { website: "site.example".to_owned(), options: Options::default() };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let reports = Arc::clone(&seen);
    let summary =
        hand_over(&server.socket, &request, Cursor::new(log(60_000)), move |at| reports.lock().unwrap().push(at))
            .await
            .unwrap();
    assert_eq!((summary.lines, summary.stored), (60_000, 60_000));
    assert_eq!(server.stored(), 60_000);
    assert!(!seen.lock().unwrap().is_empty());
    let again = server.hand_over("site.example", Cursor::new(log(60_000))).await.unwrap();
    assert_eq!((again.stored, again.duplicates), (0, 60_000));
}

#[tokio::test]
async fn refusals_come_through_as_they_are() {
    let server = Server::start(Memory::default());
    // Larger than all buffers between, so the server refuses while the client still sends.
    let unknown = server.hand_over("other.example", Cursor::new(log(200_000))).await.unwrap_err();
    assert_eq!(
        (unknown.code(), unknown.message().as_str()),
        ("NOT_FOUND", "The website \"other.example\" was not found.")
    );
    let no_log = server.hand_over("site.example", Cursor::new(b"hello\n".to_vec())).await.unwrap_err();
    assert_eq!((no_log.code(), no_log.field()), ("VALIDATION_ERROR", Some("file")));
    assert!(no_log.message().starts_with("file: must be an access log"), "{}", no_log.message());
    assert_eq!(server.stored(), 0);

    let full = Server::start(Memory { full: true, ..Memory::default() });
    let error = full.hand_over("site.example", Cursor::new(log(10))).await.unwrap_err();
    assert!(error.message().contains("The disk is full."), "{}", error.message());
}

#[tokio::test]
async fn a_client_that_dies_half_way_imports_nothing() {
    let server = Server::start(Memory::default());
    for ending in [&b""[..], &[0, 0], &[0, 0, 1, 0, b'x'], &[0xff; 4]] {
        let mut client = UnixStream::connect(&server.socket).await.unwrap();
        client.write_all(b"{\"website\":\"site.example\",\"options\":{}}\n").await.unwrap();
        let whole = log(100);
        client.write_u32(u32::try_from(whole.len()).unwrap()).await.unwrap();
        client.write_all(&whole).await.unwrap();
        client.write_all(ending).await.unwrap();
        // Half of the connection stays, so that the refusal shows the import is over, without waiting by the clock.
        client.shutdown().await.unwrap();
        let mut said = String::new();
        client.read_to_string(&mut said).await.unwrap();
        assert!(said.lines().last().unwrap().contains("nothing was imported"), "{said}");
        assert_eq!(server.stored(), 0);
    }
}

#[tokio::test]
async fn a_source_that_fails_imports_nothing() {
    struct Failing(usize);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::Error::other("disk gone"));
            }
            self.0 -= 1;
            let whole = log(1);
            buffer[..whole.len()].copy_from_slice(&whole);
            Ok(whole.len())
        }
    }
    let server = Server::start(Memory::default());
    let error = server.hand_over("site.example", Failing(5)).await.unwrap_err();
    assert_eq!(error.field(), Some("file"));
    assert!(!error.message().contains("disk gone"), "foreign text stays inside: {}", error.message());
    assert_eq!(server.stored(), 0);
    assert_eq!(server.hand_over("site.example", Cursor::new(log(2))).await.unwrap().stored, 2, "the server lives on");
}

#[tokio::test]
async fn a_refusal_does_not_wait_for_a_source_that_never_ends() {
    struct Stalled(std::sync::mpsc::Receiver<()>);
    impl Read for Stalled {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(0)
        }
    }
    let server = Server::start(Memory::default());
    let (hold, wait) = std::sync::mpsc::channel();
    let error = server.hand_over("other.example", Stalled(wait)).await.unwrap_err();
    assert_eq!(error.code(), "NOT_FOUND");
    drop(hold);
}

#[tokio::test]
async fn nonsense_is_answered_and_an_absent_server_is_told() {
    let server = Server::start(Memory::default());
    for nonsense in [&b"\n"[..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 100]] {
        let mut client = UnixStream::connect(&server.socket).await.unwrap();
        client.write_all(nonsense).await.unwrap();
        client.shutdown().await.unwrap();
        let mut said = String::new();
        client.read_to_string(&mut said).await.unwrap();
        assert!(said.contains("one line of JSON"), "{said}");
    }
    server.task.abort();
    let _ = (&mut { server.task }).await;
    let request = Request { website: "site.example".to_owned(), options: Options::default() };
    let error = hand_over(&server.socket, &request, Cursor::new(log(1)), |_| {}).await.unwrap_err();
    assert_eq!(error.code(), "CONFLICT");
    let long = PathBuf::from("/tmp").join("x".repeat(120)).join(SOCKET);
    assert_eq!(listen(&long).unwrap_err().field(), Some("data folder"));
}
