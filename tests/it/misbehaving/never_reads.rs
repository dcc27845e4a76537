//! Accepts a connection and reads nothing from it.

use super::{SILENT, check};
use crate::support::{Gate, Transport, pattern, until_closed, wait};

/// More than any socket buffers.
const BODY_LENGTH: usize = 16 << 20;

#[test]
fn unread_upload_times_out() {
    for transport in Transport::ALL {
        // No byte is read before the timeout; then, only to see the end.
        let answered = Gate::new();
        check(transport, SILENT, vec![wait(&answered), until_closed()], |client| {
            let response = client.post("/page", "", &pattern(BODY_LENGTH));
            answered.open();
            response
        });
    }
}

#[test]
fn unread_request_times_out() {
    for transport in Transport::ALL {
        let answered = Gate::new();
        check(transport, SILENT, vec![wait(&answered), until_closed()], |client| {
            let response = client.get("/page");
            answered.open();
            response
        });
    }
}
