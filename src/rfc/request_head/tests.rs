//! Heads, whole and in pieces.

use proptest::prelude::*;

use super::*;
use crate::rfc::target::Misplaced;

const LIMITS: Limits = Limits { line: 64, field: 48, head: 512, fields: 8 };

fn scan(head: &[u8]) -> Result<Option<Head>, Fault> {
    Scanner::default().scan(head, &LIMITS)
}

/// The same bytes one after the other.
fn scan_slowly(head: &[u8]) -> Result<Option<Head>, Fault> {
    let mut scanner = Scanner::default();
    for length in 1..=head.len() {
        let found = scanner.scan(&head[..length], &LIMITS)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

#[test]
fn heads_that_pass() {
    for (head, framing, asks_for_websocket) in [
        ("GET / HTTP/1.1\r\n\r\n", Framing::Length(0), false),
        ("\r\nGET / HTTP/1.0\r\n\r\n", Framing::Length(0), false),
        ("M-SEARCH * HTTP/1.1\r\nA:\r\nB: \t \r\n\r\n", Framing::Length(0), false),
        ("POST /?a HTTP/1.1\r\nCONTENT-length:\t7 \r\n\r\n", Framing::Length(7), false),
        ("POST / HTTP/1.1\r\ncontent-length: 007\r\n\r\n", Framing::Length(7), false),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n", Framing::Chunked, false),
        ("GET / HTTP/1.1\r\nUpgrade: h2c, WebSocket\r\n\r\n", Framing::Length(0), true),
        ("GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n", Framing::Length(0), false),
        (
            "GET / HTTP/1.1\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\n",
            Framing::Length(1),
            false,
        ),
    ] {
        let fields = head.matches(':').count();
        let length = head.len();
        let expected = Ok(Some(Head { length, framing, fields, asks_for_websocket, hidden: None }));
        let followed = [head.as_bytes(), b"GET /2"].concat();
        assert_eq!(scan(&followed), expected, "{head}");
        assert_eq!(scan_slowly(&followed), expected, "{head}");
    }
}

fn target(byte: u8, at: usize) -> Fault {
    Fault::Target(Some(Misplaced { byte, at }))
}

#[test]
fn targets_with_more_than_a_uri_holds_are_pointed_out() {
    for (line, expected) in [
        ("GET /?a=\"b\" HTTP/1.1", Some("/?a=\"b\"")),
        ("\r\nGET http://a/?<> HTTP/1.1", Some("http://a/?<>")),
        ("OPTIONS http://a?< HTTP/1.0", Some("http://a?<")),
        ("GET /?a|b{}`^\\ HTTP/1.1", None),
        ("GET /\"?a HTTP/1.1", None),
    ] {
        let head = format!("{line}\r\nA: b\r\n\r\n");
        let whole = scan(head.as_bytes()).unwrap().unwrap();
        assert_eq!(scan_slowly(head.as_bytes()).unwrap().unwrap(), whole);
        assert_eq!(whole.hidden.map(|range| &head[range]), expected, "{line}");
    }
}

#[test]
fn heads_that_do_not() {
    for (head, fault) in [
        ("GET / HTTP/1.1\n", Fault::LineEnd),
        ("GET /\rX HTTP/1.1\r\n", Fault::LineEnd),
        ("\n", Fault::LineEnd),
        ("\r\n\r\n", Fault::RequestLine),
        ("GET /\r\n", Fault::RequestLine),
        ("GET  / HTTP/1.1\r\n", target(b' ', 0)),
        ("GET\t/ HTTP/1.1\r\n", Fault::RequestLine),
        (" GET / HTTP/1.1\r\n", Fault::RequestLine),
        ("GET / HTTP/1.1 \r\n", Fault::RequestLine),
        ("GET / http/1.1\r\n", Fault::RequestLine),
        ("GET / HTTP/1.10\r\n", Fault::RequestLine),
        ("GET / HTTP/1.2\r\n", Fault::Version),
        ("PRI * HTTP/2.0\r\n", Fault::Version),
        ("G@T / HTTP/1.1\r\n", Fault::RequestLine),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHI / HTTP/1.1\r\n", Fault::RequestLine),
        ("\x16\x03", Fault::RequestLine),
        ("GET /a b HTTP/1.1\r\n", target(b' ', 2)),
        ("GET /# HTTP/1.1\r\n", target(b'#', 1)),
        ("GET /\0 HTTP/1.1\r\n", target(0, 1)),
        ("GET http://[::1 HTTP/1.1\r\n", Fault::Target(None)),
    ] {
        assert_eq!(scan(head.as_bytes()), Err(fault), "{head:?}");
        assert_eq!(scan_slowly(head.as_bytes()), Err(fault), "{head:?}");
    }
    for (fields, fault) in [
        ("A: b\n", Fault::LineEnd),
        ("A: b\rC: d\r\n", Fault::LineEnd),
        ("A: b\r\r\n", Fault::LineEnd),
        ("A: b\r\n c\r\n", Fault::Field),
        (" A: b\r\n", Fault::Field),
        ("A : b\r\n", Fault::Field),
        (": b\r\n", Fault::Field),
        ("A\r\n", Fault::Field),
        ("A(b): c\r\n", Fault::Field),
        ("\u{e9}: c\r\n", Fault::Field),
        ("A: \0\r\n", Fault::Field),
        ("A: \x7f\r\n", Fault::Field),
        ("Content-Length:\r\n", Fault::Length),
        ("Content-Length: +1\r\n", Fault::Length),
        ("Content-Length: 1 2\r\n", Fault::Length),
        ("Content-Length: 18446744073709551616\r\n", Fault::Length),
        ("Content-Length: 9223372036854775808\r\n", Fault::Length),
        ("Content-Length: 1, 1\r\n", Fault::LengthRepeated),
        ("Content-Length: 1\r\nContent-Length: 1\r\n", Fault::LengthRepeated),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", Fault::LengthAndCoding),
        ("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", Fault::LengthAndCoding),
        ("Transfer-Encoding: gzip\r\n", Fault::Coding),
        ("Transfer-Encoding:\r\n", Fault::Coding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Fault::Coding),
    ] {
        let head = format!("GET / HTTP/1.1\r\n{fields}");
        assert_eq!(scan(head.as_bytes()), Err(fault), "{head:?}");
        assert_eq!(scan_slowly(head.as_bytes()), Err(fault), "{head:?}");
    }
    let old = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(scan(old), Err(Fault::CodingTooEarly));
}

#[test]
fn limits_are_exact() {
    let line = |length: usize| format!("GET /{} HTTP/1.1\r\n", "a".repeat(length - 14));
    let field = |length: usize| format!("A: {}\r\n", "b".repeat(length - 1));
    let start = line(64);
    let count = |count: usize| format!("{start}{}\r\n", "A:\r\n".repeat(count));
    let head = |length: usize| {
        // Seven of 47 bytes each and one that fills it up.
        let fields = field(45).repeat(7);
        let rest = length - start.len() - fields.len() - 2;
        format!("{start}{fields}A: {}\r\n\r\n", "b".repeat(rest - 5))
    };
    let limits = Limits { head: 450, ..LIMITS };
    for (text, expected) in [
        (format!("{start}\r\n"), None),
        (line(65), Some(Fault::LineTooLong)),
        (format!("{start}{}\r\n", field(48)), None),
        (format!("{start}{}\r\n", field(49)), Some(Fault::FieldTooLong)),
        // White space makes a line longer, and its value no longer.
        (format!("{start}A: b{}\r\n\r\n", " ".repeat(46)), None),
        (format!("{start}A: b{}\r\n\r\n", " ".repeat(47)), Some(Fault::FieldTooLong)),
        (count(8), None),
        (count(9), Some(Fault::TooManyFields)),
        (head(450), None),
        (head(451), Some(Fault::HeadTooLong)),
    ] {
        let whole = Scanner::default().scan(text.as_bytes(), &limits);
        assert_eq!(whole.err(), expected, "{text}");
        let mut scanner = Scanner::default();
        let slowly = (1..=text.len())
            .find_map(|end| scanner.scan(&text.as_bytes()[..end], &limits).transpose());
        assert_eq!(slowly.and_then(Result::err), expected, "{text}");
    }
    // What does not end is not waited for.
    for text in ["a".repeat(66), format!("{start}{}", "b".repeat(52))] {
        assert!(scan(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn what_can_be_told_is_told() {
    let told = |head: &str| {
        let (method, target, fields) = salvage(head.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields: Vec<_> = fields.map(|(name, value)| text(name) + "=" + &text(value)).collect();
        format!("{method} {target} {}", fields.join(","))
    };
    assert_eq!(told("GET /a HTTP/1.2\r\nA: b\r\n"), "GET /a A=b");
    assert_eq!(told("\r\nGET /a\r\nA : b\r\nC:d\r\n\r\nE: f"), "GET /a C=d");
    assert_eq!(told("G\0T /a#b HTTP/1.1\r\n"), "- * ");
    assert_eq!(told("GET http://a/ HTTP/1.1\nA:\x01"), "GET * ");
    assert_eq!(told(""), "- * ");
}

proptest! {
    #[test]
    fn cuts_make_no_difference(
        head in "(\r\n)?(GET|P\0) (/[a# \u{e9}]{0,3}|\\*) HTTP/1.[01]\r?\n([Aa :\r\n]|A: b\r\n|Content-Length: [0-9,]{1,2}\r\n|Transfer-Encoding: chunked\r\n){0,8}\r\n\r\n"
    ) {
        let (whole, slow) = (scan(head.as_bytes()), scan_slowly(head.as_bytes()));
        prop_assert_eq!(whole.is_err(), slow.is_err());
        if whole.is_ok() {
            prop_assert_eq!(whole, slow);
        }
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = scan(&bytes);
        let _ = salvage(&bytes);
    }
}
