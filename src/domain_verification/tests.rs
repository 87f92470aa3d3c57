//! Local servers stand in for the internet: checks queries, and how responses are handled.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
};

use super::{
    dns::{Reply, question, read, servers_in},
    file::{Answer, Doors, Place},
    *,
};
use crate::system::SystemIds;

#[test]
fn only_addresses_of_the_public_internet_are_connected_to() {
    for public in [
        "8.8.8.8",
        "1.1.1.1",
        "100.128.0.1",
        "172.32.0.1",
        "2606:4700::1111",
        "2a00:1450:4001::8a",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ] {
        assert!(is_global(public.parse().unwrap()), "{public}");
    }
    for private in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.9.9.9",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.9",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::7f00:1",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "fd12::1",
        "ff02::1",
        "2001:db8::1",
        "2001::1",
        "3fff::1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",
        "2002:a00:1::1",
        "100::1",
    ] {
        assert!(!is_global(private.parse().unwrap()), "{private}");
    }
}

#[test]
fn servers_are_those_of_the_machine() {
    let servers = servers_in("# x\nnameserver 192.0.2.53\nsearch a\n nameserver  2001:db8::53\nnameserver nonsense\n");
    assert_eq!(servers, ["192.0.2.53:53".parse().unwrap(), "[2001:db8::53]:53".parse().unwrap()]);
    assert_eq!(servers_in(""), ["127.0.0.1:53".parse().unwrap()]);
}

/// A response to a query: flags, then records of type and data, each under a pointer to the query's name.
fn reply(question: &[u8], flags: u16, records: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = question[..2].to_vec();
    bytes.extend_from_slice(&(0x8180 | flags).to_be_bytes());
    bytes.extend_from_slice(&[0, 1, 0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0]);
    bytes.extend_from_slice(&question[12..question.len() - 11]);
    for (kind, data) in records {
        bytes.extend_from_slice(&[0xc0, 12]);
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
        bytes.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(data);
    }
    bytes
}

#[test]
fn answers_are_read_and_whatever_else_comes_is_not() {
    let asked = question(7, "_footfall.shop.example").unwrap();
    assert!(asked.starts_with(&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 9, b'_', b'f']));
    let whole = reply(&asked, 0, &[(5, b"\x01a\0"), (16, b"\x03abc\x02de"), (16, b"\x01x")]);
    assert_eq!(read(&whole, &asked, 7), Some(Reply::Records(vec!["abcde".into(), "x".into()])));
    assert_eq!(read(&reply(&asked, 3, &[]), &asked, 7), Some(Reply::Records(vec![])), "no such name");
    assert_eq!(read(&reply(&asked, 2, &[]), &asked, 7), Some(Reply::Failed));
    assert_eq!(read(&reply(&asked, 0x200, &[]), &asked, 7), Some(Reply::Truncated));
    assert_eq!(read(&whole, &asked, 8), None, "another's answer");
    let other = question(7, "_footfall.evil.example").unwrap();
    assert_eq!(read(&reply(&other, 0, &[(16, b"\x01x")]), &asked, 7), None, "another question's answer");
    for end in 0..whole.len() {
        assert_eq!(read(&whole[..end], &asked, 7), None, "cut at {end}");
    }
    for byte in 0..whole.len() {
        for value in [0, 0x3f, 0x40, 0xc0, 0xff] {
            let mut broken = whole.clone();
            broken[byte] = value;
            let _ = read(&broken, &asked, 7);
        }
    }
    assert_eq!(question(1, ""), None);
    assert_eq!(question(1, "a..b"), None);
    assert_eq!(question(1, &["x".repeat(63).as_str(); 4].join(".")), None);
}

fn internet(servers: Vec<SocketAddr>, http: u16) -> Internet {
    let ports = Doors { https: 1, http };
    Internet { servers: Some(servers), allowed: |_| true, ports, ..Internet::new(Arc::new(SystemIds)) }
}

