//! The sockets of requests that were sent to a server and have no response yet. Each worker thread has a list of its
//! own, and alone writes it. The task that finds the limit reads all of them.

use std::{
    cell::Cell,
    os::fd::RawFd,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The sockets in one list: more than the limit that is ever found. Requests beyond them count as begun.
const SLOTS: usize = 128;
/// Not a request: its socket would be -1.
const EMPTY: u64 = u64::MAX;
/// The list, as other threads see it.
#[derive(Debug)]
pub(in crate::upstream) struct SentSockets {
    /// The socket in the lower half of each number, and a serial number in the upper half.
    slots: [AtomicU64; SLOTS],
    /// The responses that have begun, whether their requests were in the list or not.
    responses: AtomicU64,
}

/// One request in a list, whatever other requests its connection or its slot have later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SentId(u64);

/// The list, as its worker thread sees it.
#[derive(Debug)]
pub(in crate::upstream) struct SentRequests {
    shared: Arc<SentSockets>,
    /// The used slots, a bit each.
    used: Cell<u128>,
    serial: Cell<u32>,
}

/// A request in the list. It leaves the list when dropped, which must happen before its socket is closed.
#[derive(Debug)]
pub(in crate::upstream) struct SentRequest {
    list: Rc<SentRequests>,
    slot: usize,
}

// === impl SentRequests ===

impl SentRequests {
    pub(in crate::upstream) fn new() -> Rc<Self> {
        let shared = Arc::new(SentSockets {
            slots: [const { AtomicU64::new(EMPTY) }; SLOTS],
            responses: AtomicU64::new(0),
        });
        Rc::new(Self { shared, used: Cell::new(0), serial: Cell::new(0) })
    }

    pub(in crate::upstream) fn shared(&self) -> &Arc<SentSockets> {
        &self.shared
    }

    /// Adds a request; `None` if the list is full.
    pub(in crate::upstream) fn add(self: &Rc<Self>, socket: RawFd) -> Option<SentRequest> {
        let slot = self.used.get().trailing_ones() as usize;
        let serial = self.serial.get();
        self.serial.set(serial.wrapping_add(1));
        let id = SentId::new(serial, socket);
        self.shared.slots.get(slot)?.store(id.0, Ordering::Relaxed);
        self.used.set(self.used.get() | 1 << slot);
        Some(SentRequest { list: Rc::clone(self), slot })
    }

    /// Counts a response. Only this thread writes the number.
    pub(in crate::upstream) fn count_response(&self) {
        let responses = self.shared.responses.load(Ordering::Relaxed);
        self.shared.responses.store(responses.wrapping_add(1), Ordering::Relaxed);
    }
}

// === impl SentSockets ===

impl SentSockets {
    /// Iterates over the requests. The socket of each may be closed at any time.
    pub(super) fn iter(&self) -> impl Iterator<Item = SentId> {
        let numbers = self.slots.iter().map(|slot| slot.load(Ordering::Relaxed));
        numbers.filter(|number| *number != EMPTY).map(SentId)
    }

    /// The responses since the list was made.
    pub(super) fn responses(&self) -> u64 {
        self.responses.load(Ordering::Relaxed)
    }
}

// === impl SentId ===

impl SentId {
    fn new(serial: u32, socket: RawFd) -> Self {
        Self(u64::from(serial) << 32 | u64::from(socket.cast_unsigned()))
    }

    pub(super) fn socket(self) -> RawFd {
        (self.0 as u32).cast_signed()
    }
}

// === impl SentRequest ===

impl Drop for SentRequest {
    fn drop(&mut self) {
        if let Some(slot) = self.list.shared.slots.get(self.slot) {
            slot.store(EMPTY, Ordering::Relaxed);
        }
        self.list.used.set(self.list.used.get() & !(1 << self.slot));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_and_go() {
        let list = SentRequests::new();
        let sockets = || list.shared().iter().map(SentId::socket).collect::<Vec<_>>();
        let first = list.add(7).unwrap();
        let second = list.add(8).unwrap();
        assert_eq!(sockets(), [7, 8]);
        drop(first);
        assert_eq!(sockets(), [8]);
        let third = list.add(9).unwrap();
        assert_eq!(sockets(), [9, 8]);
        drop((second, third));
        assert_eq!(sockets(), [0; 0]);
    }

    #[test]
    fn two_requests_of_one_connection_differ() {
        let list = SentRequests::new();
        let first = list.add(7).unwrap();
        let before: Vec<SentId> = list.shared().iter().collect();
        drop(first);
        let _second = list.add(7).unwrap();
        let after: Vec<SentId> = list.shared().iter().collect();
        assert_ne!(before, after);
        assert_eq!((before[0].socket(), after[0].socket()), (7, 7));
    }

    #[test]
    fn responses_are_counted() {
        let list = SentRequests::new();
        (0..3).for_each(|_| list.count_response());
        assert_eq!(list.shared().responses(), 3);
    }

    #[test]
    fn a_full_list_takes_no_more() {
        let list = SentRequests::new();
        let mut all: Vec<_> = (0..128).map(|socket| list.add(socket).unwrap()).collect();
        assert!(list.add(200).is_none());
        all.remove(64);
        assert!(list.add(200).is_some());
    }
}
