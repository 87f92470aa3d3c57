//! What an operator meets in the first hour: the start, lists, typed passwords, mistyped settings and folders.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::command_line::{Server, footfall, json_of, run, set_up};

/// A server's standard output and log until it is stopped after it listens.
fn start_and_stop(data: &Path, adjust: impl FnOnce(&mut Command)) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let (out, log) = (folder.path().join("out"), folder.path().join("log"));
    let mut command = footfall(data);
    command.arg("serve").stdout(File::create(&out).unwrap()).stderr(File::create(&log).unwrap());
    adjust(&mut command);
    let mut child = command.spawn().unwrap();
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    while !read(&out).contains("data folder") {
        assert!(child.try_wait().unwrap().is_none(), "{}", read(&log));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(told.success() && child.wait().unwrap().success());
    (read(&out), read(&log))
}

#[test]
fn the_start_names_version_and_folder_and_how_to_make_the_first_account() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("my data");
    let (out, log) = start_and_stop(&data, |command| {
        command.env("FOOTFALL_LOG", "debug");
    });
    let shown = data.to_str().unwrap();
    assert!(out.contains(&format!("Version {}, data folder {shown}\n", env!("CARGO_PKG_VERSION"))), "{out}");
    let hint = format!("footfall user create --email you@example.com --data '{shown}'\n");
    assert!(out.contains("No account exists yet.") && out.ends_with(&hint), "{out}");
    assert!(!log.is_empty() && !log.contains('\u{1b}'), "no colours in a file: {log}");
    set_up(&data);
    let (out, _) = start_and_stop(&data, |_| {});
    assert!(!out.contains("No account"), "{out}");
}

#[test]
fn an_unknown_variable_is_named_and_known_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let (_, log) = start_and_stop(&folder.path().join("data"), |command| {
        command.env("FOOTFALL_LISTENS", "x").env("FOOTFALL_PASSWORD", "of another command").env("FOOTFALLS", "x");
    });
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("is not a setting")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    assert!(warnings[0].contains("WARN") && warnings[0].contains(" FOOTFALL_LISTENS "), "{log}");
}

#[tokio::test]
async fn localhost_is_listened_on_in_both_families() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(footfall(&data).args(["serve", "--listen", "localhost:0"]));
    let port = server.base.strip_prefix("http://localhost:").unwrap_or_else(|| panic!("{}", server.base));
    let mut hosts = vec!["localhost", "127.0.0.1"];
    let resolved = tokio::net::lookup_host("localhost:1").await.unwrap();
    if resolved.into_iter().any(|address| address.is_ipv6()) && TcpListener::bind("[::1]:0").is_ok() {
        hosts.push("[::1]");
    }
    for host in hosts {
        assert_eq!(reqwest::get(format!("http://{host}:{port}/health")).await.unwrap().status(), 200, "{host}");
    }
    let (ok, _, err) = run(footfall(&folder.path().join("other")).args(["serve", "--listen", "localhost"]));
    assert!(!ok && err.contains("localhost:8787"), "{err}");
    let (ok, _, err) =
        run(footfall(&folder.path().join("other")).args(["serve", "--listen", "no-such-host.invalid:1"]));
    assert!(!ok && err.contains("cannot listen on no-such-host.invalid:1"), "{err}");
    let taken = format!("localhost:{port}");
    let (ok, _, err) = run(footfall(&folder.path().join("other")).args(["serve", "--listen", &taken]));
    assert!(!ok && err.contains("is already in use"), "{err}");
}

/// Whether the terminal of the command that `script` runs shows what is typed.
fn echoes(script: u32) -> bool {
    let children = std::fs::read_to_string(format!("/proc/{script}/task/{script}/children")).unwrap();
    let terminal = File::open(format!("/proc/{}/fd/0", children.trim())).unwrap();
    let settings = Command::new("stty").arg("-a").stdin(terminal).output().unwrap();
    assert!(settings.status.success());
    !String::from_utf8(settings.stdout).unwrap().contains("-echo ")
}

