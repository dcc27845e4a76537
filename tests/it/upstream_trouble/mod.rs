//! Applications that misbehave, each in one way: the response at the client, and the log.

mod forbidden;
mod heads;
mod loops;
mod protocol;
mod retries;
mod truncated_responses;
mod unproven;

use std::{
    os::unix::net::UnixListener,
    time::{Duration, Instant},
};

use crate::support::{
    Gate, Origin, ReservedPort, Response, Settings, Sideman, Step, TempDir, close, expect, flood,
    pause, reset, send, until_closed, wait,
};

/// A failure has an error page without details, and a log line with the reason.
#[track_caller]
fn check_page(sideman: &Sideman, response: &Response, status: u16, path: &str) {
    assert_eq!(response.status, status, "{}", response.text());
    let kind = response.header("content-type").unwrap_or_default();
    assert!(kind.starts_with("text/"), "{kind}");
    assert!(!response.body.is_empty());
    assert!(!response.text().contains("127.0.0.1"), "{}", response.text());
    let line = sideman.log_of(path);
    assert_eq!(line["status"], status);
    assert_eq!(line["route"], "proxy");
    assert!(line["error"].as_str().is_some_and(|slug| !slug.is_empty()), "{line}");
}

/// One GET to an application that does this.
#[track_caller]
fn check_answer(status: u16, steps: impl IntoIterator<Item = Step>) {
    let origin = Origin::script([expect("GET /page ")].into_iter().chain(steps));
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    let response = client.get("/page");
    check_page(&sideman, &response, status, "/page");
    // The client did nothing wrong, and keeps its connection.
    assert!(matches!(client.get("/healthz").status, 200 | 503));
}

#[test]
fn refuses() {
    let application = ReservedPort::new();
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    check_page(&sideman, &client.get("/get"), 502, "/get");
    check_page(&sideman, &client.post("/post", "", b"body"), 502, "/post");
    assert_eq!(client.ask("HEAD", "/head", "").status, 502);
    assert!(sideman.metric("sideman_upstream_connections_failed_total", &[]) >= 1.0);
}

#[test]
fn has_no_socket_file() {
    let directory = TempDir::new();
    let socket = directory.join("app.sock");
    let sideman = Settings::before(&format!("http+unix:{}", socket.display())).start();
    check_page(&sideman, &sideman.get("/none"), 502, "/none");
    // A socket file without a listener.
    drop(UnixListener::bind(&socket).unwrap());
    check_page(&sideman, &sideman.get("/stale"), 502, "/stale");
}

#[test]
fn has_a_name_without_an_address() {
    let sideman = Settings::before("http://application.invalid:8000").start();
    check_page(&sideman, &sideman.get("/"), 502, "/");
}

#[test]
fn does_not_accept() {
    let application = ReservedPort::new();
    let url = application.url();
    let _queue = application.fill_accept_queue();
    let sideman = Settings::before(&url).set("upstream.connect_timeout", "200ms").start();
    let response = sideman.get("/");
    // Nothing accepted: 502 as for a refusal or 504 as for silence.
    assert!(matches!(response.status, 502 | 504), "{response:?}");
    check_page(&sideman, &response, response.status, "/");
}

#[test]
fn closes_at_once() {
    check_answer(502, [close()]);
}

#[test]
fn closes_within_the_head() {
    check_answer(502, [send("HTTP/1.1 200 OK\r\nContent-Le"), close()]);
}

#[test]
fn resets_within_the_head() {
    check_answer(502, [send("HTTP/1.1 200 OK\r\nContent-Le"), reset()]);
}

#[test]
fn closes_after_an_interim_response() {
    check_answer(502, [send("HTTP/1.1 100 Continue\r\n\r\n"), close()]);
}

#[test]
fn never_ends_its_head() {
    check_answer(
        502,
        [send("HTTP/1.1 200 OK\r\n"), flood("X-Flood: 0123456789\r\n", 64 << 20), until_closed()],
    );
}

#[test]
fn sends_only_interim_responses() {
    let interim = flood("HTTP/1.1 100 Continue\r\n\r\n", 2_500_000);
    let origin = Origin::script([expect("GET / "), interim, until_closed()]);
    let sideman = Settings::before(&origin.url()).set("upstream.read_timeout", "1s").start();
    let response = sideman.get("/");
    // It fails as soon as it is invalid, or when nothing follows.
    assert!(matches!(response.status, 502 | 504), "{response:?}");
    check_page(&sideman, &response, response.status, "/");
}

#[test]
fn never_responds() {
    let origin = Origin::script([expect("GET / "), until_closed()]);
    let sideman = Settings::before(&origin.url()).set("upstream.read_timeout", "300ms").start();
    let begin = Instant::now();
    let mut client = sideman.connect();
    let response = client.get("/");
    assert!(begin.elapsed() >= Duration::from_millis(300), "{:?}", begin.elapsed());
    check_page(&sideman, &response, 504, "/");
    assert!(matches!(client.get("/healthz").status, 200 | 503));
}

#[test]
fn never_ends_the_line_it_began() {
    let origin = Origin::script([expect("GET / "), send("HTTP/1.1 200 O"), until_closed()]);
    let sideman = Settings::before(&origin.url()).set("upstream.read_timeout", "300ms").start();
    check_page(&sideman, &sideman.get("/"), 504, "/");
}

#[test]
fn does_not_read_what_it_is_sent() {
    let logged = Gate::new();
    let origin = Origin::script([expect("POST / "), wait(&logged), until_closed()]);
    let sideman = Settings::before(&origin.url())
        .set("route.all.stream", "request")
        .set("upstream.read_timeout", "300ms")
        .start();
    let mut client = sideman.connect();
    client.send("POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: 64000000\r\n\r\n");
    let piece = vec![b'x'; 1_000_000];
    // Bytes after the response are discarded, so that a client that sends first can read it.
    for _ in 0..64 {
        client.send(&piece);
    }
    assert_eq!(client.response().status, 504);
    assert_eq!(sideman.log_of("/")["status"], 504);
    logged.open();
}

#[test]
fn is_slow_but_never_silent() {
    // Together longer than the timeout, which applies to each pause.
    let gap = || pause(Duration::from_millis(150));
    let origin = Origin::script([
        expect("GET / "),
        gap(),
        send("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n"),
        gap(),
        send("Transfer-Encoding: chunked\r\n\r\n"),
        gap(),
        send("3\r\none\r\n"),
        gap(),
        send("3\r\ntwo\r\n"),
        gap(),
        send("0\r\n\r\n"),
    ]);
    let sideman = Settings::before(&origin.url()).set("upstream.read_timeout", "600ms").start();
    assert_eq!(sideman.get("/").text(), "onetwo");
}
