//! When an application that has ended is started again.

use std::time::Duration;

/// This many starts in a row may fail.
pub(super) const MAX_FAILED_STARTS: u32 = 5;
/// A process that ends within this time after its first connection has failed to start.
const MIN_SERVICE: Duration = Duration::from_secs(1);
/// A process that has served for this long is started again at once.
const LONG_SERVICE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Short, because requests wait.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// The history of the application's processes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RestartHistory {
    /// Starts in a row that have failed.
    failed: u32,
    /// Short lives in a row.
    short: u32,
}

// === impl RestartHistory ===

impl RestartHistory {
    /// Records the end of a process that has accepted connections for this time; `None` if it never has. Returns the
    /// pause before the next start, or `None` to give up.
    pub(super) fn next_pause(&mut self, served: Option<Duration>) -> Option<Duration> {
        if served.is_some_and(|served| served >= LONG_SERVICE) {
            *self = Self::default();
            return Some(Duration::ZERO);
        }
        let has_failed = served.is_none_or(|served| served < MIN_SERVICE);
        self.failed = if has_failed { self.failed + 1 } else { 0 };
        if self.failed >= MAX_FAILED_STARTS {
            return None;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.short.min(10)).min(MAX_PAUSE);
        self.short = self.short.saturating_add(1);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_while_starts_fail_until_it_gives_up() {
        let mut history = RestartHistory::default();
        let pauses: Vec<_> = (0..5).map(|_| history.next_pause(None)).collect();
        let expected = [100, 200, 400, 800].map(|ms| Some(Duration::from_millis(ms)));
        assert_eq!(pauses[..4], expected);
        assert_eq!(pauses[4], None);
    }

    #[test]
    fn application_that_has_served_is_always_started_again() {
        let mut history = RestartHistory::default();
        for _ in 0..100 {
            let pause = history.next_pause(Some(Duration::from_secs(4)));
            assert!(pause.is_some_and(|pause| pause <= MAX_PAUSE));
        }
        assert_eq!(history.next_pause(Some(Duration::from_secs(10))), Some(Duration::ZERO));
        assert_eq!(history.next_pause(None), Some(FIRST_PAUSE));
    }

    #[test]
    fn application_that_ends_after_its_first_connection_has_failed() {
        let mut history = RestartHistory::default();
        let ends = (0..MAX_FAILED_STARTS).map(|_| history.next_pause(Some(Duration::ZERO)));
        assert_eq!(ends.last(), Some(None));
    }
}
