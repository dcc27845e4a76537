//! WebSocket handshakes: which requests open a tunnel, and the headers in both directions.

use super::accepts;
use crate::support::{
    Gate, Origin, Settings, body, close, expect, open, receive, send, until_closed, wait,
    websocket::{ACCEPT, ASK},
};

#[test]
fn websocket_handshake_is_forwarded_byte_for_byte() {
    let origin = Origin::script(accepts());
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send(ASK.replace("Host:", "X-Request-ID: known-0123456789\r\nHost:"));
    let answer = client.until("\r\n\r\n");
    let mut lines: Vec<&str> = answer.trim_end().split("\r\n").collect();
    assert_eq!(lines.remove(0), "HTTP/1.1 101 Switching Protocols");
    let date = lines.iter().position(|line| line.starts_with("date: ")).unwrap();
    lines.remove(date);
    lines.sort_unstable();
    let expected = [
        "connection: upgrade",
        "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "upgrade: websocket",
        "x-request-id: known-0123456789",
    ];
    assert_eq!(lines, expected);

    let head = origin.request(0).head;
    assert_eq!(head.start, "GET /ws HTTP/1.1");
    for (name, value) in [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("host", "example.test"),
        ("x-forwarded-for", "127.0.0.1"),
    ] {
        assert_eq!(head.get(name), Some(value), "{name}");
    }
    assert!(!head.has("content-length") && !head.has("transfer-encoding"), "{head:?}");
}

#[test]
fn abandoned_handshake_connection_is_not_reused() {
    let (asked, left) = (Gate::new(), Gate::new());
    let [asks, responses] = accepts();
    let abandoned = vec![asks, open(&asked), wait(&left), responses, until_closed()];
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let origin = Origin::scripts([abandoned, vec![expect("GET /next "), send(ok)]]);
    let sideman = Settings::before(&origin.url()).set("server.workers", "1").start();
    let mut client = sideman.connect();
    client.send(ASK);
    asked.pass();
    client.reset_connection();
    sideman.until_metric("sideman_abandoned_total", &[("where", "application")], 1.0);
    left.open();
    sideman.until_metric("sideman_upstream_in_flight", &[], 0.0);
    assert_eq!(sideman.get("/next").text(), "hello");
    origin.until_closed(1);
}

#[test]
fn upgrade_over_a_new_connection_has_connection_upgrade() {
    // Without idle connections every other request has `Connection: close`.
    let origin = Origin::script(accepts());
    let sideman = Settings::before(&origin.url()).set("upstream.max_idle", "0").start();
    super::open_tunnel(&sideman);
    assert_eq!(origin.request(0).head.get("connection"), Some("upgrade"));
}

#[test]
fn malformed_upgrade_is_an_ordinary_request() {
    let ask = |fields: &str| format!("GET / HTTP/1.1\r\nHost: example.test\r\n{fields}\r\n\r\n");
    for request in [
        ask("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk"),
        ask("Connection: Upgrade\r\nUpgrade: TLS/1.2"),
        ask("Connection: Upgrade\r\nUpgrade: websocket/13"),
        ask("Connection: Upgrade"),
        ask("Upgrade: websocket"),
        ask("Connection: keep-alive\r\nUpgrade: websocket"),
        ask("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0"),
        ask("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2") + "hi",
        ask("Connection: Upgrade\r\nUpgrade: websocket").replace("HTTP/1.1", "HTTP/1.0"),
        ask("Connection: Upgrade\r\nUpgrade: websocket").replace("GET", "OPTIONS"),
    ] {
        let body = if request.ends_with("hi") { body("hi") } else { body("") };
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let origin = Origin::script([expect(""), body, send(ok)]);
        let sideman = Settings::before(&origin.url()).start();
        let mut client = sideman.connect();
        assert_eq!(client.send(&request).response().text(), "hello", "{request}");
        let head = origin.request(0).head;
        for name in ["upgrade", "http2-settings", "connection"] {
            assert!(!head.has(name), "{request}: {head:?}");
        }
        assert_eq!(sideman.metric("sideman_tunnels_opened_total", &[]), 0.0);
    }
}

#[test]
fn upgrade_list_is_reduced_to_websocket() {
    let origin = Origin::script(accepts());
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send(ASK.replace("Upgrade: WebSocket", "Upgrade: h2c, websocket"));
    client.until("101");
    assert_eq!(origin.request(0).head.get("upgrade"), Some("websocket"));
}

#[test]
fn refused_upgrade_is_an_ordinary_response() {
    let refused = "HTTP/1.1 403 Forbidden\r\nConnection: keep-alive\r\nUpgrade: websocket\r\n\
                   Content-Length: 2\r\n\r\nno";
    let origin = Origin::script([
        expect("GET /ws "),
        send(refused),
        expect("GET /next "),
        send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext"),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    let response = client.send(ASK).response();
    assert_eq!((response.status, response.text().as_str()), (403, "no"));
    assert!(!response.head.has("upgrade"), "{response:?}");
    // Both connections stay open.
    assert_eq!(client.get("/next").text(), "next");
    assert_eq!(sideman.log_of("/ws")["status"], 403);
}

#[test]
fn unrequested_protocol_is_refused() {
    for answer in [
        ACCEPT.replace("Upgrade: websocket", "Upgrade: h2c"),
        ACCEPT.replace("Upgrade: websocket\r\n", ""),
    ] {
        let origin = Origin::script([expect("GET /ws "), send(&answer), until_closed()]);
        let sideman = Settings::before(&origin.url()).start();
        let mut client = sideman.connect();
        assert_eq!(client.send(ASK).response().status, 502, "{answer}");
        assert_eq!(sideman.log_of("/ws")["error"], "upstream_invalid_response");
    }
}

#[test]
fn bytes_right_after_the_handshake_heads_arrive() {
    // Both sides' bytes are read together with the heads, into the buffers of the head parsers.
    let origin = Origin::script([
        expect("GET /ws "),
        send(format!("{ACCEPT}from the application")),
        receive("from the client"),
        send(", and later"),
        receive(", and later"),
        close(),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send(format!("{ASK}from the client"));
    client.until("\r\n\r\n");
    assert_eq!(client.until("later"), "from the application, and later");
    client.send(", and later");
    assert!(client.until_closed().is_empty());
}
