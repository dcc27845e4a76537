//! `upstream.max_in_flight = auto` before real servers: the number of their workers is found.

use std::{
    ops::RangeInclusive,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::support::{Django, Server, Wsgi, eventually};

/// Requests at a time: three times as many as any of these servers has workers.
const CLIENTS: usize = 24;
/// How long the limit must stay.
const STAYS: Duration = Duration::from_secs(2);

/// Sends requests to a view of 40 ms until the limit in force stays within these.
#[track_caller]
fn check(server: Server, limits: RangeInclusive<f64>) {
    let Some(django) = Django::prepared() else { return };
    let wsgi = Wsgi::start(server, django);
    // A starved machine may need long for one of them.
    let settings = wsgi.settings().set("upstream.queue_timeout", "90s");
    let sideman = settings.start().until_ready();
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = sideman.connect();
                while !ends.load(Ordering::Relaxed) {
                    assert_eq!(client.get("/slow/?ms=40").status, 200);
                }
            });
        }
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _end = End(&ends);
        // On its way the limit may be among these by chance.
        let mut since = Instant::now();
        eventually("the number of workers", || {
            let found = sideman.metric("sideman_limit", &[("setting", "upstream.max_in_flight")]);
            if !limits.contains(&found) {
                since = Instant::now();
            }
            (since.elapsed() > STAYS).then_some(())
        });
    });
}

/// One more is tried now and then.
#[test]
fn workers_of_gunicorn_sync_are_counted() {
    check(Server::GunicornSync, 3.0..=5.0);
}

/// Two processes with four threads each. gunicorn does not divide the requests evenly: the limit may be the one with
/// which all threads are busy.
#[test]
fn threads_of_gunicorn_are_counted() {
    check(Server::GunicornThreads, 6.0..=17.0);
    check(Server::GunicornUnix, 6.0..=17.0);
}

#[test]
fn threads_of_uwsgi_are_counted() {
    check(Server::UwsgiSocket, 6.0..=17.0);
    check(Server::UwsgiPackets, 6.0..=17.0);
    check(Server::UwsgiPacketsUnix, 6.0..=17.0);
}
