//! What the link to Redis counts.

use std::sync::atomic::AtomicU64;

/// The link to Redis.
#[derive(Debug, Default)]
pub struct RedisCounts {
    /// 1 while Redis is set and unavailable.
    pub unavailable: AtomicU64,
    /// Purges that Redis has accepted.
    pub sent: AtomicU64,
    /// Purges of other processes that were done.
    pub received: AtomicU64,
    /// Purges that were not sent.
    pub lost: AtomicU64,
    /// Times that everything was forgotten because purges may have been missed.
    pub resets: AtomicU64,
    /// How long ago the last purge was sent when it was done.
    pub lag_milliseconds: AtomicU64,
    limit_decisions: [AtomicU64; LimitDecisionSource::ALL.len()],
}

/// What decided about a request with a rate limit that several processes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitDecisionSource {
    /// Redis, within the time.
    Redis,
    /// The limiter of this process, because Redis took too long.
    Timeout,
    /// The same, because Redis is unavailable.
    Unavailable,
}

// === impl RedisCounts ===

impl RedisCounts {
    /// Returns the counter of decisions from this source.
    pub fn limit_decisions(&self, source: LimitDecisionSource) -> &AtomicU64 {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.limit_decisions[source as usize]
    }
}

// === impl LimitDecisionSource ===

impl LimitDecisionSource {
    pub const ALL: [Self; 3] = [Self::Redis, Self::Timeout, Self::Unavailable];

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
        }
    }
}
