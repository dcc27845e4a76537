//! A simulated application under more load than it can handle, for tests: some threads, some processors, and requests
//! that wait for something and then need a processor.

use super::{by_throughput::ThroughputLimit, throughput::Look};

/// The step of the simulation, in seconds.
const STEP: f64 = 0.0025;
/// The time between two looks, with what a busy machine adds.
const LOOK: f64 = 0.021;

/// An application.
#[derive(Clone, Copy, Debug)]
pub(super) struct Application {
    /// Requests that are worked on at once. The others wait.
    pub(super) threads: usize,
    pub(super) processors: f64,
    pub(super) view: View,
    /// From, to, and how many times slower it is.
    pub(super) slow: (f64, f64, f64),
}

/// What a request needs, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) enum View {
    /// It waits, always equally long.
    Waits(f64),
    /// It waits for a random time with this mean; exponential.
    WaitsAbout(f64),
    /// It needs a processor.
    Computes(f64),
    /// It waits, then needs a processor.
    Both(f64, f64),
    /// One of ten waits 5 s, the others 5 ms.
    Mixed,
}

/// A request in flight.
#[derive(Clone, Copy, Debug)]
struct Request {
    waits: f64,
    computes: f64,
}

/// What was seen in each second.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) responses: Vec<u64>,
    /// The mean limit.
    pub(super) limits: Vec<f64>,
    /// How often the limit changed.
    pub(super) changes: Vec<u32>,
}

// === impl Application ===

impl Application {
    pub(super) fn new(threads: usize, processors: f64, view: View) -> Self {
        Self { threads, processors, view, slow: (0.0, 0.0, 1.0) }
    }

    /// Runs it for so many seconds, with the limit that is found or with this one.
    pub(super) fn run(&self, seconds: usize, fixed: Option<usize>, seed: u64) -> Run {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut found = ThroughputLimit::new(100);
        let mut requests: Vec<Request> = Vec::new();
        let (mut run, mut responses, mut seen, mut looked) = (Run::default(), 0, 0, 0.0);
        for second in 0..seconds {
            let (mut limits, mut changes, begin) = (0.0, 0, responses);
            for step in 0..(1.0 / STEP) as usize {
                let now = second as f64 + step as f64 * STEP;
                let limit = fixed.unwrap_or(found.limit());
                limits += limit as f64 * STEP;
                while requests.len() < limit {
                    requests.push(self.view.request(&mut random));
                }
                let before = requests.len();
                self.advance(&mut requests, now);
                responses += (before - requests.len()) as u64;
                if now - looked >= LOOK + random.f64() * 0.004 {
                    let look = Look { seconds: now - looked, responses: responses - seen };
                    (looked, seen) = (now, responses);
                    found.add(look, requests.len() > limit);
                    changes += u32::from(fixed.is_none() && found.limit() != limit);
                }
            }
            run.responses.push(responses - begin);
            run.limits.push(limits);
            run.changes.push(changes);
        }
        run
    }

    fn advance(&self, requests: &mut Vec<Request>, now: f64) {
        let (from, to, factor) = self.slow;
        let step = if (from..to).contains(&now) { STEP / factor } else { STEP };
        let begun = requests.len().min(self.threads);
        let computing = requests.iter().take(begun).filter(|one| one.waits <= 0.0).count();
        let share = (self.processors / computing.max(1) as f64).min(1.0);
        for request in requests.iter_mut().take(begun) {
            if request.waits > 0.0 {
                request.waits -= step;
            } else {
                request.computes -= step * share;
            }
        }
        requests.retain(|one| one.waits > 0.0 || one.computes > 0.0);
    }
}

// === impl View ===

impl View {
    fn request(self, random: &mut fastrand::Rng) -> Request {
        let (waits, computes) = match self {
            Self::Waits(seconds) => (seconds, 0.0),
            Self::WaitsAbout(mean) => (-mean * (1.0 - random.f64()).ln(), 0.0),
            Self::Computes(seconds) => (0.0, seconds),
            Self::Both(waits, computes) => (waits, computes),
            Self::Mixed => (if random.u8(..10) == 0 { 5.0 } else { 0.005 }, 0.0),
        };
        Request { waits, computes }
    }
}

// === impl Run ===

impl Run {
    /// Responses per second, from this second on.
    pub(super) fn rate(&self, from: usize) -> f64 {
        let counted = self.responses.get(from..).unwrap_or_default();
        counted.iter().sum::<u64>() as f64 / counted.len() as f64
    }

    /// The mean limit, from this second on.
    pub(super) fn limit(&self, from: usize) -> f64 {
        let counted = self.limits.get(from..).unwrap_or_default();
        counted.iter().sum::<f64>() / counted.len() as f64
    }
}
