//! Whether the application is ready: the last result of `health.application`, with its metrics and events.

use std::sync::atomic::Ordering;

use super::state::Backends;
use crate::{
    error::FailureKind,
    telemetry::{ReadinessResult, ServerCounts},
    upstream::probe::ProbeFailure,
};

// === impl Backends ===

impl Backends {
    /// Whether the last check of `health.application` has passed.
    pub fn is_ready(&self) -> bool {
        self.readiness.is_ready.load(Ordering::Relaxed)
    }

    /// Sets whether the application is checked from now on. Without checks nothing is known about it.
    pub(super) fn set_checked(&self, is_checked: bool) {
        let readiness = &self.readiness;
        if readiness.is_checked.swap(is_checked, Ordering::Relaxed) && !is_checked {
            readiness.is_ready.store(false, Ordering::Relaxed);
            self.show_readiness(ServerCounts::UNCHECKED);
        }
    }

    pub(super) fn record_ready(&self) {
        let readiness = &self.readiness;
        readiness.is_late.store(false, Ordering::Relaxed);
        readiness.is_ready.store(true, Ordering::Relaxed);
        self.count_check(ReadinessResult::Passed);
        self.show_readiness(ServerCounts::READY);
        if readiness.is_logged.swap(false, Ordering::Relaxed) {
            tracing::info!("application ready");
        }
    }

    /// Records a failed check.
    pub(super) fn record_unready(&self, server: &str, failure: &ProbeFailure) {
        let readiness = &self.readiness;
        let result = result_of(failure);
        self.count_check(result);
        let was_late =
            readiness.is_late.swap(result == ReadinessResult::Timeout, Ordering::Relaxed);
        // All workers may be busy for a moment. Only a second check without a response counts.
        if result == ReadinessResult::Timeout && !was_late {
            return;
        }
        let was_ready = readiness.is_ready.swap(false, Ordering::Relaxed);
        self.show_readiness(ServerCounts::NOT_READY);
        // An application that has not started yet has an event of its own.
        if was_ready || !failure.error.is_unsent() {
            readiness.log_failure(server, &failure.reason());
        }
    }

    fn count_check(&self, result: ReadinessResult) {
        self.counts.checks(result).fetch_add(1, Ordering::Relaxed);
    }

    /// Shows the state in the metrics, unless another application has replaced this one.
    fn show_readiness(&self, state: u64) {
        if !self.is_retired() {
            self.counts.readiness.store(state, Ordering::Relaxed);
        }
    }
}

fn result_of(failure: &ProbeFailure) -> ReadinessResult {
    if failure.is_status {
        ReadinessResult::Status
    } else if failure.error.is_unsent() {
        ReadinessResult::Refused
    } else if failure.error.kind() == FailureKind::UpstreamReadTimeout {
        ReadinessResult::Timeout
    } else {
        ReadinessResult::Invalid
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{error::Error, plan};

    fn failed(kind: FailureKind) -> ProbeFailure {
        Error::new(kind).into()
    }

    #[test]
    fn one_late_response_does_not_count() {
        let counts = Arc::<ServerCounts>::default();
        let backends = Backends::new(&plan::UpstreamSettings::of_tests(Vec::new()), &counts);
        let late = failed(FailureKind::UpstreamReadTimeout);
        backends.set_checked(true);
        assert!(!backends.is_ready(), "nothing is known yet");
        backends.record_ready();
        backends.record_unready("a", &late);
        assert!(backends.is_ready());
        backends.record_ready();
        backends.record_unready("a", &late);
        assert!(backends.is_ready(), "the two were not in a row");
        backends.record_unready("a", &late);
        assert!(!backends.is_ready());
        backends.record_ready();
        backends.record_unready("a", &failed(FailureKind::UpstreamClosed));
        assert!(!backends.is_ready(), "any other failure counts at once");
        let count = |result| counts.checks(result).load(Ordering::Relaxed);
        assert_eq!(
            ReadinessResult::ALL.map(count),
            [3, 0, 3, 0, 1],
            "passed, status, timeout, refused, invalid"
        );
    }

    #[test]
    fn metrics_show_only_a_checked_application() {
        let counts = Arc::<ServerCounts>::default();
        let backends = Backends::new(&plan::UpstreamSettings::of_tests(Vec::new()), &counts);
        let shown = || counts.readiness.load(Ordering::Relaxed);
        backends.set_checked(false);
        backends.set_checked(true);
        assert_eq!(shown(), ServerCounts::UNCHECKED);
        backends.record_ready();
        assert_eq!(shown(), ServerCounts::READY);
        backends.record_unready("a", &failed(FailureKind::UpstreamClosed));
        assert_eq!(shown(), ServerCounts::NOT_READY);
        backends.record_ready();
        backends.set_checked(false);
        assert_eq!((shown(), backends.is_ready()), (ServerCounts::UNCHECKED, false));
        // Another application's results are shown after this one was replaced.
        backends.retire();
        backends.record_ready();
        assert_eq!(shown(), ServerCounts::UNCHECKED);
    }
}
