//! The limit of an application: by the requests that it has not begun if those can be seen, otherwise by throughput.

use super::{
    by_throughput::ThroughputLimit,
    estimate::{LimitEstimate, Sample},
    throughput::Look,
};
use crate::telemetry::LimitSource;

/// What was seen of an application between two moments at which requests were queued.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observation {
    /// The server with the most busy workers; `None` if the kernel tells nothing about its sockets.
    pub(super) busiest: Option<Sample>,
    /// The responses of all servers, and the time. `None` if they are not known.
    pub(super) look: Option<Look>,
    /// The most requests that are in flight at a server.
    pub(super) in_flight: usize,
}

/// The limit of one application, and how it is found.
#[derive(Debug)]
pub(in crate::upstream::backends) struct AutoLimit {
    by_unread: LimitEstimate,
    by_throughput: ThroughputLimit,
    most: usize,
}

// === impl AutoLimit ===

impl AutoLimit {
    pub(in crate::upstream::backends) fn new(most: usize) -> Self {
        Self {
            by_unread: LimitEstimate::new(most),
            by_throughput: ThroughputLimit::new(most),
            most,
        }
    }

    /// The limit in force.
    pub(in crate::upstream::backends) fn limit(&self) -> usize {
        match self.by_unread.is_exact() {
            true => self.by_unread.limit(),
            false => self.by_throughput.limit(),
        }
    }

    /// How the limit is found.
    pub(in crate::upstream::backends) fn source(&self) -> LimitSource {
        if self.by_unread.is_exact() {
            LimitSource::Unread
        } else if self.by_throughput.is_found() {
            LimitSource::Throughput
        } else {
            LimitSource::Unknown
        }
    }

    /// Whether the kernel tells nothing about the sockets of the application.
    pub(super) fn is_invisible(&self) -> bool {
        self.by_unread.is_invisible()
    }

    /// Adds what was seen.
    pub(super) fn add(&mut self, seen: Observation) {
        let limit = self.limit();
        let shown = self.by_unread.shown();
        self.by_unread.follow(limit);
        match seen.busiest {
            Some(sample) => self.by_unread.add(sample),
            None => self.by_unread.add_invisible(),
        }
        if self.by_unread.is_exact() {
            return;
        }
        if let Some(shown) = shown {
            self.by_throughput.resume(shown.is_confirmed.then_some(shown.busy));
        } else if let Some(look) = seen.look {
            self.by_throughput.add(look, seen.in_flight > limit);
        }
    }

    /// No request is queued any more.
    pub(super) fn on_idle(&mut self) {
        self.by_throughput.on_idle();
    }

    /// Forgets what was found.
    pub(super) fn forget(&mut self) {
        *self = Self::new(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks 50 times a second at an application with so many workers. `unread` says how many of the requests in flight
    /// are unread at a look. Returns the limits after each.
    fn simulate(
        (workers, seconds): (usize, usize),
        mut unread: impl FnMut(usize, usize) -> usize,
    ) -> (AutoLimit, Vec<usize>) {
        let mut limit = AutoLimit::new(100);
        let mut limits = Vec::new();
        let mut responses = 0.0;
        for number in 0..seconds * 50 {
            let in_flight = limit.limit();
            // Each request takes 40 ms.
            responses += workers.min(in_flight) as f64 / 2.0;
            let look = Look { seconds: 0.02, responses: responses as u64 };
            responses = responses.fract();
            let busiest = Some(Sample { in_flight, unread: unread(number, in_flight) });
            limit.add(Observation { busiest, look: Some(look), in_flight });
            limits.push(limit.limit());
        }
        (limit, limits)
    }

    /// An application whose workers have begun all other requests or leave them unread.
    fn limits(workers: usize, is_visible: bool, seconds: usize) -> Vec<usize> {
        let unread = |_, in_flight: usize| match is_visible {
            true => in_flight.saturating_sub(workers),
            false => 0,
        };
        let (limit, limits) = simulate((workers, seconds), unread);
        assert_eq!(limit.source() == LimitSource::Unread, is_visible, "{limits:?}");
        limits
    }

    /// Unread requests show at once how many workers there are.
    #[test]
    fn visible_workers_are_found_within_two_seconds() {
        for workers in [1, 2, 4, 9, 32, 64] {
            let limits = limits(workers, true, 4);
            let after = &limits[100..];
            assert!(after.iter().all(|limit| (workers..workers + 2).contains(limit)), "{after:?}");
        }
    }

    #[test]
    fn workers_that_read_eagerly_are_found_by_throughput() {
        for (workers, expected) in [(4, 4..9), (100, 100..101)] {
            let limits = limits(workers, false, 10);
            // Without the trials.
            let mut after = limits[250..].to_vec();
            after.sort_unstable();
            let median = after[after.len() / 2];
            assert!(expected.contains(&median), "{workers}: {median}, {limits:?}");
        }
    }

    /// On a busy machine such a server reads late now and then. That shows no workers.
    #[test]
    fn workers_that_read_late_at_times_are_found_by_throughput() {
        for workers in [1, 4] {
            let mut random = fastrand::Rng::with_seed(workers as u64);
            let mut is_late = false;
            let (_, limits) = simulate((workers, 120), |number, in_flight| {
                if number % 8 == 0 {
                    is_late = random.u8(..20) == 0;
                }
                if is_late { 1.min(in_flight - 1) } else { 0 }
            });
            let high = limits[250..].iter().filter(|limit| **limit > 24).count();
            assert_eq!(high, 0, "{workers}: {limits:?}");
        }
    }

    #[test]
    fn invisible_application_is_measured_by_throughput() {
        let mut limit = AutoLimit::new(100);
        for _ in 0..200 {
            let look = Some(Look { seconds: 0.02, responses: 0 });
            limit.add(Observation { busiest: None, look, in_flight: limit.limit() });
        }
        assert_eq!((limit.limit(), limit.source()), (100, LimitSource::Throughput));
        assert!(limit.is_invisible());
        limit.forget();
        assert_eq!((limit.limit(), limit.source()), (4, LimitSource::Unknown));
        assert!(!limit.is_invisible());
    }
}
