//! The lifetime of upstream connections, and timeouts of responses.

use std::time::{Duration, Instant};

use crate::support::{
    App, Client, Gate, Origin, Settings, Sideman, eventually, expect, open, pause, send,
    until_closed,
};

fn kept(keep_alive: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n{keep_alive}Content-Length: 2\r\n\r\nok")
}

fn start(origin: &Origin, key: &str, value: &str) -> Sideman {
    let settings = Settings::before(&origin.url()).set("server.workers", "1");
    settings.set("upstream.idle_timeout", "5m").set(key, value).start()
}

#[test]
fn keep_alive_timeout_of_the_application_is_respected() {
    let closed = Gate::new();
    let origin = Origin::script([
        expect("GET "),
        send(kept("Keep-Alive: timeout=1, max=100\r\n")),
        until_closed(),
        open(&closed),
    ]);
    let sideman = start(&origin, "upstream.max_idle", "8");
    let begin = Instant::now();
    assert_eq!(sideman.get("/").text(), "ok");
    closed.pass();
    // Half a second before the application would close it; five minutes by the settings.
    assert!(begin.elapsed() >= Duration::from_millis(500), "{:?}", begin.elapsed());
}

#[test]
fn old_connection_is_closed() {
    let origin = Origin::scripts([
        vec![expect("GET /1 "), pause(Duration::from_millis(1100)), send(kept(""))],
        vec![expect("GET /2 "), send(kept(""))],
    ]);
    let sideman = start(&origin, "upstream.max_age", "1s");
    assert_eq!(sideman.get("/1").text(), "ok");
    assert_eq!(sideman.get("/2").text(), "ok");
}

#[test]
fn sync_workers_cost_no_failed_attempt() {
    let app = App::start(|_| {
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok".to_vec()
    });
    let sideman = Settings::before(&app.url()).set("server.workers", "1").start();
    for _ in 0..20 {
        assert_eq!(sideman.get("/").text(), "ok");
    }
    assert_eq!(sideman.metric("sideman_upstream_connections_opened_total", &[]), 20.0);
    assert_eq!(sideman.metric("sideman_upstream_retries_total", &[]), 0.0);
    assert_eq!(app.connections(), 20);
}

#[test]
fn total_timeout_covers_the_response_head() {
    let origin =
        Origin::script([expect("GET "), send("HTTP/1.1 200 OK\r\nX-Slow: "), until_closed()]);
    let sideman = start(&origin, "upstream.total_timeout", "300ms");
    assert_eq!(sideman.get("/slow").status, 504);
    assert_eq!(sideman.log_of("/slow")["error"], "upstream_total_timeout");
    assert_eq!(sideman.metric("sideman_errors_total", &[("error", "upstream_total_timeout")]), 1.0);
}

#[test]
fn total_timeout_covers_the_response_body() {
    let origin = Origin::script([
        expect("GET "),
        send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX-Accel-Buffering: no\r\n\r\nabc"),
        until_closed(),
    ]);
    let sideman = start(&origin, "upstream.total_timeout", "300ms");
    let mut client = sideman.connect();
    client.send("GET /cut HTTP/1.1\r\nHost: example.test\r\n\r\n");
    assert!(client.until_gone().ends_with(b"\r\n\r\nabc"));
    assert_eq!(sideman.log_of("/cut")["error"], "upstream_total_timeout");
}

#[test]
fn total_timeout_covers_a_slow_client() {
    // Data is always available, so Sideman waits for the client only.
    const SIZE: usize = 20_000_000;
    let response = App::reply(&vec![b'x'; SIZE]);
    let asked = Gate::new();
    let app = App::start({
        let asked = asked.clone();
        move |_| {
            asked.open();
            response.clone()
        }
    });
    let settings = Settings::before(&app.url()).set("buffers.max_response", "0B");
    let sideman = settings.set("upstream.total_timeout", "1s").start();
    let mut client = Client::connect_with_small_buffer(sideman.address(), 4096);
    client.send("GET /slow HTTP/1.1\r\nHost: example.test\r\n\r\n");
    asked.pass();
    let begin = Instant::now();
    eventually("time", || (begin.elapsed() > Duration::from_millis(1100)).then_some(()));
    assert!(client.until_gone().len() < SIZE);
    assert_eq!(sideman.log_of("/slow")["error"], "upstream_total_timeout");
    sideman.until_metric("sideman_upstream_in_flight", &[], 0.0);
}
