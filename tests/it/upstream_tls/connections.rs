//! Connections with TLS: kept ones, truncated responses, large bodies, and WebSocket.

use std::{
    io,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
    time::Duration,
};

use super::{
    authority::Authority,
    peer::{Served, TlsPeer},
    trusting,
};
use crate::support::{Client, TempDir, pattern};

const LARGE: usize = 10 << 20;

/// A server with a certificate that Sideman trusts.
fn peer(
    directory: &TempDir,
    serve: impl Fn(&mut Served) -> io::Result<()> + Send + Sync + 'static,
) -> (TlsPeer, crate::support::Settings) {
    let authority = Authority::new("Our authority");
    let peer = TlsPeer::start(authority.issue(&["localhost"]).server_config(None), serve);
    let settings = trusting(&authority, directory, &peer.url("localhost"));
    (peer, settings.set("server.workers", "1"))
}

#[test]
fn connection_is_kept_for_the_next_request() {
    let directory = TempDir::new();
    let (peer, settings) = peer(&directory, |served| {
        loop {
            served.head()?;
            served.respond(b"hello")?;
        }
    });
    // The probe of the start has a connection of its own.
    let sideman = settings.set("upstream.idle_timeout", "1m").start().until_ready();
    assert_eq!(sideman.get("/").text(), "hello");
    let before = peer.accepted();
    for _ in 0..10 {
        assert_eq!(sideman.get("/").text(), "hello");
    }
    assert_eq!(peer.accepted(), before);
    assert!(sideman.metric("sideman_upstream_connections_reused_total", &[]) >= 10.0);
}

#[test]
fn kept_connection_that_the_server_closed_is_replaced() {
    for with_notify in [true, false] {
        let directory = TempDir::new();
        let (_peer, settings) = peer(&directory, move |served| {
            served.head()?;
            served.respond(b"hello")?;
            if with_notify { served.close_with_notify() } else { served.cut() }
        });
        let sideman = settings.set("upstream.idle_timeout", "1m").start();
        for _ in 0..5 {
            assert_eq!(sideman.get("/").text(), "hello", "{with_notify}");
        }
    }
}

/// Without `close_notify` nobody knows whether a body of unknown length is complete (RFC 8446, 6.1).
#[test]
fn body_of_unknown_length_needs_close_notify() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n";
    for with_notify in [true, false] {
        let directory = TempDir::new();
        let (_peer, settings) = peer(&directory, move |served| {
            served.head()?;
            served.send(HEAD)?;
            served.send(vec![b'a'; 100_000])?;
            if with_notify { served.close_with_notify() } else { served.cut() }
        });
        let sideman = settings.start();
        let mut client = Client::connect(sideman.address());
        client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let response = client.try_response("GET");
        let line = sideman.log_of("/a");
        if with_notify {
            assert_eq!(response.unwrap().body.len(), 100_000);
            assert_eq!(line["error"], serde_json::Value::Null, "{line}");
        } else {
            assert!(response.map_or(true, |response| response.status == 502), "{line}");
            assert_eq!(line["error"], "upstream_truncated", "{line}");
        }
    }
}

/// RFC 8446, 6.1.
#[test]
fn connection_that_sideman_closes_ends_with_close_notify() {
    let cases = [("idle", ""), ("shut down", ""), ("asked to close", "Connection: close\r\n")];
    for (case, field) in cases {
        let directory = TempDir::new();
        let (sender, ends) = channel();
        let sender = Mutex::new(sender);
        let (_peer, settings) = peer(&directory, move |served| {
            served.head()?;
            served.send(format!("HTTP/1.1 200 OK\r\n{field}Content-Length: 5\r\n\r\nhello"))?;
            let end = served.until_closed().map_err(|error| error.to_string());
            sender.lock().unwrap().send(end).unwrap();
            Ok(())
        });
        let idle = if case == "idle" { "100ms" } else { "1m" };
        let sideman = settings.set("upstream.idle_timeout", idle).start();
        assert_eq!(sideman.get("/").text(), "hello");
        if case == "shut down" {
            assert_eq!(sideman.shut_down().0, Some(0));
        }
        let end = ends.recv_timeout(Duration::from_secs(20));
        assert_eq!(end, Ok(Ok(())), "{case}");
    }
}

#[test]
fn large_bodies_are_right_in_both_directions() {
    let directory = TempDir::new();
    let (_peer, settings) = peer(&directory, |served| {
        loop {
            let head = served.head()?;
            if head.starts_with("POST") {
                let body = served.body(LARGE)?;
                let verdict = if body == pattern(LARGE) { "right" } else { "wrong" };
                served.respond(verdict.as_bytes())?;
            } else {
                served.respond(&pattern(LARGE))?;
            }
        }
    });
    let sideman = settings.set("server.max_body", "20MiB").start();
    assert_eq!(sideman.connect().post("/", "", &pattern(LARGE)).text(), "right");
    assert!(sideman.get("/").body == pattern(LARGE));
    // Both at once, on several connections.
    let address = sideman.address();
    let threads: Vec<_> = (0..4)
        .map(|number| {
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                if number % 2 == 0 {
                    assert_eq!(client.post("/", "", &pattern(LARGE)).text(), "right");
                } else {
                    assert!(client.get("/").body == pattern(LARGE));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn upgraded_connection_passes_bytes_both_ways() {
    let directory = TempDir::new();
    let (_peer, settings) = peer(&directory, |served| {
        served.head()?;
        served.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        )?;
        loop {
            let bytes = served.body(4)?;
            served.send(bytes)?;
        }
    });
    let sideman = settings.start();
    let mut client = sideman.connect();
    client.send(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    let head = client.until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    for bytes in [b"ping", b"pong"] {
        client.send(bytes);
        assert_eq!(client.exact(4), bytes);
    }
}

/// Bodies that do not fit into the buffers of sockets: what TLS has accepted must still be sent.
#[test]
fn request_is_sent_to_a_server_that_reads_late() {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let directory = TempDir::new();
    let (_peer, settings) = peer(&directory, |served| {
        served.head()?;
        TURN.fetch_add(1, Ordering::SeqCst);
        let body = served.body(LARGE)?;
        let verdict = if body == pattern(LARGE) { "right" } else { "wrong" };
        served.respond(verdict.as_bytes())
    });
    let sideman = settings.set("server.max_body", "20MiB").start();
    assert_eq!(sideman.connect().post("/", "", &pattern(LARGE)).text(), "right");
    assert_eq!(TURN.load(Ordering::SeqCst), 1);
}
