//! Limits for clients: time for heads, bodies and responses, connections and requests
//! on them. Each limit is set low, applies, is named in the response, is counted, and affects no other client.

mod bodies;
mod connections;
mod descriptors;
mod fair_share;
mod heads;
mod many_slow_clients;
mod memory;
mod replaced;
mod responses;
mod shares;
mod without_request;

use std::{thread, time::Duration};

use crate::support::{Client, Response, Settings, Sideman};

const TIMEOUTS: &str = "sideman_client_timeouts_total";
const LIMITS: &str = "sideman_client_limits_total";
const SHED: &str = "sideman_client_connections_shed_total";

/// Healthy from the start.
fn before(application: &str) -> Settings {
    Settings::before(application).set("health.wait_for_application", "false")
}

/// The test needs time to pass; there is no event to wait for.
fn pass(millis: u64) {
    thread::sleep(Duration::from_millis(millis));
}

/// A client with a completed request on an open connection.
#[track_caller]
fn kept(sideman: &Sideman) -> Client {
    let mut client = sideman.connect();
    assert_eq!(client.get("/healthz").status, 200);
    client
}

/// An error page that names the limit.
#[track_caller]
fn check_408(response: &Response, what: &str) {
    assert!(response.status == 408 && response.closes(), "{response:?}");
    assert!(response.text().contains(what), "{}", response.text());
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert!(response.header("date").is_some() && response.header("x-request-id").is_some());
}
