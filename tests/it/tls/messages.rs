//! HTTP over TLS: the same bytes as without TLS, and the scheme at the application.

use std::time::Duration;

use super::{
    address,
    client::{Tls, Trust},
    connect, self_signed,
};
use crate::support::{
    App, Gate, Origin, Request, Settings, TempDir, close, expect, open, pattern, receive, send,
    until_closed,
    websocket::{ACCEPT, ASK},
};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// An application that echoes the received scheme.
fn echo() -> App {
    App::start(|request: &Request| {
        let field = |name: &str| request.head.get(name).unwrap_or("-").to_owned();
        let told = ["x-forwarded-proto", "x-forwarded-port", "x-forwarded-for"].map(field);
        App::reply(told.join(" ").as_bytes())
    })
}

#[test]
fn files_are_the_same_byte_for_byte() {
    let directory = TempDir::new();
    let sizes = [0, 1, 1000, 16 * 1024, 100 * 1024, 1 << 20, 5 << 20];
    for size in sizes {
        directory.write(&format!("{size}.bin"), pattern(size));
    }
    let application = App::saying("hello");
    let sideman = self_signed(&application.url()).files("/s/", directory.path()).start();
    let mut client = connect(&sideman);
    // The second response comes from a memfd, which the kernel could send without TLS.
    for _ in 0..3 {
        for size in sizes {
            let response = client.get(&format!("/s/{size}.bin"), "");
            assert_eq!(response.status, 200);
            assert!(response.body == pattern(size), "{size}");
        }
    }
    let whole = pattern(1 << 20);
    for (range, part) in [
        ("0-0", &whole[..1]),
        ("1000-300000", &whole[1000..=300_000]),
        ("-70000", &whole[whole.len() - 70_000..]),
    ] {
        let response = client.get("/s/1048576.bin", &format!("Range: bytes={range}\r\n"));
        assert_eq!(response.status, 206, "{range}");
        assert!(response.body == part, "{range}");
    }
}

#[test]
fn application_sees_https() {
    let application = echo();
    let sideman = self_signed(&application.url()).start();
    let port = address(&sideman).port();
    let mut client = connect(&sideman);
    // Untrusted clients cannot set the scheme.
    for fields in ["", "X-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n"] {
        assert_eq!(client.get("/", fields).text(), format!("https {port} 127.0.0.1"));
    }
    assert!(sideman.get("/").text().starts_with("http "));
}

#[test]
fn scheme_of_a_trusted_proxy_wins_over_tls() {
    let application = echo();
    let settings = self_signed(&application.url()).set("server.trusted_proxies", "127.0.0.1");
    let sideman = settings.set("server.redirect_https", "true").start();
    let mut client = connect(&sideman);
    assert_eq!(client.get("/", "").text(), "https 443 127.0.0.1");
    for told in ["https", "wss", "HTTPS"] {
        let fields = format!("X-Forwarded-Proto: {told}\r\nX-Forwarded-For: 192.0.2.1\r\n");
        assert_eq!(client.get("/", &fields).text(), "https 443 192.0.2.1");
    }
    // The load balancer's client used http, although the load balancer uses TLS here.
    let response = client.get("/a", "X-Forwarded-Proto: http\r\n");
    assert_eq!(response.status, 301);
    assert!(
        response.head.contains("\r\nlocation: https://example.test/a\r\n"),
        "{}",
        response.head
    );
}

#[test]
fn tls_client_is_not_redirected_to_https() {
    let application = App::saying("here");
    let settings = self_signed(&application.url()).set("server.redirect_https", "true");
    let sideman = settings.start();
    for fields in ["", "X-Forwarded-Proto: http\r\n"] {
        assert_eq!(connect(&sideman).get("/", fields).text(), "here");
    }
}

#[test]
fn tunnel_over_tls_carries_both_ways() {
    let long = pattern(300_000);
    for says_end in [true, false] {
        let origin = Origin::script([
            expect("GET /ws "),
            send(ACCEPT),
            receive("one"),
            send("two"),
            send(long.clone()),
            until_closed(),
            send("last words"),
            close(),
        ]);
        let sideman = self_signed(&origin.url()).start();
        let mut client = connect(&sideman);
        client.send(ASK).until("\r\n\r\n");
        sideman.until_metric("sideman_tunnels", &[], 1.0);
        client.send("one").until("two");
        if says_end {
            client.say_end();
        } else {
            client.half_close();
        }
        let rest = client.until_closed().unwrap();
        assert!(rest == [&long[..], b"last words"].concat(), "{} bytes", rest.len());
        sideman.until_metric("sideman_tunnels", &[], 0.0);
    }
}

