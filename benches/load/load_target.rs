//! The requests of a load, and its shared counters. `generator` and `http2` both
//! need them, and neither may import the other.

use std::{
    cell::{Cell, RefCell},
    io,
    time::Instant,
};

use crate::{client::Ask, endpoint::Door};

/// The requests; each connection takes the next.
pub(crate) struct Aim {
    pub(crate) door: Door,
    pub(crate) manner: Manner,
    pub(crate) asks: Vec<Ask>,
    next: Cell<usize>,
}

/// How each connection sends requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// One request at a time, over keep-alive connections.
    Kept,
    /// HTTP/2 with this number of concurrent requests.
    Streams(u32),
    /// A new connection for each, with a full handshake.
    Handshakes,
    /// A new connection for each, which resumes the session of the one before.
    Resumptions,
}

/// Shared by the connections.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) stop: Cell<bool>,
    pub(crate) answered: Cell<u64>,
    pub(crate) received: Cell<u64>,
    pub(crate) measuring: Cell<bool>,
    pub(crate) nanoseconds: RefCell<Vec<u64>>,
}

// === impl Aim ===

impl Aim {
    /// Sends these in turn.
    pub(crate) fn new(door: Door, manner: Manner, asks: Vec<Ask>) -> Self {
        Self { door, manner, asks, next: Cell::new(0) }
    }

    /// The first of all.
    pub(crate) fn first(&self) -> io::Result<&Ask> {
        self.asks.first().ok_or_else(|| io::Error::other("there is nothing to ask for"))
    }

    /// The next one except the first, until each was taken once.
    pub(crate) fn once(&self) -> Option<&Ask> {
        let next = self.next.get() + 1;
        self.next.set(next);
        self.asks.get(next)
    }

    /// The next one, repeatedly.
    pub(crate) fn next(&self) -> io::Result<&Ask> {
        let next = self.next.get();
        self.next.set(if next + 1 < self.asks.len() { next + 1 } else { 0 });
        self.asks.get(next).ok_or_else(|| io::Error::other("there is nothing to ask for"))
    }
}

// === impl Progress ===

impl Progress {
    /// Whether the load is over.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.get()
    }

    /// Counts a response to a request sent at that time.
    pub(crate) fn count(&self, sent: Instant) {
        self.answered.set(self.answered.get() + 1);
        if self.measuring.get() {
            let nanoseconds = u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.nanoseconds.borrow_mut().push(nanoseconds);
        }
    }
}
