//! Two hundred slow clients do not disturb ordinary ones, and the process stays small.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::pass;
use crate::support::{App, Client, Settings, TempDir, eventually, pattern};

const LARGE: usize = 8 << 20;
/// More than the in-flight limit.
const EACH: usize = 70;

#[test]
fn slow_clients_do_not_slow_down_others() {
    let directory = TempDir::new();
    directory.write("large.bin", pattern(LARGE));
    directory.write("small.txt", "small");
    let large = App::reply(&pattern(1 << 20));
    let application = App::start(move |request| match request.target() {
        "/large" => large.clone(),
        _ => App::reply(b"hello"),
    });
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("upstream.max_in_flight", "4")
        .set("buffers.memory", "8MiB")
        .start();
    let request = |method: &str, path: &str, more: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: example.test\r\n{more}")
    };
    assert_eq!(sideman.get("/static/large.bin").body.len(), LARGE);
    let before = sideman.memory("RssAnon");

    let mut dripping: Vec<Client> = Vec::new();
    for index in 0..EACH {
        let mut head = sideman.connect();
        head.send(request("GET", "/", "X: "));
        let mut body = sideman.connect();
        body.send(request("POST", "/", "Content-Length: 1000000\r\n\r\n"));
        dripping.extend([head, body]);
        let path = if index % 2 == 0 { "/large" } else { "/static/large.bin" };
        let mut reader = Client::connect_with_small_buffer(sideman.address(), 4096);
        reader.send(request("GET", path, "\r\n"));
        // These clients read nothing, and keep their connection.
        dripping.push(reader);
    }
    // The application works on their requests first.
    eventually("the application's end of them", || {
        (application.requests() == EACH / 2).then_some(())
    });
    sideman.until_metric("sideman_upstream_in_flight", &[], 0.0);
    let is_over = AtomicBool::new(false);
    let slowest = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                // The readers have received all bytes that they read.
                for client in dripping.chunks_mut(3).flat_map(|three| &mut three[..2]) {
                    let _ = client.try_send("1");
                }
                pass(100);
            }
        });
        let mut slowest = Duration::ZERO;
        let mut client = sideman.connect();
        for _ in 0..60 {
            for (path, text) in [("/", "hello"), ("/static/small.txt", "small")] {
                let begin = Instant::now();
                let (kept, new) = (client.get(path).text(), sideman.get(path).text());
                slowest = slowest.max(begin.elapsed());
                assert_eq!((kept.as_str(), new.as_str()), (text, text));
            }
            pass(20);
        }
        is_over.store(true, Ordering::Relaxed);
        slowest
    });
    // Milliseconds, unless the machine is busy.
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    let grown = sideman.memory("RssAnon").saturating_sub(before);
    assert!(grown < 48 << 20, "{grown} bytes");
    // All slow clients are connected, and did not delay others.
    assert!(sideman.metric("sideman_client_connections", &[]) >= 3.0 * EACH as f64);
    drop(dripping);
    sideman.until_metric("sideman_client_connections", &[], 0.0);
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
    sideman.until_metric("sideman_buffer_bytes", &[], 0.0);
}
