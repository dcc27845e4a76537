//! The bounded way of records from the workers to the exporter.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use tokio::sync::Notify;

use super::{counts::TraceCounts, record::RequestRecord};
use crate::{plan::TraceBatches, telemetry::log_throttle::LogThrottle};

/// The workers' side.
#[derive(Clone, Debug)]
pub struct SpanSink {
    records: mpsc::Sender<Box<RequestRecord>>,
    shared: Arc<SharedState>,
}

/// The exporter's side.
#[derive(Debug)]
pub struct SpanQueue {
    records: mpsc::Receiver<Box<RequestRecord>>,
    shared: Arc<SharedState>,
}

#[derive(Debug)]
struct SharedState {
    /// Spans that wait.
    waiting: AtomicUsize,
    limit: usize,
    /// The exporter is woken when this many wait, and by the first one.
    batch: usize,
    wake: Notify,
    counts: Arc<TraceCounts>,
}

/// Keeps a collector that is down from filling the event log.
static THROTTLE: LogThrottle = LogThrottle::new();

/// Creates both sides.
pub fn channel(settings: &TraceBatches, counts: Arc<TraceCounts>) -> (SpanSink, SpanQueue) {
    // The receiver never blocks, so that a sender need not wake it.
    let (sender, receiver) = mpsc::channel();
    let shared = Arc::new(SharedState {
        waiting: AtomicUsize::new(0),
        limit: settings.max_queue,
        batch: settings.max_batch,
        wake: Notify::new(),
        counts,
    });
    let queue = SpanQueue { records: receiver, shared: Arc::clone(&shared) };
    (SpanSink { records: sender, shared }, queue)
}

// === impl SpanSink ===

impl SpanSink {
    /// Passes a record on, or drops it if too many spans wait.
    pub fn push(&self, record: Box<RequestRecord>) {
        let (shared, spans) = (&self.shared, record.spans());
        let before = shared.waiting.fetch_add(spans, Ordering::Relaxed);
        let fits = before.saturating_add(spans) <= shared.limit;
        if !fits || self.records.send(record).is_err() {
            shared.waiting.fetch_sub(spans, Ordering::Relaxed);
            shared.counts.dropped.fetch_add(spans as u64, Ordering::Relaxed);
            if let Some(missed) = THROTTLE.should_log() {
                tracing::warn!(
                    missed,
                    "spans are dropped, because OTEL_BSP_MAX_QUEUE_SIZE of them wait for the collector; check the \
                     collector, or record fewer requests (OTEL_TRACES_SAMPLER=parentbased_traceidratio)"
                );
            }
            return;
        }
        let is_complete = before < shared.batch && before + spans >= shared.batch;
        if before == 0 || is_complete {
            shared.wake.notify_one();
        }
    }
}

// === impl SpanQueue ===

impl SpanQueue {
    /// Waits until the first span comes, or the last one of a batch, or [`wake`](Self::wake) is called.
    pub async fn changed(&self) {
        self.shared.wake.notified().await;
    }

    /// Ends the wait.
    pub fn wake(&self) {
        self.shared.wake.notify_one();
    }

    /// Returns the number of spans that wait.
    pub fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.waiting() == 0
    }

    /// Takes records with as many spans as a batch has, or the few more that the last of them has.
    pub fn take_batch(&self) -> Vec<Box<RequestRecord>> {
        let (mut records, mut spans) = (Vec::new(), 0);
        while spans < self.shared.batch
            && let Ok(record) = self.records.try_recv()
        {
            spans += record.spans();
            records.push(record);
        }
        self.shared.waiting.fetch_sub(spans, Ordering::Relaxed);
        records
    }

    pub fn counts(&self) -> &TraceCounts {
        &self.shared.counts
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::telemetry::traces::record::tests::record;

    fn pair(max_queue: usize, max_batch: usize) -> (SpanSink, SpanQueue) {
        let time = Duration::from_secs(1);
        let batches = TraceBatches { delay: time, max_queue, max_batch, timeout: time };
        channel(&batches, Arc::default())
    }

    #[test]
    fn spans_beyond_the_limit_are_dropped_and_counted() {
        let (sink, queue) = pair(8, 8);
        let push = || sink.push(Box::new(record(Instant::now())));
        let dropped = || queue.counts().dropped.load(Ordering::Relaxed);
        // Each has three spans.
        (0..4).for_each(|_| push());
        assert_eq!(dropped(), 6);
        assert_eq!((queue.take_batch().len(), queue.waiting()), (2, 0));
        push();
        assert_eq!((queue.take_batch().len(), dropped()), (1, 6));
        assert!(queue.take_batch().is_empty() && queue.is_empty());
    }

    #[tokio::test]
    async fn exporter_is_woken_by_the_first_span_and_by_a_full_batch() {
        let (sink, queue) = pair(100, 9);
        let push = || sink.push(Box::new(record(Instant::now())));
        push();
        queue.changed().await;
        push();
        assert!(tokio::time::timeout(Duration::ZERO, queue.changed()).await.is_err());
        push();
        queue.changed().await;
        queue.wake();
        queue.changed().await;
    }

    #[test]
    fn nothing_is_kept_after_the_exporter_has_ended() {
        let (sink, queue) = pair(100, 6);
        let counts = Arc::clone(&sink.shared.counts);
        drop(queue);
        sink.push(Box::new(record(Instant::now())));
        assert_eq!(counts.dropped.load(Ordering::Relaxed), 3);
        assert_eq!(sink.shared.waiting.load(Ordering::Relaxed), 0);
    }
}
