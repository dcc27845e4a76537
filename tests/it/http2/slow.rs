//! Slow clients: a client that reads something is served, however slowly; a client that
//! reads nothing for `server.write_timeout` is disconnected, and its requests end.

use std::time::{Duration, Instant};

use super::connect;
use crate::support::{App, Gate, Http2, Settings, Sideman, TempDir, http2::setting, pattern};

const LARGE: usize = 1 << 20;

fn settings(application: &str, directory: &TempDir) -> Settings {
    directory.write("small.bin", pattern(1024));
    directory.write("large.bin", pattern(LARGE));
    directory.write("huge.bin", pattern(8 << 20));
    Settings::before(application)
        .files("/static/", directory.path())
        .set("server.write_timeout", "1s")
}

#[test]
fn client_that_never_opens_its_window_is_disconnected() {
    let directory = TempDir::new();
    let application = App::start(|_| App::reply(&pattern(3 << 20)));
    let sideman = settings(&application.url(), &directory).start();
    for (window, path) in [
        (0, "/static/small.bin"),
        (0, "/static/large.bin"),
        (10, "/static/small.bin"),
        (65_535, "/static/large.bin"),
        (65_535, "/static/huge.bin"),
        (0, "/page"),
        (65_535, "/page"),
    ] {
        let settings = [(setting::INITIAL_WINDOW_SIZE, window)];
        let mut client = Http2::with(sideman.address(), &settings).hold();
        eprintln!("{window} {path}");
        let begin = Instant::now();
        let stream = client.ask("GET", path, &[]);
        client.until("its head", |client| client.peek(stream).status == 200);
        client.until_gone_or_reset(stream);
        let waited = begin.elapsed();
        assert!(waited > Duration::from_millis(900), "{path}: cut after {waited:?}");
        assert!(waited < Duration::from_secs(10), "{path}: cut after {waited:?}");
        drop(client);
    }
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
    sideman.until_metric("sideman_client_connections", &[], 0.0);
    sideman.until_metric("sideman_buffer_bytes", &[], 0.0);
    // Either client, or a connection without progress for the timeout when it is checked.
    let stalled = sideman.metric("sideman_client_stalled_streams_total", &[]);
    let closed = sideman.metric("sideman_client_timeouts_total", &[("timer", "write")]);
    assert!(stalled > 0.0 && stalled + closed >= 7.0, "{stalled} and {closed}");
}

/// Reads a part several times, each within the timeout, and all in more than the timeout.
#[track_caller]
fn take_slowly(sideman: &Sideman, path: &str, size: usize) {
    let mut client = connect(sideman).hold();
    let begin = Instant::now();
    let stream = client.ask("GET", path, &[]);
    client.until("the first window", |client| client.peek(stream).body.len() == 65_535);
    let mut taken = 65_535;
    while begin.elapsed() < Duration::from_millis(2500) {
        // The test needs time to pass; there is no event to wait for.
        std::thread::sleep(Duration::from_millis(400));
        client.widen(0, 1000);
        client.widen(stream, 1000);
        taken += 1000;
        client.until("a little more", |client| client.peek(stream).body.len() == taken);
    }
    client.widen(0, 1 << 24);
    client.widen(stream, 1 << 24);
    assert!(client.response(stream).body == pattern(size), "{path}");
}

#[test]
fn slow_reader_is_served() {
    let directory = TempDir::new();
    let application = App::start(|_| App::reply(&pattern(3 << 20)));
    let sideman = settings(&application.url(), &directory).start();
    let sideman = &sideman;
    std::thread::scope(|scope| {
        for (path, size) in
            [("/static/large.bin", LARGE), ("/static/huge.bin", 8 << 20), ("/page", 3 << 20)]
        {
            scope.spawn(move || take_slowly(sideman, path, size));
        }
    });
}

/// Behind a load balancer the requests of a connection belong to many users.
#[test]
fn stalled_stream_reset_keeps_the_connection() {
    let directory = TempDir::new();
    for path in ["/static/huge.bin", "/page"] {
        let gate = Gate::new();
        let passed = gate.clone();
        let application = App::start(move |request| {
            if request.target() == "/waits" {
                passed.pass();
            }
            App::reply(&pattern(3 << 20))
        });
        let sideman = settings(&application.url(), &directory).start();
        let settings = [(setting::INITIAL_WINDOW_SIZE, 1000)];
        let mut client = Http2::with(sideman.address(), &settings).hold();
        let stalled = client.ask("GET", path, &[]);
        let waits = client.ask("GET", "/waits", &[]);
        client.until("the end of one", |client| client.peek(stalled).is_over());
        let response = client.peek(stalled);
        assert_eq!((response.body.len(), response.is_complete), (1000, false), "{path}");
        gate.open();
        client.widen(0, 1 << 24);
        client.widen(waits, 1 << 24);
        let response = client.response(waits);
        assert_eq!(
            (response.status, response.reset, response.body.len()),
            (200, None, 3 << 20),
            "{path}"
        );
        assert!(response.body == pattern(3 << 20));
        let line = sideman.log_of(path);
        assert_eq!(line["error"], "client_disconnected", "{line}");
    }
}

/// Responses for a client that does not read stay in Sideman: they must not accumulate.
#[test]
fn stalled_readers_use_little_memory() {
    let application = App::start(|_| App::reply(&pattern(1 << 20)));
    let sideman = Settings::before(&application.url())
        .set("buffers.memory", "4MiB")
        .set("upstream.max_in_flight", "200")
        .start();
    let mut warm = connect(&sideman);
    assert_eq!(warm.get("/").body.len(), 1 << 20);
    let before = sideman.memory("RssAnon");
    let settings = [(setting::INITIAL_WINDOW_SIZE, 1)];
    let mut client = Http2::with(sideman.address(), &settings).hold();
    let streams: Vec<u32> = (0..100).map(|_| client.ask("GET", "/", &[])).collect();
    client.until("every head", |client| {
        streams.iter().all(|&stream| client.peek(stream).body.len() == 1)
    });
    crate::support::eventually("the application's end of them", || {
        (application.requests() == 101).then_some(())
    });
    sideman.until_metric("sideman_upstream_in_flight", &[], 0.0);
    let grown = sideman.memory("RssAnon").saturating_sub(before);
    assert!(grown < 48 << 20, "{grown} bytes for 100 MiB of answers");
    client.reset_connection();
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
    sideman.until_metric("sideman_buffer_bytes", &[], 0.0);
}
