//! What the checks of `health.application` have shown (`readiness`).

use std::sync::atomic::Ordering;

use crate::{sync::AtomicBool, telemetry::LogThrottle};

/// What the checks have shown.
#[derive(Debug)]
pub(super) struct Readiness {
    pub(super) is_ready: AtomicBool,
    /// Whether this application is checked at all.
    pub(super) is_checked: AtomicBool,
    /// Whether the last check got no response in time.
    pub(super) is_late: AtomicBool,
    /// Whether the last log entry says that the application is not ready.
    pub(super) is_logged: AtomicBool,
    /// Limits the log to one change in ten seconds.
    changes: LogThrottle,
}

// === impl Readiness ===

impl Readiness {
    pub(super) fn new() -> Self {
        Self {
            is_ready: AtomicBool::new(false),
            is_checked: AtomicBool::new(false),
            is_late: AtomicBool::new(false),
            is_logged: AtomicBool::new(false),
            changes: LogThrottle::new(),
        }
    }

    /// Logs a failed check, unless the log says so or said so a moment ago.
    pub(super) fn log_failure(&self, server: &str, reason: &str) {
        if self.is_logged.load(Ordering::Relaxed) {
            return;
        }
        let Some(missed) = self.changes.should_log() else { return };
        self.is_logged.store(true, Ordering::Relaxed);
        tracing::warn!(server, reason, missed, "application not ready");
    }
}
