//! The limit of requests in flight that follows from samples of a busy server.

use super::by_throughput::FIRST_LIMIT;

/// The samples that are judged together.
const WINDOW: usize = 8;
/// The windows in which all requests must have begun before one more is tried, once the limit was lowered.
const PATIENCE: u32 = 3;
/// The windows between two attempts to lower a limit, if the first one left workers idle.
const HOLD: u32 = 16;

/// One look at a server that has as many requests in flight as the limit allows, or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) in_flight: usize,
    /// Requests of these that waited for a worker.
    pub(super) unread: usize,
}

/// Workers that unread requests have shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShownWorkers {
    pub(super) busy: usize,
    /// Whether it was seen more than once.
    pub(super) is_confirmed: bool,
}

/// An estimate of the application's workers.
#[derive(Debug)]
pub(super) struct LimitEstimate {
    limit: usize,
    /// The upper bound of the limit.
    most: usize,
    /// The busy workers in each sample of this window.
    busy: Vec<usize>,
    /// By how much the limit is raised next. It doubles as long as the application begins all requests.
    step: usize,
    /// The windows in a row in which it began all requests.
    calm: u32,
    /// How many such windows must pass before the limit is raised.
    patience: u32,
    /// The limit before the last window, if this window shows whether a lower one keeps as many workers busy. It does
    /// not if the application divides requests unevenly: those of gunicorn's threads wait for the process that has
    /// accepted their connection.
    before: Option<usize>,
    /// The windows until the limit may be lowered again.
    hold: u32,
    /// The busy workers that unread requests have shown, unless it was contradicted since.
    shown: Option<ShownWorkers>,
    /// The looks in a row that showed nothing.
    invisible: usize,
}

// === impl Sample ===

impl Sample {
    /// The workers that are busy.
    pub(super) fn busy(&self) -> usize {
        self.in_flight.saturating_sub(self.unread)
    }
}

// === impl ShownWorkers ===

impl ShownWorkers {
    /// So many requests that have all begun show that the application reads requests before it begins them, and was
    /// only late once: a busy machine, or a long pause of its collector of garbage.
    fn contradicted_at(self) -> usize {
        match self.is_confirmed {
            true => self.busy.saturating_mul(3),
            false => self.busy.saturating_add(1),
        }
    }
}

// === impl LimitEstimate ===

