//! A process that runs out of descriptors: it goes on with those it has, and gets well by itself.

use super::{LIMITS, SHED, before, kept};
use crate::support::App;

const DESCRIPTORS: [(&str, &str); 1] = [("limit", "descriptors")];

/// Some are the program's own; the connections alone are more.
const LIMIT: u32 = 64;

#[test]
fn idle_connections_are_closed_for_new_ones() {
    let application = App::saying("hello");
    let sideman = before(&application.url())
        .descriptors(LIMIT)
        // Not what acts here.
        .set("server.max_connections", "1000")
        .start();
    let mut clients = Vec::new();
    for _ in 0..LIMIT + 16 {
        clients.push(kept(&sideman));
    }
    // The application needs one as well.
    assert_eq!(sideman.get("/healthz").status, 200);
    assert!(sideman.event("can't be accepted").contains("nofile"));
    drop(clients);
    sideman.until_metric("sideman_client_connections", &[], 0.0);
    assert!(sideman.metric(LIMITS, &DESCRIPTORS) >= 1.0);
    assert!(sideman.metric("sideman_accept_errors_total", &[]) >= 1.0);
    assert!(sideman.metric(SHED, &[]) >= 16.0);
    // And everything is as it was.
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
fn the_default_keeps_some_for_others() {
    let application = App::saying("hello");
    let sideman = before(&application.url()).descriptors(128).start();
    let mut clients = Vec::new();
    for _ in 0..80 {
        clients.push(kept(&sideman));
    }
    // Closed before descriptors were lacking: the application can be asked, and the admin listener too.
    assert_eq!(kept(&sideman).get("/").text(), "hello");
    assert!(sideman.metric(LIMITS, &[("limit", "max_connections")]) >= 1.0);
    assert_eq!(sideman.metric(LIMITS, &DESCRIPTORS), 0.0);
}
