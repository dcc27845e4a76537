//! Sends bytes after the end of its response: the client gets the response, and no client gets the bytes.

use super::{check_left, check_line, next, settings};
use crate::support::{Gate, Origin, Transport, expect, open, send, until_closed, wait};

const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

#[test]
fn bytes_beyond_the_body_are_discarded() {
    for transport in Transport::ALL {
        for (method, answer, status, text) in [
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"),
            (
                "GET",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                200,
                "hello",
            ),
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, ""),
            ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", 200, ""),
            ("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
            ("GET", "HTTP/1.1 304 Not Modified\r\n\r\n", 304, ""),
        ] {
            let page = expect(&format!("{method} /page "));
            // At once, so that the bytes are there when the response is complete.
            let script = vec![page, send(format!("{answer}{EVIL}")), until_closed()];
            let origin = Origin::reached(transport, [script, next()]);
            let sideman = settings(&origin).start();
            let mut client = sideman.connect();
            let response = client.ask(method, "/page", "");
            assert_eq!(
                (response.status, response.text().as_str()),
                (status, text),
                "{transport:?}"
            );
            assert_eq!(client.get("/next").text(), "last", "{transport:?} {answer}");
            check_line(&sideman, status, None, transport);
            check_left(&origin, &sideman, 2);
        }
    }
}

#[test]
fn late_bytes_beyond_the_body_are_discarded() {
    for transport in Transport::ALL {
        let (late, sent) = (Gate::new(), Gate::new());
        let origin = Origin::reached(
            transport,
            [
                vec![
                    expect("GET /page "),
                    send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
                    wait(&late),
                    // If connections are not reused, the reader may be gone.
                    if transport.keeps_connections() { send(EVIL) } else { until_closed() },
                    open(&sent),
                    until_closed(),
                ],
                next(),
            ],
        );
        let sideman = settings(&origin).start();
        let mut client = sideman.connect();
        assert_eq!(client.get("/page").text(), "hello", "{transport:?}");
        late.open();
        sent.pass();
        assert_eq!(client.get("/next").text(), "last", "{transport:?}");
        check_line(&sideman, 200, None, transport);
        check_left(&origin, &sideman, 2);
    }
}
