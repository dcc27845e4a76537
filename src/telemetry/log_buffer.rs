//! One worker's part of the access log. It collects lines and writes them in batches.

use std::cell::{Cell, RefCell};

use tokio::sync::Notify;

use super::{
    access_log::{AccessLogLine, LineLayout, MAX_LINE_LENGTH},
    clock::Clock,
    log_throttle::LogThrottle,
    log_writer::LogSink,
};
use crate::plan::{LogField, LogSettings};

/// A batch of this size is written at once.
const BATCH_SIZE: usize = 32 * 1024;

/// The lines of one worker that were not yet passed to the writer.
#[derive(Debug)]
pub struct LogBuffer {
    /// `None` disables the log.
    layout: Option<(LineLayout, LogSink)>,
    /// One of this many sampled requests is logged.
    sample: u32,
    random: RefCell<fastrand::Rng>,
    clock: RefCell<Clock>,
    lines: RefCell<Vec<u8>>,
    count: Cell<u64>,
    first: Notify,
}

/// The state of a slow stdout, which one worker reports for all.
static THROTTLE: LogThrottle = LogThrottle::new();

// === impl LogBuffer ===

impl LogBuffer {
    /// Creates an empty buffer; without a sink the log is disabled.
    pub fn new(plan: &LogSettings, sink: Option<LogSink>) -> Self {
        Self {
            layout: LineLayout::new(plan).zip(sink),
            sample: plan.static_sample,
            random: RefCell::new(fastrand::Rng::new()),
            clock: RefCell::default(),
            lines: RefCell::default(),
            count: Cell::new(0),
            first: Notify::new(),
        }
    }

    /// Returns whether lines are logged at all.
    pub fn is_on(&self) -> bool {
        self.layout.is_some()
    }

    /// Returns whether lines contain this field.
    pub fn includes(&self, field: LogField) -> bool {
        self.layout.as_ref().is_some_and(|(layout, _)| layout.includes(field))
    }

    /// Returns whether to log this one of the sampled requests.
    pub fn is_in_sample(&self) -> bool {
        match self.sample {
            0 => false,
            1 => true,
            // Chosen at random: with a fixed count a page with that many files would always log the same one.
            some => self.random.borrow_mut().u32(..some) == 0,
        }
    }

    /// Returns whether requests must wait because stdout is slow.
    pub fn is_full(&self) -> bool {
        self.layout.as_ref().is_some_and(|(_, sink)| sink.is_full())
    }

    /// Waits until stdout has caught up.
    pub async fn wait_for_space(&self) {
        let Some((_, sink)) = &self.layout else { return };
        if let Some(missed) = THROTTLE.should_log() {
            tracing::error!(
                missed,
                "stdout is slow, so requests wait until the access log is written; check the log collector, or \
                 set log.when_slow = \"drop\""
            );
        }
        sink.wait_for_space().await;
    }

    /// Adds a line.
    pub fn push(&self, line: &AccessLogLine<'_>) {
        let Some((layout, _)) = &self.layout else { return };
        let mut clock = self.clock.borrow_mut();
        clock.tick();
        let mut lines = self.lines.borrow_mut();
        if lines.capacity() == 0 {
            lines.reserve(BATCH_SIZE + MAX_LINE_LENGTH);
        }
        layout.write(&mut lines, line, &clock);
        self.count.set(self.count.get() + 1);
        let length = lines.len();
        drop(lines);
        if length >= BATCH_SIZE {
            self.flush();
        } else if self.count.get() == 1 {
            self.first.notify_one();
        }
    }

    /// Passes all lines to the writer.
    pub fn flush(&self) {
        let mut lines = self.lines.borrow_mut();
        let count = self.count.take();
        if let Some((_, sink)) = &self.layout
            && !lines.is_empty()
            // A copy of the exact size, so waiting lines use no more memory than is counted.
            && !sink.send(lines.to_vec(), count)
            && let Some(missed) = THROTTLE.should_log()
        {
            tracing::warn!(
                missed,
                "stdout is slow, so access-log lines are dropped; check the log collector, or raise log.buffer"
            );
        }
        lines.clear();
    }

    /// Waits until an empty buffer gets its first line.
    pub async fn first_line(&self) {
        self.first.notified().await;
    }
}

impl Drop for LogBuffer {
    fn drop(&mut self) {
        self.flush();
    }
}
