//! The limit of requests in flight for an application that reads requests before it begins them, or whose sockets
//! cannot be seen: the lowest limit with which it responds about as often as with a higher one. More requests in flight
//! would only wait there, and make all responses later.
//!
//! Whether more requests in flight help depends on why they take long, and latency does not tell: a busy application
//! and a slow database look alike. So two limits are compared by the throughput that they give one after the other. As
//! long as requests are queued, the latency of the others is the limit divided by the throughput. It follows, and
//! decides if the throughput is the same.
//!
//! The limit is raised from the first one as long as that helps, and in doubt. Then it is held, except for short trials
//! of twice and half the limit. Trials that change nothing become rare.

use std::mem;

use super::throughput::{Comparison, Look, Throughput};

/// The limit before anything is known.
pub(super) const FIRST_LIMIT: usize = 4;
/// The lowest limit. One request can be read while another one is worked on.
const LEAST_LIMIT: usize = 2;

/// The shortest measurement, in seconds, as all times here.
const SHORTEST: f64 = 0.16;
/// The longest measurement of a limit with which others are compared: with responses, and without.
const KNOWN: f64 = 0.64;
const KNOWN_SILENT: f64 = 0.32;
/// The relative error with which its throughput is known well enough.
const GOOD_ERROR: f64 = 0.08;
/// How long a higher limit is measured if it is unclear whether it helps, at first: if it seems to help, and if not.
const LIKELY: f64 = 0.5;
const UNLIKELY: f64 = 3.0;
/// The same if the limit can rise no further.
const AT_MOST: f64 = 20.0;
/// The same in a trial: at least this long, and at least so many latencies.
const TRIAL: f64 = 2.0;
const TRIAL_LATENCIES: f64 = 8.0;
/// The longest latency that is waited for, and with which a lower limit is tried.
const LONGEST_LATENCY: f64 = 10.0;

/// The shortest measurement of the limit that is held.
const HOLD: f64 = 1.0;
/// The pause before the first trial, and the longest. It doubles after each trial that changes nothing.
const FIRST_PAUSE: f64 = 2.0;
const LONGEST_PAUSE: f64 = 32.0;
/// The pause after a trial, relative to how long the trial took. A trial may cost half of the throughput.
const PAUSE_PER_TRIAL: f64 = 16.0;
/// A higher limit is tried at once if less than this part of the throughput remains.
const REMAINS: f64 = 0.7;
/// How far the known throughput follows each measurement.
const FOLLOWS: f64 = 0.25;

/// The limit of one application. [`add`](Self::add) takes what was seen, and [`limit`](Self::limit) is what follows.
#[derive(Debug)]
pub(super) struct ThroughputLimit {
    /// The upper bound of the limit.
    most: usize,
    phase: Phase,
    /// The measurement of the limit in force.
    current: Throughput,
    /// The time until the throughput is that of the limit in force.
    settling: f64,
    /// How long there were more requests in flight than a lower limit allows.
    draining: f64,
    /// The time since the trial began.
    trial: f64,
    /// The time until the next trial.
    until_trial: f64,
    /// The pause after the next trial, if it changes nothing.
    pause: f64,
    /// Whether the next trial is of a lower limit.
    is_lower_next: bool,
    /// The responses per second with the limit that is held.
    held_rate: f64,
}

#[derive(Debug)]
enum Phase {
    /// Higher limits are tried as long as they help.
    Raise(Raise),
    /// The limit is held.
    Hold,
    /// A lower limit is tried.
    Lower { high: Throughput },
    /// The limit before is measured again, because the application may have changed meanwhile.
    Verify { high: Throughput, low: Throughput },
}

#[derive(Clone, Debug)]
struct Raise {
    /// The limit that was held before. `None` if none was: then the limit is raised in doubt.
    held: Option<usize>,
    /// The highest limit that helped.
    base: Option<Throughput>,
}

// === impl ThroughputLimit ===

