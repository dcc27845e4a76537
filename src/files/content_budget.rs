//! Counts the bytes of file contents in memory, whoever holds them. Evicted contents stay in memory until the last
//! response with them ends, and slow clients may hold much. Files that exceed the budget are streamed from the disk.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;

/// Counts contents. Cheap to share.
#[derive(Clone, Debug)]
pub(super) struct ContentBudget(Arc<ContentTotal>);

#[derive(Debug)]
struct ContentTotal {
    bytes: AtomicU64,
    max: u64,
}

/// A reservation for contents, held until dropped.
#[derive(Debug)]
pub(super) struct ContentReservation {
    account: Arc<ContentTotal>,
    bytes: u64,
}

/// Contents with their reservation.
struct CountedContent {
    contents: Bytes,
    _room: ContentReservation,
}

// === impl ContentBudget ===

impl ContentBudget {
    /// Creates the budget of a store that keeps `kept` bytes. Responses alone may hold a quarter more.
    pub(super) fn new(kept: u64) -> Self {
        let max = kept.saturating_add(kept / 4);
        Self(Arc::new(ContentTotal { bytes: AtomicU64::new(0), max }))
    }

    /// Reserves bytes, if the budget has them.
    pub(super) fn reserve(&self, bytes: u64) -> Option<ContentReservation> {
        let room = self.take(bytes);
        (self.0.bytes.load(Ordering::Relaxed) <= self.0.max).then_some(room)
    }

    /// Reserves bytes in any case, for contents in another form that replace counted ones.
    pub(super) fn take(&self, bytes: u64) -> ContentReservation {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        ContentReservation { account: Arc::clone(&self.0), bytes }
    }
}

// === impl ContentReservation ===

impl ContentReservation {
    /// Ties the reservation to contents, until the last reference to them is dropped.
    pub(super) fn hold(self, contents: Bytes) -> Bytes {
        Bytes::from_owner(CountedContent { contents, _room: self })
    }
}

impl Drop for ContentReservation {
    fn drop(&mut self) {
        self.account.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

// === impl CountedContent ===

impl AsRef<[u8]> for CountedContent {
    fn as_ref(&self) -> &[u8] {
        &self.contents
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(held: &ContentBudget) -> u64 {
        held.0.bytes.load(Ordering::Relaxed)
    }

    #[test]
    fn contents_count_until_their_last_slice_is_dropped() {
        let held = ContentBudget::new(800);
        let first = held.reserve(900).unwrap().hold(Bytes::from(vec![1; 900]));
        assert!(held.reserve(101).is_none());
        let second = held.reserve(100).unwrap().hold(Bytes::from(vec![2; 100]));
        assert!(first == vec![1; 900] && bytes(&held) == 1000);
        let part = first.slice(899..);
        drop(first);
        assert_eq!(bytes(&held), 1000);
        drop(part);
        assert_eq!(bytes(&held), 100);
        let sealed = held.take(2000).hold(second.clone());
        assert!(held.reserve(0).is_none());
        drop((second, sealed));
        assert_eq!(bytes(&held), 0);
    }
}
