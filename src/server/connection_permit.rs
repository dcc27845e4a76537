//! Counts the connections of a worker, and those of each client at all workers: a permit is taken when a connection is
//! accepted, and goes when it ends.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::end_signal::EndSignal;
use crate::body::{ClientShare, ClientShares};

/// The connections of a worker.
#[derive(Debug)]
pub(super) struct WorkerConnections {
    count: AtomicUsize,
    /// Of each client, at all workers.
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

    /// Connections that are open.
    pub(super) fn count(&self) -> usize {
        // `EndSignal` says why in this order.
        self.count.load(Ordering::SeqCst)
    }

    /// Counts one more; `share` was taken for its client.
    pub(super) fn acquire(self: &Arc<Self>, share: Option<ClientShare>) -> ConnectionPermit {
        self.count.fetch_add(1, Ordering::Relaxed);
        ConnectionPermit { connections: Arc::clone(self), share }
    }
}

// === impl ConnectionPermit ===

impl ConnectionPermit {
    /// The client that it counts for, if that is a single one.
    pub(super) fn client(&self) -> Option<ClientShare> {
        self.share
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
