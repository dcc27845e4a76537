//! Heads that no server must understand (RFC 9113, 8.1.1 and 8.2): each ends its stream, or is
//! answered with 400, and none reaches the application.

use super::connect;
use crate::support::{
    App, Http2, Settings,
    http2::{
        frame::{Frame, code, flag, kind},
        usual,
    },
};

type Fields = &'static [(&'static str, &'static str)];

/// How a request that nobody must see is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    /// By an answer.
    With(u16),
    /// By ending the stream.
    Reset(u32),
    /// By ending the connection: what no field can be made of is no head at all for h2.
    Gone(u32),
}

const RESET: Refused = Refused::Reset(code::PROTOCOL_ERROR);
const GONE: Refused = Refused::Gone(code::PROTOCOL_ERROR);
const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const PATH: (&str, &str) = (":path", "/");
const NAME: (&str, &str) = (":authority", "example.test");

const CASES: &[(&str, Fields, Refused)] = &[
    ("no method", &[SCHEME, PATH, NAME], RESET),
    ("no scheme", &[METHOD, PATH, NAME], RESET),
    ("no path", &[METHOD, SCHEME, NAME], RESET),
    ("an empty path", &[METHOD, SCHEME, (":path", ""), NAME], RESET),
    ("a path without a slash", &[METHOD, SCHEME, (":path", "a/b"), NAME], RESET),
    ("an asterisk", &[METHOD, SCHEME, (":path", "*"), NAME], Refused::With(400)),
    ("a whole URL", &[METHOD, SCHEME, (":path", "http://a.test/"), NAME], RESET),
    ("a query alone", &[METHOD, SCHEME, (":path", "?a"), NAME], Refused::With(400)),
    ("a space in the path", &[METHOD, SCHEME, (":path", "/a b"), NAME], RESET),
    ("a version in the path", &[METHOD, SCHEME, (":path", "/ HTTP/1.1\r\nA: b"), NAME], RESET),
    ("a NUL in the path", &[METHOD, SCHEME, (":path", "/\0"), NAME], RESET),
    ("two methods", &[METHOD, METHOD, SCHEME, PATH, NAME], RESET),
    ("two schemes", &[METHOD, SCHEME, SCHEME, PATH, NAME], RESET),
    ("two paths", &[METHOD, SCHEME, PATH, PATH, NAME], RESET),
    ("two authorities", &[METHOD, SCHEME, PATH, NAME, NAME], RESET),
    ("a status", &[METHOD, SCHEME, PATH, NAME, (":status", "200")], RESET),
    ("another pseudo field", &[METHOD, SCHEME, PATH, NAME, (":x", "y")], GONE),
    ("a protocol", &[METHOD, SCHEME, PATH, NAME, (":protocol", "websocket")], RESET),
    ("a pseudo field behind", &[METHOD, SCHEME, ("a", "b"), PATH, NAME], RESET),
    ("an empty method", &[(":method", ""), SCHEME, PATH, NAME], GONE),
    ("a method with a space", &[(":method", "GET /"), SCHEME, PATH, NAME], GONE),
    ("a scheme of signs", &[METHOD, (":scheme", "h ttp"), PATH, NAME], RESET),
    ("no host at all", &[METHOD, SCHEME, PATH], Refused::With(400)),
    ("an empty authority", &[METHOD, SCHEME, PATH, (":authority", "")], RESET),
    ("userinfo", &[METHOD, SCHEME, PATH, (":authority", "u@example.test")], Refused::With(400)),
    ("a space in the authority", &[METHOD, SCHEME, PATH, (":authority", "a b")], RESET),
    ("a path in the authority", &[METHOD, SCHEME, PATH, (":authority", "a.test/b")], RESET),
    ("a port of letters", &[METHOD, SCHEME, PATH, (":authority", "a.test:x")], Refused::With(400)),
    ("another host", &[METHOD, SCHEME, PATH, NAME, ("host", "other.test")], Refused::With(400)),
    (
        "two hosts",
        &[METHOD, SCHEME, PATH, ("host", "example.test"), ("host", "example.test")],
        Refused::With(400),
    ),
    ("a broken host", &[METHOD, SCHEME, PATH, ("host", "a/b")], Refused::With(400)),
    ("an empty host", &[METHOD, SCHEME, PATH, ("host", "")], Refused::With(400)),
    ("large letters", &[METHOD, SCHEME, PATH, NAME, ("X-Name", "v")], GONE),
    ("an empty name", &[METHOD, SCHEME, PATH, NAME, ("", "v")], GONE),
    ("a space in a name", &[METHOD, SCHEME, PATH, NAME, ("a b", "v")], GONE),
    ("a colon in a name", &[METHOD, SCHEME, PATH, NAME, ("a:b", "v")], GONE),
    ("a line's end in a name", &[METHOD, SCHEME, PATH, NAME, ("a\r\nb", "v")], GONE),
    ("a line's end in a value", &[METHOD, SCHEME, PATH, NAME, ("a", "b\r\nc: d")], GONE),
    ("a line feed in a value", &[METHOD, SCHEME, PATH, NAME, ("a", "b\nc")], GONE),
    ("a NUL in a value", &[METHOD, SCHEME, PATH, NAME, ("a", "b\0c")], GONE),
    ("connection", &[METHOD, SCHEME, PATH, NAME, ("connection", "close")], RESET),
    ("keep-alive", &[METHOD, SCHEME, PATH, NAME, ("keep-alive", "timeout=5")], RESET),
    ("proxy-connection", &[METHOD, SCHEME, PATH, NAME, ("proxy-connection", "close")], RESET),
    ("transfer-encoding", &[METHOD, SCHEME, PATH, NAME, ("transfer-encoding", "chunked")], RESET),
    ("upgrade", &[METHOD, SCHEME, PATH, NAME, ("upgrade", "websocket")], RESET),
    ("te", &[METHOD, SCHEME, PATH, NAME, ("te", "gzip")], RESET),
    ("a list in te", &[METHOD, SCHEME, PATH, NAME, ("te", "trailers, gzip")], RESET),
    ("a length of letters", &[METHOD, SCHEME, PATH, NAME, ("content-length", "x")], RESET),
    ("a length with a sign", &[METHOD, SCHEME, PATH, NAME, ("content-length", "+0")], RESET),
    ("a list of lengths", &[METHOD, SCHEME, PATH, NAME, ("content-length", "0, 0")], RESET),
    (
        "two lengths",
        &[METHOD, SCHEME, PATH, NAME, ("content-length", "0"), ("content-length", "1")],
        RESET,
    ),
    (
        "the same length twice",
        &[METHOD, SCHEME, PATH, NAME, ("content-length", "0"), ("content-length", "0")],
        Refused::With(400),
    ),
    ("TRACE", &[(":method", "TRACE"), SCHEME, PATH, NAME], Refused::With(405)),
    ("a length without a body", &[METHOD, SCHEME, PATH, NAME, ("content-length", "1")], RESET),
    ("CONNECT", &[(":method", "CONNECT"), (":authority", "example.test:80")], Refused::With(405)),
    ("CONNECT with a path", &[(":method", "CONNECT"), SCHEME, PATH, NAME], RESET),
];

