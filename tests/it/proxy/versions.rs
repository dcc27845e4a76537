//! HTTP/1.0 clients.

use super::{KEEP_ALIVE, kept};
use crate::support::{App, Origin, Settings, body, close, expect, send};

#[test]
fn http_1_0_gets_no_chunks() {
    let chunked = format!(
        "{KEEP_ALIVE}Transfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n"
    );
    let origin = Origin::script([expect("GET / HTTP/1.1"), send(chunked), close()]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send("GET / HTTP/1.0\r\nHost: example.test\r\n\r\n");
    let head = client.head();
    assert_eq!(head.status(), Ok(200));
    assert!(!head.has("transfer-encoding"), "{head:?}");
    assert_eq!(client.until_closed(), b"hello world");
}

#[test]
fn http_1_0_closes_unless_asked_to_keep() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    client.send("GET / HTTP/1.0\r\nHost: example.test\r\n\r\n");
    assert_eq!(client.response().text(), "hello");
    assert!(client.until_closed().is_empty());

    let mut client = sideman.connect();
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nHost: example.test\r\nConnection: keep-alive\r\n\r\n");
        let response = client.response();
        assert_eq!(response.text(), "hello");
        assert_eq!(response.header("connection").map(str::to_lowercase), Some("keep-alive".into()));
    }
}

#[test]
fn http_1_0_may_leave_out_the_host() {
    // The application uses HTTP/1.1 and must get a Host (RFC 9112, 3.2).
    let origin = Origin::script([expect("GET / HTTP/1.1"), send(kept("hello")), close()]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().text(), "hello");
    assert_eq!(origin.request(0).head.all("host").len(), 1);
}

#[test]
fn http_1_0_may_send_a_body() {
    let origin = Origin::script([expect("POST / "), body("body"), send(kept("done")), close()]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send("POST / HTTP/1.0\r\nHost: example.test\r\nContent-Length: 4\r\n\r\nbody");
    assert_eq!(client.response().text(), "done");
}
