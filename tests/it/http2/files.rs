//! Files over HTTP/2: whole, ranges, and 304.

use super::connect;
use crate::support::{App, Http2, Settings, Sideman, TempDir, http2::setting, pattern};

const LARGE: usize = 1 << 20;
const HUGE: usize = 5 << 20;

fn start() -> (TempDir, Sideman) {
    let directory = TempDir::new();
    directory.write("small.bin", pattern(1024));
    directory.write("large.bin", pattern(LARGE));
    directory.write("huge.bin", pattern(HUGE));
    directory.write("empty.bin", "");
    let sideman =
        Settings::before("http://127.0.0.1:9").files("/static/", directory.path()).start();
    (directory, sideman)
}

#[test]
fn whole_files_arrive_unchanged() {
    let (_directory, sideman) = start();
    let mut client = connect(&sideman);
    // Twice: from disk, then from memory.
    for _ in 0..2 {
        for (name, size) in
            [("empty.bin", 0), ("small.bin", 1024), ("large.bin", LARGE), ("huge.bin", HUGE)]
        {
            let response = client.get(&format!("/static/{name}"));
            assert_eq!((response.status, response.reset), (200, None), "{name}");
            assert!(response.body == pattern(size), "{name}: {} bytes", response.body.len());
            assert_eq!(response.header("content-length"), Some(size.to_string().as_str()));
            assert_eq!(response.header("connection"), None);
            assert!(response.header("etag").is_some() && response.header("date").is_some());
        }
    }
    let line = sideman.log_of("/static/large.bin");
    assert_eq!((&line["status"], &line["bytes"]), (&200.into(), &LARGE.into()), "{line}");
    assert_eq!(line["error"], serde_json::Value::Null, "{line}");
}

#[test]
fn client_gets_no_more_than_its_window() {
    let (_directory, sideman) = start();
    let settings = [(setting::INITIAL_WINDOW_SIZE, 1000)];
    let mut client = Http2::with(sideman.address(), &settings).hold();
    let stream = client.ask("GET", "/static/large.bin", &[]);
    for opened in [1000, 1001, 17_000, 60_000] {
        client.until("what is allowed", |client| client.peek(stream).body.len() >= opened);
        client.settle();
        assert_eq!(client.peek(stream).body.len(), opened, "no more than that");
        let next = match opened {
            1000 => 1,
            1001 => 15_999,
            _ => 43_000,
        };
        client.widen(stream, next);
    }
    // The connection's window fills up next.
    client.until("all of the connection's", |client| client.peek(stream).body.len() >= 65_535);
    client.widen(stream, LARGE as u32);
    client.settle();
    assert_eq!(client.peek(stream).body.len(), 65_535);
    client.widen(0, LARGE as u32);
    assert!(client.response(stream).body == pattern(LARGE));
}

#[test]
fn window_may_become_negative() {
    let (_directory, sideman) = start();
    let mut client = connect(&sideman).hold();
    let stream = client.ask("GET", "/static/large.bin", &[]);
    client.until("the first window", |client| client.peek(stream).body.len() == 65_535);
    // RFC 9113, 6.9.2: sent bytes count against the new window.
    let settings = crate::support::http2::settings_frame(&[(setting::INITIAL_WINDOW_SIZE, 0)]);
    client.write(&settings.bytes());
    client.until("that", |client| client.acknowledged == 2);
    client.widen(0, 1 << 20);
    client.widen(stream, 65_535);
    client.settle();
    assert_eq!(client.peek(stream).body.len(), 65_535);
    client.widen(stream, 1 << 20);
    assert!(client.response(stream).body == pattern(LARGE));
}

#[test]
fn ranges_and_conditions_work_as_over_http_1() {
    let (_directory, sideman) = start();
    let mut client = connect(&sideman);
    let whole = client.get("/static/small.bin");
    let tag = whole.header("etag").unwrap();
    let path = "/static/small.bin";
    for (method, path, fields, status, body) in [
        ("GET", path, [("range", "bytes=10-19")], 206, pattern(1024)[10..20].to_vec()),
        ("GET", path, [("range", "bytes=-4")], 206, pattern(1024)[1020..].to_vec()),
        ("GET", path, [("range", "bytes=5000-")], 416, vec![]),
        ("GET", path, [("if-none-match", tag)], 304, vec![]),
        ("HEAD", path, [("if-none-match", "\"other\"")], 200, vec![]),
        ("HEAD", path, [("range", "bytes=0-0")], 200, vec![]),
        ("OPTIONS", path, [("accept", "*/*")], 204, vec![]),
    ] {
        let stream = client.ask(method, path, &fields);
        let response = client.response(stream);
        assert_eq!((response.status, response.reset), (status, None), "{method} {fields:?}");
        if status != 416 {
            assert_eq!(response.body, body, "{method} {fields:?}");
        }
        if method == "HEAD" {
            assert_eq!(response.header("content-length"), Some("1024"));
        }
    }
    let stream = client.ask("DELETE", "/static/small.bin", &[]);
    assert_eq!(client.response(stream).status, 405);
    assert_eq!(client.get("/static/no.bin").status, 404);
    assert_eq!(client.get("/static/../../etc/passwd").status, 400);
}

#[test]
fn health_is_served_over_http2() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start().until_ready();
    let mut client = connect(&sideman);
    assert_eq!(client.get("/healthz").status, 200);
    // A load balancer may send no host.
    let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/healthz")];
    let stream = client.open(&fields, true);
    assert_eq!(client.response(stream).status, 200);
}
