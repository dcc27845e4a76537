//! How long one request has waited for permits, also while it waits.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// The clock of one request. Whoever sends the request may look at it at any time.
#[derive(Debug, Default)]
pub struct QueueClock {
    /// All waits that have ended.
    ended: Cell<Option<Duration>>,
    /// When the wait began that has not ended.
    since: Cell<Option<Instant>>,
}

// === impl QueueClock ===

impl QueueClock {
    /// Returns how long the request has waited; `None` if it was never queued.
    pub fn waited(&self) -> Option<Duration> {
        match self.since.get() {
            Some(since) => Some(self.ended.get().unwrap_or_default() + since.elapsed()),
            None => self.ended.get(),
        }
    }

    /// Whether the request got each permit at once.
    pub(super) fn is_unused(&self) -> bool {
        self.ended.get().is_none()
    }

    /// Begins a wait.
    pub(super) fn begin(&self) {
        self.since.set(Some(Instant::now()));
    }

    /// Ends the wait, and returns how long it was.
    pub(super) fn end(&self) -> Duration {
        let wait = self.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        self.ended.set(Some(self.ended.get().unwrap_or_default() + wait));
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_added_and_seen_while_they_last() {
        let clock = QueueClock::default();
        assert_eq!((clock.waited(), clock.is_unused()), (None, true));
        clock.begin();
        let during = clock.waited().expect("a wait");
        let first = clock.end();
        assert!(during <= first);
        assert_eq!((clock.waited(), clock.is_unused()), (Some(first), false));
        clock.begin();
        assert!(clock.waited() >= Some(first));
        let second = clock.end();
        assert_eq!(clock.waited(), Some(first + second));
    }
}
