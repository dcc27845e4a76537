//! The settings for a worker's next request. Connections hold this cell and never the settings themselves. A request
//! reads the thread-local cell once and keeps the settings it got.

use std::{cell::RefCell, rc::Rc};

use crate::pipeline::WorkerState;

/// A worker's state under the current settings.
#[derive(Debug)]
pub(super) struct CurrentSettings(RefCell<Rc<WorkerState>>);

// === impl CurrentSettings ===

impl CurrentSettings {
    pub(super) fn new(local: Rc<WorkerState>) -> Self {
        Self(RefCell::new(local))
    }

    /// Returns the state for a new request, or for a caller that needs a setting now.
    pub(super) fn get(&self) -> Rc<WorkerState> {
        Rc::clone(&self.0.borrow())
    }

    /// Replaces the state. Everything that begins from now on uses the new one.
    pub(super) fn set(&self, local: Rc<WorkerState>) {
        // Dropped after the borrow has ended, because this may be the last reference.
        let _old = self.0.replace(local);
    }
}
