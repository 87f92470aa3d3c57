//! Every command of the documents that is marked as runnable, run by a shell against a server of its own.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use footfall::config::{Config, Flags};

use super::{Document, document};
use crate::app::repository;

/// What stands in for the service manager, for a fixed port, and for `jq` where there is none. A request must be answered 2xx, without errors.
const SHELL: &str = r#"set -euo pipefail
PATH=$PWD:$PATH
SERVER=
serve() {
  rm -f announced && mkfifo announced
  footfall serve >announced 2>>server.log &
  SERVER=$!
  exec 3<announced
  read -r first <&3
  BASE=${first#Footfall listens on }
}
stop() { kill -TERM "$SERVER" && wait "$SERVER"; SERVER=; }
systemctl() { case $1 in start) serve ;; stop) stop ;; *) return 1 ;; esac; }
make() { :; }
curl() {
  local answer
  answer=$(command curl -fsS "${@//http:\/\/127.0.0.1:8787/$BASE}") || return 1
  case $answer in '{"errors":['* | *'"rejected":[{'*) echo "$answer" >&2; return 1 ;; esac
  printf '%s\n' "$answer"
}
command -v jq >/dev/null || jq() {
  node -e 'let text = ""; process.stdin.on("data", (part) => (text += part)).on("end", () =>
    console.log(process.argv[1].split(".").filter(Boolean).reduce((value, key) => value[key], JSON.parse(text))))' "$2"
}
trap '[ -z "$SERVER" ] || { kill "$SERVER"; wait "$SERVER"; } || true' EXIT
"#;

/// What the guides take as given: an account, a website, a key, and a server that runs.
const SET_UP: &str = r#"footfall user create --email you@example.com >/dev/null
WEBSITE=$(footfall website create example.com --email you@example.com --json)
ID=$(jq -r .id <<<"$WEBSITE")
CODE=$(jq -r .trackingCode <<<"$WEBSITE")
KEY=$(footfall key create --name Test --email you@example.com --json | jq -r .secret)
serve
"#;

/// The marked blocks in their order, with places of the test.
fn commands(document: &Document, root: &Path) -> String {
    let mut script = String::new();
    for block in document.blocks().into_iter().filter(|block| block.info == "sh test") {
        script += &format!("echo '-- {}:{}' >&2\n{}", document.name, block.line, block.text);
    }
    assert!(!script.is_empty(), "{} has no commands", document.name);
    let log = repository("tests/data/apache_access.log.gz");
    let root = root.to_str().unwrap();
    script
        .replace("./footfall serve ", "serve ")
        .replace("/var/log/nginx/access.log.gz", log.to_str().unwrap())
        .replace("/var/lib", &format!("{root}/lib"))
        .replace("/var/backups", root)
}

/// Runs a document's commands, then `check`. Answers what they print.
fn run(name: &str, set_up: &str, check: &str) -> String {
    let root = tempfile::tempdir().unwrap();
    symlink(env!("CARGO_BIN_EXE_footfall"), root.path().join("footfall")).unwrap();
    let script = format!("{SHELL}{set_up}{}{check}", commands(&document(name), root.path()));
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(root.path())
        .env("FOOTFALL_DATA", root.path().join("lib/footfall"))
        .env("FOOTFALL_LISTEN", "127.0.0.1:0")
        .env("FOOTFALL_PASSWORD", "correct horse battery")
        .output()
        .unwrap();
    let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let log = fs::read_to_string(root.path().join("server.log")).unwrap_or_default();
    assert!(output.status.success(), "{name}: {printed}\n{said}\n{log}");
    printed.into_owned()
}

#[test]
fn own_traffic_in_the_commands_of_the_readme() {
    let printed = run("README.md", "", "curl http://127.0.0.1:8787/health\n");
    assert!(printed.contains("10,000  lines read") && printed.contains(r#""status":"ok""#), "{printed}");
    assert!(printed.lines().any(|line| line.starts_with("zv_")), "{printed}");
}

#[test]
fn the_requests_of_the_api_guide_are_answered() {
    // What the guide opened is open.
    let check = "curl http://127.0.0.1:8787/graphql -H 'Content-Type: application/json' \
                 -d '{\"query\": \"{ website(id: \\\"'$ID'\\\") { name } }\"}'\n";
    let printed = run("docs/API.md", SET_UP, check);
    assert!(
        printed.contains(r#""accepted":2"#) && printed.contains(r#"{"website":{"name":"example.com"}}"#),
        "{printed}"
    );
}

#[test]
fn the_operators_commands_work_and_a_backup_is_restored() {
    // The backup is of the time after the import, and the password that was set is in it.
    let check = "curl http://127.0.0.1:8787/api/auth/sign-in -H 'Content-Type: application/json' \
                 -d '{\"email\": \"colleague@example.com\", \"password\": \"another correct horse\"}'\n\
                 curl -H \"X-API-Key: $KEY\" http://127.0.0.1:8787/graphql -H 'Content-Type: application/json' -d '{\"query\": \
                 \"{ apiUsage { websites(first: 5) { nodes { domain analytics(range: { preset: ALL_TIME }) { totals { pageviews } } } } } }\"}'\n";
    let printed = run("docs/OPERATING.md", SET_UP, check);
    assert!(printed.contains("access_token"), "{printed}");
    let (_, figures) =
        printed.rsplit_once(r#""domain":"docs.example.com","analytics":{"totals":{"pageviews":"#).unwrap();
    let pageviews: u32 = figures.split('}').next().unwrap().parse().unwrap();
    assert!(pageviews > 1_000, "{printed}");
}

#[test]
fn the_settings_that_the_operators_guide_shows_are_read() {
    let document = document("docs/OPERATING.md");
    let files: Vec<_> = document.blocks().into_iter().filter(|block| block.info == "toml").collect();
    assert_eq!(files.len(), 3);
    for block in files {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shown.toml");
        fs::write(&file, &block.text).unwrap();
        let flags = Flags { data: Some(folder.path().join("data")), config: Some(file), ..Flags::default() };
        assert!(Config::layered(flags).is_ok(), "{}:{}", document.name, block.line);
    }
}
