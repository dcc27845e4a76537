//! Samples of the last minute and the last hour. Their number is fixed, and nothing of it is on the request path.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::window::{StatusSample, StatusWindow};
use crate::telemetry::Metrics;

/// One sample a second for a minute, or one a minute for an hour; both ends count.
const SAMPLES: usize = 61;
const MINUTE: Duration = Duration::from_secs(60);

/// The samples, oldest first.
#[derive(Debug, Default)]
pub struct StatusHistory {
    seconds: VecDeque<StatusSample>,
    minutes: VecDeque<StatusSample>,
}

// === impl StatusHistory ===

impl StatusHistory {
    /// How often `record` must be called.
    pub const INTERVAL: Duration = Duration::from_secs(1);

    /// Adds a sample of the counters.
    pub fn record(&mut self, metrics: &Metrics, now: Instant) {
        let sample = StatusSample::take(metrics, now);
        let last = self.minutes.back();
        if last.is_none_or(|last| now.saturating_duration_since(last.at) >= MINUTE) {
            push(&mut self.minutes, sample.clone());
        }
        push(&mut self.seconds, sample);
    }

    /// Returns each second of the last minute, oldest first.
    pub(super) fn each_second(&self) -> Vec<StatusWindow> {
        between(&self.seconds)
    }

    /// Returns each minute of the last hour, oldest first.
    pub(super) fn each_minute(&self) -> Vec<StatusWindow> {
        between(&self.minutes)
    }

    /// Returns the last minute, or less shortly after the start.
    pub(super) fn minute(&self, now: &StatusSample) -> Option<StatusWindow> {
        self.seconds.front().map(|first| now.since(first))
    }

    /// Returns the last hour, or less shortly after the start.
    pub(super) fn hour(&self, now: &StatusSample) -> Option<StatusWindow> {
        self.minutes.front().map(|first| now.since(first))
    }
}

fn between(samples: &VecDeque<StatusSample>) -> Vec<StatusWindow> {
    let pairs = samples.iter().zip(samples.iter().skip(1));
    pairs.map(|(earlier, later)| later.since(earlier)).collect()
}

fn push(samples: &mut VecDeque<StatusSample>, sample: StatusSample) {
    samples.push_back(sample);
    while samples.len() > SAMPLES {
        samples.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_is_bounded_to_a_minute_and_an_hour() {
        let metrics = Metrics::new(1);
        let mut history = StatusHistory::default();
        let begin = Instant::now();
        for second in 0..5000 {
            history.record(&metrics, begin + Duration::from_secs(second));
        }
        assert_eq!((history.seconds.len(), history.minutes.len()), (SAMPLES, SAMPLES));
        let now = StatusSample::take(&metrics, begin + Duration::from_secs(4999));
        assert_eq!((history.each_second().len(), history.each_minute().len()), (60, 60));
        assert_eq!(history.minute(&now).unwrap().span, MINUTE);
        let hour = history.hour(&now).unwrap().span;
        assert!(hour >= 60 * MINUTE && hour < 61 * MINUTE, "{hour:?}");
    }
}
