//! The binary as an operator meets it: set-up, imports beside a server, and refusals that say what to do.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::json;

use crate::app::{line, real_log, repository};

pub fn footfall(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_footfall"));
    command.env("FOOTFALL_DATA", data).env("FOOTFALL_LISTEN", "127.0.0.1:0").stdin(Stdio::null());
    command
}

pub fn run(command: &mut Command) -> (bool, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.success(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

pub struct Server {
    pub child: Child,
    pub base: String,
}

impl Server {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let base = first.trim().strip_prefix("Footfall listens on ").unwrap_or_else(|| panic!("{first}")).to_owned();
        Self { child, base }
    }
}

impl Server {
    /// `kill -9`.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// A clean stop: SIGTERM, and its end.
    pub fn stop(&mut self) {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn pageviews(base: &str, key: &str, site: &str) -> serde_json::Value {
    let query = format!(
        "{{ website(id: \"{site}\") {{ analytics(range: {{ preset: ALL_TIME }}) {{ totals {{ pageviews visits visitors }} }} }} }}"
    );
    let request = reqwest::Client::new().post(format!("{base}/graphql")).header("X-API-Key", key);
    let answer: serde_json::Value =
        request.json(&json!({ "query": query })).send().await.unwrap().json().await.unwrap();
    answer["data"]["website"]["analytics"]["totals"].clone()
}

/// Runs a command with `--json`; answers what it prints.
pub fn json_of(data: &Path, arguments: &[&str]) -> serde_json::Value {
    let mut command = footfall(data);
    let (ok, out, err) = run(command.args(arguments).arg("--json").env("FOOTFALL_PASSWORD", "correct horse battery"));
    assert!(ok, "{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

/// Makes an account, a website and a key; answers id and key.
pub fn set_up(data: &Path) -> (String, String) {
    json_of(data, &["user", "create", "--email", "ops@shop.example"]);
    let site = json_of(data, &["website", "create", "shop.example", "--email", "ops@shop.example"]);
    let key = json_of(data, &["key", "create", "--name", "CI", "--email", "ops@shop.example"]);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    (text(&site["id"]), text(&key["secret"]))
}

#[tokio::test]
async fn a_log_is_imported_alone_and_beside_a_running_server_with_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (site, key) = set_up(&data);
    let log = repository("tests/data/apache_access.log.gz");
    let (ok, out, err) =
        run(footfall(&data).args(["import", "access-log", "--website", "shop.example", "--keep-bots"]).arg(&log));
    assert!(ok, "{err}");
    assert!(out.contains("10,000  lines read") && out.contains("line 8899:"), "{out}");
    let server = Server::start(footfall(&data).arg("serve"));
    let alone = pageviews(&server.base, &key, &site).await;
    assert!(alone["pageviews"].as_i64().unwrap() > 1_000);
    // The server holds the folder now: the same command hands the file over, by way of standard input this time.
    let mut command = footfall(&data);
    command.args(["import", "access-log", "-", "--website", &site, "--keep-bots"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let fresh = line("192.0.2.77", "01/Mar/2026:10:00:00 +0000", "/", "-");
    child.stdin.take().unwrap().write_all(fresh.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let both = pageviews(&server.base, &key, &site).await;
    assert_eq!(both["pageviews"], alone["pageviews"].as_i64().unwrap() + 1);
    let (ok, out, err) =
        run(footfall(&data).args(["import", "access-log", "--website", &site, "--keep-bots"]).arg(&log));
    assert!(ok && out.contains("0  page views stored\n"), "{out}{err}");
    assert_eq!(pageviews(&server.base, &key, &site).await, both);
}

/// Files and folders below (and with) a folder that other users may read or write.
fn open_to_others(folder: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(path) = waiting.pop() {
        let data = fs::symlink_metadata(&path).unwrap();
        if data.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        if data.permissions().mode() & 0o077 != 0 {
            found.push((path, data.permissions().mode()));
        }
    }
    found
}

#[tokio::test]
async fn no_other_user_reads_the_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // The folder is there already, open to everyone, and so is the shell's mask.
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    let (site, key) = set_up(&data);
    let traffic = async |base: &str| {
        let client = reqwest::Client::new();
        let query = json!({ "query": format!("{{ website(id: \"{site}\") {{ trackingCode }} }}") });
        let answer =
            client.post(format!("{base}/graphql")).header("X-API-Key", &key).json(&query).send().await.unwrap();
        let answer: serde_json::Value = answer.json().await.unwrap();
        let code = answer["data"]["website"]["trackingCode"].as_str().unwrap_or_else(|| panic!("{answer}"));
        let body = crate::ingest::view("/private").to_string();
        let sent = client.post(format!("{base}/e/{code}")).header("origin", "https://shop.example").body(body);
        assert_eq!(sent.send().await.unwrap().status(), 200);
    };
    let server = Server::start(footfall(&data).arg("serve"));
    traffic(&server.base).await;
    assert!(data.join("journal.sqlite-wal").exists() && data.join("events.duckdb.wal").exists());
    assert_eq!(open_to_others(&data), []);
    drop(server);
    // An earlier version or a copy left files open.
    for name in [".", "journal.sqlite", "events.duckdb", "footfall.sqlite", "secret", "keys"] {
        let mode = if data.join(name).is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(data.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let server = Server::start(footfall(&data).arg("serve"));
    traffic(&server.base).await;
    assert_eq!(open_to_others(&data), []);
}

#[test]
fn a_held_folder_a_port_in_use_and_a_file_that_is_no_log_are_told_plainly() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    set_up(&data);
    let server = Server::start(footfall(&data).arg("serve"));
    let (ok, _, err) = run(footfall(&data).arg("serve"));
    assert!(!ok && err.contains("another process is using the data folder"), "{err}");
    let listen = server.base.strip_prefix("http://").unwrap();
    let (ok, _, err) = run(footfall(&folder.path().join("other")).args(["serve", "--listen", listen]));
    assert!(!ok && err.contains("is already in use") && err.contains("--listen"), "{err}");
    drop(server);
    let import =
        |file: &Path| run(footfall(&data).args(["import", "access-log", "--website", "shop.example"]).arg(file));
    for (name, bytes) in
        [("text", &b"These are my notes.\nNothing else.\n"[..]), ("empty", b""), ("binary", &[0x7f, 0x45, 0, 1, 2, 3])]
    {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let (ok, _, err) = import(&file);
        assert!(!ok && err.contains("access log"), "{name}: {err}");
    }
    let cut = folder.path().join("cut.gz");
    std::fs::write(&cut, &real_log()[..100_000]).unwrap();
    let (ok, _, err) = import(&cut);
    assert!(!ok && err.contains("file"), "{err}");
    let (ok, _, err) = import(&folder.path().join("absent"));
    assert!(!ok && err.contains("does not exist"), "{err}");
    let (ok, _, err) = run(footfall(&data).args(["import", "access-log", "--website", "nobody.example", "x"]));
    assert!(!ok && !err.contains("panicked"), "{err}");
}

/// A file size limit is what a full disk looks like from inside: writes fail, at some point, somewhere.
#[tokio::test]
async fn a_full_disk_fails_the_import_and_leaves_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (site, key) = set_up(&data);
    let (ok, _, _) = run(footfall(&data).arg("migrate"));
    assert!(ok);
    let log = repository("tests/data/apache_access.log.gz");
    let script = "trap '' XFSZ; ulimit -f 128; exec \"$0\" import access-log --website shop.example --keep-bots \"$1\"";
    let mut command = Command::new("bash");
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_footfall")])
        .arg(&log)
        .env("FOOTFALL_DATA", &data)
        .stdin(Stdio::null());
    let (ok, out, err) = run(&mut command);
    assert!(!ok, "{out}");
    assert!(err.contains("cannot write") && !err.contains("panicked"), "{err}");
    let (ok, out, err) =
        run(footfall(&data).args(["import", "access-log", "--website", "shop.example", "--keep-bots"]).arg(&log));
    assert!(ok, "{err}");
    assert!(out.contains("0  page views stored by an earlier import"), "all or nothing: {out}");
    let server = Server::start(footfall(&data).arg("serve"));
    let whole = pageviews(&server.base, &key, &site).await;
    drop(server);
    let other = folder.path().join("other");
    let (site, key) = set_up(&other);
    let (ok, _, err) =
        run(footfall(&other).args(["import", "access-log", "--website", "shop.example", "--keep-bots"]).arg(&log));
    assert!(ok, "{err}");
    let server = Server::start(footfall(&other).arg("serve"));
    assert_eq!(pageviews(&server.base, &key, &site).await, whole);
}

/// The real log in each month of two years, packed.
fn two_years_of_logs() -> Vec<u8> {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&real_log()[..]), &mut text).unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for year in [2013, 2014] {
        for month in ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] {
            packed.write_all(text.replace("/May/2015:", &format!("/{month}/{year}:")).as_bytes()).unwrap();
        }
    }
    packed.finish().unwrap()
}

/// A write that fails while DuckDB folds its log into the file makes it refuse everything until it is restarted: the server
/// opens the file again by itself.
#[tokio::test]
async fn a_server_whose_disk_was_full_answers_again_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (site, key) = set_up(&data);
    let (ok, _, _) = run(footfall(&data).arg("migrate"));
    assert!(ok);
    let log = folder.path().join("log.gz");
    std::fs::write(&log, two_years_of_logs()).unwrap();
    let mut command = Command::new("bash");
    let script = "trap '' XFSZ; ulimit -S -f 6000; exec \"$0\" serve";
    command.args(["-c", script, env!("CARGO_BIN_EXE_footfall")]).env("FOOTFALL_DATA", &data);
    let server = Server::start(command.env("FOOTFALL_LISTEN", "127.0.0.1:0").stdin(Stdio::null()));
    let import =
        || run(footfall(&data).args(["import", "access-log", "--website", "shop.example", "--keep-bots"]).arg(&log));
    let (ok, out, err) = import();
    assert!(!ok && !err.contains("panicked"), "{out}{err}");
    let room = Command::new("prlimit").args(["--fsize=unlimited", "--pid", &server.child.id().to_string()]).status();
    assert!(room.unwrap().success());
    let stored = pageviews(&server.base, &key, &site).await;
    assert!(stored["pageviews"].as_u64().is_some_and(|views| views < 24 * 3770), "{stored}");
    let (ok, _, err) = import();
    assert!(ok, "{err}");
    assert_eq!(pageviews(&server.base, &key, &site).await["pageviews"], 24 * 3770);
}

#[test]
fn help_is_the_manual_and_the_schema_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in
        [&["--help"][..], &["serve", "--help"], &["import", "access-log", "--help"], &["user", "create", "--help"]]
    {
        let (ok, out, _) = run(footfall(folder.path()).args(arguments));
        assert!(ok && out.contains("Usage:"), "{out}");
    }
    let (ok, out, _) = run(footfall(folder.path()).args(["schema", "print"]));
    assert!(ok && out.contains("type Website implements Node"), "{out}");
}

#[test]
fn a_server_runs_with_the_settings_of_its_allocators() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut command = footfall(&data);
    let mut server = Server::start(command.args(["serve", "--listen", "127.0.0.1:0"]).env("MIMALLOC_PURGE_DELAY", "5"));
    let of_process = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", server.child.id())).unwrap();
    let (environment, arguments) = (of_process("environ"), of_process("cmdline"));
    let variables: Vec<&str> = environment.split('\0').collect();
    assert!(variables.contains(&"MIMALLOC_PURGE_DELAY=5"), "what is set already stays");
    assert!(variables.contains(&"MALLOC_ARENA_MAX=1"), "{variables:?}");
    let arguments: Vec<&str> = arguments.split_terminator('\0').collect();
    assert!(arguments.ends_with(&["serve", "--listen", "127.0.0.1:0"]), "{arguments:?}");
    server.stop();
}
