//! The generic cell rate algorithm (ITU-T I.371, A.1), in whole numbers. A key has one number, its theoretical arrival
//! time: when it will have used nothing of its burst. A request that conforms moves it by one interval.

use std::time::Duration;

use crate::plan::RateLimit;

/// The number of bits of a time. A table packs a time and a tag into one word.
pub(super) const TIME_BITS: u32 = 44;
/// Times must not end before this, and no process runs for so long.
const HORIZON: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
const MAX_TIME: u64 = (1 << TIME_BITS) - 1;
const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// A limit. Its times are counted in ticks, of which an interval has a whole number, so that rounding errors do not add
/// up: a request may be within the limit at most one tick early.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gcra {
    requests: u128,
    period: u128,
    /// Ticks of an interval. A power of two.
    interval: u64,
    /// Ticks of the burst.
    tolerance: u64,
}

// === impl Gcra ===

impl Gcra {
    pub(super) fn new(limit: &RateLimit) -> Self {
        let interval = limit.interval().as_nanos().max(1);
        let most = (interval << TIME_BITS) / HORIZON.as_nanos();
        let ticks = 1_u64 << most.max(1).ilog2().min(TIME_BITS - 1);
        Self {
            requests: u128::from(limit.requests.max(1)),
            period: limit.period.as_nanos().max(1),
            interval: ticks,
            tolerance: u64::from(limit.burst).saturating_mul(ticks),
        }
    }

    /// Converts a time since the beginning into ticks, rounded down. `None` after all times have ended.
    pub(super) fn ticks(&self, elapsed: Duration) -> Option<u64> {
        let ticks =
            elapsed.as_nanos().checked_mul(self.requests)?.checked_mul(self.interval.into())?
                / self.period;
        u64::try_from(ticks).ok().filter(|ticks| *ticks <= MAX_TIME)
    }

    /// Decides on a request of a key with this theoretical arrival time; 0 is that of a new key. Returns the next one,
    /// or the tick from which on a request conforms.
    pub(super) fn decide(&self, arrival: u64, now: u64) -> Result<u64, u64> {
        let arrival = arrival.max(now);
        match arrival.saturating_sub(self.tolerance) {
            earliest if earliest > now => Err(earliest),
            _ => Ok(arrival.saturating_add(self.interval).min(MAX_TIME)),
        }
    }

    /// Returns the theoretical arrival time as if the last request had not been counted.
    pub(super) fn take_back(&self, arrival: u64) -> u64 {
        // A time is never 0.
        arrival.saturating_sub(self.interval).max(1)
    }