/// Runs a command on a terminal and types a line at each prompt. Answers whether it succeeded, and what the terminal shows.
fn at_a_terminal(data: &Path, arguments: &str, lines: &[&str]) -> (bool, String) {
    let command = format!("{} {arguments}", env!("CARGO_BIN_EXE_footfall"));
    let mut child = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env("FOOTFALL_DATA", data)
        .env_remove("FOOTFALL_PASSWORD")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut typed, mut terminal) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut shown = String::new();
    let mut lines = lines.iter();
    let mut buffer = [0; 1024];
    loop {
        let length = terminal.read(&mut buffer).unwrap();
        if length == 0 {
            break;
        }
        shown += &String::from_utf8_lossy(&buffer[..length]);
        if shown.ends_with("(not shown): ") || shown.ends_with("Repeat the password: ") {
            // The prompt is shown a moment before the terminal stops echoing.
            while echoes(child.id()) {
                std::thread::yield_now();
            }
            typed.write_all(format!("{}\n", lines.next().unwrap_or_else(|| panic!("{shown}"))).as_bytes()).unwrap();
        }
    }
    drop(typed);
    assert_eq!(lines.next(), None, "{shown}");
    (child.wait().unwrap().success(), shown)
}

#[test]
fn a_typed_password_is_asked_twice_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let create = "user create --email ada@shop.example";
    let (ok, shown) = at_a_terminal(&data, create, &["correct horse battery", "correct horse batteri"]);
    assert!(!ok && shown.contains("the passwords differ"), "{shown}");
    assert!(!shown.contains("correct horse"), "{shown}");
    assert!(!data.exists());
    let (ok, shown) = at_a_terminal(&data, create, &["correct horse battery", "correct horse battery"]);
    assert!(ok && shown.contains("Created account ada@shop.example"), "{shown}");
    assert_eq!(json_of(&data, &["user", "list"])[0]["email"], "ada@shop.example");
}

#[test]
fn a_failed_command_leaves_no_folder_behind() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("none");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for arguments in [
        &["user", "list"][..],
        &["user", "confirm", "ada@shop.example"],
        &["user", "create", "--email", "nonsense", "--password", "correct horse battery"],
        &["user", "create", "--email", "ada@shop.example", "--password", "short"],
        &["website", "list"],
        &["website", "create", "shop.example", "--email", "ada@shop.example"],
        &["key", "list"],
        &["key", "revoke", "00000000-0000-4000-8000-000000000000"],
        &["import", "access-log", "absent.log", "--website", "shop.example"],
        &["serve", "--listen", &taken],
        &["serve", "--mail-host", "mail.example"],
        // What fails after the stores are open.
        &["serve", "--geo-database", "absent.mmdb"],
        &["serve", "--database-url", "postgres://127.0.0.1:1/none"],
    ] {
        let (ok, _, err) = run(footfall(&data).args(arguments));
        assert!(!ok && err.starts_with("footfall: "), "{arguments:?}: {err}");
        assert!(!data.exists(), "{arguments:?}");
    }
    // The path of a socket has at most 107 bytes.
    let long = folder.path().join("a".repeat(100));
    let (ok, _, err) = run(footfall(&long).arg("serve"));
    assert!(!ok && err.contains("import socket") && !long.exists(), "{err}");
}

#[tokio::test]
async fn accounts_websites_and_keys_are_listed_and_a_revoked_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (site, key) = set_up(&data);
    let account = json_of(&data, &["user", "create", "--email", "Ada@shop.example", "--name", "Ada Lovelace"]);
    let limited = json_of(&data, &["key", "create", "--name", "Grafana", "--website", "shop.example"]);
    let server = Server::start(footfall(&data).arg("serve"));

    let users = json_of(&data, &["user", "list"]);
    assert_eq!(users.as_array().unwrap().len(), 2);
    assert_eq!((&users[0]["email"], &users[0]["isOperator"]), (&"ops@shop.example".into(), &true.into()));
    assert_eq!((&users[1]["id"], &users[1]["fullName"]), (&account["id"], &"Ada Lovelace".into()));
    assert_eq!(users[1]["isOperator"], false);
    let websites = json_of(&data, &["website", "list"]);
    assert_eq!((&websites[0]["id"], &websites[0]["teamId"]), (&Value::from(site), &users[0]["defaultTeamId"]));
    assert_eq!(websites[0]["domain"], "shop.example");

    let text = |arguments: &[&str]| {
        let (ok, out, err) = run(footfall(&data).args(arguments));
        assert!(ok, "{err}");
        out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let lines = text(&["user", "list"]);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[0].find("NAME"), lines[2].find("Ada Lovelace"), "aligned: {lines:?}");
    assert_eq!(text(&["website", "list"]).len(), 2);
    let lines = text(&["key", "list"]);
    assert!(lines.len() == 3 && lines.iter().all(|line| !line.contains(&key)), "{lines:?}");
    assert!(lines[1].starts_with("CI ") && lines[2].contains("shop.example"), "{lines:?}");

    let asked = async || {
        let request = reqwest::Client::new().get(format!("{}/api/external/v1/websites", server.base));
        request.header("x-api-key", &key).send().await.unwrap().status().as_u16()
    };
    assert_eq!(asked().await, 200);
    let keys = json_of(&data, &["key", "list"]);
    assert_eq!((&keys[1]["id"], &keys[1]["websiteId"]), (&limited["id"], &websites[0]["id"]));
    let said = text(&["key", "revoke", keys[0]["id"].as_str().unwrap()]);
    assert!(said[0].starts_with("Revoked the API key CI (zv_"), "{said:?}");
    // A server keeps what another process changed for a second at most.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while asked().await != 401 {
        assert!(tokio::time::Instant::now() < deadline, "the key still works");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let keys = json_of(&data, &["key", "list"]);
    assert!(keys[0]["revokedAt"].is_string() && keys[1]["revokedAt"].is_null(), "{keys}");
    let (ok, _, err) = run(footfall(&data).args(["key", "revoke", "00000000-0000-4000-8000-000000000000"]));
    assert!(!ok && err.contains("API key"), "{err}");
}

