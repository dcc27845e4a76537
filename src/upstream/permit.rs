//! A request's place at the application, as its worker sees it.

use std::{rc::Rc, sync::Arc};

use super::{
    backends::{Server, Slot},
    pool::Pool,
};
use crate::telemetry::Shard;

/// Held from admission until the application has nothing more to do with the request.
#[derive(Debug)]
pub(super) struct Permit {
    slot: Slot,
    pool: Rc<Pool>,
    metrics: Arc<Shard>,
}

// === impl Permit ===

impl Permit {
    pub(super) fn new(slot: Slot, pool: Rc<Pool>, metrics: &Arc<Shard>) -> Self {
        metrics.upstream_in_flight.add(1);
        Self { slot, pool, metrics: Arc::clone(metrics) }
    }

    /// The worker's kept connections to that server.
    pub(super) fn pool(&self) -> &Rc<Pool> {
        &self.pool
    }

    /// The server that has the request.
    pub(super) fn server(&self) -> &Arc<Server> {
        &self.slot.server
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.metrics.upstream_in_flight.subtract(1);
    }
}
