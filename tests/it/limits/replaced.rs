//! At `server.max_connections`, a new connection replaces an idle one at once: one of a client with many connections,
//! never one of a client with few.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use super::{LIMITS, SHED, before, kept};
use crate::support::{App, Client, Sideman};

/// A client at this address with a completed request on an open connection.
#[track_caller]
fn kept_from(number: u8, sideman: &Sideman) -> Client {
    let source = IpAddr::V4(Ipv4Addr::new(127, 0, 2, number));
    let mut client = Client::connect_from(source, sideman.address());
    assert_eq!(client.get("/healthz").status, 200);
    client
}

#[test]
fn new_connections_replace_idle_ones_at_once() {
    const MAX_CONNECTIONS: usize = 200;
    let application = App::saying("hello");
    let sideman = before(&application.url())
        .set("server.max_connections", &MAX_CONNECTIONS.to_string())
        .set("server.idle_timeout", "1h")
        .start();
    let begin = Instant::now();
    // Each of them waits to be accepted and then for its response.
    let clients: Vec<Client> = (0..5 * MAX_CONNECTIONS).map(|_| kept(&sideman)).collect();
    // Closing a hundredth of them every 20 ms would take 8 s.
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    let shed = sideman.metric(SHED, &[]);
    // At most the needed number is closed, and those that are being closed.
    assert!((shed - 4.0 * MAX_CONNECTIONS as f64).abs() <= 8.0, "{shed}");
    assert_eq!(sideman.metric(LIMITS, &[("limit", "max_connections")]), 1.0);
    drop(clients);
}

#[test]
fn clients_with_few_connections_keep_them() {
    let application = App::saying("hello");
    let sideman = before(&application.url())
        // Each worker chooses among its own connections. On a busy machine one of two may have none of the others left.
        .set("server.workers", "1")
        .set("server.max_connections", "80")
        .set("server.idle_timeout", "1h")
        .start();
    // The oldest connection of all.
    let mut few = [kept_from(1, &sideman), kept_from(1, &sideman)];
    // Each client has less than a quarter of the limit.
    let many: Vec<Client> = (0..120).map(|number| kept_from(2 + number % 6, &sideman)).collect();
    assert!(sideman.metric(SHED, &[]) >= 42.0);
    for client in &mut few {
        assert_eq!(client.get("/healthz").status, 200);
    }
    drop(many);
}
