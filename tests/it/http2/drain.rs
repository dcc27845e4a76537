//! Shutdown: requests in flight complete, new ones are refused, and clients can retry them elsewhere.

use std::time::Duration;

use rustix::process::Signal;

use super::connect;
use crate::support::{
    App, Gate, Http2, Settings, TempDir, http2::frame::code, http2::frame::kind, http2::headers,
    http2::setting, http2::usual, pace, pattern,
};

fn gated() -> (Gate, Gate, App) {
    let (asked, gate) = (Gate::new(), Gate::new());
    let (begun, passed) = (asked.clone(), gate.clone());
    let application = App::start(move |request| {
        if request.target() == "/waits" {
            begun.open();
            passed.pass();
        }
        App::reply(&pattern(300_000))
    });
    (asked, gate, application)
}

#[test]
fn in_flight_requests_complete_during_drain() {
    let (asked, gate, application) = gated();
    let sideman = Settings::before(&application.url()).start();
    let (mut client, mut idle) = (connect(&sideman), connect(&sideman));
    idle.settle();
    let waits = client.ask("GET", "/waits", &[]);
    let upload = client.open(&usual("POST", "/upload", &[]), false);
    client.data(upload, b"first", false);
    asked.pass();
    sideman.signal(Signal::TERM);
    // An idle connection is closed, after GOAWAY.
    assert_eq!(idle.until_gone(), Some(code::NO_ERROR));
    // Two GOAWAY: the first announces the shutdown, the second names, after a round trip, the last accepted request.
    client.until("the last word", |client| client.goaways.len() == 2);
    assert_eq!(client.goaways[0], (0x7fff_ffff, code::NO_ERROR));
    assert_eq!(client.goaways[1], (upload, code::NO_ERROR));
    // A later request gets no response: the client knows that it may retry it.
    let late = client.ask("GET", "/late", &[]);
    client.data(upload, b"last", true);
    assert!(client.response(upload).body == pattern(300_000));
    gate.open();
    assert!(client.response(waits).body == pattern(300_000));
    assert_eq!(client.until_gone(), Some(code::NO_ERROR));
    assert_eq!(client.peek(late).status, 0);
    let (code, lines) = sideman.wait();
    assert_eq!((code, lines.len()), (Some(0), 2), "{lines:?}");
}

#[test]
fn running_response_completes_during_drain() {
    let directory = TempDir::new();
    directory.write("large.bin", pattern(1 << 20));
    let (_asked, _gate, application) = gated();
    let sideman = Settings::before(&application.url()).files("/static/", directory.path()).start();
    let settings = [(setting::INITIAL_WINDOW_SIZE, 1000)];
    let mut client = Http2::with(sideman.address(), &settings).hold();
    let streams = ["/static/large.bin", "/page"].map(|path| client.ask("GET", path, &[]));
    for stream in streams {
        client.until("its beginning", |client| client.peek(stream).body.len() == 1000);
    }
    sideman.signal(Signal::TERM);
    client.until("the last word", |client| client.goaways.len() == 2);
    client.widen(0, 1 << 24);
    for (stream, size) in streams.into_iter().zip([1 << 20, 300_000]) {
        client.widen(stream, 1 << 24);
        assert!(client.response(stream).body == pattern(size));
    }
    client.until_gone();
    let (code, lines) = sideman.wait();
    assert_eq!((code, lines.len()), (Some(0), 2), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("error")), "{lines:?}");
}

#[test]
fn shutdown_timeout_aborts_streams() {
    let (asked, gate, application) = gated();
    let sideman = Settings::before(&application.url()).set("shutdown.timeout", "500ms").start();
    let mut client = connect(&sideman);
    client.ask("GET", "/waits", &[]);
    asked.pass();
    sideman.signal(Signal::TERM);
    client.until_gone();
    let (code, lines) = sideman.wait();
    assert_eq!(code, Some(3));
    assert!(lines.iter().any(|line| line.contains("/waits")), "{lines:?}");
    gate.open();
}

#[test]
fn connection_closes_after_the_clients_goaway() {
    let (asked, gate, application) = gated();
    let sideman = Settings::before(&application.url()).start();
    let mut client = connect(&sideman);
    let waits = client.ask("GET", "/waits", &[]);
    asked.pass();
    client.frame(kind::GOAWAY, 0, 0, &[0; 8]);
    client.settle();
    gate.open();
    assert!(client.response(waits).body == pattern(300_000));
    client.until_gone();
    sideman.until_metric("sideman_client_connections", &[], 0.0);
    // With an error code, and without a request.
    let mut client = connect(&sideman);
    client.settle();
    client.frame(kind::GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 2, b'w', b'h', b'y']);
    client.until_gone();
    sideman.until_metric("sideman_client_connections", &[], 0.0);
}

