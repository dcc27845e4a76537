//! Clients that disconnect: while queued, and while the application works on their request.

use super::{Workers, ask, ask_in_queue, settings};
use crate::support::{
    Gate, Origin, Settings, close, expect, open, receive, send, until_closed, wait,
};

#[test]
fn request_abandoned_in_queue_never_reaches_the_application() {
    for cache in ["off", "16MiB"] {
        let workers = Workers::start();
        let sideman = settings(&workers, 1).set("cache.memory", cache).start();
        let mut first = ask(&sideman, "/1");
        workers.until(&["/1"]);
        let second = ask_in_queue(&sideman, "/2", 1);
        second.reset_connection();
        sideman.until_metric("sideman_abandoned_total", &[("where", "queue")], 1.0);
        sideman.until_metric("sideman_queue_length", &[], 0.0);
        let line = sideman.log_of("/2");
        assert_eq!((&line["status"], &line["error"]), (&499.into(), &"client_disconnected".into()));
        assert!(line["queue_ms"].as_f64() > Some(0.0), "{line}");
        let mut third = ask_in_queue(&sideman, "/3", 1);
        for path in ["/1", "/3"] {
            workers.finish(path);
        }
        assert_eq!((first.response().status, third.response().status), (200, 200));
        assert_eq!(workers.paths(), ["/1", "/3"]);
    }
}

#[test]
fn orderly_close_in_the_queue_is_noticed() {
    for cache in ["off", "16MiB"] {
        let workers = Workers::start();
        let sideman = settings(&workers, 1).set("cache.memory", cache).start();
        let _first = ask(&sideman, "/1");
        workers.until(&["/1"]);
        drop(ask_in_queue(&sideman, "/2", 1));
        sideman.until_metric("sideman_abandoned_total", &[("where", "queue")], 1.0);
        workers.finish("/1");
        assert_eq!(workers.paths(), ["/1"]);
    }
}

#[test]
fn abandoned_running_request_keeps_its_permit() {
    let workers = Workers::start();
    let sideman = settings(&workers, 1).set("server.workers", "1").start();
    let first = ask(&sideman, "/1");
    workers.until(&["/1"]);
    first.reset_connection();
    sideman.until_metric("sideman_abandoned_total", &[("where", "application")], 1.0);
    assert_eq!(sideman.log_of("/1")["status"], 499);
    // The application's worker is still busy with it.
    let mut second = ask_in_queue(&sideman, "/2", 1);
    assert_eq!(workers.paths(), ["/1"]);
    workers.finish("/1");
    workers.until(&["/1", "/2"]);
    workers.finish("/2");
    assert_eq!(second.response().text(), "/2");
    // Its response was read although the client disconnected: the connection is reused.
    assert_eq!(workers.app.connections(), 1);
    sideman.until_metric("sideman_upstream_in_flight", &[], 0.0);
}

#[test]
fn abandoned_running_request_is_aborted_if_configured() {
    let (asked, gone) = (Gate::new(), Gate::new());
    let origin = Origin::scripts([
        vec![expect("GET /1 "), open(&asked), until_closed(), open(&gone)],
        vec![expect("GET /2 "), send("HTTP/1.1 204 No Content\r\n\r\n")],
    ]);
    let settings = Settings::before(&origin.url()).set("upstream.max_in_flight", "1");
    let sideman = settings.set("upstream.abort", "true").start();
    let first = ask(&sideman, "/1");
    asked.pass();
    first.reset_connection();
    gone.pass();
    assert_eq!(sideman.get("/2").status, 204);
    assert_eq!(sideman.metric("sideman_abandoned_total", &[("where", "application")]), 1.0);
}

#[test]
fn aborted_abandoned_response_releases_its_permit() {
    let (asked, left) = (Gate::new(), Gate::new());
    let origin = Origin::scripts([
        vec![expect("GET /1 "), open(&asked), wait(&left), receive(""), close()],
        vec![expect("GET /2 "), send("HTTP/1.1 204 No Content\r\n\r\n")],
    ]);
    let sideman = Settings::before(&origin.url()).set("upstream.max_in_flight", "1").start();
    let first = ask(&sideman, "/1");
    asked.pass();
    first.reset_connection();
    sideman.until_metric("sideman_abandoned_total", &[("where", "application")], 1.0);
    left.open();
    assert_eq!(sideman.get("/2").status, 204);
}
