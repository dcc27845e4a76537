//! Takes samples of the servers while requests are queued, and changes the limit of requests in flight.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::sleep;

use super::{estimate::Sample, sent_requests::SentId, socket, socket_diag::SocketDiag};
use crate::{
    sync::lock,
    upstream::backends::{Backends, UpstreamServer},
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

// === impl Backends ===

impl Backends {
    /// Changes the limit of requests in flight to what the application's workers can do; runs for ever.
    pub(in crate::upstream::backends) async fn tune_limit(self: &Arc<Self>) {
        let mut diag = SocketDiag::default();
        loop {
            self.queued.notified().await;
            while self.is_tuned() && self.has_waiters() {
                // The sampling is paced by the clock, and only done while requests have to wait.
                sleep(INTERVAL - WAITS).await;
                let looks = self.first_looks(&mut diag);
                sleep(WAITS).await;
                self.take_sample(&looks, &mut diag);
            }
            self.counts.unread.store(0, Ordering::Relaxed);
        }
    }

    /// Looks at each server that is available.
    fn first_looks(&self, diag: &mut SocketDiag) -> Vec<FirstLook> {
        let servers = self.servers();
        let available = servers.iter().filter(|server| server.is_available());
        available.map(|server| FirstLook::at(server, diag)).collect()
    }

    /// Looks once more, and changes the limit if that follows.
    fn take_sample(self: &Arc<Self>, first: &[FirstLook], diag: &mut SocketDiag) {
        if first.is_empty() {
            return;
        }
        let samples: Vec<Sample> = first.iter().filter_map(|first| first.compare(diag)).collect();
        let unread: usize = samples.iter().map(|sample| sample.unread).sum();
        self.counts.unread.store(unread as u64, Ordering::Relaxed);
        // All servers have one limit. The one with the most busy workers decides.
        let busiest = samples.into_iter().max_by_key(Sample::busy);
        let (limit, reason) = {
            let mut estimate = lock(&self.estimate);
            let Some(estimate) = &mut *estimate else { return };
            let changed = match busiest {
                Some(sample) => estimate.add(sample),
                None => estimate.add_invisible(),
            };
            let Some(limit) = changed else { return };
            let reason = match busiest {
                _ if estimate.is_exact() || !estimate.is_at_most() => None,
                Some(_) => Some("it reads requests before it begins them"),
                None => Some(
                    "its sockets are in another network namespace, or SOCK_DIAG is not allowed",
                ),
            };
            (limit, reason)
        };
        if let Some(reason) = reason {
            self.log_invisible(reason);
        }
        self.store_limit(limit);
        // There may be more permits now.
        self.dispatch();
    }

    /// Whether the limit is found here, and not set.
    pub(in crate::upstream::backends) fn is_tuned(&self) -> bool {
        lock(&self.estimate).is_some()
    }

    /// Forgets what is known of the application's workers: one that was restarted may have others.
    pub(in crate::upstream::backends) fn forget_workers(&self) {
        let mut estimate = lock(&self.estimate);
        let Some(estimate) = &mut *estimate else { return };
        estimate.forget();
        self.store_limit(estimate.limit());
    }

    /// Says once that the limit is not found.
    fn log_invisible(&self, reason: &'static str) {
        if !self.is_invisible.swap(true, Ordering::Relaxed) {
            let limit = self.settings().admission.max_in_flight;
            tracing::info!(
                limit,
                reason,
                "cannot see which requests the application has begun; \
                 set upstream.max_in_flight to its workers x threads"
            );
        }
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
        let is_invisible = seen == 0 && unseen > 0;
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