fn refusal(client: &mut Http2, stream: u32) -> Refused {
    client.until("a refusal", |client| client.peek(stream).is_over() || !client.goaways.is_empty());
    let answer = client.peek(stream);
    match (answer.is_complete, answer.reset, client.goaways.last()) {
        (true, _, _) => Refused::With(answer.status),
        (false, Some(code), _) => Refused::Reset(code),
        (false, None, Some(&(_, code))) => Refused::Gone(code),
        (false, None, None) => unreachable!(),
    }
}

#[test]
fn none_reaches_the_application() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut wrong = Vec::new();
    for &(what, fields, expected) in CASES {
        let mut client = connect(&sideman);
        let stream = client.open(fields, true);
        let refused = refusal(&mut client, stream);
        if refused != expected {
            wrong.push(format!("{what}: {refused:?} and not {expected:?}"));
        }
        // It was the stream's failure alone.
        if !matches!(refused, Refused::Gone(_)) && client.get("/good").text() != "hello" {
            wrong.push(format!("{what}: the connection is of no use any more"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let expected = CASES.iter().filter(|case| !matches!(case.2, Refused::Gone(_))).count();
    assert_eq!(application.requests(), expected, "the good ones alone");
}

#[test]
fn what_is_refused_by_an_answer_has_its_line() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = connect(&sideman);
    let stream = client.ask("GET", "/other", &[("host", "other.test")]);
    assert_eq!(client.answer(stream).status, 400);
    let line = sideman.log_of("/other");
    assert_eq!((&line["status"], &line["error"]), (&400.into(), &"host_mismatch".into()));
    let stream = client.open(&[METHOD, SCHEME, (":path", "/none")], true);
    assert_eq!(client.answer(stream).status, 400);
    assert_eq!(sideman.log_of("/none")["error"], "host_missing");
}

#[test]
fn what_looks_odd_and_is_right_is_taken() {
    let application = App::start(|request| {
        let host = request.head.get("host").unwrap();
        App::reply(format!("{} {host}", request.head.start).as_bytes())
    });
    let sideman = Settings::before(&application.url()).start();
    let mut client = connect(&sideman);
    for (fields, text) in [
        (&[METHOD, SCHEME, PATH, ("host", "a.test")][..], "GET / HTTP/1.1 a.test"),
        (&[METHOD, SCHEME, PATH, NAME, ("host", "example.test")], "GET / HTTP/1.1 example.test"),
        (&[METHOD, SCHEME, PATH, NAME, ("host", "Example.TEST")], "GET / HTTP/1.1 example.test"),
        (&[NAME, PATH, SCHEME, METHOD], "GET / HTTP/1.1 example.test"),
        (&[METHOD, (":scheme", "https"), PATH, NAME], "GET / HTTP/1.1 example.test"),
        (&[METHOD, SCHEME, PATH, (":authority", "[::1]:80")], "GET / HTTP/1.1 [::1]:80"),
        (&[(":method", "PROPFIND"), SCHEME, PATH, NAME], "PROPFIND / HTTP/1.1 example.test"),
        (
            &[(":method", "OPTIONS"), SCHEME, (":path", "*"), NAME],
            "OPTIONS * HTTP/1.1 example.test",
        ),
        (&[METHOD, SCHEME, (":path", "//a/../b?c#"), NAME], "GET //a/../b?c HTTP/1.1 example.test"),
    ] {
        let stream = client.open(fields, true);
        let answer = client.answer(stream);
        assert_eq!((answer.status, answer.text().as_str()), (200, text), "{fields:?}");
    }
}

#[test]
fn a_head_that_is_too_large_is_refused_alone() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = connect(&sideman);
    let value = "v".repeat(15_000);
    let large: Vec<_> =
        ["a", "b", "c", "d", "e", "f"].iter().map(|&name| (name, value.as_str())).collect();
    let stream = client.ask("GET", "/large", &large);
    assert_eq!(client.answer(stream).text(), "hello");
    let mut larger = large;
    larger.push(("g", &value));
    let (longest, too_long) = ("v".repeat(16 * 1024 - 1), "v".repeat(16 * 1024));
    let many: Vec<_> = (0..201).map(|_| ("x", "1")).collect();
    let long_target = format!("/{}", "t".repeat(16 * 1024));
    let stream = client.ask("GET", "/longest", &[("a", &longest)]);
    assert_eq!(client.answer(stream).text(), "hello");
    // As over HTTP/1: with the limit's name, a line in the log, and counted.
    for (target, fields, status, error, setting) in [
        ("/larger", &larger[..], 431, "headers_too_long", "server.max_head"),
        ("/long", &[("a", too_long.as_str())], 431, "header_too_long", "server.max_header"),
        ("/many", &many, 431, "too_many_headers", "server.max_headers"),
        (&long_target, &[], 414, "request_line_too_long", "server.max_request_line"),
    ] {
        let stream = client.ask("GET", target, fields);
        let answer = client.answer(stream);
        assert_eq!(answer.status, status, "{error}");
        assert!(answer.text().contains(setting), "{}", answer.text());
        sideman.until_metric("sideman_errors_total", &[("error", error)], 1.0);
    }
    // Of what is far too large nothing is kept.
    let vast: Vec<_> = (0..14).map(|_| ("a", value.as_str())).collect();
    let stream = client.ask("GET", "/vast", &vast);
    assert_eq!(client.answer(stream).status, 431);
    assert_eq!(client.get("/").text(), "hello");
    assert_eq!(application.requests(), 3);
}

#[test]
fn frames_where_none_may_be_end_the_connection() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let block = crate::support::http2::hpack::encode(&usual("GET", "/", &[]));
    let all = flag::END_HEADERS | flag::END_STREAM;
    let frame = |kind, flags, stream, payload: &[u8]| Frame::new(kind, flags, stream, payload);
    for (what, frames, expected) in [
        ("a body for nothing", vec![frame(kind::DATA, 0, 1, b"a")], code::PROTOCOL_ERROR),
        ("an even stream", vec![frame(kind::HEADERS, all, 2, &block)], code::PROTOCOL_ERROR),
        ("stream 0", vec![frame(kind::HEADERS, all, 0, &block)], code::PROTOCOL_ERROR),
        ("a reset for nothing", vec![frame(kind::RST_STREAM, 0, 1, &[0; 4])], code::PROTOCOL_ERROR),
        (
            "a continuation of nothing",
            vec![frame(kind::CONTINUATION, 4, 1, &[])],
            code::PROTOCOL_ERROR,
        ),
        (
            "something amid a head",
            vec![frame(kind::HEADERS, 1, 1, &block), frame(kind::PING, 0, 0, &[0; 8])],
            code::PROTOCOL_ERROR,
        ),
        ("a push", vec![frame(kind::PUSH_PROMISE, 4, 1, &[0, 0, 0, 2])], code::PROTOCOL_ERROR),
        ("a short ping", vec![frame(kind::PING, 0, 0, &[0; 7])], code::FRAME_SIZE_ERROR),
        ("short settings", vec![frame(kind::SETTINGS, 0, 0, &[0; 5])], code::FRAME_SIZE_ERROR),
        ("a long frame", vec![frame(kind::DATA, 0, 1, &[0; 16_385])], code::FRAME_SIZE_ERROR),
        (
            "a window of 2^31",
            vec![frame(kind::SETTINGS, 0, 0, &[0, 4, 128, 0, 0, 0])],
            code::FLOW_CONTROL_ERROR,
        ),
        ("no window", vec![frame(kind::WINDOW_UPDATE, 0, 0, &[0; 4])], code::PROTOCOL_ERROR),
        (
            "an overflow of the window",
            vec![frame(kind::WINDOW_UPDATE, 0, 0, &[0x7f, 255, 255, 255])],
            code::FLOW_CONTROL_ERROR,
        ),
        (
            "no field",
            vec![frame(kind::HEADERS, all, 1, &[0xff, 0xff, 0xff])],
            code::COMPRESSION_ERROR,
        ),
        (
            "more padding than there is",
            vec![frame(kind::HEADERS, all | flag::PADDED, 1, &[200, 1])],
            code::PROTOCOL_ERROR,
        ),
    ] {
        let mut client = connect(&sideman);
        client.settle();
        for frame in frames {
            client.write(&frame.bytes());
        }
        let code = client.until_gone();
        // h2 has the general code for what has one of its own.
        assert!(code == Some(expected) || code == Some(code::PROTOCOL_ERROR), "{what}: {code:?}");
    }
    assert_eq!(application.requests(), 0);
    sideman.until_metric("sideman_client_connections", &[], 0.0);
}

