//! Servers that reload the application, or are killed and started again, while clients send requests:
//! no request fails.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::support::{Django, Server, Sideman, Wsgi, eventually, eventually_within, pace};

/// Python starts slowly on a busy machine, several at once all the more.
const START: Duration = Duration::from_secs(90);

/// Results of the clients.
#[derive(Debug, Default)]
struct Seen {
    responses: AtomicUsize,
    /// The processes that have responded.
    processes: Mutex<BTreeSet<u64>>,
    failures: Mutex<Vec<String>>,
    ends: AtomicBool,
}

// === impl Seen ===

impl Seen {
    fn until_answers(&self, count: usize) {
        let goal = self.responses.load(Ordering::Relaxed) + count;
        eventually("more answers", || {
            (self.responses.load(Ordering::Relaxed) >= goal).then_some(())
        });
    }

    fn processes(&self) -> BTreeSet<u64> {
        self.processes.lock().unwrap().clone()
    }
}

/// Sends requests until the end.
fn client(sideman: &Sideman, seen: &Seen, method: &str, target: &str) {
    let mut client = sideman.connect().with_timeout(START);
    while !seen.ends.load(Ordering::Relaxed) {
        let (length, body) =
            if method == "POST" { ("Content-Length: 5\r\n", "order") } else { ("", "") };
        client.send(format!(
            "{method} {target} HTTP/1.1\r\nHost: example.test\r\n{length}\r\n{body}"
        ));
        match client.try_response(method) {
            Ok(response) if response.status == 200 => {
                if let Some(process) = response.header("x-process") {
                    seen.processes.lock().unwrap().insert(process.parse().unwrap());
                }
                seen.responses.fetch_add(1, Ordering::Relaxed);
                pace();
            }
            Ok(other) => {
                let text = format!("{method} {target}: {} {}", other.status, other.text());
                seen.failures.lock().unwrap().push(text);
                pace();
            }
            Err(failure) => {
                seen.failures.lock().unwrap().push(format!("{method} {target}: {failure}"));
                return;
            }
        }
    }
}

/// Does this while some clients send requests, and finds no failure.
#[track_caller]
fn check(wsgi: &mut Wsgi, requests: &[(&str, &str)], act: impl FnOnce(&Sideman, &mut Wsgi, &Seen)) {
    let settings = wsgi
        .settings()
        .set("upstream.wait", "90s")
        .set("upstream.queue_timeout", "90s")
        .set("upstream.read_timeout", "90s");
    let sideman = settings.start().until_ready();
    let seen = Seen::default();
    thread::scope(|scope| {
        for &(method, target) in requests {
            let (sideman, seen) = (&sideman, &seen);
            scope.spawn(move || client(sideman, seen, method, target));
        }
        /// Stops the clients, also when waiting for a condition has failed.
        struct End<'a>(&'a Seen);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.ends.store(true, Ordering::Relaxed);
            }
        }
        let _end = End(&seen);
        seen.until_answers(20);
        act(&sideman, wsgi, &seen);
    });
    let failures = seen.failures.lock().unwrap();
    assert!(failures.is_empty(), "{:?}: {failures:#?}", wsgi.server());
}

/// Twice, with new processes each time.
#[track_caller]
fn check_twice(server: Server, requests: &[(&str, &str)], act: impl Fn(&Sideman, &mut Wsgi)) {
    let Some(django) = Django::prepared() else { return };
    check(&mut Wsgi::start(server, django), requests, |sideman, wsgi, seen| {
        for _ in 0..2 {
            let before = seen.processes();
            act(sideman, wsgi);
            eventually_within(START, "an answer of a new process", || {
                seen.processes().difference(&before).next().map(|_| ())
            });
            seen.until_answers(50);
        }
    });
}

const PAGES: &[(&str, &str)] =
    &[("GET", "/echo"), ("GET", "/echo"), ("GET", "/echo?a"), ("GET", "/slow/?ms=50")];
/// Each response is written at once: a partially sent response is lost with
/// its process.
const HEADS: &[(&str, &str)] =
    &[("HEAD", "/echo"), ("HEAD", "/echo?a"), ("HEAD", "/slow/?ms=50"), ("HEAD", "/slow/?ms=20")];
