//! The activity of a connection, for `load_shedding`, which chooses connections to close when there are too many.

use std::{cell::Cell, time::Instant};

use crate::server::load_shedding::{IdleConnection, IdleStage};

/// The current activity of an HTTP/1.1 connection.
#[derive(Debug)]
pub(super) struct Activity {
    state: Cell<ActivityState>,
    /// Whether a request was ever complete.
    has_asked: Cell<bool>,
    is_shed: Cell<bool>,
}

/// The event that a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ActivityState {
    /// The first byte of a request.
    Idle(Instant),
    /// The rest of a request's head.
    Head(Instant),
    /// The response, or the client that reads it.
    Busy,
}

// === impl Activity ===

impl Activity {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            state: Cell::new(ActivityState::Idle(now)),
            has_asked: Cell::new(false),
            is_shed: Cell::new(false),
        }
    }

    /// Marks the connection as waiting for a request.
    pub(super) fn set_idle(&self, since: Instant) {
        self.state.set(ActivityState::Idle(since));
    }

    /// Records that a part of a head has arrived.
    pub(super) fn set_head(&self, since: Instant) {
        self.state.set(ActivityState::Head(since));
    }

    /// Records that a request is complete.
    pub(super) fn set_busy(&self) {
        self.state.set(ActivityState::Busy);
        self.has_asked.set(true);
    }

    /// Whether the connection was asked to close, at most once. A request that has arrived meanwhile is answered.
    pub(super) fn take_shed(&self) -> bool {
        self.is_shed.replace(false)
    }
}

impl IdleConnection for Activity {
    fn idle_since(&self) -> Option<Instant> {
        match self.state.get() {
            ActivityState::Idle(since) | ActivityState::Head(since) => Some(since),
            ActivityState::Busy => None,
        }
    }

    fn stage(&self) -> IdleStage {
        match self.state.get() {
            ActivityState::Idle(_) if self.has_asked.get() => IdleStage::KeptAlive,
            ActivityState::Idle(_) | ActivityState::Head(_) | ActivityState::Busy => {
                IdleStage::Unproven
            }
        }
    }

    fn shed(&self) {
        self.is_shed.set(true);
    }
}
