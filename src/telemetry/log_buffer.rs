//! One worker's part of the access log: lines gather here and leave in batches.

use std::cell::{Cell, RefCell};

use tokio::sync::Notify;

use super::{access_log::Line, clock::Clock, log_writer::LogSink};
use crate::plan::AccessLog;

/// A batch this large leaves at once.
const BATCH: usize = 32 * 1024;

/// The lines of one worker that were not handed to the writer yet.
#[derive(Debug)]
pub struct LogBuffer {
    form: AccessLog,
    sink: Option<LogSink>,
    clock: RefCell<Clock>,
    lines: RefCell<Vec<u8>>,
    count: Cell<u64>,
    first: Notify,
}

// === impl LogBuffer ===

impl LogBuffer {
    /// An empty buffer; without a sink there is no log.
    pub fn new(form: AccessLog, sink: Option<LogSink>) -> Self {
        Self {
            form,
            sink,
            clock: RefCell::default(),
            lines: RefCell::default(),
            count: Cell::new(0),
            first: Notify::new(),
        }
    }

    /// Whether lines are wanted at all.
    pub fn is_on(&self) -> bool {
        self.form != AccessLog::Off && self.sink.is_some()
    }

    /// Adds a line.
    pub fn push(&self, line: &Line<'_>) {
        let mut clock = self.clock.borrow_mut();
        clock.tick();
        let mut lines = self.lines.borrow_mut();
        if lines.capacity() == 0 {
            lines.reserve(BATCH + BATCH / 4);
        }
        match self.form {
            AccessLog::Json => line.write_json(&mut lines, &clock),
            AccessLog::Combined => line.write_combined(&mut lines, &clock),
            AccessLog::Off => return,
        }
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
        if let Some(sink) = &self.sink
            && !lines.is_empty()
        {
            // A copy of its exact size: what waits for a slow stdout must weigh what it counts.
            sink.send(lines.to_vec(), count);
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
