//! What a connection does, for those who choose which ones to close when there are too many (`room.rs`).

use std::{cell::Cell, time::Instant};

use crate::server::load_shedding::{IdleConnection, IdleStage};

/// What a connection of HTTP/1.1 does at the moment.
#[derive(Debug)]
pub(super) struct Activity {
    state: Cell<ActivityState>,
    /// Whether a request was ever complete.
    has_asked: Cell<bool>,
    is_shed: Cell<bool>,
}

/// What it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ActivityState {
    /// The first byte of a request.
    Idle(Instant),
    /// The rest of a request's head.
    Head(Instant),
    /// The response, or the client taking it.
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

    /// It waits for a request.
    pub(super) fn set_idle(&self, since: Instant) {
        self.state.set(ActivityState::Idle(since));
    }

    /// A part of a head has come.
    pub(super) fn set_head(&self, since: Instant) {
        self.state.set(ActivityState::Head(since));
    }

    /// A request is complete.
    pub(super) fn set_busy(&self) {
        self.state.set(ActivityState::Busy);
        self.has_asked.set(true);
    }

    /// Whether it was asked to end. Once: a request that has come meanwhile is answered.
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
