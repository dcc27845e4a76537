//! The limits: permits, the queue, the queue timeout; and requests that never wait.

use std::{
    fs,
    time::{Duration, Instant},
};

use super::{Workers, ask, ask_in_queue, settings};
use crate::support::{
    App, Gate, Origin, Settings, TempDir, expect, open, send, until_closed, wait,
};

#[test]
fn in_flight_never_exceeds_the_limit() {
    let workers = Workers::start();
    // Two worker threads share the permits.
    let sideman = settings(&workers, 2).start();
    let mut clients = vec![ask(&sideman, "/1")];
    workers.until(&["/1"]);
    clients.push(ask(&sideman, "/2"));
    workers.until(&["/1", "/2"]);
    for (number, path) in ["/3", "/4", "/5"].into_iter().enumerate() {
        clients.push(ask_in_queue(&sideman, path, u32::try_from(number).unwrap() + 1));
    }
    assert_eq!(sideman.metric("sideman_upstream_in_flight", &[]), 2.0);
    assert_eq!(workers.paths(), ["/1", "/2"]);
    workers.finish("/1");
    workers.until(&["/1", "/2", "/3"]);
    for path in ["/2", "/3", "/4", "/5"] {
        workers.finish(path);
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.response().text(), format!("/{}", number + 1));
    }
    assert!(sideman.log_of("/5")["queue_ms"].as_f64().unwrap() > 0.0);
    assert!(sideman.log_of("/1")["queue_ms"].is_null());
    sideman.until_metric("sideman_upstream_in_flight", &[], 0.0);
    sideman.until_metric("sideman_queue_length", &[], 0.0);
    assert_eq!(sideman.metric("sideman_queue_wait_seconds_count", &[]), 5.0);
}

#[test]
fn request_over_the_full_queue_is_shed_at_once() {
    let workers = Workers::start();
    let sideman = settings(&workers, 1).set("upstream.queue", "1").start();
    let _first = ask(&sideman, "/1");
    workers.until(&["/1"]);
    let mut second = ask_in_queue(&sideman, "/2", 1);
    let refused = sideman.get("/3");
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok()));
    assert_eq!(sideman.log_of("/3")["error"], "queue_full");
    // A cached value of the metric must not be used here.
    sideman.event("queue_full");
    assert_eq!(sideman.metric("sideman_errors_total", &[("error", "queue_full")]), 1.0);
    workers.finish("/1");
    workers.finish("/2");
    assert_eq!(second.response().status, 200);
    assert_eq!(workers.paths(), ["/1", "/2"]);
}

#[test]
fn without_a_queue_requests_over_the_limit_are_shed() {
    let workers = Workers::start();
    let sideman = settings(&workers, 1).set("upstream.queue", "0").start();
    let mut first = ask(&sideman, "/1");
    workers.until(&["/1"]);
    assert_eq!(sideman.get("/2").status, 503);
    workers.finish("/1");
    assert_eq!(first.response().status, 200);
    workers.finish("/3");
    assert_eq!(sideman.get("/3").status, 200);
}

#[test]
fn queue_timeout_bounds_the_wait() {
    let workers = Workers::start();
    let sideman = settings(&workers, 1).set("upstream.queue_timeout", "200ms").start();
    let _first = ask(&sideman, "/1");
    workers.until(&["/1"]);
    let begin = Instant::now();
    assert_eq!(sideman.get("/2").status, 503);
    assert!(begin.elapsed() >= Duration::from_millis(200), "{:?}", begin.elapsed());
    let line = sideman.log_of("/2");
    assert_eq!(line["error"], "queue_timeout");
    assert!(line["queue_ms"].as_f64().unwrap() >= 199.0, "{line}");
    workers.finish("/1");
    assert_eq!(workers.paths(), ["/1"]);
}

#[test]
fn files_health_and_metrics_never_wait() {
    let (workers, files) = (Workers::start(), TempDir::new());
    fs::write(files.join("a.css"), "a{}").unwrap();
    let settings = settings(&workers, 1).set("upstream.queue", "1");
    let sideman = settings.files("/static/", files.path()).start();
    let _first = ask(&sideman, "/1");
    workers.until(&["/1"]);
    let _second = ask_in_queue(&sideman, "/2", 1);
    assert_eq!(sideman.get("/static/a.css").text(), "a{}");
    assert_eq!(sideman.get("/healthz").status, 200);
    assert_eq!(sideman.get("/readyz").status, 200);
    assert_eq!(sideman.admin_get("/metrics").status, 200);
    workers.finish("/1");
    workers.finish("/2");
}

#[test]
fn event_stream_holds_no_permit() {
    let event = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n";
    let origin = Origin::scripts([
        vec![expect("GET /events "), send(event), until_closed()],
        vec![expect("GET /page "), send(App::reply(b"page"))],
    ]);
    let sideman = Settings::before(&origin.url()).set("upstream.max_in_flight", "1").start();
    let mut stream = ask(&sideman, "/events");
    stream.until("data: 1\n\n");
    assert_eq!(sideman.get("/page").text(), "page");
}

#[test]
fn tunnel_holds_no_permit_but_its_handshake_does() {
    const ASK: &str = "GET /ws HTTP/1.1\r\nHost: example.test\r\nConnection: Upgrade\r\n\
                       Upgrade: websocket\r\n\r\n";
    let (asked, accepts) = (Gate::new(), Gate::new());
    let accepted =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    let origin = Origin::scripts([
        vec![expect("GET /ws "), open(&asked), wait(&accepts), send(accepted), until_closed()],
        vec![expect("GET /page "), send(App::reply(b"page"))],
    ]);
    let sideman = Settings::before(&origin.url()).set("upstream.max_in_flight", "1").start();
    let mut tunnel = sideman.connect();
    tunnel.send(ASK);
    asked.pass();
    let mut page = ask_in_queue(&sideman, "/page", 1);
    accepts.open();
    tunnel.until("101");
    assert_eq!(page.response().text(), "page");
    assert_eq!(sideman.metric("sideman_tunnels", &[]), 1.0);
}

#[test]
fn every_server_has_its_own_limit() {
    let (first, second) = (Workers::start(), Workers::start());
    let sideman = settings(&first, 1).args(&["--upstream", &second.app.url()]).start();
    let mut clients = vec![ask(&sideman, "/1")];
    first.until(&["/1"]);
    clients.push(ask(&sideman, "/2"));
    second.until(&["/2"]);
    clients.push(ask_in_queue(&sideman, "/3", 1));
    second.finish("/2");
    second.until(&["/2", "/3"]);
    first.finish("/1");
    second.finish("/3");
    assert!(clients.iter_mut().all(|client| client.response().status == 200));
}

#[test]
fn each_upstream_has_its_own_queue() {
    let workers = Workers::start();
    let other = App::start(|request| App::reply(request.target().as_bytes()));
    let sideman = settings(&workers, 1)
        .set("upstream.queue", "1")
        .route("ws", &[("path", "/ws/"), ("upstream", &other.url())])
        .start();
    let mut first = ask(&sideman, "/1");
    workers.until(&["/1"]);
    let mut second = ask_in_queue(&sideman, "/2", 1);
    assert_eq!(sideman.get("/3").status, 503);
    // The prefix is part of the forwarded path.
    assert_eq!(sideman.get("/ws//a%2Fb?").text(), "/ws//a%2Fb?");
    workers.finish("/1");
    workers.finish("/2");
    assert_eq!((first.response().status, second.response().status), (200, 200));
}
