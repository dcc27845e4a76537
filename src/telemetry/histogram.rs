//! Durations counted in buckets, by a single writer.

use std::time::Duration;

use super::counter::Counter;

/// Upper bounds of the buckets, in microseconds: from a file out of memory to a long poll.
pub const BOUNDS_MICROS: [u64; 18] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

const BUCKETS: usize = BOUNDS_MICROS.len() + 1;

/// One histogram of one thread.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BUCKETS],
    sum_micros: Counter,
}

/// A sum over the threads' histograms.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Not cumulative; the last one has no upper bound.
    pub buckets: [u64; BUCKETS],
    pub sum_micros: u64,
}

// === impl Histogram ===

impl Histogram {
    /// Counts one duration; to be called by the owning thread only.
    pub fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let index = BOUNDS_MICROS.iter().position(|bound| micros <= *bound);
        if let Some(bucket) = self.buckets.get(index.unwrap_or(BOUNDS_MICROS.len())) {
            bucket.add(1);
        }
        self.sum_micros.add(micros);
    }
}

// === impl Totals ===

impl Totals {
    /// Adds one thread's counts.
    pub fn include(&mut self, histogram: &Histogram) {
        for (total, bucket) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *total += bucket.value();
        }
        self.sum_micros = self.sum_micros.wrapping_add(histogram.sum_micros.value());
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive_and_the_last_bucket_is_open() {
        let histogram = Histogram::default();
        for micros in [0, 100, 101, 60_000_000, 60_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let mut totals = Totals::default();
        totals.include(&histogram);
        assert_eq!(totals.buckets[0], 2);
        assert_eq!(totals.buckets[1], 1);
        assert_eq!(totals.buckets[BUCKETS - 2], 1);
        assert_eq!(totals.buckets[BUCKETS - 1], 1);
        assert_eq!((totals.count(), totals.sum_micros), (5, 120_000_202));
    }
}
