//! The PROXY protocol: the header in front of a connection names the client.

mod haproxy;
mod reload;

use std::{net::SocketAddr, time::Duration};

use crate::support::{App, Client, Request, Settings, Sideman, TempDir, Tool, http2::Http2};

const REFUSED: &str = "sideman_proxy_protocol_refused_total";
const V1: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 50000 8443\r\n";
const REQUEST: &str = "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";

/// Echoes the received client information.
fn echo() -> App {
    App::start(|request: &Request| {
        let field = |name: &str| request.head.get(name).unwrap_or("-").to_owned();
        let told = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-port"].map(field);
        App::reply(told.join(" ").as_bytes())
    })
}

/// The only listener requires a header, and peers of this machine may send one.
fn proxied(application: &App) -> Settings {
    Settings::before(&application.url())
        .set("server.proxy_protocol", "127.0.0.1:0")
        .set("server.proxy_protocol_from", "127.0.0.0/8")
}

/// A header of version 2 with this command and family.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[command, family], &length[..], rest].concat()
}

/// A header of version 2 for 192.0.2.8 at port 8443, with an additional value.
fn v2_inet() -> Vec<u8> {
    let addresses = [192, 0, 2, 8, 198, 51, 100, 1, 0xc3, 0x50, 0x20, 0xfb];
    v2(0x21, 0x11, &[&addresses[..], b"\xea\0\x04\x01vpc"].concat())
}

/// The response to a request after these bytes.
#[track_caller]
fn ask(address: SocketAddr, header: impl AsRef<[u8]>) -> String {
    let mut client = Client::connect(address);
    client.send([header.as_ref(), REQUEST.as_bytes()].concat());
    client.response().text()
}

#[track_caller]
fn refused(sideman: &Sideman, cause: &str, count: f64) {
    sideman.until_metric(REFUSED, &[("cause", cause)], count);
}

/// Connections that were refused for any reason.
fn all_refused(sideman: &Sideman) -> f64 {
    ["network", "missing", "malformed", "too_long", "timeout", "disconnected"]
        .iter()
        .map(|cause| sideman.metric(REFUSED, &[("cause", cause)]))
        .sum()
}

#[test]
fn header_names_the_client_and_the_port() {
    let application = echo();
    let sideman = proxied(&application).start();
    let v6 = "PROXY TCP6 2001:db8::7 2001:db8::1 50000 80\r\n";
    assert_eq!(ask(sideman.address(), V1), "192.0.2.7 http 8443");
    assert_eq!(ask(sideman.address(), v2_inet()), "192.0.2.8 http 8443");
    assert_eq!(ask(sideman.address(), v6), "2001:db8::7 http 80");
    for client in ["192.0.2.7", "192.0.2.8", "2001:db8::7"] {
        sideman.log_line(client, |line| line["client"] == client);
    }
    assert_eq!(all_refused(&sideman), 0.0);
}

#[test]
fn header_without_an_address_keeps_the_peer() {
    let application = echo();
    let sideman = proxied(&application).start();
    let port = sideman.address().port();
    for header in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN 192.0.2.7 198.51.100.1 50000 8443\r\n".to_vec(),
        v2(0x20, 0x00, b""),
        v2(0x20, 0x11, &[1; 12]),
        v2(0x21, 0x00, b"ignored"),
        v2(0x21, 0x31, &[b'a'; 216]),
    ] {
        assert_eq!(ask(sideman.address(), &header), format!("127.0.0.1 http {port}"), "{header:?}");
    }
}

#[test]
fn header_is_read_in_any_pieces() {
    let application = echo();
    let sideman = proxied(&application).start();
    for (header, client) in [(V1.as_bytes().to_vec(), "192.0.2.7"), (v2_inet(), "192.0.2.8")] {
        let whole = [&header, REQUEST.as_bytes()].concat();
        let mut slow = Client::connect(sideman.address());
        for byte in &whole {
            slow.send([*byte]);
        }
        assert_eq!(slow.response().text(), format!("{client} http 8443"));
        // The next request on the connection has the same client.
        assert_eq!(slow.get("/").text(), format!("{client} http 8443"));
        for cut in [1, 12, 15, 16, header.len() - 1, header.len(), header.len() + 5] {
            let (first, second) = whole.split_at(cut);
            let mut halves = Client::connect(sideman.address());
            halves.send(first).send(second);
            assert_eq!(halves.response().text(), format!("{client} http 8443"), "{cut}");
        }
    }
}

