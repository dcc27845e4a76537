//! The responses of an application per second at one limit of requests in flight, and the comparison of two limits.

/// A measurement is divided into so many parts. What they differ by is its error, however uneven the work is.
const PARTS: usize = 4;
/// Adjacent looks are merged beyond this number.
const MAX_LOOKS: usize = 512;
/// The least variance of a part, relative to its responses: equal parts can be chance.
const LEAST_VARIANCE: f64 = 1.0 / 8.0;
/// The error of the last burst of responses, as a part of it.
const BURST: f64 = 0.3;
/// The errors by which a rate must differ. The more often one looks, the sooner chance seems to be a result.
const SURE: f64 = 2.5;
/// The least gain of more requests in flight, as a power of their ratio: with twice as many at least 1.16 times the
/// responses. It is 1 if the application works on all of them at once, and 0 if the additional ones only wait.
const LEAST_GAIN: f64 = 0.22;

/// The time between two looks at an application of which requests wait all the time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    pub(super) seconds: f64,
    pub(super) responses: u64,
}

/// The throughput with one limit.
#[derive(Clone, Debug)]
pub(super) struct Throughput {
    pub(super) limit: usize,
    looks: Vec<Look>,
    total: Look,
}

/// Whether a higher limit gives more responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    More,
    NotMore,
    /// It gives more than it can by itself: the application has become faster.
    Changed,
    /// Too little was measured, or the work is too uneven.
    Unknown,
}

// === impl Throughput ===

impl Throughput {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, looks: Vec::new(), total: Look::default() }
    }

    pub(super) fn add(&mut self, look: Look) {
        if self.looks.len() >= MAX_LOOKS {
            let merged = self.looks.chunks(2).map(Look::sum).collect();
            self.looks = merged;
        }
        self.looks.push(look);
        self.total = Look::sum(&[self.total, look]);
    }

    pub(super) fn seconds(&self) -> f64 {
        self.total.seconds
    }

    pub(super) fn responses(&self) -> u64 {
        self.total.responses
    }

    /// Responses per second.
    pub(super) fn rate(&self) -> f64 {
        self.total.responses as f64 / self.total.seconds.max(1e-9)
    }

    /// How long a request is in flight, by Little's law; `None` if there was no response.
    pub(super) fn latency(&self) -> Option<f64> {
        (self.total.responses > 0).then(|| self.limit as f64 / self.rate())
    }

    /// The relative error of the rate: one standard deviation. Infinite if it is not known. `work` is about how long
    /// the application works on a request, at most: responses to requests that were sent together come together.
    pub(super) fn error(&self, work: f64) -> f64 {
        if self.total.responses == 0 || self.total.seconds < work || self.looks.len() < PARTS {
            return f64::INFINITY;
        }
        let part = self.total.seconds / PARTS as f64;
        let mut parts = [0.0; PARTS];
        let mut at = 0.0;
        for look in &self.looks {
            // A look on the border belongs to the part where its middle is.
            let index = ((at + look.seconds / 2.0) / part) as usize;
            at += look.seconds;
            if let Some(sum) = parts.get_mut(index.min(PARTS - 1)) {
                *sum += look.responses as f64;
            }
        }
        let count = PARTS as f64;
        let mean = parts.iter().sum::<f64>() / count;
        let squares: f64 = parts.iter().map(|sum| (sum - mean) * (sum - mean)).sum();
        let variance = (squares / (count - 1.0)).max(mean * LEAST_VARIANCE);
        let burst = BURST * work / self.total.seconds;
        burst.hypot((variance / count).sqrt() / mean)
    }

    /// Compares this with a higher limit.
    pub(super) fn compare(&self, higher: &Self) -> Comparison {
        let (gain, least) = (self.gain(higher), self.least_gain(higher));
        // With the lower limit a request waits for fewer others.
        let work = self.latency().unwrap_or_default();
        let error = self.error(work).hypot(higher.error(work));
        if !error.is_finite() {
            return Comparison::Unknown;
        }
        if gain - SURE * error > (higher.limit as f64 / self.limit as f64).ln() + 0.3 {
            Comparison::Changed
        } else if gain - error > least {
            Comparison::More
        } else if gain + SURE * error < least {
            Comparison::NotMore
        } else {
            Comparison::Unknown
        }
    }

    /// Whether a higher limit seems to give more responses, however uncertain that is.
    pub(super) fn seems_less_than(&self, higher: &Self) -> bool {
        self.gain(higher) > self.least_gain(higher)
    }

    /// Whether a higher limit hardly gives more responses: not within one standard deviation.
    pub(super) fn is_hardly_less_than(&self, higher: &Self) -> bool {
        let work = self.latency().unwrap_or_default();
        let error = self.error(work).hypot(higher.error(work));
        self.gain(higher) + error < self.least_gain(higher)
    }

    fn gain(&self, higher: &Self) -> f64 {
        (higher.rate().max(1e-9) / self.rate().max(1e-9)).ln()
    }

    fn least_gain(&self, higher: &Self) -> f64 {
        LEAST_GAIN * (higher.limit as f64 / self.limit as f64).ln()
    }

    /// Adds a measurement with the same limit.
    pub(super) fn append(&mut self, other: &Self) {
        other.looks.iter().for_each(|look| self.add(*look));
    }
}

// === impl Look ===

impl Look {
    fn sum(looks: &[Self]) -> Self {
        Self {
            seconds: looks.iter().map(|look| look.seconds).sum(),
            responses: looks.iter().map(|look| look.responses).sum(),
        }
    }
}
