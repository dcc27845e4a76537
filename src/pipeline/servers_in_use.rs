//! The servers of the applications in use, for the admin listener.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use crate::{telemetry::status::ApplicationStatus, upstream::Backends};

/// The applications of the app in use. A reload replaces them.
#[derive(Debug, Default)]
pub struct ServersInUse(Mutex<Vec<Arc<Backends>>>);

// === impl ServersInUse ===

impl ServersInUse {
    /// Returns the state of all applications together.
    pub fn status(&self, now: Instant) -> ApplicationStatus {
        let applications = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ApplicationStatus {
            oldest_wait: applications.iter().filter_map(|one| one.oldest_wait(now)).max(),
            servers: applications.iter().flat_map(|one| one.server_states(now)).collect(),
        }
    }

    /// Shows these applications from now on.
    pub(super) fn set(&self, applications: Vec<Arc<Backends>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = applications;
    }
}