#[tokio::test]
async fn records_come_over_udp_and_over_tcp_where_they_are_long() {
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server = udp.local_addr().unwrap();
    let tcp = TcpListener::bind(server).await.unwrap();
    tokio::spawn(async move {
        let mut question = [0; 512];
        loop {
            let (length, from) = udp.recv_from(&mut question).await.unwrap();
            let asked = &question[..length];
            let answer = if asked.windows(4).any(|label| label == b"long") {
                reply(asked, 0x200, &[])
            } else {
                // Noise first: an answer to something else.
                udp.send_to(b"nonsense", from).await.unwrap();
                reply(asked, 0, &[(16, b"\x05short")])
            };
            udp.send_to(&answer, from).await.unwrap();
        }
    });
    tokio::spawn(async move {
        let (mut stream, _) = tcp.accept().await.unwrap();
        let mut asked = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut asked).await.unwrap();
        let part: Vec<u8> = std::iter::once(200).chain([b'x'; 200]).collect();
        let answer = reply(&asked, 0, &[(16, &part.repeat(10))]);
        stream.write_u16(answer.len().try_into().unwrap()).await.unwrap();
        stream.write_all(&answer).await.unwrap();
    });
    let internet = internet(vec![server], 1);
    assert_eq!(internet.txt("shop.example").await.unwrap(), ["short"]);
    assert_eq!(internet.txt("long.example").await.unwrap(), ["x".repeat(2_000)]);
}

#[tokio::test]
async fn a_silent_server_is_no_answer() {
    let mute = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let error = internet(vec![mute.local_addr().unwrap()], 1).txt("shop.example").await.unwrap_err();
    assert_eq!(error.code(), "SERVICE_UNAVAILABLE");
}

/// What the client makes of a response.
async fn answer_to(response: &str, here: &Place) -> Answer {
    let (ours, mut theirs) = tokio::io::duplex(4_096);
    let serving = async move {
        let mut request = [0; 1_024];
        assert!(theirs.read(&mut request).await.unwrap() > 0);
        theirs.write_all(response.as_bytes()).await.unwrap();
    };
    let (answer, ()) = tokio::join!(file::exchange(ours, "shop.example", here), serving);
    answer.unwrap_or(Answer::Nothing)
}

#[tokio::test]
async fn redirects_stay_on_the_host() {
    let here = Place { secure: false, path: "/a".into() };
    let answer = async |location: &str| {
        answer_to(&format!("HTTP/1.1 301 Moved\r\nX: y\r\nLOCATION: {location}\r\n\r\n"), &here).await
    };
    let to = |secure, path: &str| Answer::Elsewhere(Place { secure, path: path.into() });
    assert_eq!(answer("https://Shop.Example/a?b").await, to(true, "/a?b"));
    assert_eq!(answer("/b").await, to(false, "/b"));
    for bad in [
        "https://evil.example/a",
        "https://shop.example.evil.example/",
        "https://shop.example@evil.example/",
        "https://shop.example:22/a",
        "//evil.example/a",
        "ftp://shop.example/a",
        "/a b",
        "",
    ] {
        assert_eq!(answer(bad).await, Answer::Nothing, "{bad}");
    }
    assert_eq!(answer_to("HTTP/1.1 404 No\r\n\r\nfootfall", &here).await, Answer::Nothing);
    assert_eq!(answer_to("nonsense", &here).await, Answer::Nothing);
}

#[tokio::test]
async fn a_file_counts_as_far_as_it_was_received() {
    let here = Place { secure: false, path: "/a".into() };
    for (response, text) in [
        ("HTTP/1.0 200 OK\r\n\r\nfootfall", "footfall"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfootfall", "foot"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfootfall", "footfall"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfoot\r\n4\r\nfall\r\n0\r\n\r\n", "footfall"),
    ] {
        assert_eq!(answer_to(response, &here).await, Answer::Text(text.into()), "{response}");
    }
}

#[tokio::test]
async fn the_file_is_read_from_the_address_that_was_checked_and_no_further_than_it_may_be() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 2_048];
            let length = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..length]).into_owned();
            assert!(head.contains("\r\nHost: localhost\r\n"), "{head}");
            let answer = if head.starts_with("GET /.well-known/footfall-verification.txt ") {
                "HTTP/1.1 302 Found\r\nLocation: /proof\r\n\r\n".to_owned()
            } else {
                format!("HTTP/1.1 200 OK\r\n\r\nfootfall-verification=abc\n{}", "x".repeat(100_000))
            };
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let open = internet(Vec::new(), http);
    let text = open.well_known("localhost").await.unwrap().unwrap();
    assert!(text.starts_with("footfall-verification=abc\n"));
    assert!(text.len() < 16 * 1024, "{}", text.len());
    // The same server behind the real rule is not spoken to.
    let guarded = Internet { allowed: is_global, ..open };
    assert_eq!(guarded.well_known("localhost").await.unwrap(), None);
}