#[test]
fn half_closed_client_gets_its_response() {
    for says_end in [true, false] {
        let seen = Gate::new();
        let origin = Origin::script([
            expect("GET / "),
            open(&seen),
            crate::support::pause(Duration::from_millis(400)),
            send(HELLO),
        ]);
        let sideman = self_signed(&origin.url()).start();
        let mut client = connect(&sideman);
        client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
        seen.pass();
        if says_end {
            client.say_end();
        } else {
            client.half_close();
        }
        // Sideman has checked whether the client is still connected.
        assert!(client.until("\r\n\r\n").starts_with("HTTP/1.1 100 "));
        assert_eq!(client.response().text(), "hello");
        assert!(client.until_closed().unwrap().is_empty());
    }
}

#[test]
fn disconnected_client_is_noticed() {
    let seen = Gate::new();
    let origin = Origin::script([
        expect("GET / "),
        open(&seen),
        crate::support::pause(Duration::from_millis(800)),
        send(HELLO),
    ]);
    let sideman = self_signed(&origin.url()).start();
    let mut client = connect(&sideman);
    client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
    seen.pass();
    client.reset_connection();
    let line = sideman.log_of("/");
    assert_eq!(line["status"], 499, "{line}");
    sideman.until_metric("sideman_tls_connections", &[], 0.0);
}

#[test]
fn early_response_reaches_a_client_that_sends_first() {
    const BODY_LENGTH: usize = 8 << 20;
    let origin = Origin::scripts([]);
    let sideman = self_signed(&origin.url()).set("server.max_body", "1KiB").start();
    let mut client = connect(&sideman);
    let head =
        format!("POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: {BODY_LENGTH}\r\n\r\n");
    client.send([head.as_bytes(), &pattern(BODY_LENGTH)].concat());
    let response = client.response();
    assert_eq!(response.status, 413);
    assert!(response.head.contains("connection: close"), "{}", response.head);
    assert!(client.until_closed().unwrap().is_empty());
}

#[test]
fn upload_over_tls_arrives_whole() {
    let application = App::start(|request: &Request| {
        let is_whole = request.body == pattern(3 << 20);
        App::reply(if is_whole { b"whole" } else { b"other" })
    });
    let sideman = self_signed(&application.url()).start();
    let mut client = connect(&sideman);
    let body = pattern(3 << 20);
    let head = format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n", body.len());
    client.send([head.as_bytes(), &body].concat());
    assert_eq!(client.response().text(), "whole");
}

#[test]
fn truncated_response_gets_no_close_notify() {
    let origin = Origin::script([
        expect("GET / "),
        send("HTTP/1.1 200 OK\r\n\r\nhalf"),
        crate::support::reset(),
    ]);
    let settings: Settings = self_signed(&origin.url()).set("route.all.stream", "response");
    let sideman = settings.start();
    let mut client = connect(&sideman);
    // Its body has no length and no chunks: only the end of the connection delimits it.
    client.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
    let ended = client.until_closed();
    assert!(
        ended.is_err(),
        "{:?}",
        ended.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    );
}

#[test]
fn orderly_end_sends_close_notify() {
    let application = App::saying("hello");
    let sideman = self_signed(&application.url()).set("server.idle_timeout", "1s").start();
    let mut closing = connect(&sideman);
    assert_eq!(closing.get("/", "Connection: close\r\n").text(), "hello");
    assert!(closing.until_closed().unwrap().is_empty());
    let mut idle = Tls::connect(address(&sideman), &Trust::Anyone.config(), "localhost");
    assert_eq!(idle.get("/", "").text(), "hello");
    assert!(idle.until_closed().unwrap().is_empty());
    sideman.until_metric("sideman_client_timeouts_total", &[("timer", "idle")], 1.0);
}

#[test]
fn slow_head_over_tls_gets_408() {
    let application = App::saying("hello");
    let sideman = self_signed(&application.url()).set("server.header_timeout", "1s").start();
    let mut client = connect(&sideman);
    client.send("GET /late HTTP/1.1\r\nHost: a.t");
    let response = client.response();
    assert_eq!(response.status, 408, "{}", response.text());
    assert!(response.text().contains("not complete in time"), "{}", response.text());
    // The connection ends with close_notify, so the client knows that nothing is missing.
    assert!(client.until_closed().unwrap().is_empty());
    assert_eq!(sideman.log_of("/late")["error"], "client_head_timeout");
    assert_eq!(application.requests(), 0);
}
