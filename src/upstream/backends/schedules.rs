//! Tests permits and the queue in every order in which threads may access them. No permit is lost or given twice, and
//! no waiting request is forgotten. (A forgotten one would let a thread wait for ever, and `explore` reports that.)

use std::{
    future::{Future as _, poll_fn},
    sync::{Arc, OnceLock, atomic::Ordering},
    task::Poll,
    time::{Duration, Instant},
};

use tokio::runtime::{Builder, Runtime};

use super::{
    server::{ServerAddress, UpstreamServer},
    state::{Backends, ServerPermit},
};
use crate::{
    body::ClientShare,
    error::{Error, FailureKind},
    plan,
    sync::{
        AtomicUsize,
        explore::{self, ScriptThread, ThreadScript, explore},
        lock,
    },
    telemetry::EjectionCause,
};

const LONG: Duration = Duration::from_secs(1000);
/// Longer than the tests take.
const AHEAD: Duration = Duration::from_secs(900);

/// The state that the threads of a script share.
#[derive(Clone)]
struct SharedState {
    backends: Arc<Backends>,
}

// === impl SharedState ===

impl SharedState {
    fn new(plan: &plan::UpstreamSettings) -> Self {
        Self { backends: Backends::new(plan, &Arc::default()) }
    }

    fn with(max_in_flight: usize, queue: usize) -> Self {
        Self::new(&plan(max_in_flight, queue, LONG))
    }

    /// Acquires a permit before the threads begin.
    fn held(&self) -> ServerPermit {
        self.backends.try_admit(&self.backends.servers(), None).unwrap()
    }

    fn admit(&self, since: Instant) -> Result<ServerPermit, Error> {
        match self.backends.try_admit(&self.backends.servers(), None) {
            Some(server_permit) => Ok(server_permit),
            None => explore::wait(self.backends.admit(since, None)),
        }
    }

    /// A request that waits for its permit, however long that takes.
    fn patient(&self) -> ScriptThread {
        self.expecting(now(), &[Ok(())])
    }

    /// A request that waits since `since`, and the results that are allowed.
    fn expecting(
        &self,
        since: Instant,
        expected: &'static [Result<(), FailureKind>],
    ) -> ScriptThread {
        let site = self.clone();
        thread(move || {
            let outcome = site.admit(since).map(drop).map_err(|error| error.kind());
            assert!(expected.contains(&outcome), "{outcome:?}");
        })
    }

    /// A request whose client disconnects as soon as it waits.
    fn leaving(&self) -> ScriptThread {
        let site = self.clone();
        thread(move || {
            if let Some(server_permit) = site.backends.try_admit(&site.backends.servers(), None) {
                return drop(server_permit);
            }
            let mut waiting = Box::pin(site.backends.admit(now(), None));
            let once = poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).map(Result::unwrap)));
            let _ = explore::wait(once);
        })
    }

    /// Checks that no permit is held and no request waits.
    fn end(self) -> Box<dyn FnOnce()> {
        Box::new(move || {
            for server in self.backends.servers().iter() {
                assert_eq!(server.in_flight(), 0, "a place is lost");
            }
            assert_eq!(lock(&self.backends.queue).len(), 0);
            assert_eq!(self.backends.waiting.load(Ordering::SeqCst), 0);
            // All permits can be acquired again.
            let servers = self.backends.servers();
            let slots: Vec<ServerPermit> =
                std::iter::from_fn(|| self.backends.try_admit(&servers, None)).collect();
            let available = servers.iter().filter(|server| server.is_available()).count();
            let limit = self.backends.max_in_flight.load(Ordering::SeqCst);
            assert_eq!(slots.len(), limit * available);
        })
    }
}

fn plan(max_in_flight: usize, queue: usize, wait: Duration) -> plan::UpstreamSettings {
    let targets = vec![plan::UpstreamTarget::Unix("/run/app.sock".into())];
    let admission = plan::AdmissionSettings {
        max_in_flight,
        tunes: false,
        queue,
        queue_timeout: LONG,
        wait,
        client_share: None,
    };
    plan::UpstreamSettings { admission, ..plan::UpstreamSettings::of_tests(targets) }
}

