//! Connections that look like keep-alive and are closed: uWSGI's `--http-socket` responds
//! over HTTP/1.1 with a length, and closes. Requests that cannot be retried must not use one.

use std::time::{Duration, Instant};

use crate::support::{App, Origin, Settings, Sideman, body, close, eventually, expect, send};

/// Has no Connection header, which means keep-alive in HTTP/1.1.
const SILENT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// One worker with one pool; its connections are not closed because of age here.
fn start(application: &str) -> Sideman {
    Settings::before(application)
        .set("server.workers", "1")
        .set("upstream.idle_timeout", "1m")
        .start()
}

#[test]
fn post_uses_an_idle_connection() {
    let application = App::start(|_| SILENT.into());
    let sideman = start(&application.url());
    let mut client = sideman.connect();
    // This request can be retried, so it may use an unproven connection, and proves it.
    assert_eq!(client.get("/").text(), "hello");
    assert_eq!(client.get("/").text(), "hello");
    for _ in 0..3 {
        assert_eq!(client.post("/", "", b"order").text(), "hello");
    }
    assert_eq!((application.requests(), application.connections()), (5, 1));
}

#[test]
fn connection_that_stays_open_is_proven_keep_alive() {
    let application = App::start(|_| SILENT.into());
    let sideman = start(&application.url());
    let mut client = sideman.connect();
    assert_eq!(client.post("/", "", b"order").text(), "hello");
    let answered = Instant::now();
    eventually("time", || (answered.elapsed() > Duration::from_millis(100)).then_some(()));
    for _ in 0..3 {
        assert_eq!(client.post("/", "", b"order").text(), "hello");
    }
    assert_eq!((application.requests(), application.connections()), (4, 1));
}

#[test]
fn post_avoids_idle_connections_of_a_closing_application() {
    let script = || vec![expect("POST / "), body("order"), send(SILENT), close()];
    let origin = Origin::scripts([script(), script(), script(), script(), script()]);
    let sideman = start(&origin.url());
    let mut client = sideman.connect();
    // Each may arrive before the close is noticed.
    for _ in 0..5 {
        assert_eq!(client.post("/", "", b"order").text(), "hello");
    }
    assert_eq!(sideman.metric("sideman_upstream_connections_reused_total", &[]), 0.0);
}

#[test]
fn keep_alive_header_proves_the_connection() {
    let application = App::saying("hello");
    let sideman = start(&application.url());
    let mut client = sideman.connect();
    for _ in 0..3 {
        assert_eq!(client.post("/", "", b"order").text(), "hello");
    }
    assert_eq!(application.connections(), 1);
}

#[test]
fn closed_idle_connection_revokes_the_proof() {
    let get = |path: &str| expect(&format!("GET {path} "));
    let origin = Origin::scripts([
        vec![
            get("/1"),
            send(SILENT),
            get("/2"),
            send(SILENT),
            expect("POST /3 "),
            body("order"),
            send(SILENT),
            get("/4"),
            close(),
        ],
        vec![get("/4"), send(SILENT)],
        vec![expect("POST /5 "), body("order"), send(SILENT)],
    ]);
    let sideman = start(&origin.url());
    let mut client = sideman.connect();
    assert_eq!(client.get("/1").text(), "hello");
    // Over the same connection, which is now proven to be kept alive.
    assert_eq!(client.get("/2").text(), "hello");
    assert_eq!(client.post("/3", "", b"order").text(), "hello");
    // Retried on a second connection, which is unproven as well.
    assert_eq!(client.get("/4").text(), "hello");
    assert_eq!(client.post("/5", "", b"order").text(), "hello");
}
