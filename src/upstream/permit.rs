//! The permit of a request at the application, as its worker sees it.

use std::{rc::Rc, sync::Arc};

use super::{
    backends::{ServerPermit, UpstreamServer},
    pool::ConnectionPool,
};
use crate::{error::Error, telemetry::WorkerMetrics};

/// Held from admission until the application has finished with the request.
#[derive(Debug)]
pub(super) struct RequestPermit {
    server_permit: ServerPermit,
    pool: Rc<ConnectionPool>,
    metrics: Arc<WorkerMetrics>,
}

// === impl RequestPermit ===

impl RequestPermit {
    pub(super) fn new(
        server_permit: ServerPermit,
        pool: Rc<ConnectionPool>,
        metrics: &Arc<WorkerMetrics>,
    ) -> Self {
        metrics.upstream_in_flight.add(1);
        Self { server_permit, pool, metrics: Arc::clone(metrics) }
    }

    /// The worker's pool for that server.
    pub(super) fn pool(&self) -> &Rc<ConnectionPool> {
        &self.pool
    }

    /// The server of the request.
    pub(super) fn server(&self) -> &Arc<UpstreamServer> {
        &self.server_permit.server
    }

    /// Records that the request got no response.
    pub(super) fn on_no_response(&self, error: &Error) {
        self.server_permit.on_no_response(error);
    }
}

impl Drop for RequestPermit {
    fn drop(&mut self) {
        self.metrics.upstream_in_flight.subtract(1);
    }
}
