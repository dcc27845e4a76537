//! The reader of stdout and stderr may hang, crash or have a full disk: requests still get their responses,
//! lost lines are counted, and the program ends at a signal.

use std::{path::Path, time::Instant};

use crate::support::{App, Settings, TempDir, eventually};

#[test]
fn hanging_log_collector_blocks_no_request() {
    let application = App::saying("hello");
    let sideman =
        Settings::before(&application.url()).set("log.buffer", "64KiB").hold_stdout().start();
    let mut client = sideman.connect();
    let target = format!("/{}", "x".repeat(1000));
    // More than the pipe and the buffer hold.
    let lines = 500;
    for _ in 0..lines {
        assert_eq!(client.get(&target).text(), "hello");
    }
    let dropped = eventually("dropped lines", || {
        Some(sideman.metric("sideman_access_log_dropped_total", &[])).filter(|&lost| lost > 0.0)
    });
    // Lines in the pipe and the buffer are not lost yet.
    assert!(dropped < f64::from(lines), "{dropped}");
    assert_eq!(client.get("/").text(), "hello");
    // It exits nevertheless.
    let (code, events) = sideman.stop_for_events();
    assert_eq!(code, Some(0));
    assert!(events.iter().any(|event| event.contains("stdout is blocked")), "{events:?}");
}

#[test]
fn unwritable_log_blocks_no_request_and_is_reported_once() {
    let application = App::saying("hello");
    let settings = Settings::before(&application.url());
    for settings in [settings.clone().lose_stdout(), settings.stdout_to(Path::new("/dev/full"))] {
        let sideman = settings.start();
        // Each line is a batch of its own.
        for count in 1..=3 {
            assert_eq!(sideman.get("/").text(), "hello");
            sideman.until_metric("sideman_access_log_dropped_total", &[], f64::from(count));
        }
        let (code, events) = sideman.stop_for_events();
        assert_eq!(code, Some(0));
        let told = events.iter().filter(|event| event.contains("cannot write the access log"));
        assert_eq!(told.count(), 1, "{events:?}");
    }
}

#[test]
fn unread_events_block_no_request() {
    let (application, directory) = (App::saying("hello"), TempDir::new());
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("log.level", "debug")
        .set("log.access", "off")
        .set("server.max_requests", "1000000")
        .hold_stderr()
        .start();
    let mut client = sideman.connect();
    // Refused requests, which log an event each, and do not close the connection.
    const BATCH: usize = 200;
    let refused = "GET /static/%zz HTTP/1.1\r\nHost: example.test\r\n\r\n".repeat(BATCH);
    eventually("lost events", || {
        client.send(&refused);
        for _ in 0..BATCH {
            assert_eq!(client.response().status, 400);
        }
        (sideman.metric("sideman_events_dropped_total", &[]) > 0.0).then_some(())
    });
    // Every worker, and the listener.
    for _ in 0..4 {
        assert_eq!(sideman.get("/").text(), "hello");
    }
    let begin = Instant::now();
    assert_eq!(sideman.shut_down().0, Some(0));
    assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
}
