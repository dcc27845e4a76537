//! Accepts a connection and reads nothing from it.

use super::{SILENT, check};
use crate::support::{Gate, Way, pattern, until_closed, wait};

/// More than any socket buffers.
const LONG: usize = 16 << 20;

#[test]
fn unread_upload_times_out() {
    for way in Way::ALL {
        // No byte is read before the timeout; then, only to see the end.
        let answered = Gate::new();
        check(way, SILENT, vec![wait(&answered), until_closed()], |client| {
            let response = client.post("/page", "", &pattern(LONG));
            answered.open();
            response
        });
    }
}

#[test]
fn unread_request_times_out() {
    for way in Way::ALL {
        let answered = Gate::new();
        check(way, SILENT, vec![wait(&answered), until_closed()], |client| {
            let response = client.get("/page");
            answered.open();
            response
        });
    }
}
