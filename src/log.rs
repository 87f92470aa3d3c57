//! The log: lines are written to standard error by a separate thread, so that work never waits for it or fails with it.
//!
//! - A line that cannot be written (a full disk, a closed pipe) or queued is dropped. The next written line reports the
//!   number of dropped ones.

use std::{
    ffi::OsStr,
    io::{self, IsTerminal as _, Write},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// Maximum number of queued lines.
const WAITING: usize = 4_096;

/// How long the end of the process waits for lines to be written.
const PATIENCE: Duration = Duration::from_secs(1);

static LINES: OnceLock<Lines> = OnceLock::new();

/// Starts logging what the filter allows. A second call changes nothing.
pub fn start(filter: EnvFilter) {
    let lines = LINES.get_or_init(|| Lines::new(io::stderr()));
    let has_colours = has_colours(io::stderr().is_terminal(), std::env::var_os("NO_COLOR").as_deref());
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(has_colours).with_writer(lines.clone());
    // Errors of the log itself would go to standard error too, and panic if that is not writable.
    let _ = subscriber.log_internal_errors(false).try_init();
}

/// Whether lines are coloured: on a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
fn has_colours(is_terminal: bool, no_color: Option<&OsStr>) -> bool {
    is_terminal && no_color.is_none_or(OsStr::is_empty)
}

/// Waits until the log is written, for a second at most.
pub fn finish() {
    if let Some(lines) = LINES.get() {
        lines.flush(PATIENCE);
    }
}

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Accepts lines and never fails.
#[derive(Clone)]
struct Lines {
    send: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

impl Lines {
    fn new(target: impl Write + Send + 'static) -> Self {
        let (send, waiting) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let lines = Self { send, lost: Arc::clone(&lost) };
        let writing = std::thread::Builder::new().name("footfall-log".to_owned());
        // Without a thread the queue is closed, and every line is left out.
        let _ = writing.spawn(move || write_lines(target, &waiting, &lost));
        lines
    }

    fn flush(&self, patience: Duration) {
        let (done, written) = sync_channel(1);
        if self.send.try_send(Message::Flush(done)).is_ok() {
            let _ = written.recv_timeout(patience);
        }
    }
}

fn write_lines(mut target: impl Write, waiting: &Receiver<Message>, lost: &AtomicU64) {
    for message in waiting {
        match message {
            Message::Line(line) => {
                let missing = lost.swap(0, Ordering::Relaxed);
                let mut written = Ok(());
                if missing > 0 {
                    written = writeln!(target, "({missing} log lines could not be written)");
                }
                if written.and_then(|()| target.write_all(&line)).is_err() {
                    lost.fetch_add(missing + 1, Ordering::Relaxed);
                }
            }
            Message::Flush(done) => {
                let _ = target.flush();
                let _ = done.try_send(());
            }
        }
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.send.try_send(Message::Line(bytes.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, atomic::AtomicBool};

    use super::*;

    /// A file on a disk that can be full.
    #[derive(Clone, Default)]
    struct Disk {
        text: Arc<Mutex<Vec<u8>>>,
        is_full: Arc<AtomicBool>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.is_full.load(Ordering::SeqCst) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.text.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn colours_are_for_terminals_and_can_be_refused() {
        assert!(has_colours(true, None) && has_colours(true, Some(OsStr::new(""))));
        assert!(!has_colours(true, Some(OsStr::new("1"))));
        assert!(!has_colours(false, None));
    }

    #[test]
    fn a_full_disk_loses_lines_and_says_so_when_it_has_room_again() {
        let disk = Disk::default();
        let mut lines = Lines::new(disk.clone());
        let mut say = |line: &[u8]| {
            lines.write_all(line).unwrap();
            lines.flush(Duration::from_secs(20));
        };
        say(b"one\n");
        disk.is_full.store(true, Ordering::SeqCst);
        say(b"two\n");
        say(b"three\n");
        disk.is_full.store(false, Ordering::SeqCst);
        say(b"four\n");
        let text = String::from_utf8(disk.text.lock().unwrap().clone()).unwrap();
        assert_eq!(text, "one\n(2 log lines could not be written)\nfour\n");
    }

    #[test]
    fn a_reader_that_does_not_read_blocks_no_writer() {
        struct Blocked;
        impl Write for Blocked {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                loop {
                    std::thread::park();
                }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut lines = Lines::new(Blocked);
        for _ in 0..2 * WAITING {
            lines.write_all(b"a line\n").unwrap();
        }
        assert!(lines.lost.load(Ordering::Relaxed) >= WAITING as u64 - 1);
    }
}
