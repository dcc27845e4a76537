//! Limits events that each request could cause, so they do not flood the log.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

/// The interval between two reports of the same event.
const INTERVAL: Duration = Duration::from_secs(10);

/// Allows one report every ten seconds and counts the others.
#[derive(Debug, Default)]
pub struct LogThrottle(Mutex<Option<(Instant, u64)>>);

// === impl LogThrottle ===

impl LogThrottle {
    /// Creates a throttle that has reported nothing yet.
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Returns `Some(missed)` if the event should be reported now; `missed` events were suppressed since the last
    /// report.
    pub fn should_log(&self) -> Option<u64> {
        self.should_log_at(Instant::now())
    }

    fn should_log_at(&self, now: Instant) -> Option<u64> {
        // The lock can be poisoned only by a panic between the two assignments below.
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &mut *state {
            Some((last, missed)) if now.saturating_duration_since(*last) < INTERVAL => {
                *missed += 1;
                None
            }
            Some((_, missed)) => {
                let missed = *missed;
                *state = Some((now, 0));
                Some(missed)
            }
            None => {
                *state = Some((now, 0));
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_report_a_pause() {
        let (repeat, begin) = (LogThrottle::default(), Instant::now());
        assert_eq!(repeat.should_log_at(begin), Some(0));
        assert_eq!(repeat.should_log_at(begin), None);
        assert_eq!(repeat.should_log_at(begin + INTERVAL / 2), None);
        assert_eq!(repeat.should_log_at(begin + INTERVAL), Some(2));
    }
}
