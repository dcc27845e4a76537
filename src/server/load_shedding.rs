//! Room for new connections (`server.max_connections`, descriptors). While there is none they wait in the kernel, and each
//! replaces a connection that is idle, or that has not asked anything yet, with a part of a head or of a handshake at the
//! most. Those of the client that holds the most go first, then the oldest.

use std::{
    cmp::Reverse,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// A connection is left alone for so long after it was opened or used. Most clients send a head at once, a handshake
/// takes them two round trips, and one that was just used may be about to be used again: a close would meet the request.
pub(super) const BRIEF: Duration = Duration::from_millis(250);
/// A client that has more leaves others what they have: of its idle connections one is closed however short it has been
/// idle. A browser opens six.
const FEW: u64 = 8;
/// One that was told may take so long to end before it is told again.
const NOTICE_TIME: Duration = Duration::from_secs(1);
/// The pause before it is tried again where too few could be closed.
pub(super) const PAUSE: Duration = Duration::from_millis(5);

/// What one worker is asked to close.
#[derive(Debug, Default)]
pub(super) struct ShedRequest {
    count: AtomicUsize,
    requested: Notify,
}

/// What a connection does while it has no request; those of the first kind are closed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum IdleStage {
    /// No request was ever complete, nor the handshake before it, or a part of the next one's head has come.
    Unproven,
    /// It has had a request, and may be used again.
    KeptAlive,
}

/// One that can be let go if it does nothing.
pub(super) trait IdleConnection {
    /// Since when it has had no complete request.
    fn idle_since(&self) -> Option<Instant>;
    /// What it does meanwhile.
    fn stage(&self) -> IdleStage;
    /// Lets it go, if it is idle when it hears of it.
    fn shed(&self);
}

/// How many connections there may be. What `auto` comes to is in the plan by the start (`lifecycle/descriptors.rs`).
pub fn most_connections(set: Option<usize>) -> usize {
    set.unwrap_or(usize::MAX)
}

/// How many of so many connections a worker closes in one step: it looks at all of them to choose some.
pub(super) fn share(most: usize, workers: usize) -> usize {
    (most / 100).clamp(1, 256).div_ceil(workers.max(1))
}

/// What a connection is worth: the least is closed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ShedPriority {
    stage: IdleStage,
    /// How many connections its client has, to the next power of two: clients that hold about as many are equal, so
    /// that time decides among them.
    held: Reverse<u32>,
    since: Instant,
}

/// When a connection was told to end, for the last time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ShedNotice(Option<Instant>);

/// Chooses so many of those that are worth the least.
pub(super) fn choose<T>(
    mut idle: Vec<(ShedPriority, T)>,
    wanted: usize,
) -> impl Iterator<Item = T> {
    if wanted < idle.len() {
        idle.select_nth_unstable_by_key(wanted, |(shed_priority, _)| *shed_priority);
    }
    idle.into_iter().take(wanted).map(|(_, one)| one)
}

// === impl ShedPriority ===

impl ShedPriority {
    /// Of a connection that is idle since then, or `None` if it is not to be closed now. `held` says how many its client
    /// has, which is none where it is no single client.
    pub(super) fn of(stage: IdleStage, since: Instant, held: u64, now: Instant) -> Option<Self> {
        let has_many = stage == IdleStage::KeptAlive && held > FEW;
        let is_left_alone = !has_many && now.saturating_duration_since(since) < BRIEF;
        let held = Reverse(held.checked_ilog2().map_or(0, |log| log + 1));
        (!is_left_alone).then_some(Self { stage, held, since })
    }
}

// === impl ShedNotice ===

impl ShedNotice {
    pub(super) fn now(now: Instant) -> Self {
        Self(Some(now))
    }

    pub(super) fn is_reported(self) -> bool {
        self.0.is_some()
    }

    /// Whether it was told so recently that it need not be told again.
    pub(super) fn is_recent(self, now: Instant) -> bool {
        self.is_within(NOTICE_TIME, now)
    }

