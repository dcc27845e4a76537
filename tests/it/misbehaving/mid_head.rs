//! Begins a head, and closes the connection within it.

use super::{CLOSED, SILENT, check_get};
use crate::support::{close, half_close, reset, send, until_closed};

#[test]
fn close_or_reset_within_the_head_is_502() {
    for begin in ["H", "HTTP/1.1 200 O", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Le"] {
        check_get(CLOSED, &[send(begin), close()]);
    }
    let begin = send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n");
    check_get(CLOSED, &[begin.clone(), reset()]);
    check_get(CLOSED, &[begin, half_close(), until_closed()]);
}

#[test]
fn close_after_an_interim_response_is_502() {
    check_get(CLOSED, &[send("HTTP/1.1 100 Continue\r\n\r\n"), close()]);
    check_get(CLOSED, &[send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), close()]);
}

#[test]
fn stalls_in_the_response_head() {
    check_get(SILENT, &[send("HTTP/1.1 200 OK\r\nContent-Le"), until_closed()]);
}