impl ThroughputLimit {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            phase: Phase::Raise(Raise { held: None, base: None }),
            current: Throughput::new(FIRST_LIMIT.min(most)),
            settling: 0.0,
            draining: 0.0,
            trial: 0.0,
            until_trial: FIRST_PAUSE,
            pause: FIRST_PAUSE,
            is_lower_next: true,
            held_rate: 0.0,
        }
    }

    /// The limit in force.
    pub(super) fn limit(&self) -> usize {
        self.current.limit
    }

    /// Whether the limit was raised as far as that helped.
    pub(super) fn is_found(&self) -> bool {
        !matches!(self.phase, Phase::Raise(Raise { held: None, .. }))
    }

    /// Adds what was seen since the last call, while requests were queued. `is_above` is whether more requests than the
    /// limit are still in flight.
    pub(super) fn add(&mut self, look: Look, is_above: bool) {
        if !matches!(self.phase, Phase::Hold) {
            self.trial += look.seconds;
        }
        if let Phase::Lower { high } = &self.phase {
            if self.trial > longest_trial(high) {
                return self.keep(high.limit);
            }
            if is_above {
                self.draining += look.seconds;
                return;
            }
            // Long requests remain longest, and are then more than usual.
            self.settling = self.settling.max(2.0 * mem::take(&mut self.draining));
        }
        if self.settling > 0.0 {
            self.settling -= look.seconds;
            return;
        }
        self.current.add(look);
        self.until_trial -= look.seconds;
        if self.current.seconds() < SHORTEST {
            return;
        }
        match mem::replace(&mut self.phase, Phase::Hold) {
            Phase::Raise(raise) => self.on_raised(raise),
            Phase::Hold => self.on_held(),
            Phase::Lower { high } => self.on_lowered(high),
            Phase::Verify { high, low } => self.on_verified(high, low),
        }
    }

    /// Decides again after the limit was found in another way for a while. That way has known a limit, if this one is
    /// lower.
    pub(super) fn resume(&mut self, known: Option<usize>) {
        self.on_idle();
        let limit = self.limit();
        match known.map(|known| known.min(self.most)).filter(|known| *known > limit) {
            Some(known) => {
                *self = Self { current: Throughput::new(known), ..Self::new(self.most) };
            }
            // What was measured before is old.
            None => self.current = Throughput::new(limit),
        }
        self.settling = HOLD;
    }

    /// No request is queued any more. A lower limit is no longer tried.
    pub(super) fn on_idle(&mut self) {
        if let Phase::Lower { high } = &self.phase {
            let limit = high.limit;
            self.keep(limit);
        }
    }

    fn on_raised(&mut self, raise: Raise) {
        let now = &self.current;
        let Some(base) = &raise.base else { return self.on_first(raise) };
        match base.compare(now) {
            // Other limits are compared with it.
            Comparison::More if !self.is_known() => self.phase = Phase::Raise(raise),
            Comparison::More => {
                let base = Some(now.clone());
                self.raise(Raise { base, ..raise });
            }
            Comparison::NotMore => {
                let (base, rate) = (base.limit, base.rate());
                // Half as many more cost little, if the comparison has missed a small gain.
                let limit = if raise.held == Some(base) { base } else { base + base / 2 };
                self.end_raise(&raise, limit.min(self.most), rate);
            }
            Comparison::Changed => {
                self.change(base.limit, now.latency());
                self.phase = Phase::Raise(Raise { base: None, ..raise });
            }
            Comparison::Unknown if now.seconds() < self.longest_doubt(&raise, base) => {
                self.phase = Phase::Raise(raise);
            }
            // The longest measurement shows no gain, hardly by chance.
            Comparison::Unknown if raise.held.is_none() && base.is_hardly_less_than(now) => {
                let (base, rate) = (base.limit, base.rate());
                self.end_raise(&raise, (base + base / 2).min(self.most), rate);
            }
            Comparison::Unknown
                if raise.held.is_none() || now.responses() == 0 || base.seems_less_than(now) =>
            {
                self.raise(raise);
            }
            Comparison::Unknown => self.end_raise(&raise, base.limit, base.rate()),
        }
    }

    /// Measures the first limit, with which others are compared.
    fn on_first(&mut self, raise: Raise) {
        if !self.is_known() {
            self.phase = Phase::Raise(raise);
            return;
        }
        let base = (self.current.responses() > 0).then(|| self.current.clone());
        self.raise(Raise { base, ..raise });
    }

    /// Whether the limit in force was measured well, or for long enough.
    fn is_known(&self) -> bool {
        let now = &self.current;
        let longest = if now.responses() == 0 { KNOWN_SILENT } else { KNOWN };
        now.error(now.latency().unwrap_or_default()) <= GOOD_ERROR || now.seconds() >= longest
    }

    /// How long a limit is measured if it is unclear whether it helps.
    fn longest_doubt(&self, raise: &Raise, base: &Throughput) -> f64 {
        let now = &self.current;
        if now.limit >= self.most {
            AT_MOST
        } else if now.responses() == 0 {
            LIKELY
        } else if raise.held.is_some() {
            let latency = base.latency().unwrap_or_default().min(LONGEST_LATENCY);
            TRIAL.max(TRIAL_LATENCIES * latency)
        } else if base.seems_less_than(now) {
            LIKELY
        } else {
            UNLIKELY
        }
    }

    /// Tries twice the limit, if it may rise.
    fn raise(&mut self, raise: Raise) {
        let limit = self.limit();
        if limit >= self.most {
            return self.end_raise(&raise, limit, self.current.rate());
        }
        self.change((2 * limit).min(self.most), self.current.latency());
        if raise.held.is_none() {
            self.settling = self.settling.min(LIKELY);
        }
        self.phase = Phase::Raise(raise);
    }

    fn end_raise(&mut self, raise: &Raise, limit: usize, rate: f64) {
        if raise.held == Some(limit) {
            return self.keep(limit);
        }
        let was_compared = raise.base.as_ref().is_some_and(|base| base.limit == limit);
        let pause = if was_compared { 4.0 * FIRST_PAUSE } else { FIRST_PAUSE };
        let latency = match limit == self.limit() {
            true => self.current.latency().unwrap_or(LONGEST_LATENCY).min(LONGEST_LATENCY),
            false => 0.0,
        };
        self.choose(limit, rate, pause.max(TRIAL_LATENCIES * latency));
    }

    fn on_held(&mut self) {
        let (seconds, rate, limit) = (self.current.seconds(), self.current.rate(), self.limit());
        let latency = self.current.latency();
        let is_less = rate < REMAINS * self.held_rate || self.current.responses() == 0;
        let has_dropped = seconds >= HOLD && is_less;
        if !has_dropped
            && seconds < HOLD.max(4.0 * latency.unwrap_or_default().min(LONGEST_LATENCY))
        {
            return;
        }
        let follows = if has_dropped { 1.0 } else { FOLLOWS };
        self.held_rate += follows * (rate - self.held_rate);
        let may_raise = limit < self.most;
        let may_lower = limit > LEAST_LIMIT && latency.is_some_and(|is| is <= LONGEST_LATENCY);
        let lowers = may_lower && (self.is_lower_next || !may_raise) && !has_dropped;
        if !(has_dropped || self.until_trial <= 0.0) || !(lowers || may_raise) {
            self.current = Throughput::new(limit);
            return;
        }
        self.is_lower_next = !lowers;
        self.trial = 0.0;
        let measured = self.current.clone();
        if lowers {
            self.change((limit / 2).max(LEAST_LIMIT), latency);
            self.phase = Phase::Lower { high: measured };
        } else {
            self.raise(Raise { held: Some(limit), base: Some(measured) });
        }
    }

    fn on_lowered(&mut self, high: Throughput) {
        match self.current.compare(&high) {
            Comparison::NotMore => {
                let low = self.current.clone();
                self.change(high.limit, low.latency());
                self.phase = Phase::Verify { high, low };
            }
            Comparison::Unknown => self.phase = Phase::Lower { high },
            Comparison::More | Comparison::Changed => self.keep(high.limit),
        }
    }

    fn on_verified(&mut self, mut high: Throughput, low: Throughput) {
        if self.current.seconds() < low.seconds() {
            self.phase = Phase::Verify { high, low };
            return;
        }
        let is_more = low.compare(&self.current) == Comparison::More;
        high.append(&self.current);
        if !is_more && low.compare(&high) == Comparison::NotMore {
            self.choose(low.limit, low.rate(), 0.0);
        } else {
            self.keep(high.limit);
        }
    }

    /// Holds another limit than before.
    fn choose(&mut self, limit: usize, rate: f64, until_trial: f64) {
        self.pause = FIRST_PAUSE;
        self.until_trial = until_trial;
        self.is_lower_next = true;
        self.held_rate = rate;
        self.hold(limit);
    }

    /// Holds the same limit as before a trial.
    fn keep(&mut self, limit: usize) {
        self.until_trial = self.pause.max(PAUSE_PER_TRIAL * self.trial);
        self.pause = (2.0 * self.pause).min(LONGEST_PAUSE);
        self.hold(limit);
    }

    fn hold(&mut self, limit: usize) {
        if limit == self.limit() {
            self.current = Throughput::new(limit);
        } else {
            self.change(limit, self.current.latency());
            self.settling = self.settling.min(HOLD);
        }
        self.phase = Phase::Hold;
    }

    /// Sets the limit. `latency` is that of the limit before.
    fn change(&mut self, limit: usize, latency: Option<f64>) {
        self.settling = latency.unwrap_or_default().min(LONGEST_LATENCY);
        self.draining = 0.0;
        self.current = Throughput::new(limit);
    }
}

