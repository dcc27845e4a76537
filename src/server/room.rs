//! Room for new connections (`server.max_connections`, descriptors). While there is none they wait in
//! the kernel, where a health check is served as soon as there is, and connections are closed to make some: idle
//! ones, and those that have not asked anything yet, with a part of a head or of a handshake at the most. The oldest
//! go first, and none that may have a request on its way.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// A connection that was used so recently may be about to be used again: a close would meet the request.
pub(super) const QUIET: Duration = Duration::from_secs(1);
/// One that has not asked anything gets so long for it where others wait: most clients send a head at once, and a
/// handshake takes them two round trips.
pub(super) const BRIEF: Duration = Duration::from_millis(250);
/// As many more of these are closed at once: they come back only if they mean it.
const UNPROVEN: usize = 10;
/// The pause before it is tried again.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// What one worker is asked to close.
#[derive(Debug, Default)]
pub(super) struct Request {
    wanted: AtomicUsize,
    made: Notify,
}

/// What a connection does while it has no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// No request was ever complete, nor the handshake before it, or a part of the next one's head has come.
    Unproven,
    /// It has had a request, and may be used again.
    Kept,
}

/// One that can be let go if it does nothing.
pub(super) trait Guest {
    /// Since when it has had no complete request.
    fn idle_since(&self) -> Option<Instant>;
    /// What it does meanwhile.
    fn stage(&self) -> Stage;
    /// Lets it go, if it is idle when it hears of it.
    fn let_go(&self);
}

/// How many connections there may be. What `auto` comes to is in the plan by the start (`lifecycle/descriptors.rs`).
pub fn most_connections(set: Option<usize>) -> usize {
    set.unwrap_or(usize::MAX)
}

/// How many of so many are let go at once: few enough that it is no storm when they come back.
pub(super) fn share(most: usize, workers: usize) -> usize {
    (most / 100).clamp(1, 256).div_ceil(workers.max(1))
}

/// Chooses so many of the oldest of each kind, and more of those that are not proven.
pub(super) fn choose<T>(
    guests: impl Iterator<Item = (T, Instant, Stage)>,
    wanted: usize,
    now: Instant,
) -> Vec<T> {
    let (mut kept, mut unproven) = (Vec::new(), Vec::new());
    for (guest, since, stage) in guests {
        let age = now.saturating_duration_since(since);
        match stage {
            Stage::Kept if age >= QUIET => kept.push((since, guest)),
            Stage::Unproven if age >= BRIEF => unproven.push((since, guest)),
            Stage::Kept | Stage::Unproven => {}
        }
    }
    let mut chosen = oldest(unproven, wanted.saturating_mul(UNPROVEN));
    chosen.extend(oldest(kept, wanted));
    chosen
}

fn oldest<T>(mut guests: Vec<(Instant, T)>, count: usize) -> Vec<T> {
    if count < guests.len() {
        guests.select_nth_unstable_by_key(count, |(since, _)| *since);
    }
    guests.into_iter().take(count).map(|(_, guest)| guest).collect()
}

// === impl Request ===

impl Request {
    /// Asks for so many to be closed; what was asked for before counts no more.
    pub(super) fn make(&self, count: usize) {
        self.wanted.store(count, Ordering::Relaxed);
        self.made.notify_one();
    }

    /// Waits until some are asked for.
    pub(super) async fn made(&self) -> usize {
        self.made.notified().await;
        self.wanted.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn few_are_let_go_at_once() {
        for (most, workers, each) in
            [(1, 1, 1), (4, 2, 1), (10_000, 1, 100), (10_000, 8, 13), (1_000_000, 4, 64)]
        {
            assert_eq!(share(most, workers), each, "{most} {workers}");
        }
    }

    fn stage() -> impl Strategy<Value = Stage> {
        prop_oneof![Just(Stage::Unproven), Just(Stage::Kept)]
    }

    proptest! {
        #[test]
        fn the_oldest_go(
            guests in proptest::collection::vec((0_u64..5000, stage()), 0..60),
            wanted in 0_usize..8,
        ) {
            let now = Instant::now() + Duration::from_secs(10);
            let since = |age: u64| now - Duration::from_millis(age);
            let all = guests.iter().map(|&(age, stage)| ((age, stage), since(age), stage));
            let mut got = choose(all, wanted, now);
            let of = |wanted: Stage, least: u64, count: usize| {
                let fitting = guests.iter().filter(|(age, stage)| *stage == wanted && *age >= least);
                let mut ages: Vec<u64> = fitting.map(|(age, _)| *age).collect();
                ages.sort_unstable_by(|a, b| b.cmp(a));
                ages.truncate(count);
                ages
            };
            let mut expected = of(Stage::Unproven, 250, wanted * 10);
            expected.extend(of(Stage::Kept, 1000, wanted));
            expected.sort_unstable();
            got.sort_unstable_by_key(|(age, _)| *age);
            let got: Vec<u64> = got.into_iter().map(|(age, _)| age).collect();
            prop_assert_eq!(got, expected);
        }
    }
}
