//! Clients send requests while the application is killed, or Sideman is stopped: no request is lost that could be
//! served.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use rustix::process::Signal;

use super::{child, kill, process};
use crate::support::{Client, Sideman, eventually, pace};

const CLIENTS: usize = 4;

/// What the clients have seen.
#[derive(Debug, Default)]
struct Seen {
    responses: AtomicUsize,
    failures: AtomicUsize,
    ends: AtomicBool,
}

// === impl Seen ===

impl Seen {
    fn until_more(&self, count: usize) {
        let goal = self.responses.load(Ordering::Relaxed) + count;
        eventually("more responses", || {
            (self.responses.load(Ordering::Relaxed) >= goal).then_some(())
        });
    }
}

/// Sends requests, each on a new connection, until the end or until nobody accepts them.
fn client(sideman: &Sideman, seen: &Seen) {
    while !seen.ends.load(Ordering::Relaxed) {
        let Ok(client) = Client::try_connect(sideman.address()) else { return };
        let mut client = client.with_timeout(Duration::from_secs(60));
        let is_sent = client.try_send("GET /slow/5 HTTP/1.1\r\nHost: example.test\r\n\r\n").is_ok();
        match client.try_response("GET") {
            Ok(response) if response.status == 200 => {
                seen.responses.fetch_add(1, Ordering::Relaxed)
            }
            // The listener was closed before it had accepted the connection.
            Err(_) if !is_sent || seen.ends.load(Ordering::Relaxed) => return,
            Ok(_) | Err(_) => seen.failures.fetch_add(1, Ordering::Relaxed),
        };
        pace();
    }
}

/// Does this while clients send requests.
#[track_caller]
fn under_load(sideman: &Sideman, act: impl FnOnce(&Seen)) {
    let seen = Seen::default();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| client(sideman, &seen));
        }
        /// Stops the clients, also if `act` panics.
        struct End<'a>(&'a Seen);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.ends.store(true, Ordering::Relaxed);
            }
        }
        let _end = End(&seen);
        seen.until_more(20);
        act(&seen);
    });
    assert_eq!(seen.failures.load(Ordering::Relaxed), 0);
}

#[test]
fn killed_application_loses_no_request_that_can_be_repeated() {
    for address in ["{socket}", "{port}"] {
        let Some(settings) = child(&[address]) else { return };
        let sideman = settings.set("upstream.wait", "60s").start().until_ready();
        under_load(&sideman, |seen| {
            for _ in 0..3 {
                let application = process(&sideman);
                kill(application);
                eventually("another process", || (process(&sideman) != application).then_some(()));
                seen.until_more(20);
            }
        });
        assert_eq!(sideman.shut_down().0, Some(0));
    }
}

#[test]
fn sigterm_under_load_completes_every_accepted_request() {
    let Some(settings) = child(&["{socket}"]) else { return };
    let sideman = settings.set("shutdown.delay", "500ms").start().until_ready();
    under_load(&sideman, |seen| {
        sideman.signal(Signal::TERM);
        sideman.event("draining");
        // Serving goes on for the delay.
        seen.until_more(5);
        sideman.event("application stopped");
        seen.ends.store(true, Ordering::Relaxed);
    });
    assert_eq!(sideman.wait().0, Some(0));
}
