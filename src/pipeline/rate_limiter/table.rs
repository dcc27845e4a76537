//! A table of fixed size with one time for each key, which all workers share without a lock. A word has a key's tag and
//! its time. A time that has passed means the same as no entry, so its word is free.
//!
//! If all words of a bucket are in use, the key with the smallest time is dropped: the one that has used least of its
//! burst. Its client may then send a whole burst again. Two keys with one tag in one bucket share their limit. Of
//! 100,000 clients, that happens to fewer than one.

use std::sync::atomic::{AtomicU64, Ordering};

use super::gcra::TIME_BITS;

/// Words of a bucket: a cache line.
const WAYS: usize = 8;
/// Buckets of a table. All words together take 2 MiB.
const BUCKETS: usize = 1 << 15;
/// After so many changes of one bucket by others at the same moment, a request passes uncounted.
const ATTEMPTS: usize = 64;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;

#[derive(Debug, Default)]
#[repr(align(64))]
struct Bucket([AtomicU64; WAYS]);

/// The times of all keys.
#[derive(Debug)]
pub(super) struct TimeTable {
    buckets: Box<[Bucket]>,
}

/// What [`TimeTable::update`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Update {
    /// The error of the caller's decision.
    pub(super) result: Result<(), u64>,
    /// Whether another key was dropped.
    pub(super) has_evicted: bool,
}

// === impl TimeTable ===

impl TimeTable {
    pub(super) fn new() -> Self {
        Self::with_buckets(BUCKETS)
    }

    fn with_buckets(count: usize) -> Self {
        Self { buckets: (0..count).map(|_| Bucket::default()).collect() }
    }

    /// Replaces the time of the key with this hash by what `decide` makes of it, unless that is an error. A new key's
    /// time is 0.
    pub(super) fn update(
        &self,
        hash: u64,
        now: u64,
        decide: impl Fn(u64) -> Result<u64, u64>,
    ) -> Update {
        let mut update = Update { result: Ok(()), has_evicted: false };
        let tag = hash & !TIME_MASK;
        // The tag has the upper bits.
        let index = (hash & TIME_MASK) as usize % self.buckets.len().max(1);
        let Some(bucket) = self.buckets.get(index) else { return update };
        for _ in 0..ATTEMPTS {
            let Some((word, seen)) = bucket.find(tag, now) else { return update };
            let is_own = seen & !TIME_MASK == tag;
            let time = if is_own { seen & TIME_MASK } else { 0 };
            match decide(time) {
                Err(error) => {
                    update.result = Err(error);
                    return update;
                }
                Ok(next) => {
                    let next = tag | (next & TIME_MASK);
                    // Each word stands for itself, so no order with other accesses matters.
                    let (stored, other) = (Ordering::Relaxed, Ordering::Relaxed);
                    if word.compare_exchange(seen, next, stored, other).is_ok() {
                        update.has_evicted = !is_own && seen & TIME_MASK > now;
                        return update;
                    }
                }
            }
        }
        update
    }
}

// === impl Bucket ===

impl Bucket {
    /// Returns the word of a key, with the value that it had: its own, or else the first free one, or else the one with
    /// the smallest time.
    fn find(&self, tag: u64, now: u64) -> Option<(&AtomicU64, u64)> {
        let mut best: Option<(&AtomicU64, u64)> = None;
        for word in &self.0 {
            let seen = word.load(Ordering::Relaxed);
            // A time is never 0, so neither is a word in use.
            if seen != 0 && seen & !TIME_MASK == tag {
                return Some((word, seen));
            }
            // All free words are equal, so that two workers choose the same one.
            let rank = |seen: u64| (seen & TIME_MASK).max(now);
            if best.is_none_or(|(_, best)| rank(seen) < rank(best)) {
                best = Some((word, seen));
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts to a limit.
    fn below(limit: u64) -> impl Fn(u64) -> Result<u64, u64> {
        move |time| if time < limit { Ok(time + 1) } else { Err(time) }
    }

    #[test]
    fn keys_are_counted_apart() {
        let table = TimeTable::with_buckets(1);
        let passed = |key: u64| table.update(key << TIME_BITS, 0, below(3)).result.is_ok();
        for key in 0..8 {
            assert_eq!([passed(key), passed(key), passed(key)], [true; 3]);
        }
        assert!((0..8).all(|key| !passed(key)));
    }

    #[test]
    fn full_bucket_drops_the_key_that_has_used_least() {
        let table = TimeTable::with_buckets(1);
        let set = |key: u64, time: u64| table.update(key << TIME_BITS, 5, |_| Ok(time));
        for key in 0..8 {
            assert!(!set(key, 10 + key).has_evicted);
        }
        assert!(set(8, 20).has_evicted);
        let time_of = |key: u64| table.update(key << TIME_BITS, 5, Err).result;
        assert_eq!(time_of(0), Err(0));
        assert_eq!([time_of(1), time_of(7), time_of(8)], [Err(11), Err(17), Err(20)]);
        // A time that has passed is free.
        let later = table.update(9 << TIME_BITS, 11, |_| Ok(30));
        assert!(!later.has_evicted);
        assert_eq!([time_of(1), time_of(2)], [Err(0), Err(12)]);
    }
}
