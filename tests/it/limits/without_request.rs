//! Connections without a request: at the connection limit, they are closed for those with a request.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use super::{LIMITS, SHED, before, kept};
use crate::support::{
    App, Client, Gate, Settings, Sideman, TempDir, eventually, http2::PREFACE, pattern,
};

const MAX_CONNECTIONS: usize = 300;

/// The bytes each of them sends, which are not a complete request.
const INCOMPLETE: &[(&str, &[u8])] = &[
    ("nothing", b""),
    ("a byte", b"G"),
    ("a part of a head", b"GET / HTTP/1.1\r\nHost: a\r\nX"),
    ("an empty line", b"\r\n"),
    ("a part of the preface", b"PRI * HT"),
    ("the preface alone", PREFACE),
    ("a part of a frame", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x10\x01"),
];

fn crowd(address: SocketAddr, said: &[u8], count: usize) -> Vec<TcpStream> {
    let one = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        // Some are already closed.
        let _ = stream.write_all(said);
        stream
    };
    (0..count).map(one).collect()
}

/// Far below `server.header_timeout`, which would close them in any case.
#[track_caller]
fn check_health(what: &str, ask: impl FnOnce() -> u16) {
    let begin = Instant::now();
    assert_eq!(ask(), 200, "{what}");
    assert!(begin.elapsed() < Duration::from_secs(5), "{what}: {:?}", begin.elapsed());
}

fn settings(application: &App) -> Settings {
    before(&application.url())
        .set("server.max_connections", &MAX_CONNECTIONS.to_string())
        .set("server.header_timeout", "1m")
        .set("server.idle_timeout", "1h")
}

#[test]
fn connections_without_a_complete_head_are_shed() {
    let application = App::saying("hello");
    for (what, said) in INCOMPLETE {
        let sideman = settings(&application).start();
        let crowd = crowd(sideman.address(), said, 2 * MAX_CONNECTIONS);
        check_health(what, || sideman.get("/healthz").status);
        assert!(sideman.metric(SHED, &[]) >= MAX_CONNECTIONS as f64, "{what}");
        assert_eq!(sideman.metric(LIMITS, &[("limit", "max_connections")]), 1.0, "{what}");
        drop(crowd);
    }
}

/// A partial head after a response is treated like a first one.
#[test]
fn idle_connections_with_a_partial_head_are_shed() {
    let application = App::saying("hello");
    let sideman = settings(&application).set("server.max_connections", "20").start();
    let crowd: Vec<Client> = (0..20)
        .map(|_| {
            let mut client = kept(&sideman);
            client.send("GET");
            client
        })
        .collect();
    check_health("kept", || sideman.get("/healthz").status);
    drop(crowd);
}

#[test]
fn lingering_connections_are_shed() {
    let application = App::saying("hello");
    let sideman = settings(&application).set("server.max_connections", "20").start();
    let crowd = crowd(sideman.address(), b"GET / HTTP/9.9\r\n\r\n", 20);
    check_health("lingering", || sideman.get("/healthz").status);
    drop(crowd);
}

/// A client with a request is served, whatever the other connections are.
#[test]
fn requests_are_served_beside_connections_without_a_request() {
    let (asked, gate) = (Gate::new(), Gate::new());
    let (begun, passed) = (asked.clone(), gate.clone());
    let application = App::start(move |request| {
        begun.open();
        passed.pass();
        App::reply(&request.body)
    });
    let directory = TempDir::new();
    directory.write("large.bin", pattern(8 << 20));
    let sideman = settings(&application).files("/static/", directory.path()).start();
    let mut working = sideman.connect();
    working.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
    asked.pass();
    let mut uploading = sideman.connect();
    uploading.send("POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: 10\r\n\r\nfirst");
    let mut reading = Client::connect_with_small_buffer(sideman.address(), 4096);
    reading.send("GET /static/large.bin HTTP/1.1\r\nHost: example.test\r\n\r\n");
    sideman.until_metric("sideman_requests_in_flight", &[], 3.0);
    let crowd = crowd(sideman.address(), b"G", 2 * MAX_CONNECTIONS);
    check_health("one byte", || sideman.get("/healthz").status);
    wait_until_shed(&sideman);
    gate.open();
    assert_eq!(working.response().status, 200);
    assert_eq!(uploading.send("after").response().text(), "firstafter");
    assert!(reading.response().body == pattern(8 << 20));
    drop(crowd);
}

fn wait_until_shed(sideman: &Sideman) {
    eventually("those that ask nothing", || {
        (sideman.metric(SHED, &[]) >= MAX_CONNECTIONS as f64).then_some(())
    });
}
