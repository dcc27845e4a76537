//! Requests that must not reach the application, because servers may read them differently.

use crate::support::{App, Settings};

#[test]
fn ambiguous_requests_are_refused() {
    let requests = [
        // Host: exactly one, and a host (RFC 9112, 3.2).
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        // Framing (RFC 9112, 6).
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody!",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nbody",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x4\r\n\r\nbody",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        // Grammar.
        "GET / HTTP/1.1\r\nHost: a\r\nX Y: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "G\0T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03\r\n\r\n",
    ];
    let application = App::saying("served");
    let sideman = Settings::before(&application.url()).start();
    let mut wrong = Vec::new();
    for request in requests {
        let mut client = sideman.connect();
        let before = application.requests();
        client.send(request);
        // The following bytes must never be treated as a request.
        let _ = client.try_send("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = String::from_utf8_lossy(&client.until_gone()).into_owned();
        let is_refused = ["HTTP/1.1 400 ", "HTTP/1.1 501 ", "HTTP/1.1 505 "]
            .iter()
            .any(|begin| answer.starts_with(begin));
        let is_alone = answer.matches("HTTP/1.1 ").count() == 1;
        if !is_refused || !is_alone || application.requests() != before {
            wrong.push(format!("{request:?} got {answer:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn malformed_chunked_body_is_refused() {
    for chunks in [
        "zz\r\nbody\r\n0\r\n\r\n",
        "-4\r\nbody\r\n0\r\n\r\n",
        "4\r\nbodyX\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nbody",
        "4\nbody\n0\n\n",
    ] {
        let application = App::saying("served");
        let sideman = Settings::before(&application.url()).start();
        let mut client = sideman.connect();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send(chunks);
        client.half_close();
        let answer = String::from_utf8_lossy(&client.until_gone()).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{chunks:?}: {answer}");
        assert_eq!(application.requests(), 0, "{chunks:?}");
    }
}

#[test]
fn forward_proxy_requests_are_refused() {
    let application = App::saying("served");
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    client.send("CONNECT other.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n");
    let answer = String::from_utf8_lossy(&client.until_gone()).into_owned();
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(application.requests(), 0);
}

#[test]
fn target_without_a_path_is_refused() {
    let application = App::start(|request| App::reply(request.target().as_bytes()));
    let sideman = Settings::before(&application.url()).start();
    for start in [
        "GET a:80 HTTP/1.1",
        "GET a HTTP/1.1",
        "POST a:80 HTTP/1.1",
        "GET * HTTP/1.1",
        "GET ?x=1 HTTP/1.1",
        "OPTIONS a:80 HTTP/1.1",
    ] {
        let mut client = sideman.connect();
        let response = client.send(format!("{start}\r\nHost: a\r\n\r\n")).response();
        assert_eq!(response.status, 400, "{start}");
        assert!(client.until_gone().is_empty(), "{start}");
    }
    assert_eq!(application.requests(), 0);
    for (start, target) in [
        ("GET http://a/b?x=1 HTTP/1.1", "/b?x=1"),
        ("GET http://a HTTP/1.1", "/"),
        // RFC 3986, 3.3: the path may be empty before a query.
        ("GET http://a?x=1 HTTP/1.1", "/?x=1"),
        ("GET http://a:80?/ HTTP/1.1", "/?/"),
        ("GET /?x=1 HTTP/1.1", "/?x=1"),
        ("OPTIONS * HTTP/1.1", "*"),
    ] {
        let mut client = sideman.connect();
        let response = client.send(format!("{start}\r\nHost: a\r\n\r\n")).response();
        assert_eq!((response.status, response.text().as_str()), (200, target), "{start}");
    }
}

#[test]
fn transfer_codings_other_than_chunked_are_refused() {
    let application = App::start(|request| App::reply(&request.body));
    let sideman = Settings::before(&application.url()).start();
    let post = |codings: &str| {
        let mut client = sideman.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{codings}\r\n4\r\nbody\r\n0\r\n\r\n"));
        let response = client.response();
        (response.status, response.closes(), response.text())
    };
    for codings in [
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: , chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ] {
        let (status, closes, _) = post(codings);
        assert_eq!((status, closes), (501, true), "{codings}");
    }
    assert_eq!(application.requests(), 0);
    for codings in ["Transfer-Encoding: chunked\r\n", "transfer-encoding:  Chunked \r\n"] {
        assert_eq!(post(codings), (200, false, "body".to_owned()), "{codings}");
    }
}