#[test]
fn client_of_the_header_is_trusted_only_if_it_is_a_trusted_proxy() {
    let application = echo();
    let asked = |trusted: &str| {
        let sideman = proxied(&application).set("server.trusted_proxies", trusted).start();
        let mut client = Client::connect(sideman.address());
        client.send(V1);
        client.ask("GET", "/", "X-Forwarded-For: 203.0.113.9\r\n").text()
    };
    assert_eq!(asked("192.0.2.0/24"), "203.0.113.9 http 80");
    // The load balancer itself is not the peer.
    assert_eq!(asked("127.0.0.1"), "192.0.2.7 http 8443");
}

#[test]
fn other_first_bytes_are_refused_and_counted() {
    let application = echo();
    let sideman = proxied(&application).start();
    let too_long = format!("PROXY UNKNOWN {}", "x".repeat(100));
    let cases: [(&str, Vec<u8>); 8] = [
        ("missing", REQUEST.into()),
        ("missing", b"\x16\x03\x01\x02\x00".to_vec()),
        ("missing", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("malformed", b"PROXY TCP4 192.0.2.7 198.51.100.1 50000\r\n".to_vec()),
        ("malformed", b"PROXY TCP4 a.test b.test 1 2\r\n".to_vec()),
        ("malformed", v2(0x21, 0x12, &[1; 12])),
        ("too_long", too_long.into_bytes()),
        ("too_long", v2(0x21, 0x11, &[1; 2000])),
    ];
    let mut counts = std::collections::HashMap::new();
    for (cause, bytes) in cases {
        let mut client = Client::connect(sideman.address());
        client.send(bytes);
        assert_eq!(client.until_gone(), b"", "{cause}");
        let count = counts.entry(cause).or_insert(0.0);
        *count += 1.0;
        refused(&sideman, cause, *count);
    }
    let event = sideman.event("it does not begin with a PROXY header; enable the PROXY protocol");
    assert!(event.contains("peer=\"127.0.0.1\"") && event.contains("cause=\"missing\""), "{event}");
    sideman.event("its PROXY header is malformed");
    sideman.event("its PROXY header is too long");
    assert_eq!(application.requests(), 0);
    assert_eq!(ask(sideman.address(), V1), "192.0.2.7 http 8443");
}

#[test]
fn incomplete_header_is_closed_and_counted() {
    let application = echo();
    let sideman = proxied(&application).set("server.header_timeout", "1s").start();
    let mut slow = Client::connect(sideman.address());
    slow.send(&V1[..20]);
    // No byte at all takes as long.
    let mut silent = Client::connect(sideman.address());
    slow.until_gone();
    silent.until_gone();
    refused(&sideman, "timeout", 2.0);
    sideman.event("its PROXY header was not complete within server.header_timeout");

    let mut left = Client::connect(sideman.address());
    left.send(&V1[..20]);
    left.reset_connection();
    refused(&sideman, "disconnected", 1.0);
    // A probe of the port is not a fault.
    let accepted = sideman.metric("sideman_client_connections_accepted_total", &[]);
    Client::connect(sideman.address()).reset_connection();
    sideman.until_metric("sideman_client_connections_accepted_total", &[], accepted + 1.0);
    sideman.until_metric("sideman_client_connections", &[], 0.0);
    assert_eq!(all_refused(&sideman), 3.0);
}

#[test]
fn peers_that_are_not_named_are_refused() {
    let application = echo();
    let sideman = proxied(&application).set("server.proxy_protocol_from", "10.0.0.0/8").start();
    let mut client = Client::connect(sideman.address());
    client.send([V1, REQUEST].concat());
    assert_eq!(client.until_gone(), b"");
    refused(&sideman, "network", 1.0);
    let event = sideman.event("the peer is not in server.proxy_protocol_from");
    assert!(event.contains("peer=\"127.0.0.1\""), "{event}");
    assert_eq!(application.requests(), 0);
    // A process of this machine may send requests without a header, such as `sideman healthcheck`.
    let port = sideman.address().port();
    assert_eq!(ask(sideman.address(), "PROXY UNKNOWN\r\n"), format!("127.0.0.1 http {port}"));
}

#[test]
fn other_listeners_need_no_header() {
    let application = echo();
    let directory = TempDir::new();
    let path = directory.join("web.sock");
    let unix = format!("unix:{}", path.display());
    let settings = Settings::before(&application.url());
    let sideman = settings.args(&["--listen", &unix]).set("server.proxy_protocol", &unix).start();
    let port = sideman.address().port();
    assert_eq!(ask(sideman.address(), ""), format!("127.0.0.1 http {port}"));
    for header in [V1.as_bytes().to_vec(), v2_inet()] {
        let mut client = sideman.connect();
        client.send([&header, REQUEST.as_bytes()].concat());
        assert_eq!(client.response().status, 400, "{header:?}");
    }
    let mut client = Client::connect_to(&path);
    client.send([V1, REQUEST].concat());
    assert_eq!(client.response().text(), "192.0.2.7 http 8443");
    let mut local = Client::connect_to(&path);
    local.send([v2(0x20, 0, b""), REQUEST.into()].concat());
    assert_eq!(local.response().text(), "127.0.0.1 http 80");
    let mut bare = Client::connect_to(&path);
    bare.send(REQUEST);
    assert_eq!(bare.until_gone(), b"");
    refused(&sideman, "missing", 1.0);
    assert!(sideman.event("cause=\"missing\"").contains("peer=\"unix\""));
}

#[test]
fn http2_follows_the_header() {
    let application = echo();
    let sideman = proxied(&application).start();
    let mut client = Http2::silent(sideman.address());
    client.write(&v2_inet());
    client.begin(&[]);
    assert_eq!(client.get("/").text(), "192.0.2.8 http 8443");
}

#[test]
fn tls_follows_the_header() {
    let Some(mut curl) = Tool::Curl.command() else { return };
    let application = echo();
    let sideman = Settings::before(&application.url())
        .set("tls.listen", "127.0.0.1:0")
        .set("tls.self_signed", "true")
        .set("server.proxy_protocol", "127.0.0.1:0")
        .set("server.proxy_protocol_from", "127.0.0.1")
        .start();
    let event = sideman.event("listening for TLS address=");
    let (_, address) = event.split_once("address=").unwrap();
    let address: SocketAddr = address.split_whitespace().next().unwrap().parse().unwrap();
    let url = format!("https://{address}/");
    let curl = curl.args(["-sk", "--http2", "-w", " %{http_version}", "--haproxy-protocol"]);
    let output = curl.args([&url, &url]).output().unwrap();
    let expected = format!("127.0.0.1 https {} 2", address.port()).repeat(2);
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{output:?}");
    assert_eq!(sideman.metric("sideman_tls_handshakes_total", &[("result", "full")]), 1.0);
}

#[test]
fn connections_count_for_the_client_of_the_header() {
    const MOST: usize = 16;
    let application = App::saying("hello");
    let sideman = proxied(&application)
        .set("server.max_connections", &MOST.to_string())
        .set("upstream.max_in_flight", "100")
        .start();
    let limit = || sideman.metric("sideman_client_limits_total", &[("limit", "connection_share")]);
    let in_flight = || sideman.metric("sideman_requests_in_flight", &[]);
    // Connections with a request in flight are never closed for others.
    let begin = |header: &[u8]| {
        let mut client = Client::connect(sideman.address());
        let request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst";
        let _ = client.try_send([header, request].concat());
        client
    };
    let mut other = vec![begin(&v2_inet())];
    sideman.until_metric("sideman_requests_in_flight", &[], 1.0);
    let mut running = Vec::new();
    crate::support::eventually("the client's share to be taken", || {
        running.push(begin(V1.as_bytes()));
        (limit() >= 1.0).then_some(())
    });
    let event = sideman.event("one client has most of");
    assert!(event.contains("client=\"192.0.2.7\""), "{event}");
    let held = in_flight();
    assert!((11.0..=13.0).contains(&held), "{held}");
    // Another client of the same load balancer is still accepted.
    other.push(begin(&v2_inet()));
    sideman.until_metric("sideman_requests_in_flight", &[], held + 1.0);
}

#[test]
fn connections_without_a_header_do_not_delay_the_shutdown() {
    let application = echo();
    let sideman = proxied(&application).set("server.header_timeout", "60s").start();
    let silent: Vec<Client> = (0..3).map(|_| Client::connect(sideman.address())).collect();
    sideman.until_metric("sideman_client_connections", &[], 3.0);
    let begin = std::time::Instant::now();
    assert_eq!(sideman.shut_down().0, Some(0));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    drop(silent);
}
