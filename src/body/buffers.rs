//! The buffers for bodies: the budgets that they share, and the limits of a single body.

use std::{hash::Hash, sync::Arc};

use super::{
    budget::{Budgets, Reservation},
    client_shares::ClientShare,
    spill::{SpillFiles, SpillLocation},
};

/// The limits of all buffered bodies, shared by the workers.
#[derive(Clone, Debug)]
pub struct BodyBuffers {
    pub(super) requests: Budgets,
    pub(super) responses: Budgets,
    pub(super) files: Arc<SpillFiles>,
    pub(super) limits: BodyLimits,
}

/// The limits of one body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// Bytes in memory.
    pub memory: u64,
    /// Bytes of a response in a file.
    pub response: u64,
}

// === impl BodyBuffers ===

impl BodyBuffers {
    /// Creates the buffers. Creates no file before one is needed.
    pub fn new(
        requests: Budgets,
        responses: Budgets,
        place: SpillLocation,
        each: BodyLimits,
    ) -> Self {
        Self { requests, responses, files: Arc::new(SpillFiles::new(place)), limits: each }
    }

    /// Returns the buffers for the bodies of one client, which may hold only a part of the memory.
    #[must_use]
    pub fn of_client(&self, client: impl Hash) -> Self {
        let client = ClientShare::of(client);
        let part =
            |of: &Budgets| Budgets { memory: of.memory.of_client(client), disk: of.disk.clone() };
        let (requests, responses) = (part(&self.requests), part(&self.responses));
        Self { requests, responses, files: Arc::clone(&self.files), limits: self.limits }
    }

    /// Reserves memory for what is done to a response, beside its buffered bytes. `None` if too much is in use.
    pub fn reserve_for_response(&self, bytes: u64) -> Option<Reservation> {
        let mut reservation = self.responses.memory.nothing();
        reservation.grow(bytes).then_some(reservation)
    }

    /// Whether a request's body of this length could be buffered if there were no others.
    pub async fn may_hold(&self, length: u64) -> bool {
        length <= self.limits.memory || self.files.may_hold(length, &self.requests).await
    }
}
