//! The part of its requests that a server gets: all of them, or less during a slow start (`slow_start`).

use std::sync::atomic::{AtomicUsize as PlainUsize, Ordering};

use crate::sync::AtomicUsize;

/// The share of a server that is not in slow start, in percent.
const FULL: usize = 100;
/// The share at the beginning, and what is added in each step.
const STEP: usize = 10;
/// The steps from the first share to the full one.
pub(super) const SHARE_STEPS: u32 = 9;

/// The part of its requests that a server gets.
#[derive(Debug)]
pub(super) struct ServerShare {
    percent: AtomicUsize,
    /// Counts up to a turn. Nothing else depends on it.
    credit: PlainUsize,
}

/// What a server may get now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShareOfRequests {
    /// The maximum number of its requests in flight.
    pub(super) limit: usize,
    /// Whether it may get this request. It may get others if all other servers are busy.
    pub(super) has_turn: bool,
}

// === impl ServerShare ===

impl ServerShare {
    pub(super) fn full() -> Self {
        Self { percent: AtomicUsize::new(FULL), credit: PlainUsize::new(0) }
    }

    pub(super) fn is_full(&self) -> bool {
        self.percent.load(Ordering::Relaxed) >= FULL
    }

    /// Begins slow start.
    pub(super) fn reduce(&self) {
        self.percent.store(STEP, Ordering::SeqCst);
    }

    pub(super) fn restore(&self) {
        self.percent.store(FULL, Ordering::SeqCst);
    }

    /// Raises the share by a step.
    pub(super) fn grow(&self) {
        let percent = self.percent.load(Ordering::SeqCst);
        self.percent.store((percent + STEP).min(FULL), Ordering::SeqCst);
    }

    /// Returns what the server may get of the next request, if `limit` is its limit with a full share.
    pub(super) fn of_next(&self, limit: usize) -> ShareOfRequests {
        let percent = self.percent.load(Ordering::Relaxed);
        if percent >= FULL {
            return ShareOfRequests { limit, has_turn: true };
        }
        let before = self.credit.fetch_add(percent, Ordering::Relaxed);
        let has_turn = before.wrapping_add(percent) / FULL != before / FULL;
        ShareOfRequests { limit: (limit.saturating_mul(percent) / FULL).max(1), has_turn }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_grows_to_all_requests() {
        let share = ServerShare::full();
        assert_eq!(share.of_next(8), ShareOfRequests { limit: 8, has_turn: true });
        share.reduce();
        let mut shares = Vec::new();
        while !share.is_full() {
            let next: Vec<_> = (0..100).map(|_| share.of_next(50)).collect();
            let turns = next.iter().filter(|next| next.has_turn).count();
            shares.push((next[0].limit, turns));
            share.grow();
        }
        let expected: Vec<_> = (1..10).map(|step| (step * 5, step * 10)).collect();
        assert_eq!(shares, expected);
        assert_eq!(shares.len(), SHARE_STEPS as usize);
        share.grow();
        assert!(share.is_full());
    }

    #[test]
    fn at_least_one_request_is_allowed() {
        let share = ServerShare::full();
        share.reduce();
        assert_eq!(share.of_next(1).limit, 1);
        share.restore();
        assert!(share.is_full());
    }
}
