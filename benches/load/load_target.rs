//! What the connections of a load ask for, and what they count together. `generator` and `http2` both
//! need it, and neither may import the other for it.

use std::{
    cell::{Cell, RefCell},
    io,
    time::Instant,
};

use crate::{client::Ask, endpoint::Door};

/// What the connections ask for, each taking the next.
pub(crate) struct Aim {
    pub(crate) door: Door,
    pub(crate) manner: Manner,
    pub(crate) asks: Vec<Ask>,
    next: Cell<usize>,
}

/// How each connection asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// One request at a time, the connection kept.
    Kept,
    /// HTTP/2 with so many requests at a time.
    Streams(u32),
    /// A new connection for each, with a full handshake.
    Handshakes,
    /// A new connection for each, which takes up the session of the one before.
    Resumptions,
}

/// What the connections share.
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
    /// Asks for these in turn.
    pub(crate) fn new(door: Door, manner: Manner, asks: Vec<Ask>) -> Self {
        Self { door, manner, asks, next: Cell::new(0) }
    }

    /// The first of all.
    pub(crate) fn first(&self) -> io::Result<&Ask> {
        self.asks.first().ok_or_else(|| io::Error::other("there is nothing to ask for"))
    }

    /// The next one but the first, until each was taken once.
    pub(crate) fn once(&self) -> Option<&Ask> {
        let next = self.next.get() + 1;
        self.next.set(next);
        self.asks.get(next)
    }

    /// The next one, over and over.
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

    /// Counts an answer to what was sent then.
    pub(crate) fn count(&self, sent: Instant) {
        self.answered.set(self.answered.get() + 1);
        if self.measuring.get() {
            let nanoseconds = u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.nanoseconds.borrow_mut().push(nanoseconds);
        }
    }
}
