//! Request bodies: their content at the application, and when they arrive.

use super::connect;
use crate::support::{
    App, Gate, Origin, Settings, body, close, expect,
    http2::{frame::code, usual},
    open, pattern, receive, send,
};

const OK: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn request_bodies_arrive_complete_with_content_length() {
    let application = App::start(|request| {
        let framing = request.head.get("content-length").unwrap_or("none").to_owned();
        assert!(!request.head.has("transfer-encoding"));
        let same = request.body == pattern(request.body.len());
        App::reply(format!("{framing} {same}").as_bytes())
    });
    let sideman = Settings::before(&application.url()).start();
    let mut client = connect(&sideman);
    for size in [0, 1, 5, 16_384, 65_535, 65_536, 300_000, 3 << 20] {
        let length = size.to_string();
        for fields in [&[("content-length", length.as_str())][..], &[]] {
            let stream = client.post("/echo", fields, &pattern(size));
            let response = client.response(stream);
            let expected = format!("{size} true");
            let none = size == 0 && response.text() == "none true";
            assert!(
                response.status == 200 && (response.text() == expected || none),
                "{response:?}"
            );
        }
    }
    // Without a body from the start.
    let stream = client.ask("POST", "/echo", &[("content-length", "0")]);
    assert_eq!(client.response(stream).text(), "0 true");
}

#[test]
fn request_is_buffered_before_it_is_forwarded() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = connect(&sideman);
    let slow = client.open(&usual("POST", "/slow", &[]), false);
    client.data(slow, b"some", false);
    client.settle();
    // The connection is free for other requests meanwhile.
    assert_eq!(client.get("/quick").text(), "hello");
    assert_eq!(application.requests(), 1);
    client.data(slow, b"rest", true);
    assert_eq!(client.response(slow).text(), "hello");
    assert_eq!(application.requests(), 2);
}

#[test]
fn request_trailers_are_not_forwarded() {
    let origin = Origin::script([expect("POST / "), body("hello"), send(OK), close()]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = connect(&sideman);
    let stream = client.open(&usual("POST", "/", &[]), false);
    client.data(stream, b"hello", false);
    client.write(&crate::support::http2::headers(stream, &[("x-sum", "12")], true));
    assert_eq!(client.response(stream).text(), "hello");
    assert!(!origin.request(0).head.has("x-sum"));
}

#[test]
fn request_bodies_can_be_streamed() {
    let arrived = Gate::new();
    let origin = Origin::script([
        expect("POST / "),
        receive("first"),
        open(&arrived),
        receive("last"),
        send(OK),
        close(),
    ]);
    let sideman = Settings::before(&origin.url()).set("route.all.stream", "request").start();
    let mut client = connect(&sideman);
    let fields = [("content-length", "9")];
    let stream = client.open(&usual("POST", "/", &fields), false);
    client.data(stream, b"first", false);
    arrived.pass();
    client.data(stream, b"last", true);
    assert_eq!(client.response(stream).text(), "hello");
}

#[test]
fn too_long_body_is_refused_while_received() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).set("server.max_body", "100KiB").start();
    let mut client = connect(&sideman);
    let length = (1 << 20).to_string();
    for fields in [&[("content-length", length.as_str())][..], &[]] {
        let stream = client.post("/upload", fields, &pattern(1 << 20));
        let response = client.response(stream);
        assert_eq!(response.status, 413, "{response:?}");
        assert!(response.reset.is_none_or(|code| code == code::NO_ERROR), "{response:?}");
        // The connection stays open, and its windows are open again.
        assert_eq!(client.get("/after").text(), "hello");
    }
    let line = sideman.log_of("/upload");
    assert_eq!((&line["status"], &line["error"]), (&413.into(), &"body_too_large".into()));
    sideman.until_metric("sideman_buffer_bytes", &[], 0.0);
}

#[test]
fn length_mismatch_resets_only_its_stream() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = connect(&sideman);
    for (told, sent) in [("5", &b"hello!"[..]), ("5", b"hell"), ("0", b"x"), ("7", b"")] {
        let fields = [("content-length", told)];
        let stream = client.post("/liar", &fields, sent);
        let response = client.response(stream);
        let is_refused = response.status == 400 || response.reset == Some(code::PROTOCOL_ERROR);
        assert!(is_refused, "{told} {sent:?}: {response:?}");
        client.settle();
    }
    assert_eq!(client.get("/").text(), "hello");
    assert_eq!(application.requests(), 1);
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
}

/// RFC 9110, 10.1.1: a client that expects 100 gets it once, before its body is read.
#[test]
fn expect_100_continue_is_answered_when_the_body_is_wanted() {
    let application = App::start(|request| {
        assert!(!request.head.has("expect"));
        App::reply(&request.body)
    });
    for unbuffered in ["/other/", "/"] {
        let sideman = Settings::before(&application.url())
            .route("unbuffered", &[("path", unbuffered), ("stream", "request")])
            .start();
        let mut client = connect(&sideman);
        for expectation in ["100-continue", "100-Continue"] {
            for length in [&[("content-length", "5")][..], &[]] {
                let fields = [&[("expect", expectation)], length].concat();
                let stream = client.open(&usual("POST", "/", &fields), false);
                client.until("100", |client| client.peek(stream).interim == [100]);
                client.data(stream, b"hello", true);
                let response = client.response(stream);
                assert_eq!((response.text().as_str(), response.interim), ("hello", vec![100]));
            }
        }
        // A client that does not expect 100, or does not wait for it, does not get it.
        let stream = client.post("/", &[("content-length", "5")], b"hello");
        assert_eq!(client.response(stream).interim, [0; 0]);
        let stream = client.ask("POST", "/", &[("expect", "100-continue")]);
        assert_eq!(client.response(stream).interim, [0; 0]);
    }
}

#[test]
fn expect_100_continue_is_not_answered_before_a_refusal() {
    let directory = crate::support::TempDir::new();
    directory.write("a.txt", "a file");
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("server.max_body", "1KiB")
        .start();
    let mut client = connect(&sideman);
    for (path, length, status) in [("/", "1025", 413), ("/static/a.txt", "5", 405)] {
        let fields = [("expect", "100-continue"), ("content-length", length)];
        let stream = client.open(&usual("POST", path, &fields), false);
        let response = client.response(stream);
        assert_eq!((response.status, response.interim), (status, vec![]), "{path}");
    }
    assert_eq!(application.requests(), 0);
}