impl LimitEstimate {
    pub(super) fn new(most: usize) -> Self {
        let limit = FIRST_LIMIT.min(most);
        Self {
            limit,
            most,
            busy: Vec::with_capacity(WINDOW),
            step: limit,
            calm: 0,
            patience: 1,
            before: None,
            hold: 0,
            shown: None,
            invisible: 0,
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Whether the limit follows from unread requests.
    pub(super) fn is_exact(&self) -> bool {
        self.shown.is_some()
    }

    /// The workers that unread requests have shown.
    pub(super) fn shown(&self) -> Option<ShownWorkers> {
        self.shown
    }

    /// Whether nothing can be seen: a window of looks showed nothing, and none before showed unread requests. The only
    /// request of a server may be over between two questions about its socket.
    pub(super) fn is_invisible(&self) -> bool {
        self.invisible >= WINDOW && self.shown.is_none()
    }

    /// Continues with a limit that was found in another way.
    pub(super) fn follow(&mut self, limit: usize) {
        if limit != self.limit {
            *self = Self { limit, step: limit, invisible: self.invisible, ..Self::new(self.most) };
        }
    }

    /// Adds a look that showed nothing.
    pub(super) fn add_invisible(&mut self) {
        self.invisible = self.invisible.saturating_add(1);
    }

    /// Adds a sample.
    pub(super) fn add(&mut self, sample: Sample) {
        self.invisible = 0;
        if sample.in_flight < self.limit {
            return;
        }
        self.busy.push(sample.busy());
        if self.busy.len() < WINDOW {
            return;
        }
        self.busy.sort_unstable();
        // The median: some samples miss a request that waits for the next worker for a short time only.
        let busy = self.busy.get((WINDOW - 1) / 2).copied().unwrap_or_default().max(1);
        self.busy.clear();
        let limit = self.limit;
        match self.before.take() {
            Some(before) if busy < limit => {
                (self.limit, self.hold) = (before, HOLD);
                self.show(busy, limit);
            }
            _ if busy >= limit => self.on_calm_window(),
            _ if self.hold > 0 => self.hold -= 1,
            _ => {
                self.before = Some(limit);
                self.limit = busy;
                (self.step, self.patience, self.calm) = (1, PATIENCE, 0);
                self.show(busy, limit);
            }
        }
    }

    /// Unread requests show so many workers. `limit` was in force.
    fn show(&mut self, busy: usize, limit: usize) {
        // Another attempt to raise the limit has shown about the same.
        let is_again = |shown: ShownWorkers| {
            limit > shown.busy && busy.abs_diff(shown.busy) <= (shown.busy / 4).max(1)
        };
        let is_confirmed = self.shown.is_some_and(|shown| shown.is_confirmed || is_again(shown));
        self.shown = Some(ShownWorkers { busy, is_confirmed });
    }

    /// The application has begun all requests. Raises the limit if it has done so for long enough.
    fn on_calm_window(&mut self) {
        self.hold = 0;
        if self.shown.is_some_and(|shown| self.limit >= shown.contradicted_at()) {
            self.shown = None;
        }
        self.calm += 1;
        if self.calm >= self.patience {
            self.limit = self.limit.saturating_add(self.step).min(self.most);
            (self.step, self.patience, self.calm) = (self.step.saturating_mul(2), 1, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A server with so many workers, which are busy all the time, and the limits that are found one window after the
    /// other.
    fn limits(estimate: &mut LimitEstimate, workers: usize, windows: usize) -> Vec<usize> {
        let mut limits = Vec::new();
        for _ in 0..windows {
            for _ in 0..WINDOW {
                let in_flight = estimate.limit();
                estimate.add(Sample { in_flight, unread: in_flight.saturating_sub(workers) });
            }
            limits.push(estimate.limit());
        }
        limits
    }

    #[test]
    fn visible_workers_are_found() {
        for (workers, expected) in [
            (1, vec![1, 1, 1, 2, 1]),
            (2, vec![2, 2, 2, 3, 2]),
            (4, vec![8, 4, 4, 4, 5, 4]),
            (9, vec![8, 16, 9, 9, 9, 10, 9]),
            (64, vec![8, 16, 32, 64, 100, 64]),
        ] {
            let mut estimate = LimitEstimate::new(100);
            assert_eq!(limits(&mut estimate, workers, expected.len()), expected, "{workers}");
            assert!(estimate.is_exact());
        }
    }

    #[test]
    fn application_that_reads_everything_gets_the_upper_bound() {
        let mut estimate = LimitEstimate::new(100);
        assert_eq!(limits(&mut estimate, 1000, 6), [8, 16, 32, 64, 100, 100]);
        assert!(!estimate.is_exact());
    }

    #[test]
    fn more_and_fewer_workers_are_followed() {
        let mut estimate = LimitEstimate::new(100);
        limits(&mut estimate, 4, 10);
        // Faster and faster.
        let grown = limits(&mut estimate, 20, 8);
        assert_eq!(grown.last(), Some(&20), "{grown:?}");
        // At once, or after the hold if this began while a lower limit was tried.
        let fewer = limits(&mut estimate, 3, HOLD as usize + 2);
        assert_eq!(fewer.last(), Some(&3), "{fewer:?}");
    }

    /// A part of the requests waits while workers are idle, as many as with the number of workers as the limit. Fewer
    /// requests would leave more workers idle.
    #[test]
    fn uneven_application_keeps_its_workers() {
        let mut estimate = LimitEstimate::new(100);
        let (workers, mut kept) = (8, 0);
        for window in 0..200 {
            let limit = estimate.limit();
            let busy = workers.min(limit.div_ceil(3) * 2).min(limit);
            for _ in 0..WINDOW {
                estimate.add(Sample { in_flight: limit, unread: limit - busy });
            }
            assert!(limit <= 2 * workers, "{limit}");
            kept += u32::from(window >= 8 && limit >= workers);
        }
        assert!(kept > 170, "{kept} of 192 windows");
    }

    #[test]
    fn window_without_a_sample_is_invisible() {
        let mut estimate = LimitEstimate::new(100);
        for look in 1..=2 * WINDOW {
            estimate.add_invisible();
            assert_eq!(estimate.is_invisible(), look >= WINDOW, "{look}");
        }
        estimate.add(Sample { in_flight: 1, unread: 0 });
        assert!(!estimate.is_invisible());
    }

    #[test]
    fn limit_that_was_found_in_another_way_is_followed() {
        let mut estimate = LimitEstimate::new(100);
        estimate.follow(32);
        assert_eq!(limits(&mut estimate, 20, 1), [20]);
        assert!(estimate.is_exact());
    }

    /// The socket of the only request may be closed just when it is looked at.
    #[test]
    fn visible_application_stays_visible() {
        let mut estimate = LimitEstimate::new(100);
        for _ in 0..3 * WINDOW {
            estimate.add_invisible();
            estimate.add(Sample { in_flight: 1, unread: 0 });
        }
        limits(&mut estimate, 1, 2);
        assert_eq!(estimate.limit(), 1);
        (0..10 * WINDOW).for_each(|_| estimate.add_invisible());
        assert!(estimate.limit() == 1 && !estimate.is_invisible());
    }

    #[test]
    fn requests_below_the_limit_show_nothing() {
        let mut estimate = LimitEstimate::new(100);
        for _ in 0..100 {
            estimate.add(Sample { in_flight: 3, unread: 3 });
        }
        assert_eq!(estimate.limit(), FIRST_LIMIT);
    }

    #[test]
    fn limit_never_exceeds_a_small_upper_bound() {
        let mut estimate = LimitEstimate::new(2);
        assert_eq!(estimate.limit(), 2);
        assert_eq!(limits(&mut estimate, 1000, 3), [2, 2, 2]);
        assert_eq!(limits(&mut estimate, 1, 1), [1]);
    }

    proptest! {
        #[test]
        fn limit_stays_between_one_and_the_upper_bound(
            most in 1_usize..200,
            samples in prop::collection::vec((0_usize..300, 0_usize..300), 0..500),
        ) {
            let mut estimate = LimitEstimate::new(most);
            for (in_flight, unread) in samples {
                estimate.add(Sample { in_flight, unread });
                prop_assert!((1..=most).contains(&estimate.limit()));
            }
        }

        /// Even if a third of the samples miss requests that wait, the workers are found, and never lost.
        #[test]
        fn missed_requests_do_not_matter(workers in 1_usize..60, seed: u64) {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut estimate, mut found, mut windows) = (LimitEstimate::new(100), 0, 0);
            for window in 0..400 {
                for _ in 0..WINDOW {
                    let in_flight = estimate.limit();
                    let waits = in_flight.saturating_sub(workers);
                    let unread = if random.u8(..3) == 0 { 0 } else { waits };
                    estimate.add(Sample { in_flight, unread });
                }
                if window >= 100 {
                    windows += 1;
                    prop_assert!(estimate.limit() >= workers, "{}", estimate.limit());
                    found += u32::from(estimate.limit() <= workers + 1);
                }
            }
            prop_assert!(found * 10 >= windows * 9, "{found} of {windows}");
        }
    }
}
