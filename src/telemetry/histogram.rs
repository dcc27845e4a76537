//! Histograms of durations, with a single writer. The buckets depend on the measured duration.

use std::{fmt::Debug, marker::PhantomData, time::Duration};

use super::counter::Counter;

/// The buckets of one kind of duration.
pub trait HistogramBuckets: Debug + Default {
    /// Upper bounds in microseconds, ascending; at most [`BOUNDS`].
    const MICROS: &'static [u64];
}

/// Durations of responses. Buckets are close to each other from 100 ms to 1 s, where most Django pages are. 30 s is
/// gunicorn's `--timeout`; 60 s is the default of load balancers and `upstream.read_timeout`. Files from memory are in
/// the first bucket, because differences below a millisecond do not matter.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResponseBuckets;

/// Times in the queue. Requests that were not queued are in the first bucket. At 250 ms the queue switches to
/// newest-first; 10 s is its default timeout.
#[derive(Clone, Copy, Debug, Default)]
pub struct QueueBuckets;

/// A histogram of one thread.
#[derive(Debug, Default)]
pub struct Histogram<S> {
    buckets: [Counter; BUCKETS],
    sum_micros: Counter,
    scale: PhantomData<S>,
}

/// The sum of the threads' histograms.
#[derive(Clone, Copy, Debug)]
pub struct HistogramTotals {
    bounds: &'static [u64],
    /// Not cumulative; the one after the last bound has no upper bound.
    buckets: [u64; BUCKETS],
    sum_micros: u64,
}

/// Maximum number of bounds.
const BOUNDS: usize = 17;
const BUCKETS: usize = BOUNDS + 1;

// === impl ResponseBuckets ===

impl HistogramBuckets for ResponseBuckets {
    const MICROS: &'static [u64] = &[
        1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 200_000, 300_000, 500_000, 750_000,
        1_000_000, 2_000_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
    ];
}

// === impl QueueBuckets ===

impl HistogramBuckets for QueueBuckets {
    const MICROS: &'static [u64] = &[
        1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
        5_000_000, 10_000_000, 30_000_000, 60_000_000,
    ];
}

// === impl Histogram ===

impl<S: HistogramBuckets> Histogram<S> {
    /// Counts one duration. Must be called only by the owning thread.
    pub fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let index = S::MICROS.iter().position(|bound| micros <= *bound);
        if let Some(bucket) = self.buckets.get(index.unwrap_or(S::MICROS.len())) {
            bucket.add(1);
        }
        self.sum_micros.add(micros);
    }
}

// === impl HistogramTotals ===

impl HistogramTotals {
    /// Sums one histogram of each thread.
    pub fn sum<'a, S: HistogramBuckets + 'a>(
        histograms: impl Iterator<Item = &'a Histogram<S>>,
    ) -> Self {
        const { assert!(S::MICROS.len() <= BOUNDS) };
        let mut totals = Self { bounds: S::MICROS, buckets: [0; BUCKETS], sum_micros: 0 };
        for histogram in histograms {
            for (total, bucket) in totals.buckets.iter_mut().zip(&histogram.buckets) {
                *total += bucket.value();
            }
            totals.sum_micros = totals.sum_micros.wrapping_add(histogram.sum_micros.value());
        }
        totals
    }

    /// Returns the number of durations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Returns the sum of all durations.
    pub fn sum_micros(&self) -> u64 {
        self.sum_micros
    }

    /// Returns each bucket's upper bound in microseconds and its count; the last has no bound.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        self.bounds.iter().copied().map(Some).chain([None]).zip(self.buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive_and_the_last_bucket_is_open() {
        let histogram = Histogram::<QueueBuckets>::default();
        for micros in [0, 1_000, 1_001, 60_000_000, 60_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let histograms = [histogram, Histogram::default()];
        let totals = HistogramTotals::sum(histograms.iter());
        let buckets: Vec<_> = totals.buckets().filter(|(_, count)| *count > 0).collect();
        let expected = [(Some(1_000), 2), (Some(5_000), 1), (Some(60_000_000), 1), (None, 1)];
        assert_eq!(buckets, expected);
        assert_eq!((totals.count(), totals.sum_micros()), (5, 120_002_002));
    }

    #[test]
    fn bounds_grow() {
        for bounds in [ResponseBuckets::MICROS, QueueBuckets::MICROS] {
            assert!(bounds.is_sorted_by(|a, b| a < b), "{bounds:?}");
        }
    }
}
