//! Samples of the counters, and the requests between two of them.

use std::time::{Duration, Instant};

use crate::telemetry::{
    Metrics,
    bucket_counts::BucketCounts,
    histogram::HistogramTotals,
    labels::{MethodLabel, RouteLabel, StatusClass},
};

/// The counters of requests at one moment.
#[derive(Clone, Debug)]
pub(in crate::telemetry) struct StatusSample {
    pub(super) at: Instant,
    /// Requests by the class of their status, in the order of `StatusClass::ALL`.
    classes: Vec<u64>,
    /// Of the responses of the application.
    durations: BucketCounts,
}

/// The requests of a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::telemetry) struct StatusWindow {
    /// How long it was.
    pub(super) span: Duration,
    /// Requests by the class of their status, in the order of `StatusClass::ALL`.
    pub(super) classes: Vec<u64>,
    durations: BucketCounts,
}

// === impl StatusSample ===

impl StatusSample {
    /// Reads the counters of all workers.
    pub(in crate::telemetry) fn take(metrics: &Metrics, at: Instant) -> Self {
        let of_class = |class| {
            let routes = RouteLabel::ALL.into_iter();
            let pairs = routes.flat_map(|route| MethodLabel::ALL.map(|method| (route, method)));
            pairs.fold(0_u64, |sum, (route, method)| {
                sum.wrapping_add(metrics.sum(|shard| shard.requests(route, method, class)))
            })
        };
        let classes = StatusClass::ALL.into_iter().map(of_class).collect();
        // Files and health checks take no time, and would hide what visitors wait for.
        let histograms = metrics.shards().iter().map(|shard| shard.duration(RouteLabel::Proxy));
        let durations = BucketCounts::of(&HistogramTotals::sum(histograms));
        Self { at, classes, durations }
    }

    /// Returns what was counted since an earlier sample.
    pub(in crate::telemetry) fn since(&self, earlier: &Self) -> StatusWindow {
        let classes = self.classes.iter().zip(&earlier.classes);
        StatusWindow {
            span: self.at.saturating_duration_since(earlier.at),
            classes: classes.map(|(now, then)| now.wrapping_sub(*then)).collect(),
            durations: self.durations.since(&earlier.durations),
        }
    }
}

// === impl StatusWindow ===

impl StatusWindow {
    /// Returns the number of requests.
    pub(in crate::telemetry) fn requests(&self) -> u64 {
        self.classes.iter().sum()
    }

    /// Returns the number of responses with status 5xx.
    pub(in crate::telemetry) fn failed(&self) -> u64 {
        let classes = StatusClass::ALL.into_iter().zip(&self.classes);
        let failed = classes.filter(|(class, _)| *class == StatusClass::ServerError);
        failed.map(|(_, count)| count).sum()
    }

    /// Returns tenths of requests a second.
    pub(super) fn tenths_a_second(&self) -> u64 {
        let millis = u64::try_from(self.span.as_millis()).unwrap_or(u64::MAX);
        self.requests().saturating_mul(10_000).checked_div(millis).unwrap_or_default()
    }

    /// Returns a bound in microseconds that this percentage of the application's responses did not exceed: that of
    /// their bucket. `None` if there was none; `Some(None)` if the bucket has no bound.
    pub(in crate::telemetry) fn percentile(&self, percent: u64) -> Option<Option<u64>> {
        self.durations.percentile(percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_between_samples_are_counted_with_their_percentiles() {
        let metrics = Metrics::new(2);
        let begin = Instant::now();
        let first = StatusSample::take(&metrics, begin);
        for (shard, millis) in metrics.shards().iter().zip([2, 900]) {
            for _ in 0..50 {
                let requests =
                    shard.requests(RouteLabel::ALL[0], MethodLabel::ALL[0], StatusClass::Success);
                requests.add(1);
                shard.duration(RouteLabel::Proxy).observe(Duration::from_millis(millis));
                // A file is not part of the percentiles.
                shard.duration(RouteLabel::Static).observe(Duration::from_micros(10));
            }
        }
        let window = StatusSample::take(&metrics, begin + Duration::from_secs(8)).since(&first);
        assert_eq!((window.requests(), window.tenths_a_second()), (100, 125));
        assert_eq!(window.percentile(50), Some(Some(2_500)));
        assert_eq!(window.percentile(95), Some(Some(1_000_000)));
    }

    #[test]
    fn time_without_requests_has_no_percentile() {
        let metrics = Metrics::new(1);
        let sample = StatusSample::take(&metrics, Instant::now());
        let window = sample.since(&sample);
        assert_eq!((window.tenths_a_second(), window.percentile(50)), (0, None));
    }

    #[test]
    fn request_beyond_the_last_bucket_has_no_bound() {
        let metrics = Metrics::new(1);
        let first = StatusSample::take(&metrics, Instant::now());
        metrics.shards()[0].duration(RouteLabel::Proxy).observe(Duration::from_secs(61));
        let window = StatusSample::take(&metrics, Instant::now()).since(&first);
        assert_eq!(window.percentile(99), Some(None));
    }
}
