//! Counts a queued request for its worker.

use super::queue_clock::QueueClock;
use crate::telemetry::WorkerMetrics;

/// Counts a queued request, and also if it left the queue before its turn.
pub(super) struct QueueMetrics<'a> {
    metrics: &'a WorkerMetrics,
    clock: &'a QueueClock,
    /// Whether the wait has ended by itself and was not aborted.
    pub(super) is_over: bool,
}

// === impl QueueMetrics ===

impl<'a> QueueMetrics<'a> {
    pub(super) fn begin(metrics: &'a WorkerMetrics, clock: &'a QueueClock) -> Self {
        metrics.queued.add(1);
        clock.begin();
        Self { metrics, clock, is_over: false }
    }
}

impl Drop for QueueMetrics<'_> {
    fn drop(&mut self) {
        self.metrics.queued.subtract(1);
        self.metrics.queue_wait.observe(self.clock.end());
        if !self.is_over {
            self.metrics.abandoned_queued.add(1);
        }
    }
}
