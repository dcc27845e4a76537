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
}
