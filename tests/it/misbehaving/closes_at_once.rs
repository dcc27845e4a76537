//! Closes as soon as it has accepted the connection, or received the request.

use super::{CLOSED, check, check_get};
use crate::support::{Transport, body, close, expect, reset};

#[test]
fn close_after_the_request_head_is_502() {
    // After a reset the request would be retried: upstream_trouble/retries.rs.
    check_get(CLOSED, &[close()]);
}

#[test]
fn close_after_the_request_body_is_502() {
    for transport in Transport::ALL {
        for end in [close(), reset()] {
            let script = vec![expect("POST /page "), body("order"), end];
            check(transport, CLOSED, script, |client| client.post("/page", "", b"order"));
        }
    }
}

#[test]
fn close_before_reading_is_502() {
    for transport in Transport::ALL {
        for end in [close(), reset()] {
            check(transport, CLOSED, vec![end], |client| client.post("/page", "", b"order"));
        }
    }
}