    /// Whether it ends most likely in this moment.
    pub(super) fn is_ending(self, now: Instant) -> bool {
        self.is_within(PAUSE, now)
    }

    fn is_within(self, time: Duration, now: Instant) -> bool {
        self.0.is_some_and(|notice| now.saturating_duration_since(notice) < time)
    }
}

// === impl ShedRequest ===

impl ShedRequest {
    /// Asks for so many to be closed; what was asked for before counts no more.
    pub(super) fn request(&self, count: usize) {
        self.count.store(count, Ordering::Relaxed);
        self.requested.notify_one();
    }

    /// Waits until some are asked for.
    pub(super) async fn requested(&self) -> usize {
        self.requested.notified().await;
        self.count.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn few_connections_are_shed_at_once() {
        for (most, workers, each) in
            [(1, 1, 1), (4, 2, 1), (10_000, 1, 100), (10_000, 8, 13), (1_000_000, 4, 64)]
        {
            assert_eq!(share(most, workers), each, "{most} {workers}");
        }
    }

    fn stage() -> impl Strategy<Value = IdleStage> {
        prop_oneof![Just(IdleStage::Unproven), Just(IdleStage::KeptAlive)]
    }

    proptest! {
        #[test]
        fn no_other_is_worth_less(
            idle in proptest::collection::vec((0_u64..1000, stage(), 0_u64..40), 0..60),
            wanted in 0_usize..8,
        ) {
            let now = Instant::now() + Duration::from_secs(10);
            let since = |age: u64| now - Duration::from_millis(age);
            let shed_priority = |&(age, stage, held): &(u64, IdleStage, u64)| ShedPriority::of(stage, since(age), held, now);
            let all: Vec<_> = idle.iter().filter_map(|one| shed_priority(one).map(|shed_priority| (shed_priority, *one))).collect();
            let is_old = |&(age, stage, held): &(u64, IdleStage, u64)| {
                age >= 250 || stage == IdleStage::KeptAlive && held > 8
            };
            prop_assert_eq!(all.len(), idle.iter().filter(|one| is_old(one)).count());
            let mut expected: Vec<_> = all.iter().map(|(shed_priority, _)| *shed_priority).collect();
            expected.sort_unstable();
            expected.truncate(wanted);
            let mut received: Vec<_> = choose(all, wanted).filter_map(|one| shed_priority(&one)).collect();
            received.sort_unstable();
            prop_assert_eq!(received, expected);
        }
    }

    #[test]
    fn one_that_asked_nothing_goes_first_then_one_of_many_then_the_oldest() {
        let now = Instant::now() + Duration::from_secs(10);
        let shed_priority = |stage, held, age| {
            ShedPriority::of(stage, now - Duration::from_millis(age), held, now).unwrap()
        };
        let order = [
            shed_priority(IdleStage::Unproven, 40, 900),
            shed_priority(IdleStage::Unproven, 33, 300),
            shed_priority(IdleStage::Unproven, 1, 900),
            shed_priority(IdleStage::KeptAlive, 40, 300),
            shed_priority(IdleStage::KeptAlive, 3, 900),
            shed_priority(IdleStage::KeptAlive, 2, 300),
            shed_priority(IdleStage::KeptAlive, 1, 900),
            shed_priority(IdleStage::KeptAlive, 0, 9000),
        ];
        assert!(order.is_sorted(), "{order:?}");
    }

    #[test]
    fn one_that_was_told_is_told_again_after_a_while() {
        let now = Instant::now();
        let later = |millis| now + Duration::from_millis(millis);
        let notice = ShedNotice::now(now);
        assert!(notice.is_reported() && notice.is_ending(later(4)) && notice.is_recent(later(999)));
        assert!(!notice.is_ending(later(5)) && !notice.is_recent(later(1000)));
        assert!(!ShedNotice::default().is_recent(now));
    }
}