    /// Returns the whole seconds until this tick, at least 1.
    pub(super) fn seconds_until(&self, tick: u64, elapsed: Duration) -> u32 {
        let ticks_per_period = self.requests * u128::from(self.interval);
        let at = (u128::from(tick) * self.period).div_ceil(ticks_per_period);
        let nanos = at.saturating_sub(elapsed.as_nanos());
        u32::try_from(nanos.div_ceil(NANOS_PER_SECOND)).unwrap_or(u32::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::plan::RateLimitKey;

    fn limit(requests: u32, seconds: u64, burst: u32) -> RateLimit {
        let (period, key) = (Duration::from_secs(seconds), RateLimitKey::Client);
        RateLimit { requests, period, burst, key, is_global: false }
    }

    /// A bucket of `burst` + 1 tokens with exact arithmetic. Its level counts in 1 / `period` tokens.
    struct TokenBucket {
        requests: i128,
        period: i128,
        capacity: i128,
        /// Negative after a request that came early.
        level: i128,
        last: i128,
    }

    // === impl TokenBucket ===

    impl TokenBucket {
        fn new(limit: &RateLimit) -> Self {
            let period = limit.period.as_nanos() as i128;
            let capacity = (i128::from(limit.burst) + 1) * period;
            Self { requests: limit.requests.into(), period, capacity, level: capacity, last: 0 }
        }

        fn level_at(&self, time: u128) -> i128 {
            (self.level + (time as i128 - self.last) * self.requests).min(self.capacity)
        }

        /// Whether a request that arrives at this time conforms.
        fn conforms(&self, time: u128) -> bool {
            self.level_at(time) >= self.period
        }

        fn take(&mut self, now: u128) {
            self.level = self.level_at(now) - self.period;
            self.last = now as i128;
        }
    }

    proptest! {
        /// Each decision is that of the exact model, but for requests that arrive less than a tick early.
        #[test]
        fn decisions_are_those_of_an_exact_token_bucket(
            requests in 1..1000_u32,
            seconds in prop::sample::select(&[1, 60, 3600][..]),
            burst in 0..20_u32,
            pauses in vec((0..4_u8, 0..1_000_000_u64), 1..200),
        ) {
            let limit = limit(requests, seconds, burst);
            let (gcra, mut model) = (Gcra::new(&limit), TokenBucket::new(&limit));
            let interval = limit.interval().as_nanos();
            let tick = limit.period.as_nanos().div_ceil(gcra.requests * u128::from(gcra.interval));
            let (mut now, mut arrival) = (0_u128, 0);
            for (kind, part) in pauses {
                now += match kind {
                    0 => 0,
                    1 => interval,
                    2 => interval * u128::from(part) / 500_000,
                    _ => interval * u128::from(part) / 50_000,
                };
                let elapsed = Duration::from_nanos(now as u64);
                let ticks = gcra.ticks(elapsed).unwrap();
                match gcra.decide(arrival, ticks) {
                    Ok(next) => {
                        prop_assert!(model.conforms(now + tick), "too early");
                        arrival = next;
                        model.take(now);
                    }
                    Err(earliest) => {
                        prop_assert!(!model.conforms(now), "refused although it conforms");
                        // Retry-After is right, and not too long.
                        let wait = u128::from(gcra.seconds_until(earliest, elapsed)) * NANOS_PER_SECOND;
                        let later = gcra.ticks(Duration::from_nanos((now + wait) as u64)).unwrap();
                        prop_assert!(gcra.decide(arrival, later).is_ok());
                        if wait > NANOS_PER_SECOND {
                            let sooner = now + wait - NANOS_PER_SECOND - tick;
                            prop_assert!(!model.conforms(sooner), "a second too long");
                        }
                    }
                }
            }
        }

        /// However the requests arrive, no window has more than its share.
        #[test]
        fn no_window_has_more_than_burst_and_rate(
            requests in 1..100_u32,
            burst in 0..10_u32,
            pauses in vec(0..200_u64, 1..300),
        ) {
            let limit = limit(requests, 1, burst);
            let gcra = Gcra::new(&limit);
            let (mut now, mut arrival, mut passed) = (0, 0, Vec::new());
            for pause in pauses {
                now += pause;
                let ticks = gcra.ticks(Duration::from_millis(now)).unwrap();
                if let Ok(next) = gcra.decide(arrival, ticks) {
                    arrival = next;
                    passed.push(now);
                }
            }
            for (index, begin) in passed.iter().enumerate() {
                for (count, end) in (1_u64..).zip(passed.iter().skip(index)) {
                    // Both ends may be a tick early, which is less than a millisecond here.
                    let most = u64::from(burst) + 1 + (end - begin + 1) * u64::from(requests) / 1000;
                    prop_assert!(count <= most, "{count} of {most} in {begin}..{end}");
                }
            }
        }
    }

    #[test]
    fn a_tick_is_short_at_every_rate() {
        for (requests, seconds, most) in
            [(1, 3600, 1000_u64), (10, 60, 1000), (10, 1, 1000), (1000, 1, 30), (10_000, 1, 4)]
        {
            let gcra = Gcra::new(&limit(requests, seconds, 0));
            assert!(gcra.interval >= most, "{requests} in {seconds}: {gcra:?}");
        }
    }

    #[test]
    fn times_last_for_ten_years() {
        for (requests, seconds) in [(1, 3600), (10_000, 1), (7, 60)] {
            let gcra = Gcra::new(&limit(requests, seconds, 0));
            assert!(gcra.ticks(HORIZON).is_some());
            assert!(gcra.ticks(HORIZON * 5).is_none());
        }
    }
}