/// Time does not advance in a script, because nothing polls this runtime's timers. Only timers that had expired at the
/// beginning are expired. The queue reads the system's clock, so requests begin in the future: otherwise the order in
/// which they get permits would change once, when the oldest has waited for a while.
fn runtime() -> &'static (Runtime, Instant) {
    static RUNTIME: OnceLock<(Runtime, Instant)> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        (runtime, Instant::now() + AHEAD)
    })
}

fn now() -> Instant {
    runtime().1
}

fn long_ago() -> Instant {
    now() - 2 * LONG
}

fn thread(body: impl FnOnce() + Send + 'static) -> ScriptThread {
    Box::new(move || {
        let _context = runtime().0.enter();
        body();
    })
}

/// Ends a request.
fn release(server_permit: ServerPermit) -> ScriptThread {
    thread(move || drop(server_permit))
}

fn refused() -> Error {
    Error::new(FailureKind::UpstreamRefused)
}

#[test]
fn released_permit_reaches_a_request_that_starts_waiting() {
    explore("give back and wait", || {
        let site = SharedState::with(1, 10);
        let held = site.held();
        ThreadScript { threads: vec![release(held), site.patient()], end: site.end() }
    });
}

#[test]
fn two_requests_share_one_permit() {
    explore("two requests", || {
        let site = SharedState::with(1, 10);
        ThreadScript { threads: vec![site.patient(), site.patient()], end: site.end() }
    });
}

#[test]
fn two_requests_never_hold_the_same_permit() {
    explore("one place", || {
        let site = SharedState::with(1, 10);
        // An access like any other: both can hold a permit at the same time if any order allows it.
        let running = Arc::new(AtomicUsize::new(0));
        let one = || {
            let (site, running) = (site.clone(), Arc::clone(&running));
            thread(move || {
                let server_permit = site.admit(now()).unwrap();
                assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
                running.fetch_sub(1, Ordering::SeqCst);
                drop(server_permit);
            })
        };
        ThreadScript { threads: vec![one(), one()], end: site.clone().end() }
    });
}

#[test]
fn abandoned_request_loses_no_permit() {
    explore("one leaves", || {
        let site = SharedState::with(1, 10);
        let held = site.held();
        ThreadScript { threads: vec![release(held), site.leaving()], end: site.end() }
    });
}

#[test]
#[ignore = "ten seconds"]
fn abandoned_request_takes_no_permit_from_another() {
    explore("one of two leaves", || {
        let site = SharedState::with(1, 10);
        let held = site.held();
        let threads = vec![release(held), site.leaving(), site.patient()];
        ThreadScript { threads, end: site.end() }
    });
}

#[test]
fn timed_out_request_loses_no_permit() {
    explore("one gives up", || {
        let site = SharedState::with(1, 10);
        let held = site.held();
        let late = site.expecting(long_ago(), &[Ok(()), Err(FailureKind::QueueTimeout)]);
        ThreadScript { threads: vec![release(held), late], end: site.end() }
    });
}

#[test]
#[ignore = "ten seconds"]
fn timed_out_request_takes_no_permit_from_another() {
    explore("one of two gives up", || {
        let site = SharedState::with(1, 10);
        let held = site.held();
        let late = site.expecting(long_ago(), &[Ok(()), Err(FailureKind::QueueTimeout)]);
        ThreadScript { threads: vec![release(held), late, site.patient()], end: site.end() }
    });
}

#[test]
#[ignore = "ten seconds"]
fn full_queue_sheds_and_loses_no_request() {
    explore("full queue", || {
        let site = SharedState::with(1, 1);
        let held = site.held();
        let one = || site.expecting(now(), &[Ok(()), Err(FailureKind::QueueFull)]);
        ThreadScript { threads: vec![release(held), one(), one()], end: site.clone().end() }
    });
}

