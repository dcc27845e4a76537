//! The connection that requests come over: who is at its other end, and what it waits for.

use std::{
    cell::{Cell, RefCell, RefMut},
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    rc::Rc,
    time::Instant,
};

use bytes::BytesMut;
use http::{HeaderMap, Response, StatusCode, Version};

use super::{interim, sendable::Sendable};
use crate::{
    body::{Arrival, Arriving},
    error::Kind,
    plan::TlsVersion,
    rfc::target::Misplaced,
};

/// One client connection.
#[derive(Debug)]
pub struct Client {
    /// The peer's address; IPv4 in IPv6 form is given as IPv4.
    pub address: IpAddr,
    /// The peer's port, if it has one.
    pub(super) port: Option<u16>,
    way: Way,
    /// The address as text.
    pub(super) text: String,
    activity: Cell<Activity>,
    /// Requests that have come.
    requests: Cell<u64>,
    /// Why the request after so many others is refused: what stands for it is not what came.
    refusal: Cell<Option<(u64, Refusal)>>,
    /// Targets that `http::Uri` does not take as they came, of the requests after so many others.
    targets: RefCell<VecDeque<(u64, Box<str>)>>,
    /// The head after so many has more fields than usual.
    wide: Cell<Option<u64>>,
    /// A part of the next head has come.
    has_begun: Cell<bool>,
    /// Whether it is to end if it is idle.
    is_let_go: Cell<bool>,
    /// How much of the request's body has come.
    body: Rc<Arriving>,
    /// Whether an interim answer may be sent before the final one, which has not begun.
    takes_interim: Cell<bool>,
    departure: Cell<Departure>,
    /// Since when it has taken nothing of what there is for it.
    blocked: Cell<Option<Instant>>,
    /// Whether hyper was told to wait although the end of what the client sends was seen.
    hides_end: Cell<bool>,
    /// Whether the end of what the client sends was seen since its last request began.
    saw_end: Cell<bool>,
    /// Whether the end of the connection is all that tells where the answer ends.
    ends_open: Cell<bool>,
    /// Whether the answer goes on as it comes, and may be silent for as long as it likes.
    streams: Cell<bool>,
    /// Whether nothing of an answer waits in hyper's buffers.
    is_flushed: Cell<bool>,
    /// Interim answers on their way, and whether there are any.
    interim: RefCell<BytesMut>,
    /// The same for one of several requests: its stream writes them.
    stream_interim: RefCell<Vec<Response<()>>>,
    /// Bytes of these for the last request, whether they were written or not.
    interim_size: Cell<usize>,
    has_interim: Cell<bool>,
    sendable: RefCell<Option<Sendable>>,
    has_sendable: Cell<bool>,
    /// Whether this is one of several requests on a connection (HTTP/2).
    is_stream: bool,
}

/// Why a request's head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub kind: Kind,
    /// The byte of its target that may not be there.
    pub misplaced: Option<Misplaced>,
}

/// How a connection came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// `None` is a unix socket.
    pub peer: Option<SocketAddr>,
    /// The port that it came to; 0 at a unix socket.
    pub server_port: u16,
    /// The version of TLS, if it is spoken.
    pub tls: Option<TlsVersion>,
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

/// Whether the client has closed its side while it waits for an answer. That may mean that it has
/// left, or that it has only nothing more to say: TCP shows no difference until it is sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    None,
    /// It has closed its side; whether it is still there shall be looked at then.
    Suspected(Instant),
    /// It was sent something, which resets the connection if it has left.
    Probed(Instant),
}

// === impl Client ===

impl Client {
    /// A connection that was just accepted.
    pub fn new(way: Way, now: Instant) -> Self {
        // Whoever comes by a unix socket is on this machine.
        let address = way.peer.map_or(Ipv4Addr::LOCALHOST.into(), |peer| peer.ip().to_canonical());
        let activity = Cell::new(Activity::Idle(now));
        Self {
            address,
            port: way.peer.map(|peer| peer.port()),
            way,
            text: address.to_string(),
            activity,
            requests: Cell::new(0),
            refusal: Cell::new(None),
            targets: RefCell::default(),
            wide: Cell::new(None),
            has_begun: Cell::new(false),
            is_let_go: Cell::new(false),
            body: Rc::default(),
            takes_interim: Cell::new(false),
            departure: Cell::new(Departure::None),
            blocked: Cell::new(None),
            hides_end: Cell::new(false),
            saw_end: Cell::new(false),
            ends_open: Cell::new(false),
            streams: Cell::new(false),
            is_flushed: Cell::new(true),
            interim: RefCell::default(),
            stream_interim: RefCell::default(),
            interim_size: Cell::new(0),
            has_interim: Cell::new(false),
            sendable: RefCell::default(),
            has_sendable: Cell::new(false),
            is_stream: false,
        }
    }

    /// The peer's address as text.
    pub fn address(&self) -> &str {
        &self.text
    }

