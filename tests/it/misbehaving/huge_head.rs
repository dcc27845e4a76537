//! Sends an endless head, or one over the limit.

use super::{TOO_LARGE, check_get, check_left, check_line, settings};
use crate::support::{Origin, Transport, close, expect, flood, send, until_closed};

/// The limit of Sideman.
const LIMIT: usize = 64 << 10;

#[test]
fn endless_header_lines_are_502() {
    let line = "X-Flood: 0123456789012345678901234567890123456789012345678901\r\n";
    check_get(TOO_LARGE, &[send("HTTP/1.1 200 OK\r\n"), flood(line, 64 << 20), until_closed()]);
}

#[test]
fn endless_line_is_502() {
    for begin in ["HTTP/1.1 200 OK\r\nX-Long: ", "HTTP/1.1 200 "] {
        let line = begin.to_owned() + &"x".repeat(LIMIT);
        check_get(TOO_LARGE, &[send(line), until_closed()]);
    }
}

#[test]
fn head_one_byte_over_the_limit_is_502() {
    let head = |size: usize| {
        let rest = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\nX-Long: \r\n\r\n";
        let long = "x".repeat(size - rest.len());
        rest.replace("X-Long: ", &format!("X-Long: {long}")) + "ok"
    };
    check_get(TOO_LARGE, &[send(head(LIMIT + 1)), until_closed()]);
    for transport in Transport::ALL {
        let origin =
            Origin::reached(transport, [vec![expect("GET /page "), send(head(LIMIT)), close()]]);
        let sideman = settings(&origin).start();
        assert_eq!(sideman.get("/page").text(), "ok", "{transport:?}");
        check_line(&sideman, 200, None, transport);
        check_left(&origin, &sideman, 1);
    }
}

#[test]
fn too_many_headers_are_502() {
    let many = "X-Field: 1\r\n".repeat(1025);
    check_get(TOO_LARGE, &[send(format!("HTTP/1.1 200 OK\r\n{many}\r\n")), until_closed()]);
}
