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

use super::room::{self, Guest, Stage};

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
struct Connection {
    waker: Option<Waker>,
    part: Part,
    /// When it was let go, for the last time.
    let_go: Option<Instant>,
}

/// How far a connection is.
enum Part {
    /// It has begun then, and speaks no HTTP yet.
    Handshake(Instant),
    Http(Rc<dyn Guest>),
    /// It only waits for its client to close, since then.
    Lingering(Instant),
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
        let part = Part::Handshake(Instant::now());
        let connection = Connection { waker: None, part, let_go: None };
        self.connections.borrow_mut().insert(number, connection);
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

    /// Lets go of so many, the oldest first.
    pub(super) fn let_go(&self, wanted: usize) {
        let now = Instant::now();
        let mut connections = self.connections.borrow_mut();
        let waiting = connections.values_mut().filter_map(|one| {
            let (since, stage) = one.waits()?;
            // One that was told already may take its time to end.
            let is_told =
                one.let_go.is_some_and(|told| now.saturating_duration_since(told) < room::QUIET);
            (!is_told).then_some((one, since, stage))
        });
        for one in room::choose(waiting, wanted, now) {
            one.let_go = Some(now);
            if let Part::Http(guest) = &one.part {
                guest.let_go();
            }
            if let Some(waker) = &one.waker {
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

impl Connection {
    /// Since when it waits for its client, and at what, if it does.
    fn waits(&self) -> Option<(Instant, Stage)> {
        match &self.part {
            Part::Handshake(since) => Some((*since, Stage::Unproven)),
            Part::Lingering(since) => Some((*since, Stage::Kept)),
            Part::Http(guest) => guest.idle_since().map(|since| (since, guest.stage())),
        }
    }
}

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

    /// Sets whom to let go, once there is HTTP.
    pub(super) fn introduce(&self, guest: Rc<dyn Guest>) {
        self.set_part(Part::Http(guest));
    }

    /// The connection only waits for its client to close.
    pub(super) fn linger(&self) {
        self.set_part(Part::Lingering(Instant::now()));
    }

    /// Whether the connection was let go in this part of its life. One that speaks HTTP is told by its guest.
    pub(super) fn is_let_go(&self) -> bool {
        let connections = self.drain.connections.borrow();
        connections.get(&self.number).is_some_and(|one| one.let_go.is_some())
    }

    fn set_part(&self, part: Part) {
        if let Some(one) = self.drain.connections.borrow_mut().get_mut(&self.number) {
            (one.part, one.let_go) = (part, None);
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
