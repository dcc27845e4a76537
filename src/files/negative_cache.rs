//! A cache of names with a recent fact about each: that the file is missing, so that another request costs no system
//! call, or that its text was compressed at the cost of others. It is a table of fixed size without a lock: a new name
//! may replace another.

use std::sync::atomic::{AtomicU64, Ordering};

const SLOTS: usize = 8192;

/// Names are stored as hashes: 13 bits choose the slot and 32 more must agree. So one name is mistaken for another with
/// a chance of 2^-45 each time, for one lifetime.
#[derive(Debug)]
pub(super) struct NegativeCache {
    /// 32 bits of the hash, 32 bits of the time; 0 is empty.
    slots: Box<[AtomicU64]>,
    /// Milliseconds.
    lifetime: u32,
}

// === impl NegativeCache ===

impl NegativeCache {
    /// Creates a cache that remembers names for `lifetime` milliseconds.
    pub(super) fn new(lifetime: u64) -> Self {
        let slots = (0..SLOTS).map(|_| AtomicU64::default()).collect();
        Self { slots, lifetime: u32::try_from(lifetime).unwrap_or(u32::MAX) }
    }

    /// Adds the name with this hash at `now` (milliseconds).
    pub(super) fn insert(&self, hash: u64, now: u64) {
        if let Some(slot) = self.slots.get(index(hash)) {
            slot.store(tag(hash) << 32 | u64::from(time(now)), Ordering::Relaxed);
        }
    }

    /// Whether the name with this hash was added less than a lifetime before `now`.
    pub(super) fn contains(&self, hash: u64, now: u64) -> bool {
        let Some(slot) = self.slots.get(index(hash)) else { return false };
        let noted = slot.load(Ordering::Relaxed);
        let age = time(now).wrapping_sub(time(noted));
        noted >> 32 == tag(hash) && age < self.lifetime
    }
}

fn index(hash: u64) -> usize {
    (hash % SLOTS as u64) as usize
}

/// Never 0, which marks an empty slot.
fn tag(hash: u64) -> u64 {
    (hash >> 32).max(1)
}

/// The clock wraps around every 49 days. Then an old name is found again for a lifetime, if nothing has replaced it in
/// all that time.
#[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
fn time(milliseconds: u64) -> u32 {
    milliseconds as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_forgotten_in_time() {
        let recent = NegativeCache::new(1000);
        let hash = 0x1234_5678_9abc_def0;
        assert!(!recent.contains(hash, 5000));
        recent.insert(hash, 5000);
        assert!(recent.contains(hash, 5000) && recent.contains(hash, 5999));
        assert!(!recent.contains(hash, 6000));
        assert!(!recent.contains(hash ^ 1 << 40, 5000), "another name of the same slot");
        recent.insert(hash ^ 1 << 40, 5000);
        assert!(!recent.contains(hash, 5000), "pushed out");
    }

    #[test]
    fn clock_wraparound_is_harmless() {
        let recent = NegativeCache::new(1000);
        let begin = u64::from(u32::MAX) - 10;
        recent.insert(7, begin);
        assert!(recent.contains(7, begin + 500) && !recent.contains(7, begin + 1000));
    }

    #[test]
    fn without_a_lifetime_nothing_is_remembered() {
        let recent = NegativeCache::new(0);
        recent.insert(7, 7);
        assert!(!recent.contains(7, 7));
    }
}
