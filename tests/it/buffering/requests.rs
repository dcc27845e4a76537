//! Requests are complete before they are forwarded, and have a Content-Length.

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{before, kept, send_chunked};
use crate::support::{
    App, Gate, Origin, Settings, TempDir, body, close, expect, open, pattern, receive, send,
};

#[test]
fn buffered_upload_is_not_forwarded_before_it_is_complete() {
    for (framing, first, last) in [
        ("Content-Length: 10", "first", "after"),
        ("Transfer-Encoding: chunked", "5\r\nfirst\r\n", "5\r\nafter\r\n0\r\n\r\n"),
    ] {
        // Every connection to the application is noticed.
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        let application = App::on(listener, move |request| {
            count.fetch_add(1, Ordering::SeqCst);
            let length = request.head.get("content-length").unwrap_or("none").to_owned();
            assert!(!request.head.has("transfer-encoding"));
            App::reply(&[length.as_bytes(), b" ", &request.body].concat())
        });
        let sideman = before(&application.url()).start();
        let mut slow = sideman.connect();
        slow.send(format!("POST /slow HTTP/1.1\r\nHost: example.test\r\n{framing}\r\n\r\n{first}"));
        // Another request is served meanwhile: the first bytes arrived before it.
        for _ in 0..3 {
            assert_eq!(sideman.connect().post("/", "", b"body").text(), "4 body");
        }
        assert_eq!(seen.load(Ordering::SeqCst), 3, "{framing}");
        assert_eq!(slow.send(last).response().text(), "10 firstafter", "{framing}");
    }
}

#[test]
fn buffered_body_has_content_length() {
    let application = App::start(|request| {
        let (length, coding) =
            (request.head.get("content-length"), request.head.get("transfer-encoding"));
        App::reply(format!("{length:?} {coding:?} {}", request.body.len()).as_bytes())
    });
    let sideman = before(&application.url()).start();
    let mut client = sideman.connect();
    for (length, chunk) in [(0, 1), (1, 1), (1000, 1), (70_000, 9), (300_000, 60_000)] {
        send_chunked(&mut client, "/", &pattern(length), chunk);
        let expected = format!("Some(\"{length}\") None {length}");
        assert_eq!(client.response().text(), expected);
    }
    client.send("POST / HTTP/1.1\r\nHost: example.test\r\n\r\n");
    assert_eq!(client.response().text(), "None None 0");
    assert_eq!(client.post("/", "", b"").text(), "Some(\"0\") None 0");
}

#[test]
fn long_upload_is_spilled_to_disk_and_arrives_unchanged() {
    const SIZE: usize = 10 << 20;
    let directory = TempDir::new();
    let application = App::start(|request| {
        App::reply(format!("{}", request.body == pattern(request.body.len())).as_bytes())
    });
    let named = directory.path().display().to_string();
    for (place, kind) in [
        (named.as_str(), "disk"),
        ("memory", "memory"),
        // This directory is not writable, so it counts as missing.
        ("/proc", "memory"),
        ("/nonexistent/sideman", "memory"),
    ] {
        let sideman = before(&application.url()).set("buffers.directory", place).start();
        let mut client = sideman.connect();
        assert_eq!(client.post("/length", "", &pattern(SIZE)).text(), "true", "{place}");
        send_chunked(&mut client, "/chunked", &pattern(SIZE), 70_001);
        assert_eq!(client.response().text(), "true", "{place}");
        assert_eq!(sideman.metric("sideman_buffer_spilled_total", &[("body", "request")]), 2.0);
        // The file is visible while it is used.
        client.send(format!(
            "POST /part HTTP/1.1\r\nHost: example.test\r\nContent-Length: {SIZE}\r\n\r\n"
        ));
        client.send(&pattern(SIZE)[..SIZE / 2]);
        crate::support::eventually("bytes that wait", || {
            let waiting = sideman.metric("sideman_buffer_bytes", &[("kind", kind)]);
            (waiting > 4e6).then_some(())
        });
        // The file has no name.
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        client.send(&pattern(SIZE)[SIZE / 2..]);
        assert_eq!(client.response().text(), "true", "{place}");
        for kind in ["disk", "memory"] {
            sideman.until_metric("sideman_buffer_bytes", &[("kind", kind)], 0.0);
        }
    }
}

