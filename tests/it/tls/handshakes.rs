//! Handshakes: negotiation, failures, and slow handshakes that delay no other client.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use rustls::{HandshakeKind, ProtocolVersion, version};

use super::{
    address,
    client::{Tls, Trust},
    connect, self_signed, until_handshakes, with,
};
use crate::support::{
    App, Client, eventually,
    http2::{
        PREFACE,
        frame::{Frame, kind},
        headers, settings_frame, usual,
    },
    repeat_for,
};

#[test]
fn tls_1_2_and_1_3_are_accepted() {
    let application = App::saying("hello");
    let settings = self_signed(&application.url()).set("log.fields", "path,tls");
    let sideman = settings.start().until_ready();
    for (version, expected, path) in [
        (&version::TLS12, ProtocolVersion::TLSv1_2, "/TLSv1.2"),
        (&version::TLS13, ProtocolVersion::TLSv1_3, "/TLSv1.3"),
    ] {
        let mut client =
            Tls::connect(address(&sideman), &Trust::Only(version).config(), "localhost");
        assert_eq!(client.connection().protocol_version(), Some(expected));
        let answer = client.get(path, "");
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
        assert_eq!(sideman.log_of(path)["tls"], path.trim_start_matches('/'));
    }
    until_handshakes(&sideman, "full", 2.0);
    sideman.until_metric("sideman_tls_connections", &[], 0.0);
    sideman.until_metric("sideman_tls_handshakes_in_flight", &[], 0.0);
    // The plain listener works as before.
    assert_eq!(sideman.get("/").text(), "hello");
}

#[test]
fn minimum_tls_version_is_a_setting() {
    let application = App::saying("hello");
    let sideman = self_signed(&application.url()).set("tls.min_version", "1.3").start();
    let old = Trust::Only(&version::TLS12).config();
    assert!(Tls::try_connect(address(&sideman), &old, "localhost").is_err());
    until_handshakes(&sideman, "incompatible", 1.0);
    Tls::connect(address(&sideman), &Trust::Only(&version::TLS13).config(), "localhost");
    until_handshakes(&sideman, "full", 1.0);
}

#[test]
fn alpn_negotiates_the_protocol() {
    let application = App::saying("hello");
    let sideman = self_signed(&application.url()).start();
    let offers = |protocols: &[&str]| {
        let protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let config = with(&Trust::Anyone.config(), |config| config.alpn_protocols = protocols);
        let client = Tls::try_connect(address(&sideman), &config, "localhost").ok()?;
        client.connection().alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned())
    };
    assert_eq!(offers(&["http/1.1"]).as_deref(), Some("http/1.1"));
    assert_eq!(offers(&["http/1.0", "http/1.1"]).as_deref(), Some("http/1.1"));
    assert_eq!(offers(&["http/1.1", "h2"]).as_deref(), Some("h2"));
    assert_eq!(offers(&[]), None);
    until_handshakes(&sideman, "full", 4.0);
    assert_eq!(offers(&["spdy/3"]), None);
    until_handshakes(&sideman, "incompatible", 1.0);
}

/// RFC 7301 and RFC 9113, 3.2: the negotiated protocol is required.
#[test]
fn negotiated_protocol_is_enforced() {
    let application = App::saying("hello");
    let sideman = self_signed(&application.url()).start();
    let connect = |protocols: &[&str]| {
        let protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let config = with(&Trust::Anyone.config(), |config| config.alpn_protocols = protocols);
        Tls::connect(address(&sideman), &config, "localhost")
    };
    let preface = [PREFACE, &settings_frame(&[]).bytes()].concat();
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    // SETTINGS, then GOAWAY with PROTOCOL_ERROR and no stream: there is no response.
    for bytes in
        [request, "INVALID CONNECTION PREFACE\r\n\r\n", "PRI * HTTP/1.1\r\nHost: a\r\n\r\n"]
    {
        let mut rest = connect(&["h2"]).send(bytes).until_closed().unwrap();
        let mut frames: Vec<Frame> = std::iter::from_fn(|| Frame::take(&mut rest)).collect();
        let last = frames.pop().unwrap();
        assert_eq!((last.kind, last.number(0), last.number(4)), (kind::GOAWAY, 0, 1), "{bytes}");
        assert!(frames.iter().all(|frame| frame.kind == kind::SETTINGS) && rest.is_empty());
    }
    for protocol in ["http/1.1", "http/1.0"] {
        let answer = connect(&[protocol]).send(&preface).until_closed();
        let answer = answer.unwrap_or_default();
        assert!(answer.starts_with(b"HTTP/1.1 505 "), "{protocol}: {}", answer.escape_ascii());
        assert_eq!(connect(&[protocol]).get("/", "").text(), "hello");
    }
    // Without ALPN the first bytes decide.
    assert_eq!(connect(&[]).get("/", "").text(), "hello");
    for protocols in [&["h2"][..], &[]] {
        let mut client = connect(protocols);
        client.send(&preface[..10]).send(&preface[10..]);
        client.send(headers(1, &usual("GET", "/", &[]), true)).until("hello");
    }
    assert_eq!(application.requests(), 5);
}

#[test]
fn client_resumes_its_session() {
    let application = App::saying("hello");
    let sideman = self_signed(&application.url()).start().until_ready();
    for version in [&version::TLS12, &version::TLS13] {
        let config = Trust::Only(version).config();
        let mut first = Tls::connect(address(&sideman), &config, "localhost");
        // Its tickets arrive before the response.
        assert_eq!(first.get("/", "").status, 200);
        let mut second = Tls::connect(address(&sideman), &config, "localhost");
        assert_eq!(second.connection().handshake_kind(), Some(HandshakeKind::Resumed));
        assert_eq!(second.get("/", "").text(), "hello");
    }
    until_handshakes(&sideman, "resumed", 2.0);
    until_handshakes(&sideman, "full", 2.0);
}

