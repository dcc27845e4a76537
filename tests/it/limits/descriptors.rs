//! A process without free descriptors: it continues with those it has, and recovers by itself.

use std::{thread, time::Duration};

use super::{LIMITS, SHED, before, kept};
use crate::support::App;

const DESCRIPTORS: [(&str, &str); 1] = [("limit", "descriptors")];

/// The program uses some; the connections alone are more.
const LIMIT: u32 = 64;

#[test]
fn idle_connections_are_closed_for_new_ones() {
    let application = App::saying("hello");
    let sideman = before(&application.url())
        .descriptors(LIMIT)
        // This limit must not apply here.
        .set("server.max_connections", "1000")
        .start();
    let mut clients = Vec::new();
    for _ in 0..LIMIT + 16 {
        clients.push(kept(&sideman));
    }
    // The upstream connection needs a descriptor too.
    assert_eq!(sideman.get("/healthz").status, 200);
    assert!(sideman.event("cannot accept a connection").contains("nofile"));
    drop(clients);
    sideman.until_metric("sideman_client_connections", &[], 0.0);
    assert!(sideman.metric(LIMITS, &DESCRIPTORS) >= 1.0);
    assert!(sideman.metric("sideman_accept_errors_total", &[]) >= 1.0);
    assert!(sideman.metric(SHED, &[]) >= 16.0);
    // Everything works as before.
    for _ in 0..5 {
        assert_eq!(sideman.get("/").text(), "hello");
    }
    let errors = sideman.metric("sideman_accept_errors_total", &[]);
    for _ in 0..20 {
        assert_eq!(sideman.get("/").status, 200);
    }
    assert_eq!(sideman.metric("sideman_accept_errors_total", &[]), errors);
}

#[test]
fn default_connection_limit_leaves_descriptors_for_the_rest() {
    let application = App::saying("hello");
    let sideman = before(&application.url()).descriptors(128).start();
    let mut clients = Vec::new();
    for _ in 0..80 {
        clients.push(kept(&sideman));
    }
    // Connections are closed before descriptors run out: requests reach the application, and the admin listener works.
    assert_eq!(kept(&sideman).get("/").text(), "hello");
    assert!(sideman.metric(LIMITS, &[("limit", "max_connections")]) >= 1.0);
    assert_eq!(sideman.metric(LIMITS, &DESCRIPTORS), 0.0);
}

/// An application that takes a while for each request.
fn slow() -> App {
    App::start(|_| {
        thread::sleep(Duration::from_millis(20));
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec()
    })
}

#[test]
fn requests_wait_for_upstream_connections_when_descriptors_are_few() {
    const CLIENTS: usize = 150;
    const EACH: usize = 10;
    let application = slow();
    // The default of max_in_flight, and more than this number of descriptors allows.
    for (in_flight, is_lowered) in [("100", false), ("400", true)] {
        let sideman = before(&application.url())
            .descriptors(256)
            .set("upstream.max_in_flight", in_flight)
            .start();
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        let fields = "Connection: close\r\n";
                        let response = sideman.connect().ask("GET", "/", fields);
                        assert_eq!((response.status, response.text().as_str()), (200, "hello"));
                    }
                });
            }
        });
        assert_eq!(sideman.metric(LIMITS, &DESCRIPTORS), 0.0);
        assert_eq!(sideman.metric("sideman_accept_errors_total", &[]), 0.0);
        let set: f64 = in_flight.parse().unwrap();
        let in_force = sideman.metric("sideman_limit", &[("setting", "upstream.max_in_flight")]);
        let connections = sideman.metric("sideman_limit", &[("setting", "server.max_connections")]);
        assert_eq!(in_force < set, is_lowered, "{in_force}");
        assert!(in_force + connections < 256.0, "{in_force} {connections}");
        // The start event names the shares of descriptors.
        let (_, events) = sideman.stop_for_events();
        let divided = events.iter().find(|line| line.contains("shares of open files")).unwrap();
        for part in ["limit=256", &format!("connections={connections}"), "files=", "process="] {
            assert!(divided.contains(part), "{part} in {divided}");
        }
        let warning = events.iter().find(|line| line.contains("for upstream.max_in_flight"));
        assert_eq!(warning.is_some(), is_lowered, "{events:#?}");
        assert!(warning.is_none_or(|line| line.contains("ulimits.nofile")), "{warning:?}");
    }
}

#[test]
fn settings_over_the_descriptor_limit_are_reported() {
    let application = App::saying("hello");
    let sideman =
        before(&application.url()).descriptors(256).set("server.max_connections", "200").start();
    let event = sideman.event("need more open files than there are");
    for part in [" WARN ", "limit=256", "connections=200", "ulimits.nofile"] {
        assert!(event.contains(part), "{part} in {event}");
    }
}
