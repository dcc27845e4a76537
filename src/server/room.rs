//! Room for new connections (`server.max_connections`, descriptors). While there is none they wait in
//! the kernel, where a health check is served as soon as there is, and idle connections are closed to
//! make some: the longest idle first, and none that may have a request on its way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::{Resource, getrlimit};
use tokio::sync::Notify;

/// Connections beyond which more descriptors do not raise the default: memory is not without bound.
const MOST: u64 = 10_000;
/// Descriptors that are kept for others, where there are enough.
const OTHERS: u64 = 64;
/// A connection that was used so recently may be about to be used again: a close would meet the request.
pub(super) const QUIET: Duration = Duration::from_secs(1);
/// The pause before it is tried again.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// What one worker is asked to close.
#[derive(Debug, Default)]
pub(super) struct Request {
    count: AtomicUsize,
    made: Notify,
}

/// One that can be let go if it does nothing.
pub(super) trait Guest {
    /// Since when it has had no request.
    fn idle_since(&self) -> Option<Instant>;
    /// Lets it go, if it is idle when it hears of it.
    fn let_go(&self);
}

/// How many connections there may be.
pub fn most_connections(set: Option<usize>) -> usize {
    set.unwrap_or_else(|| by_descriptors(getrlimit(Resource::Nofile).current))
}

/// Most of the descriptors: the rest is for the application, for files and for the process itself.
fn by_descriptors(descriptors: Option<u64>) -> usize {
    let others = |limit: u64| (limit / 4).max(OTHERS).min(limit / 2);
    let most = descriptors.map_or(MOST, |limit| (limit - others(limit)).clamp(1, MOST));
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// How many of so many are let go at once: few enough that it is no storm when they come back.
pub(super) fn share(most: usize, workers: usize) -> usize {
    (most / 100).clamp(1, 256).div_ceil(workers.max(1))
}

/// Chooses those that have been idle for the longest.
pub(super) fn longest_idle<T>(
    guests: impl Iterator<Item = (T, Option<Instant>)>,
    count: usize,
    now: Instant,
) -> Vec<T> {
    let is_quiet = |since: &Instant| now.saturating_duration_since(*since) >= QUIET;
    let mut idle: Vec<(Instant, T)> =
        guests.filter_map(|(guest, since)| Some((since.filter(is_quiet)?, guest))).collect();
    if count < idle.len() {
        idle.select_nth_unstable_by_key(count, |(since, _)| *since);
    }
    idle.into_iter().take(count).map(|(_, guest)| guest).collect()
}

// === impl Request ===

impl Request {
    /// Asks for so many to be closed; what was asked for before counts no more.
    pub(super) fn make(self: &Arc<Self>, count: usize) {
        self.count.store(count, Ordering::Relaxed);
        self.made.notify_one();
    }

    /// Waits until some are asked for.
    pub(super) async fn made(&self) -> usize {
        self.made.notified().await;
        self.count.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_leaves_descriptors_for_others() {
        for (descriptors, most) in [
            (Some(0), 1),
            (Some(1), 1),
            (Some(64), 32),
            (Some(128), 64),
            (Some(256), 192),
            (Some(1024), 768),
            (Some(65_536), 10_000),
            (Some(u64::MAX), 10_000),
            (None, 10_000),
        ] {
            assert_eq!(by_descriptors(descriptors), most, "{descriptors:?}");
        }
        assert_eq!(most_connections(Some(7)), 7);
    }

    #[test]
    fn few_are_let_go_at_once() {
        for (most, workers, each) in
            [(1, 1, 1), (4, 2, 1), (10_000, 1, 100), (10_000, 8, 13), (1_000_000, 4, 64)]
        {
            assert_eq!(share(most, workers), each, "{most} {workers}");
        }
    }

    proptest! {
        #[test]
        fn the_longest_idle_go(
            ages in proptest::collection::vec(proptest::option::of(0_u64..5000), 0..60),
            count in 0_usize..70,
        ) {
            let now = Instant::now() + Duration::from_secs(10);
            let since = |age: &Option<u64>| age.map(|age| now - Duration::from_millis(age));
            let chosen = longest_idle(ages.iter().map(|age| (*age, since(age))), count, now);
            let mut expected: Vec<u64> = ages.iter().flatten().copied().filter(|age| *age >= 1000).collect();
            expected.sort_unstable_by(|a, b| b.cmp(a));
            expected.truncate(count);
            let mut got: Vec<u64> = chosen.into_iter().flatten().collect();
            got.sort_unstable_by(|a, b| b.cmp(a));
            prop_assert_eq!(got, expected);
        }
    }
}
