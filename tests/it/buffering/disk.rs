//! A full disk fails only requests whose bodies need space on it.

use super::{KEEP_ALIVE, before};
use crate::support::{App, Client, Settings, Sideman, TempDir, can_mount, eventually, pattern};

const SIZE: usize = 3 << 20;

/// An upload that fails while others succeed.
#[track_caller]
fn check_harm(sideman: &Sideman, status: u16, error: &str) {
    for framing in
        ["Content-Length: 3145728\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n300000\r\n"]
    {
        let mut waiting = sideman.connect();
        waiting
            .send("POST /waiting HTTP/1.1\r\nHost: example.test\r\nContent-Length: 100000\r\n\r\n");
        waiting.send(&pattern(100_000)[..60_000]);
        let mut client = sideman.connect();
        client.send(format!("POST /long HTTP/1.1\r\nHost: example.test\r\n{framing}"));
        client.send(pattern(SIZE));
        let response = client.response();
        assert_eq!(response.status, status, "{}", response.text());
        assert_eq!(sideman.log_of("/long")["error"], error);
        assert_eq!(sideman.get("/").text(), "0");
        assert_eq!(sideman.connect().post("/", "", &pattern(1000)).text(), "1000");
        // Requests in flight continue.
        waiting.send(&pattern(100_000)[60_000..]);
        assert_eq!(waiting.response().text(), "100000");
    }
    // A long response only becomes slower.
    let mut client = Client::connect_with_small_buffer(sideman.address(), 4096);
    client.send("GET /down HTTP/1.1\r\nHost: example.test\r\n\r\n");
    assert!(client.response().body == pattern(SIZE));
    assert!(sideman.metric("sideman_errors_total", &[("error", error)]) >= 2.0);
}

fn check_nothing_is_held(sideman: &Sideman) {
    for kind in ["disk", "memory"] {
        sideman.until_metric("sideman_buffer_bytes", &[("kind", kind)], 0.0);
    }
}

fn application() -> App {
    App::start(|request| match request.target() {
        "/down" => {
            let head = format!("{KEEP_ALIVE}Content-Length: {SIZE}\r\n\r\n");
            [head.as_bytes(), &pattern(SIZE)].concat()
        }
        _ => App::reply(format!("{}", request.body.len()).as_bytes()),
    })
}

#[test]
fn full_disk_budget_is_503() {
    let application = application();
    for (key, value) in [("buffers.disk", "5MiB"), ("buffers.directory", "memory")] {
        let settings: Settings = before(&application.url()).set("buffers.memory", "5MiB");
        let sideman = settings.set(key, value).start();
        // Another upload uses most of the budget.
        let mut other = sideman.connect();
        other.send("POST /other HTTP/1.1\r\nHost: example.test\r\nContent-Length: 3145728\r\n\r\n");
        other.send(&pattern(SIZE)[..SIZE - 100]);
        eventually("the other upload", || {
            (sideman.metric("sideman_buffer_bytes", &[]) > 2.6e6).then_some(())
        });
        check_harm(&sideman, 503, "buffers_full");
        assert_eq!(other.send(&pattern(SIZE)[SIZE - 100..]).response().text(), "3145728");
        check_nothing_is_held(&sideman);
    }
}

#[test]
fn body_larger_than_all_buffers_is_413() {
    let application = application();
    for (key, value) in [("buffers.disk", "1MiB"), ("buffers.directory", "memory")] {
        let settings: Settings = before(&application.url()).set("buffers.memory", "1MiB");
        let sideman = settings.set(key, value).start();
        check_harm(&sideman, 413, "body_exceeds_buffers");
        let event = sideman.event("body_exceeds_buffers");
        for part in ["buffers.disk", "buffers.memory", "server.max_body", "WARN"] {
            assert!(event.contains(part), "{event}");
        }
        check_nothing_is_held(&sideman);
    }
}

#[test]
fn a_full_disk_is_507() {
    if !can_mount() {
        return;
    }
    let (application, directory) = (application(), TempDir::new());
    let place = directory.path().display().to_string();
    let small = format!("mount -t tmpfs -o size=1m tmpfs {place}");
    let settings = before(&application.url()).set("buffers.directory", &place);
    let sideman = settings.mounts(&small).start();
    check_harm(&sideman, 507, "disk_full");
}
