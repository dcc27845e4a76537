//! Durations by bucket, as counted until one moment or between two.

use super::histogram::HistogramTotals;

/// How many durations each bucket has: its upper bound in microseconds, and the number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BucketCounts(Vec<(Option<u64>, u64)>);

// === impl BucketCounts ===

impl BucketCounts {
    /// Returns what was counted until now.
    pub(super) fn of(totals: &HistogramTotals) -> Self {
        Self(totals.buckets().collect())
    }

    /// Returns what was counted since an earlier moment.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let pairs = self.0.iter().zip(&earlier.0);
        Self(pairs.map(|((bound, now), (_, then))| (*bound, now.wrapping_sub(*then))).collect())
    }

    /// Returns a bound in microseconds that this percentage of the durations did not exceed: that of their bucket.
    /// `None` if there was no duration; `Some(None)` if the bucket has no bound.
    pub(super) fn percentile(&self, percent: u64) -> Option<Option<u64>> {
        let count: u64 = self.0.iter().map(|(_, count)| count).sum();
        let rank = count.saturating_mul(percent).div_ceil(100);
        let mut seen = 0;
        for (bound, count) in self.0.iter().filter(|(_, count)| *count > 0) {
            seen += count;
            if seen >= rank {
                return Some(*bound);
            }
        }
        None
    }
}