#[test]
fn a_window_that_overflows_ends_its_stream() {
    let directory = crate::support::TempDir::new();
    directory.write("a.bin", vec![b'a'; 1 << 20]);
    let sideman = Settings::before("http://127.0.0.1:9").files("/s/", directory.path()).start();
    let mut client = connect(&sideman).hold();
    let stream = client.ask("GET", "/s/a.bin", &[]);
    client.until("a window full", |client| client.peek(stream).body.len() == 65_535);
    client.widen(stream, 0x7fff_ffff);
    client.widen(stream, 0x7fff_ffff);
    assert_eq!(client.answer(stream).reset, Some(code::FLOW_CONTROL_ERROR));
    client.settle();
}

#[test]
fn frames_that_nobody_knows_are_skipped() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = connect(&sideman);
    client.frame(0xbe, 0xff, 0, b"whatever");
    client.frame(0x10, 0, 0, &[0, 0, 0, 1, b'u']);
    // Settings without a meaning, twice; a priority for a stream that never comes.
    client.frame(kind::SETTINGS, 0, 0, &[0x7f, 0x7f, 1, 2, 3, 4, 0x7f, 0x7f, 0, 0, 0, 0]);
    client.frame(kind::PRIORITY, 0, 101, &[0, 0, 0, 0, 16]);
    assert_eq!(client.get("/").text(), "hello");
    assert_eq!(client.acknowledged, 2);
}
