//! Limits the rate of requests with one key, such as a client's address. All workers share one limiter for each route
//! that sets a limit. Its memory is fixed, and no worker waits for another.
//!
//! [`gcra`] decides with one number for each key, and [`table`] keeps these numbers.

mod gcra;
mod table;

use std::{
    hash::{BuildHasher as _, Hash, RandomState},
    time::Instant,
};

use self::{
    gcra::Gcra,
    table::{TimeTable, Update},
};
use crate::plan::{RateLimit, RateLimitKey};

/// The limiter of one route.
#[derive(Debug)]
pub(super) struct RateLimiter {
    limit: RateLimit,
    gcra: Gcra,
    table: TimeTable,
    /// The seed belongs to this limiter alone, so nobody can choose keys that drop another one from the table.
    hasher: RandomState,
    begin: Instant,
}

/// What a limiter says about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RateLimitDecision {
    /// The seconds until a request is within the limit again, if this one is not.
    pub(super) retry_after: Option<u32>,
    /// Whether another key was dropped, because the table was full.
    pub(super) has_evicted: bool,
}

// === impl RateLimiter ===

impl RateLimiter {
    pub(super) fn new(limit: &RateLimit) -> Self {
        Self {
            gcra: Gcra::new(limit),
            limit: limit.clone(),
            table: TimeTable::new(),
            hasher: RandomState::new(),
            begin: Instant::now(),
        }
    }

    /// The setting.
    pub(super) fn limit(&self) -> &RateLimit {
        &self.limit
    }

    /// What identifies the requests that share a limit.
    pub(super) fn key(&self) -> &RateLimitKey {
        &self.limit.key
    }

    /// Counts a request with this key, unless it is over the limit.
    pub(super) fn check(&self, key: impl Hash, at: Instant) -> RateLimitDecision {
        let elapsed = at.saturating_duration_since(self.begin);
        let passed = RateLimitDecision { retry_after: None, has_evicted: false };
        let Some(now) = self.gcra.ticks(elapsed) else { return passed };
        let decide = |arrival| self.gcra.decide(arrival, now);
        let Update { result, has_evicted } =
            self.table.update(self.hasher.hash_one(key), now, decide);
        let retry_after = result.err().map(|tick| self.gcra.seconds_until(tick, elapsed));
        RateLimitDecision { retry_after, has_evicted }
    }

    /// Takes a request with this key back that was counted before.
    pub(super) fn take_back(&self, key: impl Hash, at: Instant) {
        let Some(now) = self.gcra.ticks(at.saturating_duration_since(self.begin)) else { return };
        let decide = |arrival| Ok(self.gcra.take_back(arrival));
        self.table.update(self.hasher.hash_one(key), now, decide);
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, sync::Arc, thread, time::Duration};

    use super::*;

    fn limiter(requests: u32, seconds: u64, burst: u32) -> RateLimiter {
        let (period, key) = (Duration::from_secs(seconds), RateLimitKey::Client);
        RateLimiter::new(&RateLimit { requests, period, burst, key, is_global: false })
    }

    #[test]
    fn burst_passes_and_is_refilled_by_the_rate() {
        let limiter = limiter(10, 60, 2);
        let check = |key: u32, milliseconds: u64| {
            limiter.check(key, limiter.begin + Duration::from_millis(milliseconds)).retry_after
        };
        assert_eq!([check(1, 0), check(1, 0), check(1, 0)], [None; 3]);
        assert_eq!(check(1, 0), Some(6));
        assert_eq!(check(1, 5_500), Some(1));
        assert_eq!(check(1, 6_000), None);
        assert_eq!(check(1, 6_000), Some(6));
        assert_eq!(check(2, 6_000), None);
        // A full burst again, and no more than that.
        assert_eq!([check(1, 60_000), check(1, 60_000), check(1, 60_000)], [None; 3]);
        assert_eq!(check(1, 60_000), Some(6));
    }

    #[test]
    fn requests_that_are_taken_back_were_never_counted() {
        let limiter = limiter(1, 5, 2);
        let at = limiter.begin + Duration::from_secs(1);
        let check = |key: u32| limiter.check(key, at).retry_after;
        for _ in 0..100 {
            assert_eq!(check(1), None);
            limiter.take_back(1_u32, at);
        }
        assert_eq!([check(1), check(1), check(1)], [None; 3]);
        assert_eq!(check(1), Some(5));
        limiter.take_back(1_u32, at);
        assert_eq!([check(1), check(1)], [None, Some(5)]);
        // Nothing is gained by one that was not counted.
        for _ in 0..10 {
            limiter.take_back(2_u32, at);
        }
        assert_eq!([check(2), check(2), check(2), check(2)], [None, None, None, Some(5)]);
    }

    /// A million requests of 100,000 clients, at a rate at which half of them are over the limit.
    #[test]
    fn a_hundred_thousand_clients_are_told_apart() {
        const CLIENTS: u32 = 100_000;
        const REQUESTS: u64 = 1_000_000;
        let limiter = limiter(1, 60, 4);
        let mut exact: HashMap<u32, u64> = HashMap::new();
        let mut random = fastrand::Rng::with_seed(7);
        let (mut wrong, mut refused, mut evicted) = (0_u64, 0_u64, 0_u64);
        for number in 0..REQUESTS {
            let client = random.u32(..CLIENTS);
            // Three minutes in all: three requests of the rate, and the burst.
            let now = Duration::from_nanos(number * 180_000);
            let ticks = limiter.gcra.ticks(now).unwrap();
            let arrival = exact.entry(client).or_default();
            let expected = limiter.gcra.decide(*arrival, ticks);
            *arrival = expected.unwrap_or(*arrival);
            let decision = limiter.check(client, limiter.begin + now);
            wrong += u64::from(decision.retry_after.is_none() != expected.is_ok());
            refused += u64::from(expected.is_err());
            evicted += u64::from(decision.has_evicted);
        }
        let error = 100.0 * wrong as f64 / REQUESTS as f64;
        println!("{refused} refused, {evicted} evicted, {wrong} decisions differ: {error:.3} %");
        assert!(refused > REQUESTS / 5, "{refused}");
        assert!(error < 1.0, "{error} %");
    }

    #[test]
    fn threads_share_one_limit() {
        let limiter = Arc::new(limiter(1, 3600, 99));
        let at = limiter.begin;
        let passed: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let limiter = Arc::clone(&limiter);
                    let is_within = move |_: &u32| limiter.check("one", at).retry_after.is_none();
                    scope.spawn(move || (0..200).filter(is_within).count())
                })
                .collect();
            threads.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(passed, 100);
    }
}
