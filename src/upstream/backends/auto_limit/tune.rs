//! Takes samples of the servers while requests are queued, and changes the limit of requests in flight.

use std::{
    mem,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{
    estimate::Sample,
    limit::{AutoLimit, Observation},
    sent_requests::SentId,
    socket,
    socket_diag::SocketDiag,
    throughput::Look,
};
use crate::{
    sync::lock,
    telemetry::LimitSource,
    upstream::backends::{Backends, ServerAddress, UpstreamServer},
};

/// The time between two samples.
const INTERVAL: Duration = Duration::from_millis(20);
/// How long a request must be unread to count as one that waits. A free worker begins one in less.
const WAITS: Duration = Duration::from_millis(3);

/// The requests of one server that were unread in the first look of a sample.
struct FirstLook {
    server: Arc<UpstreamServer>,
    unread: Vec<SentId>,
    /// Whether the kernel told nothing of any request.
    is_invisible: bool,
}

/// The responses of the application at some moment.
struct ResponseCounter {
    responses: u64,
    at: Instant,
}

// === impl Backends ===

impl Backends {
    /// Changes the limit of requests in flight to what the application's workers can do; runs for ever.
    pub(in crate::upstream::backends) async fn tune_limit(self: &Arc<Self>) {
        let mut diag = SocketDiag::default();
        loop {
            self.queued.notified().await;
            let mut responses = ResponseCounter::start(self);
            while self.is_tuned() && self.has_waiters() {
                // The sampling is paced by the clock, and only done while requests have to wait.
                sleep(INTERVAL - WAITS).await;
                let looks = self.first_looks(&mut diag);
                sleep(WAITS).await;
                // Without queued requests, the throughput is that of the clients.
                let look = responses.next(self).filter(|_| self.has_waiters());
                self.take_sample(&looks, look, &mut diag);
            }
            self.counts.unread.store(0, Ordering::Relaxed);
            self.end_samples();
        }
    }

    /// The responses of all servers.
    fn responses(&self) -> u64 {
        let servers = self.servers();
        let lists = servers.iter().flat_map(|server| server.sent_sockets());
        lists.map(|list| list.responses()).sum()
    }

    /// Looks at each server that is available.
    fn first_looks(&self, diag: &mut SocketDiag) -> Vec<FirstLook> {
        let servers = self.servers();
        let available = servers.iter().filter(|server| server.is_available());
        available.map(|server| FirstLook::at(server, diag)).collect()
    }

    /// Looks once more, and changes the limit if that follows.
    fn take_sample(
        self: &Arc<Self>,
        first: &[FirstLook],
        look: Option<Look>,
        diag: &mut SocketDiag,
    ) {
        if first.is_empty() {
            return;
        }
        let samples: Vec<Sample> = first.iter().filter_map(|first| first.compare(diag)).collect();
        let unread: usize = samples.iter().map(|sample| sample.unread).sum();
        self.counts.unread.store(unread as u64, Ordering::Relaxed);
        let in_flight = first.iter().map(|first| first.server.in_flight()).max();
        // All servers have one limit. The one with the most busy workers decides.
        let busiest = samples.into_iter().max_by_key(Sample::busy);
        let seen = Observation { busiest, look, in_flight: in_flight.unwrap_or_default() };
        self.update_limit(|limit| limit.add(seen));
    }

    /// No request is queued any more.
    fn end_samples(self: &Arc<Self>) {
        self.update_limit(AutoLimit::on_idle);
    }

    /// Changes what is known of the limit, and applies what follows.
    fn update_limit(self: &Arc<Self>, change: impl FnOnce(&mut AutoLimit)) {
        let (before, after, source, is_invisible) = {
            let mut auto_limit = lock(&self.auto_limit);
            let Some(auto_limit) = &mut *auto_limit else { return };
            let before = auto_limit.limit();
            change(auto_limit);
            let (after, source) = (auto_limit.limit(), auto_limit.source());
            // Under the lock, so that nobody stores an older one.
            self.store_limit(after, source);
            (before, after, source, auto_limit.is_invisible())
        };
        if is_invisible || source == LimitSource::Throughput {
            self.log_by_throughput(is_invisible);
        }
        if after > before {
            // There may be more permits now.
            self.dispatch();
        }
    }

    /// Whether the limit is found here, and not set.
    pub(in crate::upstream::backends) fn is_tuned(&self) -> bool {
        lock(&self.auto_limit).is_some()
    }

    /// Forgets what is known of the application's workers: one that was restarted may have others.
    pub(in crate::upstream::backends) fn forget_workers(&self) {
        let mut auto_limit = lock(&self.auto_limit);
        let Some(auto_limit) = &mut *auto_limit else { return };
        auto_limit.forget();
        self.store_limit(auto_limit.limit(), auto_limit.source());
    }

    /// Says once that the limit is found by throughput.
    fn log_by_throughput(&self, is_invisible: bool) {
        if self.is_by_throughput.swap(true, Ordering::Relaxed) {
            return;
        }
        let reason = match is_invisible {
            true => {
                "its sockets are in another network namespace, SOCK_DIAG is not allowed, or connections use TLS"
            }
            false => "it reads requests before it begins them",
        };
        tracing::info!(
            most = self.settings().admission.max_in_flight,
            reason,
            "cannot see which requests the application has begun; upstream.max_in_flight is found by throughput"
        );
    }
}

// === impl ResponseCounter ===

impl ResponseCounter {
    fn start(backends: &Backends) -> Self {
        Self { responses: backends.responses(), at: Instant::now() }
    }

    /// Returns the responses since the last call, and the time; `None` if a worker or a server is gone with its number.
    fn next(&mut self, backends: &Backends) -> Option<Look> {
        let before = mem::replace(self, Self::start(backends));
        let responses = self.responses.checked_sub(before.responses)?;
        Some(Look { seconds: (self.at - before.at).as_secs_f64(), responses })
    }
}

// === impl FirstLook ===

impl FirstLook {
    /// Looks which requests of a server it has not begun.
    fn at(server: &Arc<UpstreamServer>, diag: &mut SocketDiag) -> Self {
        let (mut unread, mut seen, mut unseen) = (Vec::new(), 0_usize, 0_usize);
        for request in server.sent_sockets().iter().flat_map(|list| list.iter()) {
            match socket::is_unread(request.socket(), diag) {
                Some(is_unread) => {
                    seen += 1;
                    unread.extend(is_unread.then_some(request));
                }
                None => unseen += 1,
            }
        }
        // Under TLS, unread bytes may be those of a handshake.
        let has_tls = matches!(server.address, ServerAddress::Tls(_));
        let is_invisible = has_tls || seen == 0 && unseen > 0;
        Self { server: Arc::clone(server), unread, is_invisible }
    }

    /// Looks which of its requests still have not begun; `None` if the kernel does not tell.
    fn compare(&self, diag: &mut SocketDiag) -> Option<Sample> {
        if self.is_invisible {
            return None;
        }
        let mut unread = 0_usize;
        // Requests that are not in a list have begun: those whose response is on its way, for example.
        for request in self.server.sent_sockets().iter().flat_map(|list| list.iter()) {
            let was_unread = self.unread.contains(&request);
            unread +=
                usize::from(was_unread && socket::is_unread(request.socket(), diag) == Some(true));
        }
        Some(Sample { in_flight: self.server.in_flight(), unread })
    }
}