    /// Whether it came by a unix socket. It is believed like a trusted proxy, as gunicorn does: the
    /// socket's mode has let it in, and it has no address that a list could hold.
    pub(super) fn is_local(&self) -> bool {
        self.way.peer.is_none()
    }

    /// Whether the client speaks TLS with Sideman itself.
    pub(super) fn is_tls(&self) -> bool {
        self.way.tls.is_some()
    }

    /// The version of TLS that it speaks.
    pub(super) fn tls(&self) -> Option<TlsVersion> {
        self.way.tls
    }

    /// Bytes that have come of the body of its last request.
    pub(super) fn received(&self) -> u64 {
        self.body.bytes()
    }

    /// The port that it came to.
    pub(super) fn server_port(&self) -> u16 {
        self.way.server_port
    }

    /// For one of several requests on this connection.
    #[must_use]
    pub fn stream(&self) -> Self {
        Self { is_stream: true, ..Self::new(self.way, Instant::now()) }
    }

    /// Whether it can be used for another request.
    pub fn is_free(&self) -> bool {
        matches!(self.activity.get(), Activity::Idle(_)) && Rc::strong_count(&self.body) == 1
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
        if self.is_stream {
            return;
        }
        self.has_sendable.set(true);
        self.sendable.replace(Some(sendable));
    }

    /// Some more of an answer left that had been held up.
    pub fn on_write(&self) {
        if let Activity::Idle(_) = self.activity.get() {
            self.activity.set(Activity::Idle(Instant::now()));
        }
    }

    /// Nothing of an answer could be written; noted once, until something is.
    pub fn on_blocked(&self) {
        if self.blocked.get().is_none() {
            self.blocked.set(Some(Instant::now()));
        }
    }

    /// Something of an answer was written.
    pub fn on_unblocked(&self) {
        self.blocked.set(None);
    }

    /// Since when it has taken nothing of an answer, if it does not.
    pub fn blocked(&self) -> Option<Instant> {
        self.blocked.get()
    }

    /// How much has come of the body of the request that is being answered.
    pub fn body(&self) -> Option<Arrival> {
        (self.activity.get() == Activity::Busy).then(|| self.body.get())
    }

    /// The client sends no more; whoever takes the body will find out whether that was all.
    pub fn on_end_of_body(&self) {
        self.body.set(Arrival::Ended);
    }

    /// Whether it has closed its side.
    pub fn departure(&self) -> Departure {
        self.departure.get()
    }

    /// Whether this is the first time since the last request that the end of what it sends is seen.
    pub fn is_first_end(&self) -> bool {
        !self.saw_end.replace(true)
    }

    /// Hides the end of what it sends while it is answered.
    pub fn hide_end(&self) {
        self.hides_end.set(true);
    }

    /// Whether an end was hidden and need not be any more: it must be read again, since nothing else
    /// will come that could wake the connection.
    pub fn take_hidden_end(&self) -> bool {
        matches!(self.activity.get(), Activity::Idle(_)) && self.hides_end.replace(false)
    }

    /// Notes that it has closed its side, or what came of it.
    pub fn set_departure(&self, departure: Departure) {
        self.departure.set(departure);
    }

    /// The client waits to be told to send the body of its request.
    pub fn on_expectation(&self) {
        self.body.ask();
    }

    /// The body of its request breaks off, for this reason.
    pub fn on_body_fault(&self, kind: Kind) {
        self.body.set_fault(kind);
    }

    /// To be kept up to date by whoever takes the body.
    pub(super) fn arrival(&self) -> &Rc<Arriving> {
        &self.body
    }

    /// Whether an interim answer may be sent now: not to HTTP/1.0 (RFC 9110, 15.2), and not in the
    /// middle of an earlier answer.
    pub fn takes_interim(&self) -> bool {
        self.takes_interim.get() && (self.is_stream || self.is_flushed.get())
    }

    /// The application has sent an interim answer.
    pub(super) fn on_interim(&self, status: StatusCode, fields: &HeaderMap) {
        if !self.takes_interim() {
            return;
        }
        if self.is_stream {
            let size = self.interim_size.get() + interim::size(fields);
            if size <= interim::LIMIT {
                self.interim_size.set(size);
                self.stream_interim.borrow_mut().push(interim::response(status, fields));
                self.has_interim.set(true);
            }
        } else {
            interim::append(&mut self.interim.borrow_mut(), status, fields);
            self.has_interim.set(true);
        }
    }

    /// Interim answers of one of several requests, as they are to be written now.
    pub fn take_stream_interim(&self) -> Vec<Response<()>> {
        if self.body.take_permission() && self.takes_interim() {
            let mut go_on = Response::new(());
            *go_on.status_mut() = StatusCode::CONTINUE;
            self.stream_interim.borrow_mut().push(go_on);
            self.has_interim.set(true);
        }
        if self.has_interim.replace(false) { self.stream_interim.take() } else { Vec::new() }
    }