#[test]
fn slow_uploads_occupy_no_worker() {
    // The application has one worker, so a request that occupies it blocks all others.
    let application = App::saying("hello");
    let sideman = before(&application.url()).start();
    let slow: Vec<_> = (0..20)
        .map(|_| {
            let mut client = sideman.connect();
            client.send(
                "POST /slow HTTP/1.1\r\nHost: example.test\r\nContent-Length: 400000\r\n\r\nsome",
            );
            client.send(pattern(300_000));
            client
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(sideman.get("/").text(), "hello");
    }
    assert_eq!(application.requests(), 20);
    drop(slow);
    for kind in ["disk", "memory"] {
        sideman.until_metric("sideman_buffer_bytes", &[("kind", kind)], 0.0);
    }
}

#[test]
fn silent_upload_gets_408() {
    let application = App::saying("never asked");
    let sideman = before(&application.url())
        .set("server.body_timeout", "300ms")
        .set("server.min_body_rate", "off")
        .start();
    for part in
        ["Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"]
    {
        let mut client = sideman.connect();
        client.send(format!("POST /silent HTTP/1.1\r\nHost: example.test\r\n{part}"));
        let response = client.response();
        assert!(response.status == 408 && response.closes(), "{response:?}");
        assert_eq!(sideman.log_of("/silent")["error"], "client_body_timeout");
    }
    assert_eq!(application.requests(), 0);
}

#[test]
fn buffered_request_can_be_retried() {
    let put = |path: &str, length| expect(&format!("PUT {path} ")).then_body(length);
    let origin = Origin::scripts([
        [put("/1", 5), vec![send(kept("one")), expect("PUT /2 "), close()]].concat(),
        [put("/2", 400_000), vec![send(kept("two"))]].concat(),
    ]);
    let sideman = before(&origin.url()).start();
    let mut client = sideman.connect();
    let mut ask = |path: &str, length: usize| {
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: example.test\r\nContent-Length: {length}\r\n\r\n"
        );
        client.send([head.as_bytes(), &pattern(length)].concat()).response().text()
    };
    assert_eq!(ask("/1", 5), "one");
    // The body is sent again from the file.
    assert_eq!(ask("/2", 400_000), "two");
    assert_eq!(sideman.metric("sideman_upstream_retries_total", &[]), 1.0);
}

#[test]
fn route_can_disable_request_buffering() {
    for (all, path, direction, streams) in [
        ("none", "/up/", "request", true),
        ("none", "/up/", "both", true),
        ("request", "/up/", "response", false),
        ("request", "/up/", "none", false),
        ("none", "/other/", "request", false),
    ] {
        let arrived = Gate::new();
        let script = if streams {
            vec![receive("first"), open(&arrived), receive("after")]
        } else {
            vec![body("firstafter")]
        };
        let end = vec![send(kept("done")), close()];
        let origin = Origin::script([vec![expect("POST /u%70/load ")], script, end].concat());
        let settings: Settings = before(&origin.url())
            .set("route.all.stream", all)
            .route("path", &[("path", path), ("stream", direction)]);
        let sideman = settings.start();
        let mut client = sideman.connect();
        client.send(
            "POST /u%70/load HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\n\r\n\
             5\r\nfirst\r\n",
        );
        if streams {
            arrived.pass();
        }
        assert_eq!(
            client.send("5\r\nafter\r\n0\r\n\r\n").response().text(),
            "done",
            "{all} {path} {direction}"
        );
    }
}

/// The head of a request, and a body of [`pattern`].
trait ThenBody {
    fn then_body(self, length: usize) -> Vec<crate::support::Step>;
}

impl ThenBody for crate::support::Step {
    fn then_body(self, length: usize) -> Vec<Self> {
        vec![self, body(pattern(length))]
    }
}