#[test]
fn malformed_handshake_is_closed_and_counted() {
    let application = App::saying("hello");
    let sideman = self_signed(&application.url()).start();
    let mut plain = Client::connect(address(&sideman));
    plain.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
    let response = plain.response();
    assert_eq!(
        (response.status, response.text().as_str()),
        (400, "this port speaks TLS: use https\n")
    );
    assert!(response.closes());
    until_handshakes(&sideman, "not_tls", 1.0);
    let mut strange = Client::connect(address(&sideman));
    strange.send([0_u8, 1, 2, 3]).until_gone();
    until_handshakes(&sideman, "not_tls", 2.0);
    // A valid beginning, followed by invalid bytes.
    let mut broken = Client::connect(address(&sideman));
    broken.send([&[22, 3, 1, 0, 8][..], &[0xff; 8]].concat()).until_gone();
    until_handshakes(&sideman, "broken", 1.0);
    let mut late = Client::connect(address(&sideman));
    late.send([22, 3, 1]).half_close();
    late.until_gone();
    until_handshakes(&sideman, "disconnected", 1.0);
    Client::connect(address(&sideman)).reset_connection();
    until_handshakes(&sideman, "disconnected", 2.0);
    assert_eq!(connect(&sideman).get("/healthz", "").status, 200);
}

#[test]
fn slow_handshake_times_out_and_blocks_no_client() {
    const SILENT: usize = 200;
    let application = App::saying("hello");
    let sideman =
        self_signed(&application.url()).set("tls.handshake_timeout", "5s").start().until_ready();
    let begin = Instant::now();
    let silent: Vec<TcpStream> = (0..SILENT)
        .map(|number| {
            let mut stream = TcpStream::connect(address(&sideman)).unwrap();
            // Half of them send a part of a handshake.
            if number % 2 == 0 {
                stream.write_all(&[22, 3, 1]).unwrap();
            }
            stream
        })
        .collect();
    let mut slowest = Duration::ZERO;
    let mut kept = connect(&sideman);
    repeat_for(Duration::from_secs(1), || {
        let asked = Instant::now();
        assert_eq!(kept.get("/", "").text(), "hello");
        assert_eq!(connect(&sideman).get("/", "").text(), "hello");
        assert_eq!(sideman.get("/").text(), "hello");
        slowest = slowest.max(asked.elapsed());
    });
    // Far below the timeout of the others.
    assert!(slowest < Duration::from_millis(2500), "{slowest:?}");
    for mut stream in silent {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // Closed, or reset because of unread bytes.
        let read = stream.read(&mut [0; 64]);
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
    assert!(begin.elapsed() >= Duration::from_secs(5));
    until_handshakes(&sideman, "timeout", 200.0);
    sideman.until_metric("sideman_tls_handshakes_in_flight", &[], 0.0);
}

#[test]
fn handshakes_over_the_limit_wait_for_a_permit() {
    let application = App::saying("hello");
    let sideman = self_signed(&application.url())
        .set("tls.handshakes", "2")
        .set("tls.handshake_timeout", "20s")
        .start()
        .until_ready();
    let begun = [(); 2].map(|()| {
        let mut stream = TcpStream::connect(address(&sideman)).unwrap();
        stream.write_all(&[22]).unwrap();
        stream
    });
    sideman.until_metric("sideman_tls_handshakes_in_flight", &[], 2.0);
    let address = address(&sideman);
    let waiting = std::thread::spawn(move || {
        Tls::connect(address, &Trust::Anyone.config(), "localhost").get("/", "").text()
    });
    sideman.until_metric("sideman_tls_handshakes_postponed_total", &[], 1.0);
    // No other client is delayed, including those with a completed handshake.
    assert_eq!(sideman.get("/").text(), "hello");
    assert_eq!(waiting.join().unwrap(), "hello");
    // The oldest was closed for it, and no other.
    sideman.until_metric("sideman_client_connections_shed_total", &[], 1.0);
    drop(begun);
    until_handshakes(&sideman, "disconnected", 1.0);
}

#[test]
fn shutdown_does_not_wait_for_silent_clients() {
    let application = App::saying("hello");
    let sideman =
        self_signed(&application.url()).set("tls.handshake_timeout", "20s").start().until_ready();
    let silent = TcpStream::connect(address(&sideman)).unwrap();
    sideman.until_metric("sideman_client_connections", &[], 1.0);
    assert_eq!(sideman.metric("sideman_tls_handshakes_in_flight", &[]), 0.0);
    let mut idle = connect(&sideman);
    assert_eq!(idle.get("/", "").text(), "hello");
    let begin = Instant::now();
    sideman.signal(Signal::TERM);
    // An idle connection gets close_notify: no data is missing.
    assert!(idle.until_closed().unwrap().is_empty());
    let (code, _) = sideman.wait();
    assert_eq!(code, Some(0));
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    drop(silent);
}

#[test]
fn many_concurrent_handshakes_are_served() {
    let application = App::saying("hello");
    let sideman = self_signed(&application.url()).set("tls.handshakes", "4").start().until_ready();
    let address = address(&sideman);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(move || {
                for _ in 0..20 {
                    let config = Trust::Anyone.config();
                    let mut client = Tls::connect(address, &config, "localhost");
                    assert_eq!(client.get("/", "").text(), "hello");
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    until_handshakes(&sideman, "full", 160.0);
    eventually("no connection left", || {
        (sideman.metric("sideman_client_connections", &[]) == 0.0).then_some(())
    });
}