    /// Interim answers to be written before anything else; empty when that is done.
    pub fn interim(&self) -> Option<RefMut<'_, BytesMut>> {
        self.has_interim.get().then(|| self.interim.borrow_mut())
    }

    /// Has the rest of an interim answer written.
    pub fn set_interim(&self, rest: &[u8]) {
        self.interim.borrow_mut().extend_from_slice(rest);
        self.has_interim.set(!rest.is_empty());
    }

    /// All interim answers were written, or there is no place for them.
    pub fn clear_interim(&self) {
        self.has_interim.set(false);
        self.interim.take();
    }

    /// Whether nothing of an answer waits in hyper's buffers.
    pub fn is_flushed(&self) -> bool {
        self.is_flushed.get()
    }

    /// Nothing of an answer waits in hyper's buffers.
    pub fn on_flushed(&self) {
        self.is_flushed.set(true);
    }

    /// The client still sends a body that nobody reads. Whoever reads it shares the cell.
    pub(super) fn is_body_abandoned(&self) -> bool {
        self.owes_body() && Rc::strong_count(&self.body) == 1
    }

    /// The last body has not come completely, for all that is known.
    pub fn owes_body(&self) -> bool {
        self.body.get() == Arrival::Coming
    }

    /// Whether the end of what it sends was seen.
    pub fn has_ended(&self) -> bool {
        self.saw_end.get()
    }

    /// How many requests have come.
    pub fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// Has the request refused that comes after so many others: its head can't be read, or may not.
    pub fn refuse(&self, after: u64, refusal: Refusal) {
        self.refusal.set(Some((after, refusal)));
    }

    /// Why the request that is being answered is refused, if it is; nothing comes after it.
    pub fn refusal(&self) -> Option<Refusal> {
        let (after, refusal) = self.refusal.get()?;
        // On a connection of many requests others come after it.
        let is_this = match self.is_stream {
            true => self.requests.get() == after + 1,
            false => self.requests.get() > after,
        };
        is_this.then_some(refusal)
    }

    /// Keeps the target of the request after so many others as it came.
    pub fn keep_target(&self, after: u64, target: &[u8]) {
        if let Ok(target) = std::str::from_utf8(target) {
            self.targets.borrow_mut().push_back((after, target.into()));
        }
    }

    /// The target of the request that has just begun as it came, if it was kept.
    pub(super) fn take_target(&self) -> Option<Box<str>> {
        let mut targets = self.targets.borrow_mut();
        let (after, _) = targets.front()?;
        if self.requests.get() != after + 1 {
            return None;
        }
        targets.pop_front().map(|(_, target)| target)
    }

    /// The head after so many has more fields than usual: hyper must make room before it gets it.
    pub fn set_wide(&self, after: u64) {
        self.wide.set(Some(after));
    }

    /// Whether room is to be made now: all answers before are on their way. Once.
    pub fn take_wide(&self) -> bool {
        let is_due = self.wide.get() == Some(self.requests.get())
            && self.activity.get() != Activity::Busy
            && self.is_flushed.get();
        if is_due {
            self.wide.set(None);
        }
        is_due
    }

    /// Whether a part of the next head has come.
    pub fn set_begun(&self, has_begun: bool) {
        self.has_begun.set(has_begun);
    }

    /// Asks it to end if it is idle.
    pub fn let_go(&self) {
        self.is_let_go.set(true);
    }

    /// Whether it was asked to. Once: it need not if it was not idle then.
    pub fn take_let_go(&self) -> bool {
        self.is_let_go.replace(false)
    }

    /// A request's head has come.
    pub fn on_request(&self, version: Version, has_body: bool) {
        self.requests.set(self.requests.get() + 1);
        self.activity.set(Activity::Busy);
        self.body.begin(if has_body { Arrival::Coming } else { Arrival::Over });
        self.takes_interim.set(version >= Version::HTTP_11);
        self.saw_end.set(false);
        self.interim_size.set(0);
    }

    /// Whether the answer's end is told by that of the connection alone: should it break off, an orderly
    /// end would pass for its own.
    pub fn ends_open(&self) -> bool {
        self.ends_open.get()
    }

    /// Whether an answer has begun that goes on as it comes.
    pub fn streams(&self) -> bool {
        self.streams.get()
    }

    /// The head of the answer is about to be written. `has_length` tells whether its length is known, `streams`
    /// whether it goes on as it comes.
    pub(super) fn on_answer(&self, version: Version, has_length: bool, streams: bool) {
        self.streams.set(streams);
        // HTTP/1.0 knows no chunks.
        self.ends_open.set(version < Version::HTTP_11 && !has_length);
        self.takes_interim.set(false);
        self.is_flushed.set(false);
    }

    /// More of the answer is about to be written.
    pub(super) fn on_more(&self) {
        self.is_flushed.set(false);
    }

    pub(super) fn on_answered(&self, now: Instant) {
        // The next request may have begun behind this one.
        let next = if self.has_begun.get() { Activity::Head(now) } else { Activity::Idle(now) };
        self.activity.set(next);
        self.departure.set(Departure::None);
        self.streams.set(false);
    }
}
