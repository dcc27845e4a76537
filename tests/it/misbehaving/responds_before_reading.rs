//! Responds as soon as it has the head of an upload, and reads the rest never, later or in part.

use super::{check_left, check_line, next, settings};
use crate::support::{
    Origin, Step, Transport, close, expect, half_close, pattern, receive, reset, send, until_closed,
};

/// More than any socket buffers, so writing it cannot complete.
const BODY_LENGTH: usize = 16 << 20;
const REFUSAL: &str = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nno!!!";

/// The client gets the response, and the connection is not reused.
#[track_caller]
fn check_refusal(fields: &str, end: &[Step]) {
    for transport in Transport::ALL {
        let answer = REFUSAL.replace("\r\n\r\n", &format!("\r\n{fields}\r\n"));
        let script = [&[expect("POST /page "), send(answer)], end].concat();
        let origin = Origin::reached(transport, [script, next()]);
        let sideman = settings(&origin).start();
        let mut client = sideman.connect();
        let response = client.post("/page", "", &pattern(BODY_LENGTH));
        let got = (response.status, response.text());
        assert_eq!(got, (413, "no!!!".to_owned()), "{transport:?} {fields} {end:?}");
        check_line(&sideman, 413, None, transport);
        assert_eq!(sideman.get("/next").text(), "last", "{transport:?}");
        check_left(&origin, &sideman, 2);
    }
}

#[test]
fn early_response_then_close_is_delivered() {
    for end in [[close()].as_slice(), &[reset()], &[half_close(), until_closed()]] {
        check_refusal("Connection: close\r\n", end);
        check_refusal("", end);
    }
}

#[test]
fn early_response_while_reading_stops_is_delivered() {
    check_refusal("Connection: keep-alive\r\n", &[until_closed()]);
    check_refusal("Connection: keep-alive\r\n", &[receive("\u{1}\u{2}"), until_closed()]);
}
