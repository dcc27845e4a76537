//! The checks of `sideman doctor` that need no request, for the status of the running process. They are made when the
//! status is asked for: a directory that was missing at the start may be there now.

use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Resource, getrlimit};

use super::cgroup::container_memory;
use crate::{
    config::{self, LoadedSettings},
    finding::{self, Finding, ProcessFacts},
    telemetry::Metrics,
};

/// The settings in use, as they were read, and the counters, which the checks compare.
#[derive(Debug)]
pub(super) struct ProcessChecks {
    settings: Mutex<Arc<LoadedSettings>>,
    metrics: Arc<Metrics>,
}

// === impl ProcessChecks ===

impl ProcessChecks {
    pub(super) fn new(loaded: LoadedSettings, metrics: Arc<Metrics>) -> Self {
        Self { settings: Mutex::new(Arc::new(loaded)), metrics }
    }

    /// Checks these settings from now on.
    pub(super) fn set(&self, loaded: LoadedSettings) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
    }

    /// Makes the checks. They read directories, which may block.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let loaded = Arc::clone(&self.settings.lock().unwrap_or_else(PoisonError::into_inner));
        let (requests, headers_dropped) = self.metrics.forwarding();
        finding::of_process(&ProcessFacts {
            plan: &loaded.plan,
            warnings: config::warnings(&loaded),
            container_memory: container_memory(),
            max_files: getrlimit(Resource::Nofile).current,
            requests,
            headers_dropped,
        })
    }
}