#[test]
fn available_server_serves_queued_requests() {
    explore("comes back", || {
        let site = SharedState::with(1, 10);
        let server = Arc::clone(&site.backends.servers()[0]);
        site.backends.on_refused(&server, &refused());
        let backends = Arc::clone(&site.backends);
        let back = thread(move || {
            backends.mark_available(&server);
            backends.dispatch();
        });
        ThreadScript { threads: vec![back, site.patient()], end: site.end() }
    });
}

#[test]
fn server_outage_loses_no_queued_request() {
    explore("leaves and comes back", || {
        let site = SharedState::with(1, 10);
        let held = site.held();
        let backends = Arc::clone(&site.backends);
        let restart = thread(move || {
            backends.on_refused(&held.server, &refused());
            backends.mark_available(&held.server);
            backends.dispatch();
            drop(held);
        });
        ThreadScript { threads: vec![restart, site.patient()], end: site.end() }
    });
}

#[test]
fn raised_limit_admits_queued_requests() {
    explore("higher limit", || {
        let site = SharedState::with(1, 10);
        let held = site.held();
        let backends = Arc::clone(&site.backends);
        let change = thread(move || backends.change(&plan(2, 10, LONG)));
        let (patient, end) = (site.patient(), site.end());
        let end = move || {
            drop(held);
            end();
        };
        ThreadScript { threads: vec![change, patient], end: Box::new(end) }
    });
}

#[test]
fn lowered_limit_holds_and_loses_no_request() {
    explore("lower limit", || {
        let site = SharedState::with(2, 10);
        let held = [site.held(), site.held()];
        let backends = Arc::clone(&site.backends);
        let change = thread(move || backends.change(&plan(1, 10, LONG)));
        let release = thread(move || drop(held));
        ThreadScript { threads: vec![change, release, site.patient()], end: site.end() }
    });
}

#[test]
fn request_without_wait_fails_at_once_when_the_server_is_lost() {
    explore("no patience", || {
        let site = SharedState::new(&plan(1, 10, Duration::ZERO));
        let held = site.held();
        let backends = Arc::clone(&site.backends);
        let refuse = thread(move || {
            backends.on_refused(&held.server, &refused());
            drop(held);
        });
        let request = site.expecting(now(), &[Ok(()), Err(FailureKind::UpstreamRefused)]);
        ThreadScript { threads: vec![refuse, request], end: site.end() }
    });
}

#[test]
fn replacement_server_serves_queued_requests() {
    explore("another server", || {
        let site = SharedState::with(1, 10);
        let held = site.held();
        let backends = Arc::clone(&site.backends);
        // As after another response of a name server.
        let replace = thread(move || {
            backends.replace(vec![ServerAddress::Unix("/run/other.sock".into())]);
            backends.dispatch();
        });
        ThreadScript { threads: vec![replace, release(held), site.patient()], end: site.end() }
    });
}

#[test]
fn two_servers_are_both_used() {
    explore("two servers", || {
        let site = SharedState::with(1, 10);
        let addresses = ["/run/1.sock", "/run/2.sock"].map(|path| ServerAddress::Unix(path.into()));
        site.backends.replace(addresses.to_vec());
        let held = site.held();
        let threads = vec![release(held), site.patient(), site.patient()];
        ThreadScript { threads, end: site.end() }
    });
}

/// An application with two servers, of which each has failed as often as it may without being ejected.
fn two_failing_servers() -> SharedState {
    let site = SharedState::with(1, 10);
    let addresses = ["/run/1.sock", "/run/2.sock"].map(|path| ServerAddress::Unix(path.into()));
    site.backends.replace(addresses.to_vec());
    for server in site.backends.servers().iter() {
        (0..2).for_each(|_| fail(&site.backends, server));
    }
    site
}

fn fail(backends: &Arc<Backends>, server: &UpstreamServer) {
    let error = Error::new(FailureKind::UpstreamClosed);
    backends.on_failed(server, &error, EjectionCause::Closed);
}

