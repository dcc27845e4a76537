//! Requests that began before a reload end with the old settings, and none fails.

use super::{File, reload};
use crate::support::{
    App, Gate, Http2, Origin, body, close, eventually_is, expect, open, receive, send,
    until_closed, wait,
    websocket::{ACCEPT, ASK},
};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nold";

#[test]
fn long_request_ends_at_the_old_application() {
    let (begun, gate) = (Gate::new(), Gate::new());
    let origin =
        Origin::script([expect("GET /slow "), open(&begun), wait(&gate), send(ANSWER), close()]);
    let new = App::saying("new");
    let file = File::before(&origin.url());
    let sideman = file.start();
    let mut slow = sideman.connect();
    slow.send("GET /slow HTTP/1.1\r\nHost: example.test\r\n\r\n");
    begun.pass();
    file.set("upstream.url", &format!("{:?}", new.url()));
    reload(&sideman);
    assert_eq!(sideman.get("/").text(), "new");
    // Its server is removed from the metrics, although a client still waits for it.
    assert_eq!(sideman.metric("sideman_upstream_servers", &[]), 1.0);
    assert_eq!(sideman.metric("sideman_upstream_in_flight", &[]), 1.0);
    gate.open();
    assert_eq!(slow.response().text(), "old");
    assert_eq!(slow.get("/").text(), "new");
    sideman.until_metric("sideman_upstream_in_flight", &[], 0.0);
    assert_eq!(sideman.metric("sideman_upstream_servers", &[("state", "available")]), 1.0);
}

#[test]
fn running_upload_keeps_its_application() {
    let content = crate::support::pattern(300_000);
    let origin = Origin::script([expect("POST /upload "), body(&content), send(ANSWER), close()]);
    let new = App::saying("new");
    let file = File::before(&origin.url());
    let sideman = file.start();
    let mut upload = sideman.connect();
    let length = content.len();
    upload.send(format!(
        "POST /upload HTTP/1.1\r\nHost: example.test\r\nContent-Length: {length}\r\n\r\n"
    ));
    upload.send(&content[..100_000]);
    sideman.until_metric("sideman_requests_in_flight", &[], 1.0);
    file.set("upstream.url", &format!("{:?}", new.url()))
        .set("server.max_body", "\"1KiB\"")
        .set("buffers.memory", "\"1MiB\"");
    reload(&sideman);
    upload.send(&content[100_000..]);
    assert_eq!(upload.response().text(), "old");
    // The next request on the same connection is a new one.
    assert_eq!(upload.post("/upload", "", &[b'x'; 2000]).status, 413);
    sideman.until_metric("sideman_buffer_bytes", &[], 0.0);
}

#[test]
fn websocket_survives_a_reload() {
    let origin = Origin::script([
        expect("GET /ws "),
        send(ACCEPT),
        receive("one"),
        send("two"),
        receive("three"),
        send("four"),
        until_closed(),
    ]);
    let new = App::saying("new");
    let file = File::before(&origin.url());
    let sideman = file.start();
    let mut client = sideman.connect();
    client.send(ASK);
    client.until("\r\n\r\n");
    client.send("one").until("two");
    file.set("upstream.url", &format!("{:?}", new.url()));
    reload(&sideman);
    assert_eq!(sideman.get("/").text(), "new");
    client.send("three").until("four");
    client.half_close();
    assert!(client.until_closed().is_empty());
}

#[test]
fn idle_upstream_connections_survive_a_reload() {
    let application = App::saying("hello");
    let file = File::before(&application.url());
    file.set("server.workers", "1").set("upstream.idle_timeout", "\"1m\"");
    let sideman = file.start();
    let mut client = sideman.connect();
    for number in 0..5 {
        assert_eq!(client.get("/").text(), "hello");
        file.set("server.max_body", &format!("\"{}KiB\"", number + 1));
        reload(&sideman);
    }
    assert_eq!((application.connections(), application.requests()), (1, 5));
    assert_eq!(sideman.metric("sideman_upstream_connections_reused_total", &[]), 4.0);
    // Changed upstream settings need new connections, and the old ones are closed.
    file.set("upstream.read_timeout", "\"7s\"");
    reload(&sideman);
    assert_eq!(client.get("/").text(), "hello");
    assert_eq!(application.connections(), 2);
}

#[test]
fn abandoned_request_does_not_keep_the_old_application() {
    let (begun, gate) = (Gate::new(), Gate::new());
    let origin = Origin::script([
        expect("GET /slow "),
        open(&begun),
        wait(&gate),
        send(ANSWER),
        until_closed(),
    ]);
    let new = App::saying("new");
    let file = File::before(&origin.url());
    let sideman = file.start();
    let mut slow = sideman.connect();
    slow.send("GET /slow HTTP/1.1\r\nHost: example.test\r\n\r\n");
    begun.pass();
    slow.reset_connection();
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
    file.set("upstream.url", &format!("{:?}", new.url()));
    reload(&sideman);
    // The running request is not aborted: it completes, and then its permit is free.
    assert_eq!(sideman.metric("sideman_upstream_in_flight", &[]), 1.0);
    gate.open();
    sideman.until_metric("sideman_upstream_in_flight", &[], 0.0);
    origin.until_closed(1);
}

#[test]
fn http2_connection_survives_a_reload() {
    let (old, new) = (App::saying("old"), App::saying("new"));
    let file = File::before(&old.url());
    let sideman = file.start();
    let mut client = Http2::connect(sideman.address());
    assert_eq!(client.get("/").text(), "old");
    file.set("upstream.url", &format!("{:?}", new.url()));
    reload(&sideman);
    assert_eq!(client.get("/").text(), "new");
    eventually_is("connections", &1.0, || sideman.metric("sideman_client_connections", &[]));
}
