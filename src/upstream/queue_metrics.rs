//! A request in the queue, as its worker counts it.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use crate::telemetry::WorkerMetrics;

/// Counts a request that waits, and one that left the queue before its turn.
pub(super) struct QueueMetrics<'a> {
    metrics: &'a WorkerMetrics,
    waited: &'a Cell<Option<Duration>>,
    since: Instant,
    /// Whether its wait came to an end, and was not broken off.
    pub(super) is_over: bool,
}

// === impl QueueMetrics ===

impl<'a> QueueMetrics<'a> {
    pub(super) fn begin(metrics: &'a WorkerMetrics, waited: &'a Cell<Option<Duration>>) -> Self {
        metrics.queued.add(1);
        Self { metrics, waited, since: Instant::now(), is_over: false }
    }
}

impl Drop for QueueMetrics<'_> {
    fn drop(&mut self) {
        self.metrics.queued.subtract(1);
        let now = self.since.elapsed();
        self.waited.set(Some(self.waited.get().unwrap_or_default() + now));
        self.metrics.queue_wait.observe(now);
        if !self.is_over {
            self.metrics.abandoned_queued.add(1);
        }
    }
}