fn available(backends: &Backends) -> Vec<bool> {
    backends.servers().iter().map(|server| server.is_available()).collect()
}

#[test]
fn two_servers_are_never_ejected_because_of_each_other() {
    explore("both fail", || {
        let site = two_failing_servers();
        let failing = |index: usize| {
            let backends = Arc::clone(&site.backends);
            thread(move || fail(&backends, &backends.servers()[index]))
        };
        let threads = vec![failing(0), failing(1)];
        let (backends, end) = (Arc::clone(&site.backends), site.end());
        let end = Box::new(move || {
            // The second one is the last, so the first one is used again.
            assert_eq!(available(&backends), [true, true]);
            end();
        });
        ThreadScript { threads, end }
    });
}

#[test]
fn ejected_server_is_used_when_the_last_other_is_lost() {
    explore("one is ejected, the other is lost", || {
        let site = two_failing_servers();
        let lost = Arc::clone(&site.backends);
        let lost = thread(move || lost.on_refused(&lost.servers()[0], &refused()));
        let failing = Arc::clone(&site.backends);
        let failing = thread(move || fail(&failing, &failing.servers()[1]));
        let (backends, end) = (Arc::clone(&site.backends), site.end());
        let end = Box::new(move || {
            assert_eq!(available(&backends), [false, true]);
            end();
        });
        ThreadScript { threads: vec![lost, failing], end }
    });
}

#[test]
#[ignore = "ten seconds"]
fn request_is_served_by_an_ejected_server_when_the_last_other_is_lost() {
    explore("a request waits for an ejected server", || {
        let site = two_failing_servers();
        fail(&site.backends, &site.backends.servers()[1]);
        let held = site.held();
        let backends = Arc::clone(&site.backends);
        let lost = thread(move || {
            backends.on_refused(&held.server, &refused());
            drop(held);
        });
        ThreadScript { threads: vec![lost, site.patient()], end: site.end() }
    });
}

#[test]
fn growing_share_serves_queued_requests() {
    explore("slow start", || {
        let site = SharedState::with(2, 10);
        let addresses = ["/run/1.sock", "/run/2.sock"].map(|path| ServerAddress::Unix(path.into()));
        site.backends.replace(addresses.to_vec());
        let cold = Arc::clone(&site.backends.servers()[1]);
        cold.share.reduce();
        // Two at the one, and one at the other: half of its share of two.
        let held = [site.held(), site.held(), site.held()];
        let backends = Arc::clone(&site.backends);
        let grow = thread(move || {
            cold.share.restore();
            backends.dispatch();
        });
        let (patient, end) = (site.patient(), site.end());
        let end = Box::new(move || {
            drop(held);
            end();
        });
        ThreadScript { threads: vec![grow, patient], end }
    });
}

/// Two clients share two permits. Whoever waits, no permit is lost, and each one is counted for its client only.
#[test]
fn permits_of_clients_are_counted_in_every_order() {
    explore("shares of two clients", || {
        let admission =
            plan::AdmissionSettings { client_share: Some(50), ..plan(1, 10, LONG).admission };
        let site = SharedState::new(&plan::UpstreamSettings { admission, ..plan(1, 10, LONG) });
        let [one, two] = ["192.0.2.1", "192.0.2.2"].map(ClientShare::of);
        let held = site.backends.try_admit(&site.backends.servers(), Some(one)).unwrap();
        let waiting = |client: ClientShare| {
            let backends = Arc::clone(&site.backends);
            thread(move || drop(explore::wait(backends.admit(now(), Some(client))).unwrap()))
        };
        let threads = vec![release(held), waiting(two)];
        let (end, backends) = (site.clone().end(), Arc::clone(&site.backends));
        let end = Box::new(move || {
            assert_eq!([backends.held_by(one), backends.held_by(two)], [0, 0]);
            end();
        });
        ThreadScript { threads, end }
    });
}
