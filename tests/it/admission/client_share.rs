//! `upstream.client_share`: a client that holds many permits lets others go first.

use std::net::Ipv4Addr;

use super::{Workers, settings};
use crate::support::{Client, Sideman};

/// Sends a request as the client with this last number, and returns when so many requests are queued.
fn ask_as(sideman: &Sideman, client: u8, path: &str, queued: u32) -> Client {
    let source = Ipv4Addr::new(127, 0, 0, client).into();
    let mut client = Client::connect_from(source, sideman.address());
    client.send(format!("GET {path} HTTP/1.1\r\nHost: example.test\r\n\r\n"));
    sideman.until_metric("sideman_queue_length", &[], queued.into());
    client
}

/// The first client has both permits, and the oldest and the newest queued request. Returns the request that comes
/// next.
fn third(sideman: &Sideman, workers: &Workers) -> String {
    let mut clients = vec![ask_as(sideman, 1, "/1", 0)];
    workers.until(&["/1"]);
    clients.push(ask_as(sideman, 1, "/2", 0));
    workers.until(&["/1", "/2"]);
    clients.push(ask_as(sideman, 1, "/3", 1));
    clients.push(ask_as(sideman, 2, "/other", 2));
    clients.push(ask_as(sideman, 1, "/4", 3));
    workers.finish("/1");
    sideman.until_metric("sideman_queue_length", &[], 2.0);
    let third = crate::support::eventually("a third request", || workers.paths().get(2).cloned());
    for path in ["/2", "/3", "/4", "/other"] {
        workers.finish(path);
    }
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    third
}

#[test]
fn client_with_half_of_the_permits_lets_others_go_first() {
    let workers = Workers::start();
    let sideman = settings(&workers, 2).start();
    assert_eq!(third(&sideman, &workers), "/other");
    let exceeded = sideman.metric("sideman_client_limits_total", &[("limit", "upstream_share")]);
    assert!(exceeded >= 1.0, "{exceeded}");
}

#[test]
fn off_disables_the_share() {
    let workers = Workers::start();
    let sideman = settings(&workers, 2).set("upstream.client_share", "off").start();
    assert_ne!(third(&sideman, &workers), "/other");
    let exceeded = sideman.metric("sideman_client_limits_total", &[("limit", "upstream_share")]);
    assert_eq!(exceeded, 0.0);
}

/// All its clients together are not one client.
#[test]
fn trusted_proxy_that_names_no_client_has_no_share() {
    let workers = Workers::start();
    let sideman = settings(&workers, 2).set("server.trusted_proxies", "127.0.0.1").start();
    assert_ne!(third(&sideman, &workers), "/other");
}
