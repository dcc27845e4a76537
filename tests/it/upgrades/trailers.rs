//! Trailers (RFC 9110, 6.5): for clients that accept them, and only allowed fields.

use crate::support::{Client, Gate, Origin, Settings, expect, flood, send, until_closed, wait};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\
                      Trailer: X-Sum, Set-Cookie, Content-Length\r\n\r\n\
                      5\r\nhello\r\n0\r\nX-Sum: 12\r\nSet-Cookie: a=b\r\nContent-Length: 9\r\n\
                      X-Unannounced: 1\r\nX-Sum: 34\r\n\r\n";

fn ask(client: &mut Client, version: &str, fields: &str) -> String {
    client.send(format!("GET / {version}\r\nHost: example.test\r\n{fields}\r\n"));
    client.until("\r\n\r\n")
}

#[test]
fn clients_with_te_trailers_get_allowed_trailers() {
    let origin = Origin::script([expect("GET / "), send(ANSWER), expect("GET / "), send(ANSWER)]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    // The second request uses the same two connections.
    for _ in 0..2 {
        let head = ask(&mut client, "HTTP/1.1", "TE: trailers\r\nConnection: TE\r\n");
        assert!(head.contains("\r\ntrailer: x-sum\r\n"), "{head}");
        assert!(head.contains("\r\ntransfer-encoding: chunked\r\n"), "{head}");
        let rest = client.until("\r\n\r\n");
        assert_eq!(rest, "5\r\nhello\r\n0\r\nx-sum: 12\r\nx-sum: 34\r\n\r\n");
    }
    let line = sideman.log_of("/");
    assert_eq!((&line["status"], &line["bytes"]), (&200.into(), &5.into()));
    assert!(line.get("error").is_none_or(serde_json::Value::is_null), "{line}");
}

#[test]
fn clients_without_te_trailers_get_none() {
    for (version, fields, end) in [
        ("HTTP/1.1", "", "0\r\n\r\n"),
        ("HTTP/1.1", "TE: gzip\r\nConnection: TE\r\n", "0\r\n\r\n"),
        ("HTTP/1.0", "TE: trailers\r\n", "hello"),
    ] {
        let origin = Origin::script([expect("GET / "), send(ANSWER)]);
        let sideman = Settings::before(&origin.url()).start();
        let mut client = sideman.connect();
        let head = ask(&mut client, version, fields);
        assert!(!head.contains("trailer:"), "{head}");
        let rest = client.until(end);
        assert!(rest.contains("hello") && !rest.contains("x-sum"), "{version} {fields}: {rest}");
        let line = sideman.log_of("/");
        assert!(line.get("error").is_none_or(serde_json::Value::is_null), "{line}");
    }
}

#[test]
fn unannounced_trailers_are_dropped() {
    let response = ANSWER.replace("Trailer: X-Sum, Set-Cookie, Content-Length\r\n", "");
    let origin =
        Origin::script([expect("GET / "), send(&response), expect("GET / "), send(&response)]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    for _ in 0..2 {
        ask(&mut client, "HTTP/1.1", "TE: trailers\r\nConnection: TE\r\n");
        assert_eq!(client.until("0\r\n\r\n"), "5\r\nhello\r\n0\r\n\r\n");
    }
}

#[test]
fn endless_trailers_abort_the_response() {
    let (begin, _) = ANSWER.split_at(ANSWER.len() - 2);
    let endless = flood("X-More: 1\r\n", 1 << 20);
    let seen = Gate::new();
    let origin =
        Origin::script([expect("GET / "), send(begin), wait(&seen), endless, until_closed()]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    ask(&mut client, "HTTP/1.1", "TE: trailers\r\nConnection: TE\r\n");
    client.until("5\r\nhello\r\n");
    seen.open();
    assert!(client.until_gone().is_empty());
    assert_eq!(sideman.log_of("/")["error"], "upstream_invalid_response");
}
