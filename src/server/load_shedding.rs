//! Closes idle connections to make room for new ones (`server.max_connections`, descriptors). When the limit is
//! reached, new connections wait in the kernel. Each new connection replaces an idle one, or one that has sent no
//! complete request yet: at most a part of a head or of a handshake. Connections of the client that holds the most are
//! closed first, then the oldest.

use std::{
    cmp::Reverse,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// How long a connection is kept after it was opened or used. Most clients send a head at once, and a handshake takes
/// two round trips. A connection that was just used may be used again, and the close would cross with the request.
pub(super) const MIN_IDLE: Duration = Duration::from_millis(250);
/// A client with more connections leaves the connections of others alone: one of its own idle connections is closed,
/// however short it has been idle. A browser opens six.
const FEW_CONNECTIONS: u64 = 8;
/// How long a notified connection may take to end before it is notified again.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause before the next try if too few connections could be closed.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// The number of connections that one worker is asked to close.
#[derive(Debug, Default)]
pub(super) struct ShedRequest {
    count: AtomicUsize,
    requested: Notify,
}

/// The stage of a connection without a request. Connections of the first kind are closed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum IdleStage {
    /// No request or handshake was ever complete, or a part of the next head has arrived.
    Unproven,
    /// It has had a request and may be used again.
    KeptAlive,
}

/// A connection that can be closed while it is idle.
pub(super) trait IdleConnection {
    /// Since when it has had no complete request.
    fn idle_since(&self) -> Option<Instant>;
    /// The stage of the connection while it is idle.
    fn stage(&self) -> IdleStage;
    /// Closes the connection if it is still idle when it is notified.
    fn shed(&self);
}

/// The maximum number of connections. The start puts the value for `auto` into the plan (`lifecycle/descriptors.rs`).
pub fn most_connections(set: Option<usize>) -> usize {
    set.unwrap_or(usize::MAX)
}

/// The number of connections that a worker closes in one step. It looks at all connections to choose them, so single
/// ones would cost too much.
pub(super) fn share(max: usize, workers: usize) -> usize {
    (max / 100).clamp(1, 256).div_ceil(workers.max(1))
}

/// The value of a connection. The connection with the lowest value is closed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ShedPriority {
    stage: IdleStage,
    /// The number of connections of its client, rounded to the next power of two. Clients that hold about the same
    /// number are equal, so that time decides among them.
    held: Reverse<u32>,
    since: Instant,
}

/// When a connection was last told to close.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ShedNotice(Option<Instant>);

/// Chooses `count` connections with the lowest values.
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
    /// The value of a connection that is idle since `since`, or `None` if it must not be closed now. `held` is the
    /// number of connections of its client, or 0 if it is not a single client.
    pub(super) fn of(stage: IdleStage, since: Instant, held: u64, now: Instant) -> Option<Self> {
        let has_many = stage == IdleStage::KeptAlive && held > FEW_CONNECTIONS;
        let is_left_alone = !has_many && now.saturating_duration_since(since) < MIN_IDLE;
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

    /// Whether the last notice is so recent that no new one is needed.
    pub(super) fn is_recent(self, now: Instant) -> bool {
        self.is_within(NOTICE_TIMEOUT, now)
    }

    /// Whether the connection is most likely ending at this moment.
    pub(super) fn is_ending(self, now: Instant) -> bool {
        self.is_within(RETRY_PAUSE, now)
    }

    fn is_within(self, time: Duration, now: Instant) -> bool {
        self.0.is_some_and(|shed_notice| now.saturating_duration_since(shed_notice) < time)
    }
}

// === impl ShedRequest ===

impl ShedRequest {
    /// Asks for `count` connections to be closed. This replaces any earlier request.
    pub(super) fn request(&self, count: usize) {
        self.count.store(count, Ordering::Relaxed);
        self.requested.notify_one();
    }

    /// Waits until connections are requested to be closed.
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
        for (max, workers, each) in
            [(1, 1, 1), (4, 2, 1), (10_000, 1, 100), (10_000, 8, 13), (1_000_000, 4, 64)]
        {
            assert_eq!(share(max, workers), each, "{max} {workers}");
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
        let shed_notice = ShedNotice::now(now);
        assert!(
            shed_notice.is_reported()
                && shed_notice.is_ending(later(4))
                && shed_notice.is_recent(later(999))
        );
        assert!(!shed_notice.is_ending(later(5)) && !shed_notice.is_recent(later(1000)));
        assert!(!ShedNotice::default().is_recent(now));
    }
}
