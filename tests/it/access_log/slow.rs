//! `log.when_slow = "block"`: requests wait for the reader of stdout, and nothing else waits.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::support::{App, Client, Settings, Sideman, eventually};

/// More lines than the pipe and the buffer hold.
const REQUESTS: u32 = 400;

fn blocking(application: &App) -> Settings {
    Settings::before(&application.url())
        .set("log.buffer", "64KiB")
        .set("log.when_slow", "block")
        .hold_stdout()
}

/// Sends all requests on one connection, one after the other.
fn send_all(client: Client, answered: &AtomicU32) {
    let mut client = client.with_timeout(Duration::from_secs(60));
    let target = format!("/{}", "x".repeat(1000));
    for _ in 0..REQUESTS {
        assert_eq!(client.get(&target).text(), "hello");
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[track_caller]
fn until_one_waits(sideman: &Sideman) {
    eventually("a request that waits", || {
        (sideman.metric("sideman_access_log_waits_total", &[]) > 0.0).then_some(())
    });
}

#[test]
fn requests_wait_for_a_slow_stdout_and_no_line_is_lost() {
    let application = App::saying("hello");
    let mut sideman = blocking(&application).start();
    let answered = AtomicU32::new(0);
    thread::scope(|scope| {
        let (client, count) = (sideman.connect(), &answered);
        let sender = scope.spawn(move || send_all(client, count));
        until_one_waits(&sideman);
        // Health checks do not wait, on any worker; the admin listener does not wait either.
        for _ in 0..4 {
            assert_eq!(sideman.get("/healthz").status, 200);
        }
        assert!(answered.load(Ordering::Relaxed) < REQUESTS);
        // A request whose client disconnects meanwhile never reached the application.
        let seen = application.requests();
        let mut gone = sideman.connect();
        gone.send("GET /gone HTTP/1.1\r\nHost: example.test\r\n\r\n");
        let waits = "sideman_access_log_waits_total";
        sideman.until_metric(waits, &[], 2.0);
        gone.reset_connection();
        sideman.until_metric("sideman_errors_total", &[("error", "client_disconnected")], 1.0);
        assert_eq!(application.requests(), seen);
        assert_eq!(sideman.metric("sideman_access_log_dropped_total", &[]), 0.0);
        sideman.event("stdout is slow, so requests wait");
        sideman.read_stdout();
        sender.join().unwrap();
    });
    assert_eq!(answered.load(Ordering::Relaxed), REQUESTS);
    assert_eq!(sideman.log_of("/gone")["status"], 499);
    assert_eq!(sideman.metric("sideman_access_log_dropped_total", &[]), 0.0);
    let (code, lines) = sideman.shut_down();
    assert_eq!((code, lines.len()), (Some(0), REQUESTS as usize + 1));
}

#[test]
fn shutdown_does_not_wait_for_a_slow_stdout() {
    let application = App::saying("hello");
    let sideman = blocking(&application).set("shutdown.timeout", "500ms").start();
    let answered = AtomicU32::new(0);
    let mut client = sideman.connect();
    let target = format!("/{}", "x".repeat(1000));
    let head = format!("GET {target} HTTP/1.1\r\nHost: example.test\r\n\r\n");
    thread::scope(|scope| {
        let count = &answered;
        scope.spawn(move || {
            for _ in 0..REQUESTS {
                if client.try_send(&head).is_err() || client.try_response("GET").is_err() {
                    return;
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        until_one_waits(&sideman);
        let begin = Instant::now();
        let (code, _) = sideman.stop_for_events();
        // The waiting request was aborted.
        assert_eq!(code, Some(3));
        assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    });
    assert!(answered.load(Ordering::Relaxed) < REQUESTS);
}
