//! Latencies in buckets: bounded memory for any number of requests, and percentiles that are at most 1.6 % too high.

use std::time::Duration;

/// Buckets of one doubling. Below twice as many microseconds each microsecond has a bucket of its own.
const STEPS: u64 = 64;
/// 2^36 us are 19 hours; longer latencies count in the last bucket.
const DOUBLINGS: u64 = 30;

/// How many latencies fell into each bucket, and the highest one.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: Duration,
}

// === impl Histogram ===

impl Histogram {
    /// Counts one latency.
    pub(crate) fn record(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let last = self.buckets.len() - 1;
        if let Some(bucket) = self.buckets.get_mut(index(us).min(last)) {
            *bucket += 1;
        }
        self.count += 1;
        self.max = self.max.max(latency);
    }

    /// Adds what another one has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        for (bucket, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *bucket += more;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// How many latencies were counted.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The highest one, exactly.
    pub(crate) fn max(&self) -> Duration {
        self.max
    }

    /// The upper end of the bucket that the given share of all latencies does not exceed; `None` if nothing was
    /// counted.
    pub(crate) fn percentile(&self, share: f64) -> Option<Duration> {
        let rank = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= rank {
                return Some(Duration::from_micros(upper_end(index as u64)).min(self.max));
            }
        }
        None
    }
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = vec![0; ((DOUBLINGS + 1) * STEPS) as usize];
        Self { buckets, count: 0, max: Duration::ZERO }
    }
}

/// The bucket of a latency: the number of its doublings, and its six bits below the highest one.
fn index(us: u64) -> usize {
    let doublings = u64::from((us / STEPS).checked_ilog2().map_or(0, |log| log + 1));
    let index = match doublings {
        0 | 1 => us,
        _ => (doublings - 1) * STEPS + (us >> (doublings - 1)),
    };
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// The end of a bucket in microseconds: no latency in it is higher.
fn upper_end(index: u64) -> u64 {
    if index < 2 * STEPS {
        return index + 1;
    }
    let shift = index / STEPS - 1;
    (index - shift * STEPS + 1) << shift
}

/// Compares with exact percentiles, over all magnitudes.
pub(super) fn check() -> Result<(), String> {
    let mut histogram = Histogram::default();
    if histogram.percentile(0.5).is_some() {
        return Err("an empty histogram has a median".into());
    }
    let values: Vec<u64> = (0..2_000).map(|step: u32| 1.01_f64.powf(step.into()) as u64).collect();
    for us in &values {
        histogram.record(Duration::from_micros(*us));
    }
    for percent in 1..=100 {
        let rank = values.len() * percent / 100;
        let exact = values.get(rank - 1).copied().unwrap_or_default();
        let got = histogram.percentile(percent as f64 / 100.0).unwrap_or_default().as_micros();
        let (low, high) = (u128::from(exact), u128::from(exact + exact / STEPS + 1));
        if got < low || got > high {
            return Err(format!("p{percent} of the histogram is {got} us, exactly {exact} us"));
        }
    }
    Ok(())
}
