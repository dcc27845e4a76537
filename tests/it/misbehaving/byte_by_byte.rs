//! Sends its response in pieces of one byte: the client gets the same response.

use super::{check_left, check_line, next, settings};
use crate::support::{Origin, Protocol, Step, Transport, body, close, expect, pattern, send};

const ANSWERS: [&str; 4] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nX-Two: words here\r\n\r\nhello world",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6;a=b\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\nhello world",
    "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello world",
];

fn bytes(answer: &str) -> impl Iterator<Item = Step> {
    answer.bytes().map(|byte| send([byte]))
}

#[test]
fn response_sent_byte_by_byte_is_unchanged_in_every_framing() {
    for transport in Transport::ALL {
        let mut responses = ANSWERS.to_vec();
        if transport.protocol == Protocol::Uwsgi {
            responses.push("Content-Type: text/plain\r\nStatus: 200 Fine\r\n\r\nhello world");
        }
        for answer in responses {
            let begin = [expect("POST /page "), body(pattern(1000))];
            let script = begin.into_iter().chain(bytes(answer)).chain([close()]).collect();
            let origin = Origin::reached(transport, [script, next()]);
            let sideman = settings(&origin).start();
            let mut client = sideman.connect();
            let response = client.post("/page", "", &pattern(1000));
            let got = (response.status, response.text());
            assert_eq!(got, (200, "hello world".to_owned()), "{transport:?} {answer}");
            check_line(&sideman, 200, None, transport);
            assert_eq!(client.get("/next").text(), "last", "{transport:?}");
            check_left(&origin, &sideman, 2);
        }
    }
}
