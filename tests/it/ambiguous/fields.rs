//! Names, values and line ends of fields (RFC 9112, 2.2 and 5).

use super::{Case, apps::Seen, check, get, passed, refused};

#[test]
fn malformed_header_lines_are_refused() {
    let field = |lines: &str| refused(get(lines), 400, "field_invalid");
    let end = |lines: &str| refused(get(lines), 400, "line_end_invalid");
    let mut cases = vec![
        field("X : 1\r\n"),
        field("X\t: 1\r\n"),
        field(" X: 1\r\n"),
        field("\tX: 1\r\n"),
        field("X Y: 1\r\n"),
        field(": 1\r\n"),
        field(" : 1\r\n"),
        field("X\r\n"),
        field("X\0: 1\r\n"),
        field("X\x7f: 1\r\n"),
        field("X\u{e9}: 1\r\n"),
        field("X(Y): 1\r\n"),
        field("X/Y: 1\r\n"),
        field("X=Y: 1\r\n"),
        field("\"X\": 1\r\n"),
        field("X,Y: 1\r\n"),
        field("[X]: 1\r\n"),
        field("X\\: 1\r\n"),
        field("X;: 1\r\n"),
        // Folded lines.
        field("X: 1\r\n 2\r\n"),
        field("X: 1\r\n\t2\r\n"),
        field("X:\r\n 1\r\n"),
        field("X: 1\r\n \r\n"),
        // Values.
        field("X: a\0b\r\n"),
        field("X: \x01\r\n"),
        field("X: a\x08\r\n"),
        field("X: a\x0bb\r\n"),
        field("X: a\x0cb\r\n"),
        field("X: a\x1b[0m\r\n"),
        field("X: a\x7f\r\n"),
        // Line ends.
        end("X: 1\n"),
        end("X: 1\nY: 2\r\n"),
        end("X: 1\rY: 2\r\n"),
        end("X: 1\r\r\n"),
        end("X: \r1\r\n"),
        end("X\r: 1\r\n"),
        end("\rX: 1\r\n"),
        end("X: 1\n\r\n"),
    ];
    cases.extend([
        refused("GET / HTTP/1.1\nHost: a\n\n", 400, "line_end_invalid"),
        refused("GET / HTTP/1.1\r\nHost: a\n\r\n", 400, "line_end_invalid"),
        refused("GET / HTTP/1.1\r\nHost: a\r\n\n", 400, "line_end_invalid"),
        refused("GET / HTTP/1.1\nHost: a\r\n\r\n", 400, "line_end_invalid"),
        refused("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "field_invalid"),
        refused("GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", 400, "field_invalid"),
        refused("GET / HTTP/1.1\r\n\r\n Host: a\r\n\r\n", 400, "host_missing"),
    ]);
    check(&cases);
}

#[test]
fn unusual_valid_headers_are_forwarded() {
    let mut cases: Vec<Case> = vec![
        passed(get("X:\r\n"), Seen::of("GET /").field("x", "")),
        passed(get("X: \t 1 \t \r\n"), Seen::of("GET /").field("x", "1")),
        passed(get("X:1\r\nX: 2\r\n"), Seen::of("GET /").field("x", "1").field("x", "2")),
        passed(get("X: a b\tc: d;e=\"f\"\r\n"), Seen::of("GET /").field("x", "a b\tc: d;e=\"f\"")),
        passed(get("!#$%&'*+-.^`|~9A: 1\r\n"), Seen::of("GET /").field("!#$%&'*+-.^`|~9a", "1")),
        // Names that WSGI cannot distinguish from others, or that are reserved for Sideman, are not forwarded.
        passed(get("X_Y: 1\r\nx_forwarded_for: 1\r\n_: 1\r\n"), Seen::of("GET /")),
        passed(get("X-Forwarded-Host: b\r\nForwarded: host=b\r\nProxy: b\r\n"), Seen::of("GET /")),
        passed(get("Connection: X, close-not\r\nX: 1\r\nKeep-Alive: 1\r\n"), Seen::of("GET /")),
        passed(get("Connection: Host, X-Forwarded-For\r\n"), Seen::of("GET /")),
    ];
    // Bytes above ASCII are forwarded unchanged.
    let raw = [&b"GET / HTTP/1.1\r\nHost: a\r\nX: a\xe9\xff\r\n\r\n"[..]].concat();
    cases.push(passed(raw, Seen::of("GET /").field("x", "a\u{e9}\u{ff}")));
    check(&cases);
}
