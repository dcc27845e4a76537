//! Reads a request and sends nothing.

use std::time::{Duration, Instant};

use super::{SILENT, check, check_get};
use crate::support::{Transport, body, expect, pattern, send, until_closed};

#[test]
fn silent_application_is_504_after_the_read_timeout() {
    let begin = Instant::now();
    check_get(SILENT, &[until_closed()]);
    // Each of these methods.
    let least = Duration::from_millis(300) * u32::try_from(Transport::ALL.len()).unwrap();
    assert!(begin.elapsed() >= least, "{:?}", begin.elapsed());
}

#[test]
fn silent_application_after_an_upload_is_504() {
    for transport in Transport::ALL {
        let script = vec![expect("POST /page "), body(pattern(400_000)), until_closed()];
        check(transport, SILENT, script, |client| client.post("/page", "", &pattern(400_000)));
    }
}

#[test]
fn interim_responses_do_not_reset_the_timeout() {
    check_get(SILENT, &[send("HTTP/1.1 102 Processing\r\n\r\n"), until_closed()]);
}
