//! `server.max_requests` and `server.max_connections`.

use std::time::{Duration, Instant};

use super::{LIMITS, SHED, before, kept};
use crate::support::{App, Gate, Http2, eventually};

const USED_UP: [(&str, &str); 1] = [("limit", "max_requests")];
const FULL: [(&str, &str); 1] = [("limit", "max_connections")];

#[test]
fn last_request_of_a_connection_gets_connection_close() {
    let application = App::saying("hello");
    let sideman = before(&application.url()).set("server.max_requests", "3").start();
    let mut client = sideman.connect();
    for is_last in [false, false, true] {
        let response = client.get("/");
        assert_eq!((response.text().as_str(), response.closes()), ("hello", is_last));
    }
    assert!(client.until_closed().is_empty());
    sideman.until_metric(LIMITS, &USED_UP, 1.0);
    // Pipelined requests get no response: the client may retry them elsewhere.
    let mut client = sideman.connect();
    client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n".repeat(5));
    for is_last in [false, false, true] {
        assert_eq!(client.response().closes(), is_last);
    }
    assert!(client.until_gone().is_empty());
    assert_eq!(application.requests(), 6);
}

#[test]
fn last_http2_request_of_a_connection_gets_goaway() {
    let gate = Gate::new();
    let passed = gate.clone();
    let application = App::start(move |request| {
        if request.target() == "/waits" {
            passed.pass();
        }
        App::reply(b"hello")
    });
    let sideman = before(&application.url()).set("server.max_requests", "3").start();
    let mut client = Http2::connect(sideman.address());
    let waits = client.ask("GET", "/waits", &[]);
    assert_eq!(client.get("/").text(), "hello");
    assert!(client.goaways.is_empty());
    let last = client.ask("GET", "/", &[]);
    client.until("the last word", |client| client.goaways.len() == 2);
    assert_eq!(client.goaways[1], (last, 0));
    assert_eq!(client.response(last).text(), "hello");
    // Requests in flight complete.
    gate.open();
    assert_eq!(client.response(waits).text(), "hello");
    assert_eq!(client.until_gone(), Some(0));
    sideman.until_metric(LIMITS, &USED_UP, 1.0);
}

#[test]
fn idle_connections_are_shed_and_busy_ones_kept() {
    let (asked, gate) = (Gate::new(), Gate::new());
    let (begun, passed) = (asked.clone(), gate.clone());
    let application = App::start(move |_| {
        begun.open();
        passed.pass();
        App::reply(b"hello")
    });
    let sideman = before(&application.url()).set("server.max_connections", "4").start();
    let mut working = sideman.connect();
    working.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
    asked.pass();
    let mut idle = [kept(&sideman), kept(&sideman)];
    let mut h2 = Http2::connect(sideman.address());
    assert_eq!(h2.get("/healthz").status, 200);
    let begin = Instant::now();
    // Health checks use new connections, and each is accepted.
    let mut others = Vec::new();
    for _ in 0..6 {
        others.push(kept(&sideman));
    }
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    for client in &mut idle {
        assert!(client.until_closed().is_empty());
    }
    assert_eq!(h2.until_gone(), Some(0));
    assert!(sideman.metric(SHED, &[]) >= 6.0);
    assert!(sideman.metric(LIMITS, &FULL) >= 1.0);
    assert!(sideman.event("connection limit reached").contains("server.max_connections"));
    gate.open();
    assert_eq!(working.response().text(), "hello");
}

#[test]
fn connections_over_the_limit_wait_until_one_ends() {
    let gate = Gate::new();
    let passed = gate.clone();
    let application = App::start(move |_| {
        passed.pass();
        App::reply(b"hello")
    });
    let sideman = before(&application.url())
        .set("server.max_connections", "2")
        .set("upstream.max_in_flight", "4")
        .start();
    let ask = || {
        let mut client = sideman.connect();
        client.send("GET / HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n");
        client
    };
    let mut clients = [ask(), ask(), ask(), ask()];
    sideman.until_metric("sideman_requests_in_flight", &[], 2.0);
    sideman.until_metric(LIMITS, &FULL, 1.0);
    assert_eq!(sideman.metric("sideman_client_connections", &[]), 2.0);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().text(), "hello");
    }
    assert_eq!(sideman.metric(SHED, &[]), 0.0);
    eventually("all to be gone", || {
        (sideman.metric("sideman_client_connections", &[]) == 0.0).then_some(())
    });
}
