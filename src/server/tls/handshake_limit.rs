//! Limits the concurrent handshakes of the process (`tls.handshakes`), because each takes memory. A client acquires a
//! permit when its first byte has arrived, so silent connections block nobody. If others wait for a permit, the
//! handshakes that have held one for the longest are ended.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    time::sleep,
};

use crate::{server::load_shedding::MIN_IDLE, telemetry::WorkerMetrics};

/// The available permits.
#[derive(Debug)]
pub(super) struct HandshakeLimit {
    permits: Semaphore,
    /// The number of handshakes that wait for a permit.
    waiting: AtomicUsize,
    /// Asks the handshake that has held a permit for the longest to end.
    wanted: Notify,
}

/// The right to do a handshake, until dropped.
pub(super) struct HandshakePermit<'a> {
    _permit: SemaphorePermit<'a>,
    metrics: &'a WorkerMetrics,
}

/// Counts a handshake that waits, until dropped.
struct WaitingHandshake<'a>(&'a AtomicUsize);

// === impl HandshakeLimit ===

impl HandshakeLimit {
    /// Allows `max` concurrent handshakes.
    pub(super) fn new(max: usize) -> Self {
        let permits = Semaphore::new(max);
        Self { permits, waiting: AtomicUsize::new(0), wanted: Notify::new() }
    }

    /// Acquires a permit. Waiting handshakes get one in the order of their calls.
    pub(super) async fn acquire<'a>(&'a self, metrics: &'a WorkerMetrics) -> HandshakePermit<'a> {
        if let Ok(permit) = self.permits.try_acquire() {
            return HandshakePermit::new(permit, metrics);
        }
        metrics.handshakes_postponed.add(1);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let waits = WaitingHandshake(&self.waiting);
        self.wanted.notify_one();
        let Ok(permit) = self.permits.acquire().await else { unreachable!("it is never closed") };
        drop(waits);
        // `wanted` stores only one notification, so the next waiter is announced by the one that gets a permit.
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.wanted.notify_one();
        }
        HandshakePermit::new(permit, metrics)
    }

    /// Waits until the caller has held its permit for the longest and for more than [`MIN_IDLE`], while another
    /// handshake waits.
    pub(super) async fn postponed(&self) {
        sleep(MIN_IDLE).await;
        loop {
            // The first to wait is the first to be woken.
            self.wanted.notified().await;
            if self.waiting.load(Ordering::Relaxed) > 0 {
                return;
            }
        }
    }
}

// === impl HandshakePermit ===

impl<'a> HandshakePermit<'a> {
    fn new(permit: SemaphorePermit<'a>, metrics: &'a WorkerMetrics) -> Self {
        metrics.handshaking.add(1);
        Self { _permit: permit, metrics }
    }
}

impl Drop for HandshakePermit<'_> {
    fn drop(&mut self) {
        self.metrics.handshaking.subtract(1);
    }
}

// === impl WaitingHandshake ===

impl Drop for WaitingHandshake<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{rc::Rc, time::Duration};

    use tokio::{
        task::{LocalSet, spawn_local, yield_now},
        time::timeout,
    };

    use super::*;

    /// A handshake whose client sends nothing more: it ends only to make room.
    async fn hold(limit: &HandshakeLimit, metrics: &WorkerMetrics) {
        let _permit = limit.acquire(metrics).await;
        limit.postponed().await;
    }

    #[tokio::test]
    async fn only_as_many_old_handshakes_are_shed_as_wait() {
        let (limit, metrics) = (Rc::new(HandshakeLimit::new(3)), Rc::<WorkerMetrics>::default());
        let tasks = LocalSet::new();
        tasks
            .run_until(async {
                let holder = || {
                    let (limit, metrics) = (Rc::clone(&limit), Rc::clone(&metrics));
                    spawn_local(async move { hold(&limit, &metrics).await })
                };
                let mut holders = Vec::new();
                for _ in 0..3 {
                    holders.push(holder());
                    sleep(Duration::from_millis(2)).await;
                }
                let (one, other) = tokio::join!(limit.acquire(&metrics), limit.acquire(&metrics));
                let ended: Vec<bool> = holders.iter().map(|one| one.is_finished()).collect();
                assert_eq!(ended, [true, true, false]);
                assert_eq!(metrics.handshakes_postponed.value(), 2);
                assert_eq!(metrics.handshaking.value(), 3);
                // No handshake waits, so the last one is not ended.
                drop((one, other));
                for _ in 0..10 {
                    yield_now().await;
                }
                assert_eq!(metrics.handshaking.value(), 1);
                assert!(holders.iter().any(|one| !one.is_finished()));
            })
            .await;
    }

    #[tokio::test]
    async fn abandoned_wait_leaves_no_count_behind() {
        let (limit, metrics) = (HandshakeLimit::new(1), WorkerMetrics::default());
        let permit = limit.acquire(&metrics).await;
        let waits = timeout(Duration::from_millis(100), limit.acquire(&metrics));
        assert!(waits.await.is_err());
        assert_eq!(limit.waiting.load(Ordering::Relaxed), 0);
        let postponed = timeout(MIN_IDLE * 2, limit.postponed());
        assert!(postponed.await.is_err());
        drop(permit);
        drop(limit.acquire(&metrics).await);
        assert_eq!(metrics.handshaking.value(), 0);
    }
}
