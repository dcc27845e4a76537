//! The part of a worker's time that may go into compression. Without a limit, a few large responses would delay all
//! other connections of the worker.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// An allowance that grows with time and is used up by work.
#[derive(Debug)]
pub(super) struct CpuShare {
    /// Per cent of the time.
    share: u32,
    /// Nanoseconds; negative if the last work took longer than there was.
    left: Cell<i64>,
    counted_at: Cell<Instant>,
}

/// The time in which an unused allowance is used up, and an overdrawn one is settled, at the latest.
const WINDOW: Duration = Duration::from_secs(1);

// === impl CpuShare ===

impl CpuShare {
    pub(super) fn new(percent: u8, now: Instant) -> Self {
        let this = Self { share: percent.into(), left: Cell::new(0), counted_at: Cell::new(now) };
        this.left.set(this.max());
        this
    }

    /// Whether some of the allowance is left.
    pub(super) fn has_some(&self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.counted_at.get());
        self.counted_at.set(now);
        let more = self.part_of(passed.min(WINDOW));
        self.left.set((self.left.get() + more).min(self.max()));
        self.left.get() > 0
    }

    /// Takes the time of work.
    pub(super) fn take(&self, time: Duration) {
        let time = i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        self.left.set(self.left.get().saturating_sub(time).max(-self.max()));
    }

    fn max(&self) -> i64 {
        self.part_of(WINDOW)
    }

    fn part_of(&self, time: Duration) -> i64 {
        i64::try_from((time * self.share / 100).as_nanos()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Over a long time, no more than the share is used, but for the first allowance and the last piece of work.
        #[test]
        fn work_stays_within_the_share(
            percent in 1..=100_u8,
            steps in prop::collection::vec((0..5000_u64, 0..4000_u64), 1..2000),
        ) {
            let start = Instant::now();
            let (mut now, mut used, mut last) = (start, Duration::ZERO, Duration::ZERO);
            let share = CpuShare::new(percent, start);
            for (pause, work) in steps {
                now += Duration::from_micros(pause);
                if share.has_some(now) {
                    last = Duration::from_micros(work);
                    share.take(last);
                    now += last;
                    used += last;
                }
            }
            let allowed = (now - start + WINDOW) * u32::from(percent) / 100;
            prop_assert!(used <= allowed + last, "{used:?} of {allowed:?}");
        }
    }

    #[test]
    fn it_comes_back() {
        let start = Instant::now();
        let share = CpuShare::new(50, start);
        share.take(Duration::from_secs(100));
        assert!(!share.has_some(start + Duration::from_millis(999)));
        assert!(share.has_some(start + Duration::from_millis(1001)));
    }
}
