//! The settings that a worker's next request begins with. Connections hold this, and never the settings
//! themselves: a request asks once, by one look into a cell of its own thread, and keeps what it got.

use std::{cell::RefCell, rc::Rc};

use crate::pipeline::WorkerState;

/// A worker's own things under the settings of now.
#[derive(Debug)]
pub(super) struct CurrentSettings(RefCell<Rc<WorkerState>>);

// === impl CurrentSettings ===

impl CurrentSettings {
    pub(super) fn new(local: Rc<WorkerState>) -> Self {
        Self(RefCell::new(local))
    }

    /// For a request, or for whoever needs a setting at this moment.
    pub(super) fn get(&self) -> Rc<WorkerState> {
        Rc::clone(&self.0.borrow())
    }

    /// What begins from now on gets these.
    pub(super) fn set(&self, local: Rc<WorkerState>) {
        // Dropped once nothing is borrowed: it may be the last one.
        let _old = self.0.replace(local);
    }
}
