//! Counts a queued request for its worker.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use crate::telemetry::WorkerMetrics;

/// Counts a queued request, and also if it left the queue before its turn.
pub(super) struct QueueMetrics<'a> {
    metrics: &'a WorkerMetrics,
    waited: &'a Cell<Option<Duration>>,
    since: Instant,
    /// Whether the wait has ended by itself and was not aborted.
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
