//! What the cache counts that all workers share. What requests count is in the shards of the workers.

use std::sync::{Arc, atomic::AtomicU64};

use super::cache_labels::PurgeLabel;
use crate::sync::AtomicU64 as SharedBytes;

const PURGES: usize = PurgeLabel::ALL.len();

/// The cache of all workers.
#[derive(Debug, Default)]
pub struct CacheCounts {
    /// Bytes of stored responses in memory, with everything that an entry needs.
    pub memory: Arc<SharedBytes>,
    /// Bytes of bodies in files.
    pub disk: Arc<SharedBytes>,
    /// Number of bodies in files.
    pub files: Arc<SharedBytes>,
    /// Number of stored responses.
    pub entries: AtomicU64,
    /// Stored responses that were removed for others.
    pub evicted: AtomicU64,
    /// Stored responses that purges have removed or made stale.
    pub purged: AtomicU64,
    /// Responses that were not stored because too much was being read or sent.
    pub refused: AtomicU64,
    /// Compressed bodies that were made.
    pub compressed: AtomicU64,
    /// Bodies that were not compressed because too many were queued.
    pub postponed: AtomicU64,
    purges: [AtomicU64; PURGES],
}

// === impl CacheCounts ===

impl CacheCounts {
    /// Returns the counter of purges that named this.
    pub fn purges(&self, purge: PurgeLabel) -> &AtomicU64 {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.purges[purge as usize]
    }
}
