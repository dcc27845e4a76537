//! One worker's part of the access log: lines gather here and leave in batches.

use std::cell::{Cell, RefCell};

use tokio::sync::Notify;

use super::{
    access_log::{AccessLogLine, LONGEST_LINE, LineLayout},
    clock::Clock,
    log_throttle::LogThrottle,
    log_writer::LogSink,
};
use crate::plan::{LogField, LogSettings};

/// A batch this large leaves at once.
const BATCH: usize = 32 * 1024;

/// The lines of one worker that were not handed to the writer yet.
#[derive(Debug)]
pub struct LogBuffer {
    /// `None` is no log.
    layout: Option<(LineLayout, LogSink)>,
    /// One of so many is told, where a sample is enough.
    sample: u32,
    random: RefCell<fastrand::Rng>,
    clock: RefCell<Clock>,
    lines: RefCell<Vec<u8>>,
    count: Cell<u64>,
    first: Notify,
}

/// What a slow stdout does is told by one worker for all.
static THROTTLE: LogThrottle = LogThrottle::new();

// === impl LogBuffer ===

impl LogBuffer {
    /// An empty buffer; without a sink there is no log.
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

    /// Whether lines are wanted at all.
    pub fn is_on(&self) -> bool {
        self.layout.is_some()
    }

    /// Whether lines tell this.
    pub fn includes(&self, field: LogField) -> bool {
        self.layout.as_ref().is_some_and(|(layout, _)| layout.includes(field))
    }

    /// Whether one of those is told of which a sample is enough.
    pub fn is_in_sample(&self) -> bool {
        match self.sample {
            0 => false,
            1 => true,
            // By chance: a page with as many files would always show the same one.
            some => self.random.borrow_mut().u32(..some) == 0,
        }
    }

    /// Whether requests shall wait because stdout takes too little.
    pub fn is_full(&self) -> bool {
        self.layout.as_ref().is_some_and(|(_, sink)| sink.is_full())
    }

    /// Waits until stdout has taken enough.
    pub async fn room(&self) {
        let Some((_, sink)) = &self.layout else { return };
        if let Some(missed) = THROTTLE.should_log() {
            tracing::error!(
                missed,
                "stdout is slow: requests wait until it has taken the access log; see to whoever \
                 reads it, or set log.when_slow = \"drop\""
            );
        }
        sink.room().await;
    }

    /// Adds a line.
    pub fn push(&self, line: &AccessLogLine<'_>) {
        let Some((layout, _)) = &self.layout else { return };
        let mut clock = self.clock.borrow_mut();
        clock.tick();
        let mut lines = self.lines.borrow_mut();
        if lines.capacity() == 0 {
            lines.reserve(BATCH + LONGEST_LINE);
        }
        layout.write(&mut lines, line, &clock);
        self.count.set(self.count.get() + 1);
        let length = lines.len();
        drop(lines);
        if length >= BATCH {
            self.flush();
        } else if self.count.get() == 1 {
            self.first.notify_one();
        }
    }

    /// Hands all lines to the writer.
    pub fn flush(&self) {
        let mut lines = self.lines.borrow_mut();
        let count = self.count.take();
        if let Some((_, sink)) = &self.layout
            && !lines.is_empty()
            // A copy of its exact size: what waits for a slow stdout must weigh what it counts.
            && !sink.send(lines.to_vec(), count)
            && let Some(missed) = THROTTLE.should_log()
        {
            tracing::warn!(
                missed,
                "stdout is slow: access-log lines are dropped; see to whoever reads it, or raise \
                 log.buffer"
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
