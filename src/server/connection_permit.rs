//! Counts the connections of each worker, and those of each client across all workers. A permit is acquired when a
//! connection is accepted and released when it ends.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::end_signal::EndSignal;
use crate::body::{ClientShare, ClientShares};

/// The connection count of a worker.
#[derive(Debug)]
pub(super) struct WorkerConnections {
    count: AtomicUsize,
    /// The counts of each client across all workers.
    shares: Arc<ClientShares>,
    ended: Arc<EndSignal>,
}

/// Counts as one connection until it is dropped.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    connections: Arc<WorkerConnections>,
    share: Option<ClientShare>,
}

// === impl WorkerConnections ===

impl WorkerConnections {
    pub(super) fn new(shares: Arc<ClientShares>, ended: Arc<EndSignal>) -> Self {
        Self { count: AtomicUsize::new(0), shares, ended }
    }

    /// The number of open connections.
    pub(super) fn count(&self) -> usize {
        // `EndSignal` explains why this ordering is needed.
        self.count.load(Ordering::SeqCst)
    }

    /// Counts one more connection. `share` was acquired for its client.
    pub(super) fn acquire(self: &Arc<Self>, share: Option<ClientShare>) -> ConnectionPermit {
        self.count.fetch_add(1, Ordering::Relaxed);
        ConnectionPermit { connections: Arc::clone(self), share }
    }
}

// === impl ConnectionPermit ===

impl ConnectionPermit {
    /// The client that this counts for, or `None` if it is not a single client.
    pub(super) fn client(&self) -> Option<ClientShare> {
        self.share
    }

    /// Sets the share that was acquired for its client, if the client was not known at the start.
    pub(super) fn charge(&mut self, share: Option<ClientShare>) {
        self.share = share;
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.connections.count.fetch_sub(1, Ordering::SeqCst);
        self.connections.ended.report();
        if let Some(share) = self.share {
            self.connections.shares.give_back(share, 1);
        }
    }
}
