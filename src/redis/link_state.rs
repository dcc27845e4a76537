//! Whether Redis is available: for requests, in the metrics, and in the log once for each time that it is not.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::fault::RedisFault;
use crate::telemetry::RedisCounts;

/// How long a stored response is used, from its arrival or from the moment when Redis became unavailable, until Redis
/// is available again: another Sideman may have purged it.
pub const MAX_UNCONFIRMED_AGE: Duration = Duration::from_secs(10);

/// A connection that both must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkPart {
    Publisher,
    Follower,
}

/// The state of the link.
#[derive(Debug)]
pub(super) struct LinkState {
    /// The second since 1970 in which Redis became unavailable; 0 while it is available.
    lost_at: AtomicU64,
    parts: Mutex<Parts>,
    counts: Arc<RedisCounts>,
}

#[derive(Debug)]
struct Parts {
    has_publisher: bool,
    has_follower: bool,
    /// Since when it is unavailable, once that was logged.
    reported: Option<Instant>,
}

// === impl LinkState ===

impl LinkState {
    pub(super) fn new(counts: Arc<RedisCounts>) -> Self {
        let parts = Parts { has_publisher: false, has_follower: false, reported: None };
        Self { lost_at: AtomicU64::new(now()), parts: Mutex::new(parts), counts }
    }

    pub(super) fn counts(&self) -> &RedisCounts {
        &self.counts
    }

    pub(super) fn is_available(&self) -> bool {
        self.lost_at.load(Ordering::Relaxed) == 0
    }

    /// Whether a purge may be unknown that concerns a response which arrived then, in seconds since 1970.
    pub(super) fn is_unconfirmed(&self, received: u64, now: u64) -> bool {
        let lost_at = self.lost_at.load(Ordering::Relaxed);
        lost_at != 0 && now > lost_at.max(received).saturating_add(MAX_UNCONFIRMED_AGE.as_secs())
    }

    /// A part works.
    pub(super) fn connected(&self, part: LinkPart) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.set(part, true);
        if !parts.has_publisher || !parts.has_follower {
            return;
        }
        if self.lost_at.swap(0, Ordering::Relaxed) == 0 {
            return;
        }
        self.counts.unavailable.store(0, Ordering::Relaxed);
        match parts.reported.take() {
            Some(since) => tracing::info!(after = ?since.elapsed(), "Redis is available again"),
            None => tracing::info!("connected to Redis"),
        }
    }

    /// A part has failed.
    pub(super) fn lost(&self, part: LinkPart, server: &str, fault: &RedisFault) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.set(part, false);
        let _ = self.lost_at.compare_exchange(0, now(), Ordering::Relaxed, Ordering::Relaxed);
        self.counts.unavailable.store(1, Ordering::Relaxed);
        if parts.reported.is_some() {
            return;
        }
        parts.reported = Some(Instant::now());
        let seconds = MAX_UNCONFIRMED_AGE.as_secs();
        tracing::warn!(
            server,
            %fault,
            "Redis is unavailable: purges reach this process alone, and stored responses are used for at most \
             {seconds} s until it is back"
        );
    }
}

impl Parts {
    fn set(&mut self, part: LinkPart, has: bool) {
        match part {
            LinkPart::Publisher => self.has_publisher = has,
            LinkPart::Follower => self.has_follower = has,
        }
    }
}

/// Seconds since 1970, never 0.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_are_needed() {
        let state = LinkState::new(Arc::default());
        assert!(!state.is_available());
        state.connected(LinkPart::Publisher);
        assert!(!state.is_available());
        state.connected(LinkPart::Follower);
        assert!(state.is_available());
        state.lost(LinkPart::Follower, "server", &RedisFault::Closed);
        assert!(!state.is_available());
        assert_eq!(state.counts.unavailable.load(Ordering::Relaxed), 1);
        state.connected(LinkPart::Follower);
        assert!(state.is_available());
        assert_eq!(state.counts.unavailable.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn freshness_ends_ten_seconds_after_the_loss_or_the_arrival() {
        let state = LinkState::new(Arc::default());
        let lost = state.lost_at.load(Ordering::Relaxed);
        assert!(!state.is_unconfirmed(lost - 100, lost + 10));
        assert!(state.is_unconfirmed(lost - 100, lost + 11));
        assert!(!state.is_unconfirmed(lost + 5, lost + 15));
        assert!(state.is_unconfirmed(lost + 5, lost + 16));
        state.connected(LinkPart::Publisher);
        state.connected(LinkPart::Follower);
        assert!(!state.is_unconfirmed(0, u64::MAX));
    }
}