/// The script tag and the mutation that `website create` prints, tried out.
#[tokio::test]
async fn a_new_website_is_visited_on_localhost_by_what_its_creation_prints() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    set_up(&data);
    let mut create = footfall(&data);
    create.args([
        "website",
        "create",
        "blog.example",
        "--email",
        "ops@shop.example",
        "--public-url",
        "https://a.example",
    ]);
    let (ok, out, err) = run(&mut create);
    assert!(ok, "{err}");
    let website = &json_of(&data, &["website", "list"])[1];
    let code = website["trackingCode"].as_str().unwrap();
    assert!(
        out.contains(&format!(r#"<script defer data-id="{code}" src="https://a.example/z.js"></script>"#)),
        "{out}"
    );
    assert!(out.contains("Only pages of blog.example are counted."), "{out}");
    let mutation = out.lines().find(|line| line.trim().starts_with("mutation")).unwrap_or_else(|| panic!("{out}"));

    let server = Server::start(footfall(&data).arg("serve"));
    let client = reqwest::Client::new();
    let visit = async || {
        let beacon = crate::ingest::view("/").to_string();
        let request = client.post(format!("{}/e/{code}", server.base)).header("origin", "http://localhost:3000");
        let answer = request.body(beacon).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, why) = visit().await;
    assert!(status == 403 && why.contains("allowLocalhost"), "{status} {why}");
    let sign_in = "mutation { signIn(input: { email: \"ops@shop.example\", password: \"correct horse battery\" }) { accessToken } }";
    let url = format!("{}/graphql", server.base);
    let answer = client.post(&url).json(&serde_json::json!({ "query": sign_in })).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let token = answer["data"]["signIn"]["accessToken"].as_str().unwrap();
    let request = client.post(&url).bearer_auth(token).json(&serde_json::json!({ "query": mutation }));
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert!(answer.get("errors").is_none(), "{answer}");
    assert_eq!(visit().await.0, 200);
}

#[test]
fn the_help_of_small_commands_shows_their_options_and_the_settings_that_matter() {
    let folder = tempfile::tempdir().unwrap();
    let help = |arguments: &[&str]| run(footfall(folder.path()).args(arguments).arg("--help")).1;
    for (arguments, own) in [
        (&["user", "create"][..], "--email"),
        (&["user", "list"], "--json"),
        (&["website", "create"], "--timezone"),
        (&["key", "create"], "--website"),
        (&["key", "revoke"], "<ID>"),
        (&["import", "access-log"], "--keep-bots"),
    ] {
        let text = help(arguments);
        let settings = text.find("Settings:").unwrap_or_else(|| panic!("{text}"));
        assert!(text.find(own).unwrap() < settings && text.find("--data").unwrap() > settings, "{text}");
        for hidden in ["--mail-host", "--listen", "--auth-external-issuer"] {
            assert!(!text.contains(hidden), "{arguments:?} shows {hidden}");
        }
        assert!(text.contains("footfall serve"), "{text}");
    }
    assert!(help(&["serve"]).contains("--mail-host"));
    // Hidden settings are accepted.
    let (_, _, err) = run(footfall(&folder.path().join("none")).args(["user", "list", "--mail-port", "25"]));
    assert!(err.contains("no installation found"), "{err}");
}
