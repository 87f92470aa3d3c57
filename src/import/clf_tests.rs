//! Tests the parser of common and combined logs with lines of real servers and hostile ones.

use super::*;

const COMBINED: &str = r#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a?b=1#c HTTP/1.1" 200 203023 "http://x.example/" "Mozilla/5.0 (X11)""#;

fn parse(line: &[u8]) -> Option<Record<'_>> {
    Layout::of_lines([COMBINED.as_bytes()].into_iter()).read(line)
}

fn ok(line: &str) -> Record<'_> {
    parse(line.as_bytes()).unwrap_or_else(|| panic!("should parse: {line}"))
}

/// Address, target, referrer and user agent of each line, in the layout that the lines have together.
fn read(lines: &[&str]) -> Vec<[String; 4]> {
    let layout = Layout::of_lines(lines.iter().map(|line| line.as_bytes()));
    let told = |line: &&str| {
        let record = layout.read(line.as_bytes()).unwrap_or_else(|| panic!("{layout:?} should read: {line}"));
        let text = |field: Option<Field<'_>>| field.map(|field| field.text().into_owned()).unwrap_or_default();
        [record.address.clone().into_owned(), text(record.target), text(record.referrer), text(record.user_agent)]
    };
    lines.iter().map(told).collect()
}

#[test]
fn the_combined_format() {
    let line = ok(COMBINED);
    assert_eq!(line.address, "192.0.2.1");
    assert_eq!(line.time_ms, 1_431_857_103_000);
    assert_eq!(line.target, Some(Field::Escaped(b"/a?b=1#c")));
    assert_eq!(line.status, 200);
    assert_eq!(line.referrer, Some(Field::Escaped(b"http://x.example/")));
    assert_eq!(line.user_agent, Some(Field::Escaped(b"Mozilla/5.0 (X11)")));
}

