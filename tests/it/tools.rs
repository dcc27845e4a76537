//! Tests of the test helpers: an origin that fails at deviations from its script,
//! and servers that treat connections as `Server` describes.

use std::{
    net::SocketAddr,
    panic::{self, AssertUnwindSafe},
};

use crate::support::{Client, Django, Origin, Server, Wsgi, close, expect, send};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn address(url: &str) -> SocketAddr {
    url.strip_prefix("http://").unwrap().parse().unwrap()
}

/// Whether the end of an origin is a failure, after a client did this.
fn fails(origin: Origin, client: impl FnOnce(&mut Client)) -> bool {
    let mut connection = Client::connect(address(&origin.url()));
    client(&mut connection);
    drop(connection);
    panic::catch_unwind(AssertUnwindSafe(|| drop(origin))).is_err()
}

#[test]
fn origin_passes_when_its_script_is_followed() {
    let origin = Origin::script([expect("GET / "), send(HELLO), expect("GET /2 "), send(HELLO)]);
    let failed = fails(origin, |client| {
        assert_eq!(client.get("/").text(), "hello");
        assert_eq!(client.get("/2").text(), "hello");
    });
    assert!(!failed);
}

#[test]
fn origin_fails_when_its_script_is_not_followed() {
    let script = || Origin::script([expect("GET / "), send(HELLO)]);
    assert!(fails(script(), |_| {}), "nobody came");
    for (bytes, what) in
        [("POST / HTTP/1.1\r\n\r\n", "another request"), ("GET / HTTP/1.1\r\n", "half of it")]
    {
        let sends = |client: &mut Client| {
            client.send(bytes);
        };
        assert!(fails(script(), sends), "{what}");
    }
    let twice = |client: &mut Client| {
        client.get("/");
        client.send("GET /2 HTTP/1.1\r\n\r\n");
    };
    assert!(fails(script(), twice), "a request too many");
    let closing = Origin::script([expect("GET / "), send(HELLO), close()]);
    let address = address(&closing.url());
    let second = |client: &mut Client| {
        client.get("/");
        Client::connect(address).send("GET / HTTP/1.1\r\n\r\n").until_gone();
    };
    assert!(fails(closing, second), "a connection too many");
}

#[test]
fn server_kinds_treat_connections_as_documented() {
    let Some(django) = Django::prepared() else { return };
    for (server, said, keeps) in [
        (Server::GunicornSync, Some("close"), false),
        (Server::GunicornThreads, Some("keep-alive"), true),
        (Server::UwsgiSocket, None, false),
    ] {
        let wsgi = Wsgi::start(server, django);
        let mut client = Client::connect(address(wsgi.url()));
        let response = client.get("/echo");
        assert_eq!((response.status, response.header("connection")), (200, said), "{server:?}");
        if keeps {
            assert_eq!(client.get("/echo").status, 200, "{server:?}");
        } else {
            assert!(client.until_closed().is_empty(), "{server:?}");
        }
    }
}
