//! Lets one worker tell all its connections that no further request is wanted, and learn when the
//! last one has ended. A connection pays for it when it begins and ends, not at each request.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    task::Waker,
};

use tokio::sync::Notify;

/// The open connections of one worker.
#[derive(Debug, Default)]
pub(super) struct Drain {
    is_closing: Cell<bool>,
    ends_tunnels: Cell<bool>,
    next: Cell<u64>,
    wakers: RefCell<BTreeMap<u64, Option<Waker>>>,
    emptied: Notify,
}

/// One open connection; leaves the list when dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    drain: Rc<Drain>,
    number: u64,
}

// === impl Drain ===

impl Drain {
    /// Lists a connection.
    pub(super) fn enter(self: &Rc<Self>) -> Ticket {
        let number = self.next.get();
        self.next.set(number + 1);
        self.wakers.borrow_mut().insert(number, None);
        Ticket { drain: Rc::clone(self), number }
    }

    /// Tells all connections to end after the request they are at.
    pub(super) fn close(&self) {
        self.is_closing.set(true);
        self.wake_all();
    }

    /// Tells all tunnels to end now.
    pub(super) fn end_tunnels(&self) {
        self.ends_tunnels.set(true);
        self.wake_all();
    }

    /// Whether the connections were told to end.
    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.get()
    }

    /// Whether no connection is open.
    pub(super) fn is_empty(&self) -> bool {
        self.wakers.borrow().is_empty()
    }

    /// Waits until no connection is left.
    pub(super) async fn emptied(&self) {
        while !self.wakers.borrow().is_empty() {
            self.emptied.notified().await;
        }
    }

    fn wake_all(&self) {
        for waker in self.wakers.borrow().values().flatten() {
            waker.wake_by_ref();
        }
    }
}

// === impl Ticket ===

impl Ticket {
    /// Whether the connection should end after the request it is at.
    pub(super) fn is_closing(&self) -> bool {
        self.drain.is_closing()
    }

    /// Whether the time of tunnels is over.
    pub(super) fn ends_tunnels(&self) -> bool {
        self.drain.ends_tunnels.get()
    }

    /// Sets whom to wake; a task's waker stays good for its life.
    pub(super) fn listen(&self, waker: &Waker) {
        self.drain.wakers.borrow_mut().insert(self.number, Some(waker.clone()));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut wakers = self.drain.wakers.borrow_mut();
        wakers.remove(&self.number);
        if wakers.is_empty() {
            self.drain.emptied.notify_one();
        }
    }
}
