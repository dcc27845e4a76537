//! A restarting application: no request fails if retrying is safe.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    time::{Duration, Instant},
};

use super::ask;
use crate::support::{App, ReservedPort, Settings, Sideman, TempDir};

fn before_socket(path: &Path) -> Settings {
    Settings::before(&format!("http+unix:{}", path.display())).set("upstream.wait", "15s")
}

/// Waits until this number of requests waits for the application.
#[track_caller]
fn until_waiting(sideman: &Sideman, count: u32) {
    sideman.until_metric("sideman_queue_length", &[], count.into());
}

/// Reads one head from a connection that carries a request; others are probes.
fn accept_request(listener: &UnixListener) -> (UnixStream, String) {
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if stream.read(&mut byte).unwrap_or_default() == 0 {
                break;
            }
            head.push(byte[0]);
        }
        if !head.is_empty() {
            return (stream, String::from_utf8(head).unwrap());
        }
    }
}

fn answer(mut stream: UnixStream) {
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        .unwrap();
}

#[test]
fn requests_wait_for_a_port_that_refuses() {
    let port = ReservedPort::new();
    let sideman = Settings::before(&port.url()).set("upstream.wait", "15s").start();
    let mut waiting = [
        ask(&sideman, "GET", "/1", ""),
        ask(&sideman, "POST", "/2", "order"),
        ask(&sideman, "PUT", "/3", "x"),
    ];
    until_waiting(&sideman, 3);
    assert_eq!(sideman.metric("sideman_upstream_servers", &[("state", "unavailable")]), 1.0);
    let app = App::on(port.listen(), |request| App::reply(&request.body));
    let texts: Vec<String> = waiting.iter_mut().map(|client| client.response().text()).collect();
    assert_eq!(texts, ["", "order", "x"]);
    assert_eq!(app.requests(), 3);
    sideman.until_metric("sideman_upstream_servers", &[("state", "unavailable")], 0.0);
    assert!(sideman.log_of("/2")["queue_ms"].as_f64().unwrap() > 0.0);
    sideman.event("upstream server available again");
}

#[test]
fn requests_wait_for_a_missing_socket() {
    let directory = TempDir::new();
    let path = directory.join("app.sock");
    let sideman = before_socket(&path).start();
    let mut waiting = ask(&sideman, "GET", "/1", "");
    until_waiting(&sideman, 1);
    let listener = UnixListener::bind(&path).unwrap();
    let (stream, head) = accept_request(&listener);
    assert!(head.starts_with("GET /1 "), "{head}");
    answer(stream);
    assert_eq!(waiting.response().text(), "ok");
}

#[test]
fn queued_requests_make_no_reconnect_storm() {
    let port = ReservedPort::new();
    let sideman = Settings::before(&port.url()).set("upstream.wait", "15s").start();
    let mut waiting = vec![ask(&sideman, "GET", "/", "")];
    until_waiting(&sideman, 1);
    let before = sideman.metric("sideman_upstream_connections_failed_total", &[]);
    waiting.extend((0..40).map(|_| ask(&sideman, "GET", "/", "")));
    until_waiting(&sideman, 41);
    // The server is known to be unavailable: other requests do not connect.
    let after = sideman.metric("sideman_upstream_connections_failed_total", &[]);
    assert_eq!(before, after);
    let _app = App::on(port.listen(), |_| App::reply(b"ok"));
    assert!(waiting.iter_mut().all(|client| client.response().status == 200));
}

#[test]
fn wait_ends_with_an_error() {
    let port = ReservedPort::new();
    let sideman = Settings::before(&port.url()).set("upstream.wait", "300ms").start();
    let begin = Instant::now();
    let response = sideman.get("/1");
    assert!(begin.elapsed() >= Duration::from_millis(300), "{:?}", begin.elapsed());
    assert_eq!(response.status, 502);
    let line = sideman.log_of("/1");
    assert_eq!(line["error"], "upstream_refused");
    assert!(line["queue_ms"].is_number(), "{line}");
}

#[test]
fn requests_wait_for_a_name_without_an_address() {
    let settings = Settings::before("http://application.invalid:8000");
    let sideman = settings.set("upstream.wait", "300ms").start();
    let begin = Instant::now();
    assert_eq!(sideman.get("/1").status, 502);
    assert!(begin.elapsed() >= Duration::from_millis(300), "{:?}", begin.elapsed());
    assert_eq!(sideman.log_of("/1")["error"], "upstream_unresolved");
}

#[test]
fn safe_request_lost_with_its_application_is_retried() {
    let directory = TempDir::new();
    let path = directory.join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let sideman = before_socket(&path).start();
    let mut client = ask(&sideman, "GET", "/1", "");
    let (stream, _) = accept_request(&listener);
    // All processes end at once, without a response.
    fs::remove_file(&path).unwrap();
    drop(listener);
    drop(stream);
    until_waiting(&sideman, 1);
    let listener = UnixListener::bind(&path).unwrap();
    let (stream, head) = accept_request(&listener);
    assert!(head.starts_with("GET /1 "), "{head}");
    answer(stream);
    assert_eq!(client.response().text(), "ok");
    assert_eq!(sideman.metric("sideman_upstream_retries_total", &[]), 1.0);
}

#[test]
fn unsafe_request_lost_with_its_application_is_not_retried() {
    for method in ["POST", "PATCH", "DELETE", "PUT"] {
        let directory = TempDir::new();
        let path = directory.join("app.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let sideman = before_socket(&path).start();
        let mut client = ask(&sideman, method, "/1", "order");
        let (mut stream, _) = accept_request(&listener);
        let mut body = [0; 5];
        stream.read_exact(&mut body).unwrap();
        fs::remove_file(&path).unwrap();
        drop(listener);
        drop(stream);
        assert_eq!(client.response().status, 502, "{method}");
        assert_eq!(sideman.metric("sideman_upstream_retries_total", &[]), 0.0);
    }
}

#[test]
fn request_that_killed_its_worker_is_not_retried() {
    let directory = TempDir::new();
    let path = directory.join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let sideman = before_socket(&path).start();
    let mut client = ask(&sideman, "GET", "/fatal", "");
    let (stream, _) = accept_request(&listener);
    // The other workers exist, and accept.
    drop(stream);
    assert_eq!(client.response().status, 502);
    assert_eq!(sideman.metric("sideman_upstream_retries_total", &[]), 0.0);
    assert_eq!(sideman.log_of("/fatal")["error"], "upstream_closed");
}

#[test]
fn queued_requests_fail_at_shutdown() {
    let port = ReservedPort::new();
    let settings = Settings::before(&port.url()).set("upstream.wait", "15s");
    let sideman = settings.set("shutdown.timeout", "500ms").start();
    let mut client = ask(&sideman, "GET", "/1", "");
    until_waiting(&sideman, 1);
    let begin = Instant::now();
    let (code, _) = sideman.shut_down();
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(code, Some(3), "a request was cut");
    assert!(client.until_gone().is_empty());
}
