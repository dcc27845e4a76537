//! Begins a body, and does not complete it: the client must notice.

use super::{SILENT, TRUNCATED, check_cut, check_cut_over, check_get};
use crate::support::{Transport, close, reset, send, until_closed};

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
// Longer than the responses that Sideman reads completely before it forwards them.
const PARTIAL_BODY: &str = "Content-Length: 1000000\r\n\r\nfirst";

#[test]
fn close_within_the_body_truncates_the_response() {
    for begin in [PARTIAL_BODY, CHUNKED, "Transfer-Encoding: chunked\r\n\r\nff\r\nfirst"] {
        check_cut(begin, &close(), "upstream_truncated");
    }
}

#[test]
fn reset_within_the_body_truncates_the_response() {
    for begin in [PARTIAL_BODY, CHUNKED] {
        check_cut(begin, &reset(), "upstream_truncated");
    }
    // A reset is distinguished from a close, which ends this body; unix sockets have no resets.
    let tcp: Vec<Transport> =
        Transport::ALL.into_iter().filter(|transport| !transport.is_unix).collect();
    check_cut_over(&tcp, "\r\nfirst", &reset(), "upstream_truncated");
}

#[test]
fn stall_within_the_body_truncates_the_response() {
    for begin in [PARTIAL_BODY, CHUNKED, "\r\nfirst"] {
        check_cut(begin, &until_closed(), "upstream_read_timeout");
    }
}

/// Nothing of a short response was forwarded yet.
#[test]
fn truncated_short_response_is_an_error() {
    let begin = send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
    for end in [close(), reset()] {
        check_get(TRUNCATED, &[begin.clone(), end]);
    }
    check_get(SILENT, &[begin, until_closed()]);
}
