//! Lets one worker tell all its connections that no further request is wanted, and learn when the
//! last one has ended. A connection pays for it when it begins and ends, not at each request.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    rc::Rc,
    task::Waker,
    time::Instant,
};

use tokio::sync::Notify;

use super::room::{self, Guest};

/// The open connections of one worker.
#[derive(Debug, Default)]
pub(super) struct Drain {
    is_closing: Cell<bool>,
    ends_tunnels: Cell<bool>,
    next: Cell<u64>,
    connections: RefCell<BTreeMap<u64, Connection>>,
    emptied: Notify,
}

/// What is known of one connection.
#[derive(Default)]
struct Connection {
    waker: Option<Waker>,
    /// Once it speaks HTTP.
    guest: Option<Rc<dyn Guest>>,
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
        self.connections.borrow_mut().insert(number, Connection::default());
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
        self.connections.borrow().is_empty()
    }

    /// Waits until no connection is left.
    pub(super) async fn emptied(&self) {
        while !self.connections.borrow().is_empty() {
            self.emptied.notified().await;
        }
    }

    /// Lets go of so many that have been idle for the longest.
    pub(super) fn let_go(&self, count: usize) {
        let connections = self.connections.borrow();
        let guests = connections.values().filter_map(|one| {
            let guest = one.guest.as_ref()?;
            Some(((guest, one.waker.as_ref()), guest.idle_since()))
        });
        for (guest, waker) in room::longest_idle(guests, count, Instant::now()) {
            guest.let_go();
            if let Some(waker) = waker {
                waker.wake_by_ref();
            }
        }
    }

    fn wake_all(&self) {
        for waker in self.connections.borrow().values().filter_map(|one| one.waker.as_ref()) {
            waker.wake_by_ref();
        }
    }
}

// === impl Connection ===

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("waker", &self.waker).finish_non_exhaustive()
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
        if let Some(one) = self.drain.connections.borrow_mut().get_mut(&self.number) {
            one.waker = Some(waker.clone());
        }
    }

    /// Sets whom to let go.
    pub(super) fn introduce(&self, guest: Rc<dyn Guest>) {
        if let Some(one) = self.drain.connections.borrow_mut().get_mut(&self.number) {
            one.guest = Some(guest);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut connections = self.drain.connections.borrow_mut();
        connections.remove(&self.number);
        if connections.is_empty() {
            self.drain.emptied.notify_one();
        }
    }
}
