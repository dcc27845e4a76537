//! Counts the connections of a worker, and those of each client at all workers: a permit is taken when a connection is
//! accepted, and goes when it ends.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::body::{ClientShare, ClientShares};

/// The connections of a worker.
#[derive(Debug)]
pub(super) struct WorkerConnections {
    count: AtomicUsize,
    /// Of each client, at all workers.
    shares: Arc<ClientShares>,
}

/// Counts as one connection until it is dropped.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    connections: Arc<WorkerConnections>,
    share: Option<ClientShare>,
}

// === impl WorkerConnections ===

impl WorkerConnections {
    pub(super) fn new(shares: Arc<ClientShares>) -> Self {
        Self { count: AtomicUsize::new(0), shares }
    }

    /// Connections that are open.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Counts one more; `share` was taken for its client.
    pub(super) fn acquire(self: &Arc<Self>, share: Option<ClientShare>) -> ConnectionPermit {
        self.count.fetch_add(1, Ordering::Relaxed);
        ConnectionPermit { connections: Arc::clone(self), share }
    }
}

// === impl ConnectionPermit ===

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.connections.count.fetch_sub(1, Ordering::Relaxed);
        if let Some(share) = self.share {
            self.connections.shares.give_back(share, 1);
        }
    }
}
