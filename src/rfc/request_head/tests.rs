//! Tests of heads, whole and in pieces.

use proptest::prelude::*;

use super::*;
use crate::rfc::{request_parts::FieldName, target::Misplaced};

const LIMITS: HeadLimits = HeadLimits { line: 64, field: 48, head: 512, fields: 8 };

fn scan(head: &[u8]) -> Result<Option<ScannedHead>, HeadFault> {
    HeadScanner::default().scan(head, &LIMITS)
}

/// Scans a head byte by byte.
fn scan_slowly(head: &[u8]) -> Result<Option<ScannedHead>, HeadFault> {
    let mut scanner = HeadScanner::default();
    for length in 1..=head.len() {
        let found = scanner.scan(&head[..length], &LIMITS)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Describes the result for a head.
fn reported(found: Result<Option<ScannedHead>, HeadFault>, bytes: &[u8]) -> String {
    let head = found.unwrap().unwrap();
    let (length, framing) = (head.length, head.framing);
    let parts = head.into_parts(BytesMut::from(&bytes[..length]));
    let mut reported = format!("{} {} {:?}", parts.method, parts.path_and_query(), parts.version);
    for (name, field, value) in parts.headers.iter() {
        let (field, value) = (field.escape_ascii(), value.escape_ascii());
        reported.push_str(&format!(" {field}={value}"));
        assert_eq!(name, FieldName::of(field.to_string().as_bytes()));
    }
    format!("{reported} {framing:?}")
}

#[test]
fn heads_that_pass() {
    for (head, expected) in [
        ("GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1 Length(0)"),
        ("\r\nGET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0 Length(0)"),
        ("M-SEARCH * HTTP/1.1\r\nA:\r\nB: \t \r\n\r\n", "M-SEARCH * HTTP/1.1 a= b= Length(0)"),
        (
            "POST /?a HTTP/1.1\r\nCONTENT-length:\t7 \r\n\r\n",
            "POST /?a HTTP/1.1 content-length=7 Length(7)",
        ),
        (
            "POST / HTTP/1.1\r\ncontent-length: 007\r\n\r\n",
            "POST / HTTP/1.1 content-length=007 Length(7)",
        ),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n",
            "POST / HTTP/1.1 transfer-encoding=Chunked Chunked",
        ),
        (
            "\r\nGET /a HTTP/1.1\r\nUpgrade: h2c, WebSocket\r\nX-Y: a: b\tc\r\n\r\n",
            "GET /a HTTP/1.1 upgrade=h2c, WebSocket x-y=a: b\\tc Length(0)",
        ),
        ("GET http://h?a HTTP/1.1\r\nA:  b  \r\n\r\n", "GET /?a HTTP/1.1 a=b Length(0)"),
    ] {
        let followed = [head.as_bytes(), b"GET /2"].concat();
        assert_eq!(reported(scan(&followed), &followed), expected, "{head}");
        assert_eq!(scan(&followed), scan_slowly(&followed), "{head}");
    }
}

fn target(byte: u8, at: usize) -> HeadFault {
    HeadFault::Target(Some(Misplaced { byte, at }))
}

#[test]
fn targets_may_hold_more_than_a_uri() {
    for (line, expected) in [
        ("GET /?a=\"b\" HTTP/1.1", "/?a=\"b\""),
        ("\r\nGET http://a/?<> HTTP/1.1", "/?<>"),
        ("OPTIONS http://a?< HTTP/1.0", "/?<"),
        ("GET /?a|b{}`^\\ HTTP/1.1", "/?a|b{}`^\\"),
        ("GET /\"?a HTTP/1.1", "/\"?a"),
    ] {
        let head = format!("{line}\r\nA: b\r\n\r\n");
        let whole = scan(head.as_bytes()).unwrap().unwrap();
        assert_eq!(scan_slowly(head.as_bytes()).unwrap().as_ref(), Some(&whole));
        let parts = whole.into_parts(BytesMut::from(head.as_bytes()));
        assert_eq!(parts.path_and_query(), expected, "{line}");
    }
}

#[test]
fn heads_that_do_not() {
    for (head, fault) in [
        ("GET / HTTP/1.1\n", HeadFault::LineEnd),
        ("GET /\rX HTTP/1.1\r\n", HeadFault::LineEnd),
        ("\n", HeadFault::LineEnd),
        ("\r\n\r\n", HeadFault::RequestLine),
        ("GET /\r\n", HeadFault::RequestLine),
        ("GET  / HTTP/1.1\r\n", target(b' ', 0)),
        ("GET\t/ HTTP/1.1\r\n", HeadFault::RequestLine),
        (" GET / HTTP/1.1\r\n", HeadFault::RequestLine),
        ("GET / HTTP/1.1 \r\n", HeadFault::RequestLine),
        ("GET / http/1.1\r\n", HeadFault::RequestLine),
        ("GET / HTTP/1.10\r\n", HeadFault::RequestLine),
        ("GET / HTTP/1.2\r\n", HeadFault::Version),
        ("PRI * HTTP/2.0\r\n", HeadFault::Version),
        ("G@T / HTTP/1.1\r\n", HeadFault::RequestLine),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHI / HTTP/1.1\r\n", HeadFault::RequestLine),
        ("\x16\x03", HeadFault::RequestLine),
        ("GET /a b HTTP/1.1\r\n", target(b' ', 2)),
        ("GET /# HTTP/1.1\r\n", target(b'#', 1)),
        ("GET /\0 HTTP/1.1\r\n", target(0, 1)),
        ("GET http://[::1 HTTP/1.1\r\n", HeadFault::Target(None)),
    ] {
        assert_eq!(scan(head.as_bytes()), Err(fault), "{head:?}");
        assert_eq!(scan_slowly(head.as_bytes()), Err(fault), "{head:?}");
    }
    for (fields, fault) in [
        ("A: b\n", HeadFault::LineEnd),
        ("A: b\rC: d\r\n", HeadFault::LineEnd),
        ("A: b\r\r\n", HeadFault::LineEnd),
        ("A: b\r\n c\r\n", HeadFault::Field),
        (" A: b\r\n", HeadFault::Field),
        ("A : b\r\n", HeadFault::Field),
        (": b\r\n", HeadFault::Field),
        ("A\r\n", HeadFault::Field),
        ("A(b): c\r\n", HeadFault::Field),
        ("\u{e9}: c\r\n", HeadFault::Field),
        ("A: \0\r\n", HeadFault::Field),
        ("A: \x7f\r\n", HeadFault::Field),
        ("Content-Length:\r\n", HeadFault::Length),
        ("Content-Length: +1\r\n", HeadFault::Length),
        ("Content-Length: 1 2\r\n", HeadFault::Length),
        ("Content-Length: 18446744073709551616\r\n", HeadFault::Length),
        ("Content-Length: 9223372036854775808\r\n", HeadFault::Length),
        ("Content-Length: 1, 1\r\n", HeadFault::LengthRepeated),
        ("Content-Length: 1\r\nContent-Length: 1\r\n", HeadFault::LengthRepeated),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", HeadFault::LengthAndCoding),
        ("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", HeadFault::LengthAndCoding),
        ("Transfer-Encoding: gzip\r\n", HeadFault::Coding),
        ("Transfer-Encoding:\r\n", HeadFault::Coding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", HeadFault::Coding),
    ] {
        let head = format!("GET / HTTP/1.1\r\n{fields}");
        assert_eq!(scan(head.as_bytes()), Err(fault), "{head:?}");
        assert_eq!(scan_slowly(head.as_bytes()), Err(fault), "{head:?}");
    }
    let old = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(scan(old), Err(HeadFault::CodingTooEarly));
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
    let limits = HeadLimits { head: 450, ..LIMITS };
    for (text, expected) in [
        (format!("{start}\r\n"), None),
        (line(65), Some(HeadFault::LineTooLong)),
        (format!("{start}{}\r\n", field(48)), None),
        (format!("{start}{}\r\n", field(49)), Some(HeadFault::FieldTooLong)),
        // White space makes a line longer, and its value no longer.
        (format!("{start}A: b{}\r\n\r\n", " ".repeat(46)), None),
        (format!("{start}A: b{}\r\n\r\n", " ".repeat(47)), Some(HeadFault::FieldTooLong)),
        (count(8), None),
        (count(9), Some(HeadFault::TooManyFields)),
        (head(450), None),
        (head(451), Some(HeadFault::HeadTooLong)),
    ] {
        let whole = HeadScanner::default().scan(text.as_bytes(), &limits);
        assert_eq!(whole.err(), expected, "{text}");
        let mut scanner = HeadScanner::default();
        let slowly = (1..=text.len())
            .find_map(|end| scanner.scan(&text.as_bytes()[..end], &limits).transpose());
        assert_eq!(slowly.and_then(Result::err), expected, "{text}");
    }
    // An endless line is refused early.
    for text in ["a".repeat(66), format!("{start}{}", "b".repeat(52))] {
        assert!(scan(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn method_and_target_of_refused_heads_are_reported() {
    let salvaged = |head: &str| {
        let (method, target, fields) = recover(head.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields: Vec<_> = fields.map(|(name, value)| text(name) + "=" + &text(value)).collect();
        format!("{method} {target} {}", fields.join(","))
    };
    assert_eq!(salvaged("GET /a HTTP/1.2\r\nA: b\r\n"), "GET /a A=b");
    assert_eq!(salvaged("\r\nGET /a\r\nA : b\r\nC:d\r\n\r\nE: f"), "GET /a C=d");
    assert_eq!(salvaged("G\0T /a#b HTTP/1.1\r\n"), "- * ");
    assert_eq!(salvaged("GET http://a/ HTTP/1.1\nA:\x01"), "GET * ");
    assert_eq!(salvaged(""), "- * ");
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
        let _ = recover(&bytes);
    }
}
