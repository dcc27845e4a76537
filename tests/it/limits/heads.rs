//! `server.header_timeout` and `server.idle_timeout`: the head of a request must be complete within the first, in
//! any pieces; a used connection may be idle for longer than a new one.

use std::time::{Duration, Instant};

use super::{TIMEOUTS, before, check_408, kept, pass};
use crate::support::{
    App, Http2, Sideman,
    http2::{
        frame::{Frame, flag, kind},
        headers, usual,
    },
};

const HEADER: [(&str, &str); 1] = [("timer", "header")];

fn start(header: &str, idle: &str) -> (App, Sideman) {
    let application = App::saying("hello");
    let sideman = before(&application.url())
        .set("server.header_timeout", header)
        .set("server.idle_timeout", idle)
        .start();
    (application, sideman)
}

/// RFC 9112, 2.2: some clients send one after a request.
#[test]
fn empty_line_before_a_request_line_is_not_a_slow_head() {
    let (_application, sideman) = start("1s", "3s");
    let mut client = kept(&sideman);
    let begin = Instant::now();
    client.send("\r\n");
    assert!(client.until_gone().is_empty());
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_secs(3), "{waited:?}");
    sideman.until_metric(TIMEOUTS, &[("timer", "idle")], 1.0);
}

#[test]
fn slow_head_gets_408_at_the_header_timeout() {
    let (application, sideman) = start("2s", "1h");
    for (first, method, path) in [
        ("GET /first HTTP/1.1\r\nHost: example.test\r\nX: ", "GET", "/first"),
        ("POST /second?a=b HTTP/1.0\r\nContent-Length: ", "POST", "/second"),
        ("GET /never", "-", "*"),
    ] {
        // On a used connection, and after more time than a head may take.
        let mut client = kept(&sideman);
        pass(200);
        let begin = Instant::now();
        client.send(first);
        while begin.elapsed() < Duration::from_millis(1800) {
            client.send("1");
            pass(50);
        }
        let response = client.response();
        let waited = begin.elapsed();
        check_408(&response, "headers were not complete in time");
        // If each byte extended the timeout, this would take 3.8 s at least.
        assert!(waited >= Duration::from_secs(2), "{waited:?}");
        assert!(waited < Duration::from_millis(3700), "{waited:?}");
        assert!(client.until_gone().is_empty());
        let line = sideman.log_of(path);
        assert_eq!(line["status"], 408, "{line}");
        assert_eq!(
            (&line["method"], &line["error"]),
            (&method.into(), &"client_head_timeout".into())
        );
        assert_eq!(line["bytes"], response.body.len());
    }
    sideman.until_metric(TIMEOUTS, &HEADER, 3.0);
    sideman.until_metric("sideman_errors_total", &[("error", "client_head_timeout")], 3.0);
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
    sideman.until_metric("sideman_client_connections", &[], 0.0);
    assert_eq!(application.requests(), 0);
}

#[test]
fn pipelined_partial_head_has_the_header_timeout() {
    let (application, sideman) = start("1s", "1h");
    let mut client = sideman.connect();
    client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\nGET /behind HTTP/1.1\r\nHo");
    assert_eq!(client.response().text(), "hello");
    check_408(&client.response(), "headers were not complete in time");
    assert_eq!(sideman.log_of("/behind")["error"], "client_head_timeout");
    // Complete heads were never counted as timed out.
    let mut client = sideman.connect();
    client.send("GET / HTTP/1.1\r\nHo");
    sideman.until_metric("sideman_client_connections", &[], 1.0);
    client.send("st: example.test\r\n\r\n");
    assert_eq!(client.response().text(), "hello");
    pass(1500);
    assert_eq!(client.get("/").text(), "hello");
    assert_eq!(application.requests(), 3);
}

#[test]
fn slow_head_within_the_timeout_is_served() {
    let (_application, sideman) = start("10s", "1s");
    let mut client = sideman.connect();
    // Longer than the connection may be idle.
    for piece in ["GET / HT", "TP/1.1\r\nHo", "st: example.test\r\n", "\r\n"] {
        pass(400);
        client.send(piece);
    }
    assert_eq!(client.response().text(), "hello");
    // Earlier heads do not count for the next one.
    client.send("GET / HTTP/1.1\r\n");
    pass(400);
    assert_eq!(client.send("Host: example.test\r\n\r\n").response().text(), "hello");
}

#[test]
fn new_connection_has_the_header_timeout_and_a_used_one_the_idle_timeout() {
    let (_application, sideman) = start("1s", "1h");
    let (mut fresh, mut used) = (sideman.connect(), kept(&sideman));
    // Without a response: the client has sent no request.
    assert!(fresh.until_closed().is_empty());
    sideman.until_metric(TIMEOUTS, &HEADER, 1.0);
    assert_eq!(used.get("/").text(), "hello");
}

#[test]
fn idle_connection_is_closed_without_a_response() {
    let (_application, sideman) = start("10m", "1s");
    let begin = Instant::now();
    let mut used = kept(&sideman);
    assert!(used.until_closed().is_empty());
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    sideman.until_metric(TIMEOUTS, &[("timer", "idle")], 1.0);
    // A new connection has no more time than that.
    assert!(sideman.connect().until_closed().is_empty());
    sideman.until_metric(TIMEOUTS, &[("timer", "idle")], 2.0);
    assert_eq!(sideman.metric(TIMEOUTS, &HEADER), 0.0);
}

#[test]
fn http2_head_has_the_header_timeout() {
    let (application, sideman) = start("1s", "1h");
    let block = {
        let whole = headers(3, &usual("GET", "/late", &[]), true);
        whole[9..].to_vec()
    };
    let open = Frame::new(kind::HEADERS, flag::END_STREAM, 3, &block[..4]).bytes();
    let continued = block[4..].iter().map(|byte| Frame::new(kind::CONTINUATION, 0, 3, [*byte]));
    let drips: Vec<Vec<u8>> = continued.map(|frame| frame.bytes()).take(4).collect();
    for (index, (first, drips)) in [
        // Endless continuations; the frame of a head, and the header of any frame, in pieces.
        (open, drips),
        (headers(3, &usual("GET", "/late", &[]), true)[..20].to_vec(), vec![]),
        (vec![0, 0], vec![]),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = Http2::connect(sideman.address());
        // Longer than a head may take: the connection may be idle, since it was used.
        assert_eq!(client.get("/").text(), "hello");
        pass(1200);
        assert_eq!(client.get("/").text(), "hello");
        let begin = Instant::now();
        client.write(&first);
        for drip in drips {
            client.write(&drip);
            pass(200);
        }
        client.until_gone();
        let waited = begin.elapsed();
        assert!(waited >= Duration::from_secs(1), "{waited:?}");
        assert!(waited < Duration::from_secs(10), "{waited:?}");
        sideman.until_metric(TIMEOUTS, &HEADER, index as f64 + 1.0);
    }
    assert_eq!(application.requests(), 6);
    // A client that never sends a request.
    let mut client = Http2::connect(sideman.address());
    client.settle();
    client.until_gone();
    sideman.until_metric(TIMEOUTS, &HEADER, 4.0);
    sideman.until_metric("sideman_client_connections", &[], 0.0);
}