/// Like a load balancer: it reads the health check, and then opens no new streams.
#[test]
fn connection_serves_during_the_shutdown_delay() {
    let application = App::saying("hello");
    let sideman =
        Settings::before(&application.url()).set("shutdown.delay", "3s").start().until_ready();
    let mut client = connect(&sideman);
    assert_eq!(client.get("/healthz").status, 200);
    sideman.signal(Signal::TERM);
    let begin = std::time::Instant::now();
    let mut served = 0;
    loop {
        let response = client.get("/healthz");
        assert!(client.goaways.is_empty() || begin.elapsed() > Duration::from_millis(2900));
        assert_eq!(client.get("/").text(), "hello");
        served += 1;
        if response.status == 503 {
            break;
        }
        pace();
    }
    assert!(served > 0 && begin.elapsed() < Duration::from_secs(3));
    assert_eq!(client.until_gone(), Some(code::NO_ERROR));
    assert_eq!(sideman.wait().0, Some(0));
}

/// RFC 9113, 6.8: after the first GOAWAY a client may take a moment to confirm it, but no
/// longer.
#[test]
fn idle_client_that_ignores_ping_does_not_delay_the_shutdown() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).set("shutdown.timeout", "30s").start();
    let mut client = connect(&sideman).mute();
    assert_eq!(client.get("/").text(), "hello");
    let begin = std::time::Instant::now();
    sideman.signal(Signal::TERM);
    assert_eq!(client.until_gone(), Some(code::NO_ERROR));
    assert_eq!(client.goaways, [(0x7fff_ffff, code::NO_ERROR), (1, code::NO_ERROR)]);
    let (code, lines) = sideman.wait();
    assert_eq!((code, lines.len()), (Some(0), 1), "{lines:?}");
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[test]
fn in_flight_requests_complete_when_the_client_ignores_ping() {
    let (asked, gate, application) = gated();
    let sideman = Settings::before(&application.url()).start();
    let mut client = connect(&sideman).mute();
    let waits = client.ask("GET", "/waits", &[]);
    asked.pass();
    sideman.signal(Signal::TERM);
    client.until("the first word", |client| client.goaways.len() == 1);
    // The client does not know the last accepted request: a request without a response was not begun.
    let late = loop {
        let late = client.ask("GET", "/late", &[]);
        let response = client.response(late);
        if let Some(reset) = response.reset {
            assert_eq!((response.status, reset), (0, code::REFUSED_STREAM));
            break late;
        }
        assert!(response.body == pattern(300_000));
    };
    gate.open();
    assert!(client.response(waits).body == pattern(300_000));
    assert_eq!(client.until_gone(), Some(code::NO_ERROR));
    assert!(client.goaways.len() == 2 && client.goaways[1].0 <= late, "{:?}", client.goaways);
    assert_eq!(sideman.wait().0, Some(0));
}

#[test]
fn max_requests_closes_a_connection_that_ignores_ping() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).set("server.max_requests", "3").start();
    for is_mute in [false, true] {
        let client = connect(&sideman);
        let mut client = if is_mute { client.mute() } else { client };
        for _ in 0..3 {
            assert_eq!(client.get("/").text(), "hello");
        }
        assert_eq!(client.until_gone(), Some(code::NO_ERROR));
        assert_eq!(client.goaways.last(), Some(&(5, code::NO_ERROR)));
    }
    sideman.until_metric("sideman_client_connections", &[], 0.0);
}

/// RFC 9113, 6.8: a client must be able to tell which of its requests were not begun.
#[test]
fn idle_connection_gets_goaway_before_close() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url())
        .set("server.header_timeout", "1s")
        .set("server.idle_timeout", "1s")
        .start();
    for is_mute in [false, true] {
        let client = connect(&sideman);
        let mut client = if is_mute { client.mute() } else { client };
        for _ in 0..2 {
            assert_eq!(client.get("/").text(), "hello");
        }
        assert_eq!(client.until_gone(), Some(code::NO_ERROR));
        assert_eq!(client.goaways, [(3, code::NO_ERROR)]);
    }
    // One client has sent nothing, and one an incomplete request.
    let mut client = connect(&sideman);
    client.settle();
    assert_eq!(client.until_gone(), Some(code::NO_ERROR));
    assert_eq!(client.goaways, [(0, code::NO_ERROR)]);
    let mut client = connect(&sideman);
    client.settle();
    client.frame(kind::HEADERS, 0, 1, &[0x82]);
    assert_eq!(client.until_gone(), Some(code::NO_ERROR));
    assert_eq!(client.goaways, [(0, code::NO_ERROR)]);
    sideman.until_metric("sideman_client_connections", &[], 0.0);
}

/// h2 keeps the memory of the highest number of concurrent requests: a browser opens a new connection instead.
#[test]
fn idle_connection_after_many_concurrent_requests_is_closed() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut usual_one = connect(&sideman);
    assert_eq!(usual_one.get("/").text(), "hello");
    let mut client = connect(&sideman);
    client.settle();
    let all: Vec<u8> = (0..40)
        .flat_map(|_| {
            let stream = client.new_stream();
            headers(stream, &usual("GET", "/", &[]), true)
        })
        .collect();
    client.write(&all);
    assert_eq!(client.until_gone(), Some(code::NO_ERROR));
    assert!((1..80).step_by(2).all(|stream| client.peek(stream).status == 200));
    let limit = [("limit", "idle_memory")];
    sideman.until_metric("sideman_client_limits_total", &limit, 1.0);
    assert_eq!(usual_one.get("/").text(), "hello");
}