#[test]
fn the_common_format_and_its_kin() {
    let common = ok(r#"host.example - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#);
    assert_eq!((&*common.address, common.referrer, common.user_agent), ("host.example", None, None));
    assert_eq!(common.time_ms, 971_211_336_000);
    assert_eq!(ok(r#"::1 - - [10/Oct/2000:13:55:36 +0000] "-" 408 -"#).target, None);
    let vhost = ok(r#"shop.example:443 2001:db8::7 - - [10/Oct/2000:13:55:36 +0000] "GET / HTTP/2.0" 200 5 "-" "x""#);
    assert_eq!(vhost.address, "2001:db8::7");
    let v6 = ok(r#"2001:db8::1:80 10.0.0.1 - [10/Oct/2000:13:55:36 +0000] "GET / HTTP/2.0" 200 5 "-" "x""#);
    assert_eq!(v6.address, "2001:db8::1:80", "an address, not a host with a port");
    let more = format!(r#"{COMBINED} "203.0.113.9" 0.004 "#);
    let more = ok(&more);
    assert_eq!(more.user_agent, Some(Field::Escaped(b"Mozilla/5.0 (X11)")));
}

#[test]
fn users_with_spaces_and_brackets() {
    for user in ["John Smith", "[admin]", "a [17/May/2015] b", "\"quoted\""] {
        let line = format!(r#"192.0.2.1 - {user} [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#);
        assert_eq!(ok(&line).time_ms, 1_431_857_103_000, "{user}");
    }
}

#[test]
fn quotes_inside_fields() {
    let line =
        ok(r#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /\"x\\ HTTP/1.1" 200 1 "http://r/\"" "say \"hi\"""#);
    assert_eq!(line.target.unwrap().text(), r#"/"x\"#);
    assert_eq!(line.referrer.unwrap().text(), r#"http://r/""#);
    assert_eq!(line.user_agent.unwrap().text(), r#"say "hi""#);
}

#[test]
fn broken_lines_are_none() {
    let whole = COMBINED.as_bytes();
    let size_end = COMBINED.find(" \"http").unwrap();
    for cut in 0..whole.len() {
        let cut_line = &whole[..cut];
        // Cut within or after the size, a combined line is a whole common one: the two cannot be told apart.
        let is_common = cut > size_end - "203023".len() && cut <= size_end + 1;
        assert_eq!(parse(cut_line).is_some(), is_common, "{}", String::from_utf8_lossy(cut_line));
    }
    for line in [
        "",
        " ",
        "hello world",
        "\u{0}\u{1}\u{2}",
        r#"192.0.2.1 - - [32/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#,
        r#"192.0.2.1 - - [29/Feb/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#,
        r#"192.0.2.1 - - [17/Mai/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#,
        r#"192.0.2.1 - - [17/May/2015:24:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#,
        r#"192.0.2.1 - - [17/May/2015:10:05:03 0000] "GET / HTTP/1.1" 200 1 "-" "x""#,
        r#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 20 1 "-" "x""#,
        r#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1x "-" "x""#,
        r#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "x"y"#,
        r#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-""#,
        r#"{"time":"2015-05-17","status":200}"#,
    ] {
        assert_eq!(parse(line.as_bytes()), None, "{line}");
    }
    assert!(parse(br#"192.0.2.1 - - [29/Feb/2016:23:59:60 +0000] "GET / HTTP/1.1" 200 1"#).is_some());
}

#[test]
fn no_bytes_make_it_panic() {
    // Every single-byte change of a good line, and some multi-byte ones.
    for at in 0..COMBINED.len() {
        for byte in [0, b'"', b'\\', b'[', b' ', 0x80, 0xff] {
            let mut line = COMBINED.as_bytes().to_vec();
            line[at] = byte;
            let layout = Layout::of_lines([&line[..]].into_iter());
            if let Some(target) = layout.read(&line).and_then(|record| record.target) {
                let _ = target.text();
            }
        }
    }
}

const AT: &str = r#"[10/Mar/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 1000"#;
const CHROME: &str = r#""Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120.0.0.0 Safari/537.36""#;

#[test]
fn the_client_is_found_wherever_the_log_has_it() {
    for (heads, clients) in [
        (&["shop.example:443 8.8.8.8 - -", "shop.example:443 193.0.6.139 - -"][..], ["8.8.8.8", "193.0.6.139"]),
        (&["shop.example 8.8.8.8 - -", "203.0.113.5 193.0.6.139 - -"], ["8.8.8.8", "193.0.6.139"]),
        (&["8.8.8.8 shop.example - -", "193.0.6.139 203.0.113.5 - -"], ["8.8.8.8", "193.0.6.139"]),
        (&["8.8.8.8:50000 - -", "193.0.6.139:50001 - frank"], ["8.8.8.8", "193.0.6.139"]),
        (&["8.8.8.8, 10.0.0.1 - -", "10.0.0.2, 193.0.6.139, 10.0.0.1 - -"], ["8.8.8.8", "193.0.6.139"]),
        (&["8.8.8.8,10.0.0.1 - -", "\"193.0.6.139, 10.0.0.1\" - -"], ["8.8.8.8", "193.0.6.139"]),
        (&["8.8.8.8 10.0.0.1 - -", "- 193.0.6.139 - -"], ["8.8.8.8", "193.0.6.139"]),
        (&["host.example - -", "193.0.6.139 - -"], ["host.example", "193.0.6.139"]),
        (&["8.8.8.8", "193.0.6.139"], ["8.8.8.8", "193.0.6.139"]),
    ] {
        let lines: Vec<String> = heads.iter().map(|head| format!("{head} {AT} \"-\" {CHROME}")).collect();
        let told = read(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(told.iter().map(|[client, ..]| client.as_str()).collect::<Vec<_>>(), clients, "{heads:?}");
    }
}

#[test]
fn referrer_and_user_agent_are_found_wherever_the_log_has_them() {
    let agent = CHROME.trim_matches('"');
    for tail in [
        r#""https://r.example/" AGENT"#,
        r#"shop.example "https://r.example/" AGENT "-""#,
        r#""shop.example" "https://r.example/" AGENT"#,
        r#"0.004 "https://r.example/" AGENT 12 "x""#,
        r#"AGENT "https://r.example/""#,
        r#""https://r.example/" "x" AGENT"#,
        r#""https://r.example/" AGENT 7 "router@file" "http://10.0.0.7:80" 3ms"#,
    ] {
        let line = format!("8.8.8.8 - - {AT} {}", tail.replace("AGENT", CHROME));
        let other = line.replace("https://r.example/", "-").replace(agent, "curl/8.5.0");
        let told = read(&[&line, &line, &other]);
        assert_eq!(told[0][2..], ["https://r.example/", agent], "{line}");
        assert_eq!(told[2][2..], ["-", "curl/8.5.0"], "{other}");
    }
    let only_agents = format!("8.8.8.8 - - {AT} {CHROME}");
    assert_eq!(read(&[&only_agents])[0][2..], ["", agent]);
    let no_browser = format!(r#"8.8.8.8 - - {AT} "shop.example" "-" "kube-probe/1.27""#);
    assert_eq!(
        read(&[&no_browser])[0][2..],
        ["", "kube-probe/1.27"].map(|text| if text.is_empty() { "-" } else { text })
    );
    let host_first =
        format!(r#"8.8.8.8 - - [10/Mar/2026:10:00:00 +0000] shop.example "GET /x HTTP/1.1" 200 5 "-" {CHROME}"#);
    assert_eq!(read(&[&host_first])[0][1..], ["/x", "-", agent]);
}

#[test]
fn a_proxy_gives_way_to_whom_it_forwards() {
    let line = |client: &str, forwarded: &str| format!(r#"{client} - - {AT} "-" {CHROME} "{forwarded}""#);
    let lines = [
        line("10.0.0.1", "8.8.8.8"),
        line("10.0.0.1", "-"),
        line("9.9.9.9", "193.0.6.139"),
        line("10.0.0.1", "1.1.1.1, 10.0.0.3"),
    ];
    let told = read(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(
        told.iter().map(|[client, ..]| client.as_str()).collect::<Vec<_>>(),
        ["8.8.8.8", "10.0.0.1", "9.9.9.9", "1.1.1.1"]
    );
}

#[test]
fn a_line_of_another_layout_is_broken() {
    let with_host = format!(r#"8.8.8.8 - - {AT} shop.example "https://r.example/" {CHROME}"#);
    let layout = Layout::of_lines([with_host.as_bytes()].into_iter());
    assert!(layout.read(with_host.as_bytes()).is_some());
    for other in [format!(r#"8.8.8.8 - - {AT} "-" {CHROME}"#), format!(r#"8.8.8.8 - - {AT} shop.example "-""#)] {
        assert!(layout.read(other.as_bytes()).is_none(), "{other}");
    }
    assert!(layout.read(format!("8.8.8.8 - - {AT}").as_bytes()).is_some(), "the common format");
}
