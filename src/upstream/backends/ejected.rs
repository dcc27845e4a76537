//! Ejects servers that fail requests, and lets them return.
//!
//! Of several servers, one that accepts connections and fails gets no requests for a while (an outlier ejection). It
//! returns when a probe gets a response from it. The last available server is never ejected. If it fails as well, or is
//! lost, all ejected ones are used again: bad responses are better than none.

use std::{
    future::pending,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use tokio::{task::JoinSet, time::sleep_until};

use super::{
    server::{OutageCause, UpstreamServer},
    state::{Backends, ServerPermit},
};
use crate::{
    error::{Error, FailureKind},
    telemetry::EjectionCause,
    upstream::probe,
};

// === impl Backends ===

impl Backends {
    /// Records a failed request. After several in a row its server is ejected.
    pub(in crate::upstream) fn on_failed(
        self: &Arc<Self>,
        server: &UpstreamServer,
        error: &Error,
        cause: EjectionCause,
    ) {
        let ejection = self.settings().ejection;
        let counts = match cause {
            EjectionCause::Closed => ejection.closed,
            EjectionCause::Timeout => ejection.timeout,
            EjectionCause::Status => true,
            EjectionCause::Refused | EjectionCause::Probe | EjectionCause::Protocol => false,
        };
        if counts && server.on_failure(Instant::now()) {
            self.eject(server, error, cause);
        }
    }

    /// Ejects a server. If it is the last one, all others that were ejected are used again instead: whatever fails then
    /// is not a single server.
    pub(super) fn eject(
        self: &Arc<Self>,
        server: &UpstreamServer,
        error: &Error,
        cause: EjectionCause,
    ) {
        if self.mark_unavailable(server, error, cause) {
            // Fewer servers may give one in slow start its whole share.
            self.dispatch();
            return;
        }
        let servers = self.servers();
        let mut others = servers.iter().filter(|other| other.id != server.id);
        if server.is_available() && !others.any(|other| other.is_available()) {
            server.forget_failures();
            self.end_ejections();
        }
    }

    /// Uses the ejected servers again if no other is available.
    pub(super) fn end_ejections_if_alone(self: &Arc<Self>) {
        if !self.is_any_available() {
            self.end_ejections();
        }
    }

    fn end_ejections(self: &Arc<Self>) {
        let servers = self.servers();
        let mut ejected = servers.iter().filter(|server| server.is_ejected()).peekable();
        if ejected.peek().is_none() {
            return;
        }
        for server in ejected {
            server.forget_failures();
            self.mark_available(server);
            self.counts.ejections_prevented.fetch_add(1, Ordering::Relaxed);
        }
        self.dispatch();
    }

    /// Probes ejected servers when their time is over; runs for ever.
    pub(super) async fn probe_ejected(self: &Arc<Self>) {
        let mut probes = JoinSet::new();
        loop {
            let next = self.servers().iter().filter_map(|server| server.ejected_until()).min();
            let wait = async {
                match next {
                    Some(at) => sleep_until(at.into()).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = self.ejected.notified() => {}
                Some(_) = probes.join_next() => {}
                () = wait => {
                    for server in self.servers().iter() {
                        if server.begin_ejected_probe(Instant::now()) {
                            let (backends, server) = (Arc::clone(self), Arc::clone(server));
                            probes.spawn(async move { backends.probe_one_ejected(&server).await });
                        }
                    }
                }
            }
        }
    }

    async fn probe_one_ejected(self: &Arc<Self>, server: &UpstreamServer) {
        match probe::send_to_ejected(&server.address, &self.settings()).await {
            Ok(()) => self.on_reachable(server),
            Err(failure) if failure.error.is_unsent() => {
                // It is retried like any server that refuses connections.
                server.extend_outage(OutageCause::from(&failure.error), self.has_waiters());
                self.server_lost.notify_one();
                self.name_doubtful.notify_one();
            }
            Err(failure) => server.extend_ejection(OutageCause::from(&failure.error)),
        }
    }
}

// === impl ServerPermit ===

impl ServerPermit {
    /// Records that the request for which this permit is held got no response, if it was the server's fault.
    pub(in crate::upstream) fn on_no_response(&self, error: &Error) {
        if is_timeout(error) {
            self.backends.on_failed(&self.server, error, EjectionCause::Timeout);
        }
    }
}

/// Whether a request got no response in time.
fn is_timeout(error: &Error) -> bool {
    matches!(error.kind(), FailureKind::UpstreamReadTimeout | FailureKind::UpstreamTotalTimeout)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{plan, telemetry::ServerCounts, upstream::backends::server::ServerAddress};

    /// What happens to a server.
    #[derive(Clone, Copy, Debug)]
    enum Event {
        Fails,
        Refuses,
        Responds,
        Returns,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => Just(Event::Fails),
            1 => Just(Event::Refuses),
            1 => Just(Event::Responds),
            1 => Just(Event::Returns),
        ]
    }

    fn backends(counts: &Arc<ServerCounts>, slow_start: bool) -> Arc<Backends> {
        let slow_start = slow_start.then_some(std::time::Duration::from_secs(1));
        let ejection = plan::EjectionSettings { slow_start, ..plan::EjectionSettings::default() };
        let plan = plan::UpstreamSettings::of_tests(Vec::new());
        let backends = Backends::new(&plan::UpstreamSettings { ejection, ..plan }, counts);
        let paths = ["/run/1.sock", "/run/2.sock", "/run/3.sock"];
        backends.replace(paths.map(|path| ServerAddress::Unix(path.into())).to_vec());
        backends
    }

    #[test]
    fn failures_count_only_if_they_are_set() {
        let counts = Arc::<ServerCounts>::default();
        let backends = backends(&counts, false);
        let servers = backends.servers();
        let fails = |server: &UpstreamServer, kind, cause| {
            (0..3).for_each(|_| backends.on_failed(server, &Error::new(kind), cause));
            server.is_ejected()
        };
        assert!(fails(&servers[0], FailureKind::UpstreamReadTimeout, EjectionCause::Timeout));
        let never = plan::EjectionSettings::NEVER;
        let settings = (*backends.settings()).clone();
        backends.change(&plan::UpstreamSettings { ejection: never, ..settings });
        assert!(!fails(&servers[1], FailureKind::UpstreamReadTimeout, EjectionCause::Timeout));
        assert!(!fails(&servers[1], FailureKind::UpstreamClosed, EjectionCause::Closed));
    }

    #[test]
    fn ejected_server_gets_one_probe_at_a_time() {
        let counts = Arc::<ServerCounts>::default();
        let backends = backends(&counts, false);
        let server = Arc::clone(&backends.servers()[0]);
        let error = Error::new(FailureKind::UpstreamClosed);
        (0..3).for_each(|_| backends.on_failed(&server, &error, EjectionCause::Closed));
        let due = server.ejected_until().unwrap();
        assert!(!server.begin_ejected_probe(due - std::time::Duration::from_millis(1)));
        assert!(server.begin_ejected_probe(due));
        assert!(!server.begin_ejected_probe(due) && server.ejected_until().is_none());
        // The next one comes later.
        server.extend_ejection(OutageCause::from(&error));
        let pause = server.ejected_until().unwrap() - Instant::now();
        assert!(pause > std::time::Duration::from_secs(1), "{pause:?}");
        // It does not even accept connections any more.
        server.extend_outage(OutageCause::from(&error), false);
        assert!(server.ejected_until().is_none() && !server.is_available());
    }

    proptest! {
        /// As long as any server accepts connections, one is in use, and all are counted.
        #[test]
        fn one_server_is_always_in_use(
            slow_start in any::<bool>(),
            events in prop::collection::vec((0..3_usize, event()), 0..60),
        ) {
            let counts = Arc::<ServerCounts>::default();
            let backends = backends(&counts, slow_start);
            let servers = backends.servers();
            for (index, event) in events {
                let server = &servers[index];
                match event {
                    Event::Fails => {
                        let error = Error::new(FailureKind::UpstreamClosed);
                        backends.on_failed(server, &error, EjectionCause::Closed);
                    }
                    Event::Refuses => {
                        backends.on_refused(server, &Error::new(FailureKind::UpstreamRefused));
                    }
                    Event::Responds => server.on_answer(),
                    Event::Returns => backends.restore(server, true),
                }
                let available = servers.iter().filter(|server| server.is_available()).count();
                let ejected = servers.iter().filter(|server| server.is_ejected()).count();
                prop_assert!(available > 0 || ejected == 0);
                let count = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
                prop_assert_eq!(count(&counts.available), available as u64);
                prop_assert_eq!(count(&counts.unavailable), (3 - available) as u64);
                // Whoever is available gets a request.
                let permit = backends.try_admit(&servers, None);
                prop_assert_eq!(permit.is_some(), available > 0);
            }
        }
    }
}