/// Not with uWSGI's --http-socket: a worker that ends resets accepted connections, and nothing shows
/// whether it had begun with a POST on one of them (docs/workers.md).
const FORMS_TOO: &[(&str, &str)] =
    &[("GET", "/echo"), ("POST", "/echo"), ("POST", "/echo?a"), ("GET", "/slow/?ms=50")];

#[track_caller]
fn check_reload(server: Server, requests: &[(&str, &str)]) {
    check_twice(server, requests, |_, wsgi| wsgi.reload());
}

/// Workers end after a number of requests, as is usual against memory leaks.
#[track_caller]
fn check_recycling(server: Server, requests: &[(&str, &str)]) {
    const SETTINGS: &[(&str, &str)] = &[
        ("GUNICORN_CMD_ARGS", "--max-requests=40 --max-requests-jitter=20"),
        ("UWSGI_MAX_REQUESTS", "40"),
        // The default is a minute.
        ("UWSGI_MIN_WORKER_LIFETIME", "1"),
    ];
    let Some(django) = Django::prepared() else { return };
    check(&mut Wsgi::start_with(server, django, SETTINGS), requests, |_, _, seen| {
        eventually_within(START, "answers of ten processes", || {
            (seen.processes().len() >= 10).then_some(())
        });
    });
}

/// POST is excluded, because a POST in flight must fail when its process is killed.
#[track_caller]
fn check_kill(server: Server) {
    check_twice(server, HEADS, |sideman, wsgi| {
        wsgi.kill();
        // All processes are killed, so none responds.
        sideman.until_metric("sideman_queue_length", &[], 4.0);
        wsgi.start_again();
    });
}

#[test]
fn gunicorn_sync_reloads() {
    check_reload(Server::GunicornSync, FORMS_TOO);
}

#[test]
fn gunicorn_threads_reload() {
    check_reload(Server::GunicornThreads, PAGES);
}

#[test]
fn gunicorn_with_the_worker_of_uvicorn_reloads() {
    check_reload(Server::GunicornAsgi, PAGES);
}

#[test]
fn gunicorn_by_the_uwsgi_protocol_reloads() {
    check_reload(Server::GunicornPacketsUnix, PAGES);
}

#[test]
fn uwsgi_reloads() {
    check_reload(Server::UwsgiPackets, FORMS_TOO);
    check_reload(Server::UwsgiPacketsUnix, FORMS_TOO);
}

#[test]
fn uwsgi_with_an_http_socket_reloads() {
    check_reload(Server::UwsgiSocket, PAGES);
}

#[test]
fn workers_of_gunicorn_are_recycled() {
    check_recycling(Server::GunicornSync, FORMS_TOO);
    check_recycling(Server::GunicornThreads, PAGES);
    check_recycling(Server::GunicornPackets, PAGES);
}

#[test]
fn workers_of_uvicorn_are_recycled() {
    check_recycling(Server::GunicornAsgi, PAGES);
}

#[test]
fn workers_of_uwsgi_are_recycled() {
    check_recycling(Server::UwsgiPackets, FORMS_TOO);
    check_recycling(Server::UwsgiSocket, PAGES);
}

#[test]
fn gunicorn_sync_is_killed() {
    check_kill(Server::GunicornSync);
}

#[test]
fn gunicorn_threads_are_killed() {
    check_kill(Server::GunicornThreads);
    check_kill(Server::GunicornUnix);
}

#[test]
fn gunicorn_with_the_worker_of_uvicorn_is_killed() {
    check_kill(Server::GunicornAsgi);
}

#[test]
fn gunicorn_by_the_uwsgi_protocol_is_killed() {
    check_kill(Server::GunicornPackets);
}

#[test]
fn uwsgi_is_killed() {
    check_kill(Server::UwsgiPacketsUnix);
    check_kill(Server::UwsgiSocket);
}

#[test]
fn uvicorn_is_killed() {
    check_kill(Server::UvicornUnix);
}
