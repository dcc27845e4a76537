//! Where bodies wait: the budgets that they share, and what one of them may take.

use std::{hash::Hash, sync::Arc};

use super::{
    budget::Budgets,
    client_shares::ClientShare,
    spill::{SpillFiles, SpillLocation},
};

/// The bounds of all bodies that wait, shared by the workers.
#[derive(Clone, Debug)]
pub struct BodyBuffers {
    pub(super) requests: Budgets,
    pub(super) responses: Budgets,
    pub(super) files: Arc<SpillFiles>,
    pub(super) limits: BodyLimits,
}

/// What one body may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// Bytes in memory.
    pub memory: u64,
    /// Bytes of an answer in a file.
    pub response: u64,
}

// === impl BodyBuffers ===

impl BodyBuffers {
    /// Touches no file before one is needed.
    pub fn new(
        requests: Budgets,
        responses: Budgets,
        place: SpillLocation,
        each: BodyLimits,
    ) -> Self {
        Self { requests, responses, files: Arc::new(SpillFiles::new(place)), limits: each }
    }

    /// The same for the bodies of one client, who may hold a part of the memory only.
    #[must_use]
    pub fn of_client(&self, client: impl Hash) -> Self {
        let client = ClientShare::of(client);
        let part =
            |of: &Budgets| Budgets { memory: of.memory.of_client(client), disk: of.disk.clone() };
        let (requests, responses) = (part(&self.requests), part(&self.responses));
        Self { requests, responses, files: Arc::clone(&self.files), limits: self.limits }
    }

    /// Whether a request's body of this length could wait here, if no other did.
    pub async fn may_hold(&self, length: u64) -> bool {
        length <= self.limits.memory || self.files.may_hold(length, &self.requests).await
    }
}
