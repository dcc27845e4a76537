//! The connection that requests come over: who is at its other end, and what it waits for.

use std::{
    cell::{Cell, RefCell},
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use super::sendable::Sendable;

/// One client connection.
#[derive(Debug)]
pub struct Client {
    /// The peer's address; IPv4 in IPv6 form is given as IPv4.
    pub address: IpAddr,
    /// The same as text.
    pub(super) text: String,
    activity: Cell<Activity>,
    sendable: RefCell<Option<Sendable>>,
    has_sendable: Cell<bool>,
}

/// What the connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// The first byte of a request.
    Idle(Instant),
    /// The rest of a request's head.
    Head(Instant),
    /// The answer, or the client taking it.
    Busy,
}

// === impl Client ===

impl Client {
    /// A connection that was just accepted.
    pub fn new(peer: SocketAddr, now: Instant) -> Self {
        let address = peer.ip().to_canonical();
        let activity = Cell::new(Activity::Idle(now));
        Self {
            address,
            text: address.to_string(),
            activity,
            sendable: RefCell::default(),
            has_sendable: Cell::new(false),
        }
    }

    /// What it waits for.
    pub fn activity(&self) -> Activity {
        self.activity.get()
    }

    /// Bytes came.
    pub fn on_read(&self) {
        if let Activity::Idle(_) = self.activity.get() {
            self.activity.set(Activity::Head(Instant::now()));
        }
    }

    /// What the kernel may send from a file, while an answer is written that holds it.
    pub fn sendable(&self) -> Option<Sendable> {
        if self.has_sendable.get() { self.sendable.borrow().clone() } else { None }
    }

    /// Forgets it: it was sent, or is not to be sent that way.
    pub fn clear_sendable(&self) {
        self.has_sendable.set(false);
        self.sendable.take();
    }

    pub(super) fn set_sendable(&self, sendable: Sendable) {
        self.has_sendable.set(true);
        self.sendable.replace(Some(sendable));
    }

    pub(super) fn on_request(&self) {
        self.activity.set(Activity::Busy);
    }

    pub(super) fn on_answered(&self, now: Instant) {
        self.activity.set(Activity::Idle(now));
    }
}
