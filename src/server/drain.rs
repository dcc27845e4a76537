//! Tells all connections of one worker to accept no further request, and reports when the last one has ended. A
//! connection pays for this when it begins and ends, not at each request.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::{Poll, Waker},
    time::Instant,
};

use tokio::sync::Notify;

use super::load_shedding::{self, IdleConnection, IdleStage, ShedNotice, ShedPriority};
use crate::body::{ClientShare, ClientShares};

/// The open connections of one worker.
#[derive(Debug, Default)]
pub(super) struct ConnectionList {
    is_closing: Cell<bool>,
    ends_tunnels: Cell<bool>,
    next: Cell<u64>,
    connections: RefCell<BTreeMap<u64, ListedConnection>>,
    emptied: Notify,
}

/// The entry of one connection.
struct ListedConnection {
    waker: Option<Waker>,
    part: ConnectionPart,
    /// Its client, if that is a single one.
    client: Option<ClientShare>,
    /// When it was told to close to make room.
    shed: ShedNotice,
}

/// The stage of a connection.
enum ConnectionPart {
    /// Began at this time and speaks no HTTP yet.
    Handshake(Instant),
    Http(Rc<dyn IdleConnection>),
    /// Has waited since this time for its client to close.
    Lingering(Instant),
}

/// One open connection. Leaves the list when dropped.
#[derive(Debug)]
pub(super) struct ConnectionGuard {
    drain: Rc<ConnectionList>,
    number: u64,
}

// === impl ConnectionList ===

impl ConnectionList {
    /// Adds a connection of a client.
    pub(super) fn enter(self: &Rc<Self>, client: Option<ClientShare>) -> ConnectionGuard {
        let number = self.next.get();
        self.next.set(number + 1);
        let part = ConnectionPart::Handshake(Instant::now());
        let connection =
            ListedConnection { waker: None, part, client, shed: ShedNotice::default() };
        self.connections.borrow_mut().insert(number, connection);
        ConnectionGuard { drain: Rc::clone(self), number }
    }

    /// Tells all connections to end after their current request.
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

    /// Closes `wanted` connections, those with the lowest value first. Returns `false` if there are not enough.
    pub(super) fn shed(&self, wanted: usize, held: &ClientShares) -> bool {
        let now = Instant::now();
        let mut connections = self.connections.borrow_mut();
        let (mut idle, mut ending) = (Vec::new(), 0);
        for one in connections.values_mut() {
            ending += usize::from(one.shed.is_ending(now));
            if let Some(shed_priority) = one.shed_priority(held, now) {
                idle.push((shed_priority, one));
            }
        }
        // Connections that were closed a moment ago count, so that they are not requested twice.
        let wanted = wanted.saturating_sub(ending);
        let is_enough = idle.len() >= wanted;
        for one in load_shedding::choose(idle, wanted) {
            one.shed = ShedNotice::now(now);
            if let ConnectionPart::Http(idle_connection) = &one.part {
                idle_connection.shed();
            }
            if let Some(waker) = &one.waker {
                waker.wake_by_ref();
            }
        }
        is_enough
    }

    fn wake_all(&self) {
        for waker in self.connections.borrow().values().filter_map(|one| one.waker.as_ref()) {
            waker.wake_by_ref();
        }
    }
}

// === impl ListedConnection ===

impl ListedConnection {
    /// The value of the connection, if it can be closed.
    fn shed_priority(&self, held: &ClientShares, now: Instant) -> Option<ShedPriority> {
        let (since, stage) = self.waits()?;
        if self.shed.is_recent(now) {
            return None;
        }
        let held = self.client.map_or(0, |client| held.held(client));
        ShedPriority::of(stage, since, held, now)
    }

    /// Since when the connection waits for its client, and at which stage; `None` if it does not wait.
    fn waits(&self) -> Option<(Instant, IdleStage)> {
        match &self.part {
            ConnectionPart::Handshake(since) => Some((*since, IdleStage::Unproven)),
            ConnectionPart::Lingering(since) => Some((*since, IdleStage::KeptAlive)),
            ConnectionPart::Http(idle_connection) => {
                idle_connection.idle_since().map(|since| (since, idle_connection.stage()))
            }
        }
    }
}

impl fmt::Debug for ListedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("waker", &self.waker).finish_non_exhaustive()
    }
}

// === impl ConnectionGuard ===

impl ConnectionGuard {
    /// Whether the connection should end after its current request.
    pub(super) fn is_closing(&self) -> bool {
        self.drain.is_closing()
    }

    /// Whether tunnels must end now.
    pub(super) fn ends_tunnels(&self) -> bool {
        self.drain.ends_tunnels.get()
    }

    /// Sets the waker to notify. A task's waker stays valid for the task's life.
    pub(super) fn listen(&self, waker: &Waker) {
        if let Some(one) = self.drain.connections.borrow_mut().get_mut(&self.number) {
            one.waker = Some(waker.clone());
        }
    }

    /// Sets the connection to close when it is idle, once it speaks HTTP.
    pub(super) fn set_idle_handle(&self, idle_connection: Rc<dyn IdleConnection>) {
        self.set_part(ConnectionPart::Http(idle_connection));
    }

    /// Marks the connection as one that only waits for its client to close.
    pub(super) fn linger(&self) {
        self.set_part(ConnectionPart::Lingering(Instant::now()));
    }

    /// Whether the connection was closed in its current stage. A connection that speaks HTTP is notified by its
    /// [`IdleConnection`].
    pub(super) fn is_shed(&self) -> bool {
        let connections = self.drain.connections.borrow();
        connections.get(&self.number).is_some_and(|one| one.shed.is_reported())
    }

    /// Returns the result, or `None` if the connection is closed first to make room for others.
    pub(super) async fn unless_shed<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if let Poll::Ready(result) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            self.listen(cx.waker());
            if self.is_shed() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }

    /// Sets the client, if it was not known at the start.
    pub(super) fn set_client(&self, client: Option<ClientShare>) {
        if let Some(one) = self.drain.connections.borrow_mut().get_mut(&self.number) {
            one.client = client;
        }
    }

    fn set_part(&self, part: ConnectionPart) {
        if let Some(one) = self.drain.connections.borrow_mut().get_mut(&self.number) {
            (one.part, one.shed) = (part, ShedNotice::default());
        }
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let mut connections = self.drain.connections.borrow_mut();
        connections.remove(&self.number);
        if connections.is_empty() {
            self.drain.emptied.notify_one();
        }
    }
}
