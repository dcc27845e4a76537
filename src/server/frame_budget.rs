//! Limits the frames of an HTTP/2 client that advance no request (RFC 9113, 10.5). Each such frame costs time, and most
//! cost a reply, but no other limit counts them. The [`HeadFilter`](super::head_filter::HeadFilter) takes one from the
//! budget for each, before h2 sees it.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// Frames in one burst, far more than any client sends in advance.
const BURST: u32 = 2000;
/// Frames a second beyond the burst. A client that probes the delay of its path sends a tenth of this.
const RATE: u32 = 200;
/// Frames that each request adds to the budget (for its windows, priorities, and its reset), and each response frame
/// (for two windows, if the client opens them at once).
const FRAMES_PER_REQUEST: u32 = 8;

/// The frames that a connection may still send.
#[derive(Debug)]
pub(super) struct FrameBudget {
    left: Cell<u32>,
    /// Since when no time was credited.
    since: Cell<Instant>,
    is_exceeded: Cell<bool>,
}

// === impl FrameBudget ===

impl FrameBudget {
    pub(super) fn new() -> Self {
        Self {
            left: Cell::new(BURST),
            since: Cell::new(Instant::now()),
            is_exceeded: Cell::new(false),
        }
    }

    /// Takes one frame from the budget. Returns `false` if the budget is exceeded.
    pub(super) fn take(&self) -> bool {
        // The clock is read only once in many frames.
        if self.left.get() == 0 {
            self.refill(Instant::now());
        }
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => self.is_exceeded.set(true),
        }
        !self.is_exceeded.get()
    }

    /// Credits a request, or a frame of a response.
    pub(super) fn earn(&self) {
        self.left.set((self.left.get() + FRAMES_PER_REQUEST).min(BURST));
    }

    /// Whether the budget was exceeded.
    pub(super) fn is_exceeded(&self) -> bool {
        self.is_exceeded.get()
    }

    fn refill(&self, now: Instant) {
        // At most the time that a burst lasts.
        let max = Duration::from_secs(u64::from(BURST.div_ceil(RATE)));
        let passed = now.saturating_duration_since(self.since.get()).min(max);
        let earned = u32::try_from(passed.as_millis() * u128::from(RATE) / 1000).unwrap_or(BURST);
        if earned > 0 {
            self.since.set(now);
            self.left.set((self.left.get() + earned).min(BURST));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of frames that can be taken in a row.
    fn taken(budget: &FrameBudget) -> u32 {
        (0..3 * BURST).take_while(|_| budget.take()).count().try_into().unwrap()
    }

    #[test]
    fn burst_is_allowed_and_bounded() {
        let budget = FrameBudget::new();
        assert!(taken(&budget) >= BURST);
        assert!(budget.is_exceeded());
    }

    #[test]
    fn time_gives_more() {
        let budget = FrameBudget::new();
        let begin = budget.since.get();
        for (passed, left) in [(0, 0), (4, 0), (5, 1), (1005, 201), (60_000, BURST)] {
            budget.left.set(budget.left.get().min(1));
            budget.refill(begin + Duration::from_millis(passed));
            assert!(budget.left.get().abs_diff(left) <= 1, "{passed} ms: {:?}", budget.left);
        }
    }

    #[test]
    fn requests_and_responses_refill_the_budget() {
        let budget = FrameBudget::new();
        for _ in 0..3 * BURST {
            budget.earn();
            assert!((0..FRAMES_PER_REQUEST).all(|_| budget.take()));
        }
        assert!(!budget.is_exceeded());
    }
}
