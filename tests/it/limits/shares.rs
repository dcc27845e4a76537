//! `memory.limit`: long heads have a share of it, and idle connections are closed while it is exceeded.

use std::sync::{Mutex, mpsc};

use super::{LIMITS, SHED, before, kept};
use crate::support::{App, Client, Http2, TempDir, pattern};

/// A head of 80 KB that is not complete.
fn long_head() -> String {
    let field = format!("{}\r\n", "x".repeat(8000));
    let fields: String = (0..10).map(|number| format!("X-{number}: {field}")).collect();
    format!("GET / HTTP/1.1\r\nHost: example.test\r\n{fields}")
}

/// A share of 4 MiB: each head uses the 128 KiB of its grown buffer.
const MAX_CONNECTIONS: usize = 32;

#[test]
fn long_heads_over_the_budget_are_refused() {
    let application = App::saying("hello");
    let sideman = before(&application.url()).set("memory.limit", "32MiB").start();
    let held = [("kind", "heads")];
    let mut begun: Vec<Client> = Vec::new();
    while begun.len() < MAX_CONNECTIONS + 4 {
        let mut client = sideman.connect();
        client.send(long_head());
        begun.push(client);
    }
    // The first ones wait for the rest of their heads, all others got a response.
    sideman.until_metric("sideman_errors_total", &[("error", "heads_full")], 4.0);
    let mut refused = 0;
    for client in &mut begun {
        client.try_send("\r\n").ok();
        let response = client.response();
        match response.status {
            200 => assert_eq!(response.body, b"hello"),
            503 => {
                refused += 1;
                assert!(response.closes());
                assert_eq!(response.header("retry-after"), Some("1"));
            }
            status => panic!("{status}"),
        }
    }
    assert_eq!(refused, 4);
    // An ordinary head needs no share.
    assert_eq!(sideman.get("/").body, b"hello");
    sideman.event("heads_full");
    drop(begun);
    sideman.until_metric("sideman_buffer_bytes", &held, 0.0);
}

#[test]
fn idle_connections_are_closed_while_the_limit_is_exceeded() {
    const FILES: usize = 40;
    let directory = TempDir::new();
    for number in 0..FILES {
        directory.write(&format!("{number}.bin"), pattern(1 << 20));
    }
    let application = App::saying("hello");
    let sideman = before(&application.url())
        .files("/static/", directory.path())
        .set("memory.limit", "32MiB")
        .set("static.memory", "64MiB")
        .start();
    let mut idle = kept(&sideman);
    for number in 0..FILES {
        assert_eq!(sideman.get(&format!("/static/{number}.bin")).body.len(), 1 << 20);
    }
    let event = sideman.event("memory.limit exceeded");
    assert!(event.contains("closing idle connections"), "{event}");
    assert!(idle.until_gone().is_empty());
    sideman.until_metric(SHED, &[], 1.0);
    assert!(sideman.metric(LIMITS, &[("limit", "memory")]) >= 1.0);
    assert!(sideman.metric("sideman_memory_bytes", &[]) > f64::from(32 << 20));
    assert_eq!(sideman.get("/").body, b"hello");
}

/// Over HTTP/2 a connection has many requests: each is refused separately.
#[test]
fn long_http2_heads_are_refused_without_closing_the_connection() {
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let application = App::start(move |_| {
        // Until the connection ends.
        let _ = gate.lock().unwrap().recv();
        App::reply(b"hello")
    });
    let sideman = before(&application.url())
        .set("memory.limit", "32MiB")
        .set("upstream.max_in_flight", "1")
        .start();
    let long = "x".repeat(15_000);
    let field = [("x-long", long.as_str())];
    let mut clients: Vec<Http2> = Vec::new();
    for _ in 0..3 {
        let mut client = Http2::connect(sideman.address());
        for _ in 0..100 {
            client.ask("GET", "/", &field);
        }
        clients.push(client);
    }
    // 4 MiB are 277 of them, with about 90 bytes for each field.
    sideman.until_metric("sideman_errors_total", &[("error", "heads_full")], 23.0);
    drop(open);
    let mut statuses = [0, 0];
    for client in &mut clients {
        for number in 0..100 {
            let status = client.response(2 * number + 1).status;
            statuses[usize::from(status == 503)] += 1;
        }
        // The connection stays open.
        assert_eq!(client.get("/").text(), "hello");
    }
    assert_eq!(statuses, [277, 23]);
    sideman.until_metric("sideman_buffer_bytes", &[("kind", "heads")], 0.0);
}
