//! What happened to spans.

use std::sync::atomic::AtomicU64;

/// Counts of spans.
#[derive(Debug, Default)]
pub struct TraceCounts {
    /// Accepted by the collector.
    pub sent: AtomicU64,
    /// Dropped because too many waited.
    pub dropped: AtomicU64,
    /// Not sent, because the collector did not respond in time.
    pub failed: AtomicU64,
    /// Refused by the collector.
    pub refused: AtomicU64,
}
