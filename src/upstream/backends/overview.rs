//! The servers of an application and its queue, for the status.

use std::time::{Duration, Instant};

use super::{server::UpstreamServer, state::Backends};
use crate::{sync::lock, telemetry::status::ServerStatus};

impl Backends {
    /// Returns the state of each server.
    pub fn server_states(&self, now: Instant) -> Vec<ServerStatus> {
        self.servers().iter().map(|server| server.status(now)).collect()
    }

    /// Returns how long the oldest request in the queue has waited.
    pub fn oldest_wait(&self, now: Instant) -> Option<Duration> {
        lock(&self.queue).oldest().map(|since| now.saturating_duration_since(since))
    }
}

impl UpstreamServer {
    fn status(&self, now: Instant) -> ServerStatus {
        // The last outage is known also when it is over.
        let outage = self.failure().filter(|_| !self.is_available());
        ServerStatus {
            name: self.name().to_owned(),
            outage: outage.map(|cause| cause.error().to_string()),
            time: now.saturating_duration_since(self.state_since()),
            in_flight: self.in_flight(),
        }
    }
}
