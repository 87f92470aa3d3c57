//! Holds the parser against lines of real servers, and against nasty ones.

use super::*;

const COMBINED: &str = r#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a?b=1#c HTTP/1.1" 200 203023 "http://x.example/" "Mozilla/5.0 (X11)""#;

fn ok(line: &str) -> Line<'_> {
    parse(line.as_bytes()).unwrap_or_else(|| panic!("should parse: {line}"))
}

#[test]
fn the_combined_format() {
    let line = ok(COMBINED);
    assert_eq!(line.address, b"192.0.2.1");
    assert_eq!(line.time_ms, 1_431_857_103_000);
    assert_eq!(line.request, b"GET /a?b=1#c HTTP/1.1");
    assert_eq!(line.status, 200);
    assert_eq!(line.referrer, Some(&b"http://x.example/"[..]));
    assert_eq!(line.user_agent, Some(&b"Mozilla/5.0 (X11)"[..]));
}

#[test]
fn the_common_format_and_its_kin() {
    let common = ok(r#"host.example - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#);
    assert_eq!((common.address, common.referrer, common.user_agent), (&b"host.example"[..], None, None));
    assert_eq!(common.time_ms, 971_211_336_000);
    assert_eq!(ok(r#"::1 - - [10/Oct/2000:13:55:36 +0000] "-" 408 -"#).request, b"-");
    let vhost = ok(r#"shop.example:443 2001:db8::7 - - [10/Oct/2000:13:55:36 +0000] "GET / HTTP/2.0" 200 5 "-" "x""#);
    assert_eq!(vhost.address, b"2001:db8::7");
    let v6 = ok(r#"2001:db8::1:80 10.0.0.1 - [10/Oct/2000:13:55:36 +0000] "GET / HTTP/2.0" 200 5 "-" "x""#);
    assert_eq!(v6.address, b"2001:db8::1:80", "an address, not a host with a port");
    let more = format!(r#"{COMBINED} "203.0.113.9" 0.004 "#);
    let more = ok(&more);
    assert_eq!(more.user_agent, Some(&b"Mozilla/5.0 (X11)"[..]));
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
    assert_eq!(unescape(line.request), r#"GET /"x\ HTTP/1.1"#);
    assert_eq!(unescape(line.referrer.unwrap()), r#"http://r/""#);
    assert_eq!(unescape(line.user_agent.unwrap()), r#"say "hi""#);
}

#[test]
fn broken_lines_are_none() {
    let whole = COMBINED.as_bytes();
    let size_end = COMBINED.find(" \"http").unwrap();
    for cut in 0..whole.len() {
        let cut_line = &whole[..cut];
        // Cut within or after the size, a combined line is a whole common one: nobody could tell.
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
            if let Some(line) = parse(&line) {
                let text = unescape(line.request);
                if let Some((_, target)) = request(&text) {
                    let _ = is_page(path_and_query(target).0);
                }
            }
        }
    }
}

#[test]
fn times_agree_with_chrono() {
    for text in [
        "01/Jan/1970:00:00:00 +0000",
        "29/Feb/2000:12:00:00 -1130",
        "31/Dec/2099:23:59:59 +1400",
        "28/Feb/2100:00:00:01 +0530",
    ] {
        let expected = chrono::DateTime::parse_from_str(text, "%d/%b/%Y:%H:%M:%S %z").unwrap().timestamp_millis();
        assert_eq!(instant(text.as_bytes()), Some(expected), "{text}");
    }
    for wrong in ["31/Dec/1969:23:59:59 +0000", "29/Feb/2100:00:00:00 +0000", "01/Jan/2200:00:00:00 +0000"] {
        assert_eq!(instant(wrong.as_bytes()), None, "{wrong}");
    }
}

#[test]
fn escapes_are_undone_where_that_gives_text() {
    for (logged, text) in [
        ("plain", "plain"),
        (r"\xd0\x9f", "П"),
        (r"\x22", "\""),
        (r"a\tb", "a\tb"),
        (r"http://\xe4\xe5/", r"http://\xe4\xe5/"),
        (r"\xZZ\q", r"\xZZ\q"),
        (r"end\", r"end\"),
    ] {
        assert_eq!(unescape(logged.as_bytes()), text, "{logged}");
    }
    assert_eq!(unescape(b"a\xffb"), "a\u{fffd}b");
}

#[test]
fn requests_paths_and_pages() {
    assert_eq!(request("GET / HTTP/1.1"), Some(("GET", "/")));
    assert_eq!(request("GET /a b HTTP/1.1"), Some(("GET", "/a b")));
    assert_eq!(request("GET /old"), Some(("GET", "/old")));
    assert_eq!(request("-"), None);
    assert_eq!(request("\u{16}\u{3}\u{1} x"), None);
    for (target, path, query) in [
        ("/a?b=1#c", "/a", "b=1"),
        ("/a#c?d", "/a", ""),
        ("/a?b?c", "/a", "b?c"),
        ("http://Host.example/p/q?x", "/p/q", "x"),
        ("HTTPS://host.example", "/", ""),
        ("http://host.example?x=http://y/", "/", "x=http://y/"),
        ("?x", "/", "x"),
        ("//double//slash", "//double//slash", ""),
        ("/go/http://other/", "/go/http://other/", ""),
        ("*", "*", ""),
        ("/ünï", "/ünï", ""),
        ("éééé", "éééé", ""),
    ] {
        assert_eq!(path_and_query(target), (path, query), "{target}");
    }
    for page in [
        "/",
        "/a",
        "/a/",
        "/a.html",
        "/A.HTM",
        "/x.php",
        "/x.aspx",
        "/x.jsp",
        "/v1.2/notes",
        "/.well-known",
        "/end.",
        "*",
    ] {
        assert!(is_page(page), "{page}");
    }
    for file in
        ["/a.png", "/a.html.gz", "/feed.xml", "/v1.2", "/a.html%20target=", "/robots.txt", "/.env.bak", "/x.php5"]
    {
        assert!(!is_page(file), "{file}");
    }
}