/// How long a limit below this one is tried.
fn longest_trial(high: &Throughput) -> f64 {
    TRIAL.max(2.0 * TRIAL_LATENCIES * high.latency().unwrap_or_default().min(LONGEST_LATENCY))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::simulation::*, *};

    /// As many as there are requests.
    const ASYNC: usize = usize::MAX;

    /// The part of the best throughput that was had, and the mean limit, after the first 20 s.
    fn found(application: &Application, seed: u64) -> (f64, f64) {
        let run = application.run(60, None, seed);
        let bests = [4, 16, 100].map(|limit| application.run(60, Some(limit), seed).rate(20));
        (run.rate(20) / bests.into_iter().fold(0.0, f64::max), run.limit(20))
    }

    #[test]
    fn threads_that_read_eagerly_get_few_requests() {
        for (threads, view, most) in [
            (1, View::Waits(0.05), 8.0),
            (4, View::Waits(0.05), 8.0),
            (4, View::Waits(0.005), 8.0),
            (7, View::Waits(0.05), 15.0),
        ] {
            for seed in 0..4 {
                let (part, limit) = found(&Application::new(threads, 9.0, view), seed);
                assert!(part > 0.95 && limit <= most, "{threads}, {view:?}: {part}, {limit}");
            }
        }
    }

    #[test]
    fn processors_get_few_requests() {
        for seed in 0..4 {
            let (part, limit) = found(&Application::new(ASYNC, 1.0, View::Computes(0.02)), seed);
            assert!(part > 0.95 && limit <= 8.0, "{part}, {limit}");
        }
    }

    #[test]
    fn application_that_waits_gets_the_upper_bound() {
        for (view, least) in [
            (View::Waits(0.05), 0.97),
            (View::WaitsAbout(0.05), 0.97),
            (View::Waits(1.0), 0.9),
            (View::Waits(5.0), 0.9),
            (View::WaitsAbout(5.0), 0.85),
            (View::Both(0.05, 0.0005), 0.9),
        ] {
            for seed in 0..4 {
                let (part, limit) = found(&Application::new(ASYNC, 9.0, view), seed);
                assert!(part > least && limit >= 90.0, "{view:?}: {part}, {limit}");
            }
        }
    }

    /// Views of 5 ms and of 5 s: nothing shows soon what helps, so the limit rises.
    #[test]
    fn uneven_views_are_not_starved() {
        for threads in [40, ASYNC] {
            for seed in 0..4 {
                let application = Application::new(threads, 9.0, View::Mixed);
                let (found, fixed) =
                    (application.run(90, None, seed), application.run(90, Some(100), seed));
                let part = found.rate(20) / fixed.rate(20);
                assert!(part > 0.7, "{threads}, {seed}: {part} {:?}", found.limits);
            }
        }
    }

    #[test]
    fn one_thread_gets_few_requests_from_the_beginning() {
        for seed in 0..8 {
            let run = Application::new(1, 9.0, View::Waits(0.05)).run(60, None, seed);
            assert!(run.limits.iter().all(|limit| *limit <= 16.0), "{seed}: {:?}", run.limits);
        }
    }

    /// The limit is neither lost nor left at the upper bound.
    #[test]
    fn application_that_is_slow_for_ten_seconds_is_as_fast_as_before() {
        for (threads, view, most) in [
            (1, View::Waits(0.05), 30.0),
            (4, View::Waits(0.05), 30.0),
            (ASYNC, View::Waits(0.05), 100.0),
        ] {
            for seed in 0..4 {
                let usual = Application::new(threads, 9.0, view);
                let slow = Application { slow: (15.0, 25.0, 10.0), ..usual };
                let (run, best) =
                    (slow.run(60, None, seed), usual.run(30, Some(100), seed).rate(5));
                let during = run.responses[15..25].iter().sum::<u64>() as f64 / 10.0;
                assert!(during > 0.07 * best, "{threads}: {during}");
                assert!(run.rate(26) > 0.93 * best, "{threads}: {:?}", run.responses);
                assert!(run.limit(40) <= most, "{threads}: {:?}", run.limits);
            }
        }
    }

    /// Trials become rare, and a limit that helps is never given up.
    #[test]
    fn limit_does_not_oscillate() {
        for threads in [1, 4, ASYNC] {
            let run = Application::new(threads, 9.0, View::Waits(0.05)).run(120, None, 1);
            let changes: u32 = run.changes[60..].iter().sum();
            assert!(changes <= 8, "{threads}: {:?}", run.changes);
            assert!(run.limits.iter().all(|limit| *limit >= 2.0), "{threads}: {:?}", run.limits);
        }
    }

    #[test]
    fn trial_of_a_lower_limit_ends_with_the_queue() {
        let mut limit = ThroughputLimit::new(100);
        limit.hold(40);
        limit.current = Throughput::new(20);
        limit.phase = Phase::Lower { high: Throughput::new(40) };
        limit.on_idle();
        assert_eq!(limit.limit(), 40);
    }

    /// An application that responds to nothing gets more requests, soon.
    #[test]
    fn silent_application_gets_the_upper_bound() {
        let mut limit = ThroughputLimit::new(100);
        let look = Look { seconds: 0.02, responses: 0 };
        (0..100).for_each(|_| limit.add(look, false));
        assert_eq!(limit.limit(), 100);
    }

    proptest! {
        #[test]
        fn limit_stays_within_its_bounds(
            most in 1_usize..200,
            looks in prop::collection::vec((0.0..2.0, 0_u64..100, any::<bool>(), 0_u8..20), 0..500),
        ) {
            let mut limit = ThroughputLimit::new(most);
            for (seconds, responses, is_above, idle) in looks {
                limit.add(Look { seconds, responses }, is_above);
                if idle == 0 {
                    limit.on_idle();
                }
                prop_assert!((LEAST_LIMIT.min(most)..=most).contains(&limit.limit()));
            }
        }

    }

    /// Whatever the number of threads, nearly all of them work.
    #[test]
    fn threads_are_used() {
        for threads in [2, 3, 5, 6, 8, 11, 16, 24] {
            for seed in 0..3 {
                let application = Application::new(threads, 99.0, View::WaitsAbout(0.05));
                let run = application.run(40, None, seed);
                let part = run.rate(10) * 0.05 / threads as f64;
                assert!(part > 0.9, "{threads}: {part} {:?}", run.limits);
            }
        }
    }
}
