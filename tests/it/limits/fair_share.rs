//! One client cannot use the last quarter of connections, and of the memory for bodies.

use std::{
    io::{Read as _, Write as _},
    net::SocketAddr,
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};

use super::{LIMITS, before};
use crate::support::{App, Client, eventually, pattern};

/// Sends a request from another address of this machine; returns the first bytes of the response.
fn health_from(address: [u8; 4], server: SocketAddr) -> String {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((address, 0)).into()).unwrap();
    socket.connect_timeout(&server.into(), Duration::from_secs(20)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut socket = socket;
    socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer.chars().take(15).collect()
}

#[test]
fn one_client_cannot_take_all_connections() {
    const MAX_CONNECTIONS: usize = 16;
    let application = App::saying("hello");
    let sideman = before(&application.url())
        .set("server.max_connections", &MAX_CONNECTIONS.to_string())
        .set("upstream.max_in_flight", "100")
        .start();
    let other = || health_from([127, 0, 0, 2], sideman.address());
    assert_eq!(other(), "HTTP/1.1 200 OK");
    // Connections with a request in flight are never closed for others.
    let mut running: Vec<Client> = Vec::new();
    let mut begin = || {
        let mut client = sideman.connect();
        // Some are already closed.
        let _ = client.try_send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst");
        running.push(client);
    };
    let in_flight = || sideman.metric("sideman_requests_in_flight", &[]);
    let part = (MAX_CONNECTIONS * 3 / 4) as f64;
    eventually("three quarters to be taken", || {
        begin();
        (in_flight() >= part).then_some(())
    });
    (0..MAX_CONNECTIONS).for_each(|_| begin());
    eventually("all others to be closed", || {
        (sideman.metric(LIMITS, &[("limit", "connection_share")]) >= MAX_CONNECTIONS as f64)
            .then_some(())
    });
    let begin = Instant::now();
    // The excess is at most the number of connections that are being closed.
    for _ in 0..3 {
        assert_eq!(other(), "HTTP/1.1 200 OK");
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    let event = sideman.event("one client has most of");
    assert!(event.contains("client=\"127.0.0.1\""), "{event}");
    sideman.until_metric("sideman_requests_in_flight", &[], part);
    let answer = |client: &mut Client| {
        let response = client.try_send("after").ok().and_then(|()| client.try_response("GET").ok());
        response.is_some_and(|response| response.text() == "hello")
    };
    assert_eq!(running.iter_mut().filter_map(|client| answer(client).then_some(())).count(), 12);
}

#[test]
fn connections_of_a_trusted_proxy_are_not_limited_as_one_client() {
    let application = App::saying("hello");
    let sideman = before(&application.url())
        .set("server.max_connections", "16")
        .set("server.trusted_proxies", "127.0.0.1")
        .start();
    assert_eq!(health_from([127, 0, 0, 2], sideman.address()), "HTTP/1.1 200 OK");
    let mut all: Vec<Client> = Vec::new();
    for _ in 0..16 {
        let mut client = sideman.connect();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst");
        all.push(client);
    }
    sideman.until_metric("sideman_requests_in_flight", &[], 16.0);
    assert_eq!(sideman.metric(LIMITS, &[("limit", "connection_share")]), 0.0);
}

#[test]
fn one_client_cannot_take_all_buffer_memory() {
    const MEMORY: usize = 1 << 20;
    let application =
        App::start(|request| App::reply(format!("{}", request.body.len()).as_bytes()));
    let sideman = before(&application.url())
        .set("server.trusted_proxies", "127.0.0.1")
        .set("buffers.memory", "1MiB")
        .set("buffers.memory_per_body", "256KiB")
        .start();
    let begin = |client: &str, length: usize| {
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {client}\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let mut many: Vec<Client> = (0..20).map(|_| sideman.connect()).collect();
    for (number, client) in many.iter_mut().enumerate() {
        // One client: all addresses belong to one /64.
        let client = client.send(begin(&format!("2001:db8::{number:x}"), 200_000));
        client.send(&pattern(200_000)[..199_999]);
    }
    let bytes = |kind| sideman.metric("sideman_buffer_bytes", &[("kind", kind)]);
    eventually("the rest of them on the disk", || {
        (bytes("memory") + bytes("disk") > 3_500_000.0).then_some(())
    });
    assert!(bytes("memory") <= (MEMORY * 3 / 4) as f64, "{}", bytes("memory"));
    assert!(sideman.metric(LIMITS, &[("limit", "buffer_share")]) >= 1.0);
    // The body of another client is kept in memory.
    let mut other = sideman.connect();
    other.send(begin("2001:db8:0:1::1", 200_000)).send(pattern(200_000));
    assert_eq!(other.response().text(), "200000");
    let spilled = [("body", "request")];
    assert_eq!(sideman.metric("sideman_buffer_spilled_total", &spilled), 0.0);
    for client in &mut many {
        assert_eq!(client.send(&pattern(200_000)[199_999..]).response().text(), "200000");
    }
    sideman.until_metric("sideman_buffer_bytes", &[], 0.0);
    assert!(sideman.metric("sideman_buffer_spilled_total", &spilled) >= 10.0);
}
