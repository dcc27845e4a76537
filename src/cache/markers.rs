//! Markers of keys whose responses may not be stored (hit-for-miss). Their requests do not wait for each other. A
//! marker is the hash of a key alone: if two keys had the same, one would not wait for nothing, and no more.

use std::{collections::HashMap, time::Instant};

use super::key::PassThrough;

/// The markers of one shard, with a bounded number.
#[derive(Debug)]
pub(super) struct Markers {
    until: HashMap<u64, Instant, PassThrough>,
    max: usize,
}

// === impl Markers ===

impl Markers {
    pub(super) fn new(max: usize) -> Self {
        Self { until: HashMap::default(), max }
    }

    /// Returns the number of markers.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.until.len()
    }

    /// Sets a marker. If there are too many, it replaces the one that ends first.
    pub(super) fn set(&mut self, hash: u64, until: Instant, now: Instant) {
        if self.until.len() >= self.max && !self.until.contains_key(&hash) {
            self.until.retain(|_, until| *until > now);
            let first = self.until.iter().min_by_key(|(_, until)| **until).map(|(hash, _)| *hash);
            if self.until.len() >= self.max
                && let Some(first) = first
            {
                self.until.remove(&first);
            }
        }
        self.until.insert(hash, until);
    }

    /// Whether a key has a marker. Removes one that has ended.
    pub(super) fn has(&mut self, hash: u64, now: impl FnOnce() -> Instant) -> bool {
        let Some(until) = self.until.get(&hash) else { return false };
        let is_valid = *until > now();
        if !is_valid {
            self.until.remove(&hash);
        }
        is_valid
    }

    pub(super) fn remove(&mut self, hash: u64) {
        self.until.remove(&hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn markers_end_and_are_bounded() {
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        let mut markers = Markers::new(3);
        for (hash, end) in [(1, 30), (2, 10), (3, 20)] {
            markers.set(hash, after(end), now);
        }
        assert!(markers.has(2, || after(9)) && !markers.has(2, || after(10)));
        assert_eq!(markers.len(), 2);
        markers.set(4, after(40), now);
        // The one that ends first is replaced.
        markers.set(5, after(50), now);
        let known: Vec<u64> = (1..=5).filter(|hash| markers.has(*hash, || now)).collect();
        assert_eq!(known, [1, 4, 5]);
        // Unless others have ended.
        markers.set(6, after(60), after(45));
        let known: Vec<u64> = (1..=6).filter(|hash| markers.has(*hash, || now)).collect();
        assert_eq!(known, [5, 6]);
        // A marker that is set again needs no other's memory.
        markers.set(7, after(70), now);
        markers.set(5, after(80), now);
        assert_eq!(markers.len(), 3);
        markers.remove(5);
        assert!(!markers.has(5, || now));
    }
}
