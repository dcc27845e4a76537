//! How many bytes of file contents are in memory, whoever holds them: what was thrown out of memory stays until the last
//! response that sends it is over, and slow clients may hold much of it. What does not fit is streamed from the disk.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;

/// Counts contents. Cheap to share.
#[derive(Clone, Debug)]
pub(super) struct HeldBytes(Arc<Account>);

#[derive(Debug)]
struct Account {
    bytes: AtomicU64,
    most: u64,
}

/// Room for contents, until dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    account: Arc<Account>,
    bytes: u64,
}

/// Contents with the room that they take.
struct Counted {
    contents: Bytes,
    _room: Reservation,
}

// === impl HeldBytes ===

impl HeldBytes {
    /// For a store that keeps so many bytes. A quarter more may be in responses alone.
    pub(super) fn new(kept: u64) -> Self {
        let most = kept.saturating_add(kept / 4);
        Self(Arc::new(Account { bytes: AtomicU64::new(0), most }))
    }

    /// Room for so many bytes, if there is some.
    pub(super) fn reserve(&self, bytes: u64) -> Option<Reservation> {
        let room = self.take(bytes);
        (self.0.bytes.load(Ordering::Relaxed) <= self.0.most).then_some(room)
    }

    /// The same for contents in another form, which take the place of those that were counted.
    pub(super) fn take(&self, bytes: u64) -> Reservation {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        Reservation { account: Arc::clone(&self.0), bytes }
    }
}

// === impl Reservation ===

impl Reservation {
    /// These contents take the room, as long as anybody holds some of them.
    pub(super) fn hold(self, contents: Bytes) -> Bytes {
        Bytes::from_owner(Counted { contents, _room: self })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.account.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

// === impl Counted ===

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.contents
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(held: &HeldBytes) -> u64 {
        held.0.bytes.load(Ordering::Relaxed)
    }

    #[test]
    fn contents_count_until_their_last_slice_is_gone() {
        let held = HeldBytes::new(800);
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
