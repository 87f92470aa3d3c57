//! What may not be reached is not reached, however it is spelled.

use tokio::net::TcpListener;

use super::*;

const STRICT: Outgoing = Outgoing { allows_private: false, allows_http: false };

#[test]
fn addresses_that_are_not_public_are_refused_in_every_spelling() {
    for host in [
        // Loopback, unspecified, private, shared (CGNAT), link-local with the metadata services of clouds.
        "127.0.0.1",
        "127.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "100.100.100.200",
        // Multicast, broadcast, benchmarks, documentation, reserved.
        "224.0.0.1",
        "255.255.255.255",
        "198.18.0.1",
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "240.0.0.1",
        "192.0.0.1",
        // Decimal, octal, hexadecimal.
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "0x7f.1",
        "0x7f000001",
        "2852039166",
        // IPv6: loopback, unspecified, unique local with AWS's metadata service, link-local, multicast, documentation, mapped,
        // translated.
        "[::1]",
        "[::]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[ff02::1]",
        "[2001:db8::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        // Names of this machine, and of metadata services.
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "printer.local",
        "metadata.google.internal",
        // Full-width digits are digits.
        "１２７.0.0.1",
    ] {
        let url = format!("https://{host}/hook");
        assert!(STRICT.target(&url).is_err(), "{url}");
    }
}

#[test]
fn only_encrypted_urls_without_passwords_are_allowed() {
    for url in [
        "http://shop.example/",
        "ftp://shop.example/",
        "file:///etc/passwd",
        "gopher://shop.example/",
        "https://user@shop.example/",
        "https://user:password@shop.example/",
        "https://",
        "https:///",
        "shop.example",
        "",
    ] {
        assert!(STRICT.target(url).is_err(), "{url}");
    }
    let target = STRICT.target("https://Shop.example:8443/a/b?c=d#e").unwrap();
    assert_eq!(
        (&*target.host, target.port, &*target.authority, &*target.path),
        ("shop.example", 8443, "shop.example:8443", "/a/b?c=d")
    );
    let target = STRICT.target("https://93.184.216.34").unwrap();
    assert_eq!((&*target.host, target.port, &*target.path), ("93.184.216.34", 443, "/"));
    assert!(Outgoing { allows_http: true, ..STRICT }.target("http://shop.example/").is_ok());
    assert!(Outgoing { allows_private: true, ..STRICT }.target("https://127.0.0.1/").is_ok());
}

/// A name is checked when it is resolved: what it resolved to before does not count. `localhost` stands for a name that resolves
/// into the operator's network.
#[tokio::test]
async fn a_name_that_resolves_to_a_private_address_is_not_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let target = Target {
        is_secure: false,
        host: "localhost".to_owned(),
        port,
        authority: "localhost".to_owned(),
        path: "/".to_owned(),
    };
    let refused = STRICT.connect(&target).await.err().unwrap();
    assert_eq!(refused, "The host name resolves to no public address.");
    // The same name, allowed before and refused from now on.
    assert!(Outgoing { allows_private: true, allows_http: true }.connect(&target).await.is_ok());
    assert!(STRICT.connect(&target).await.is_err());
    let connected = tokio::time::timeout(std::time::Duration::from_millis(50), async {
        listener.accept().await.unwrap();
        listener.accept().await.unwrap();
    });
    assert!(connected.await.is_err(), "one connection was allowed, and no other was made");
}
