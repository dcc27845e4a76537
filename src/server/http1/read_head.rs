//! Waits for the head of the next request, until it is complete, is refused, or the connection ends. A refused or late
//! head is also a request: it is answered, logged and counted like any other.

use std::{
    future::poll_fn,
    io,
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use super::{connection::Http1Connection, request_head::ClientRequestHead, socket::ClientSocket};
use crate::{
    body::{Deadline, Reservation},
    error::FailureKind,
    pipeline::{RequestRefusal, UNRESERVED_HEAD},
    rfc::request_head::{HeadLimits, HeadScanner},
    server::{
        head_filter::PREFACE,
        refusal::{self, refusal},
        stream::NegotiatedProtocol,
    },
};

/// The result of the wait for a request.
#[derive(Debug)]
pub(super) enum HeadResult {
    Request(Box<ClientRequestHead>),
    /// The client speaks HTTP/2.
    Http2,
    /// No further request is read.
    Over(ConnectionEnd),
}

/// Why a connection ended without another request.
#[derive(Debug)]
pub(super) enum ConnectionEnd {
    /// The client has closed its side.
    Closed,
    /// The client closed or reset the connection within a head.
    Broken(io::Error),
    /// No request was ever begun.
    Unbegun,
    /// The bytes may be the beginning of HTTP/2, and such a client would not understand a response.
    HalfHttp2,
    Idle,
    /// Closed to make room for other connections.
    Shed,
    /// The process or this worker is ending.
    Draining,
}

/// A head that is being read.
struct HeadReader {
    scanner: HeadScanner,
    limits: HeadLimits,
    /// Bytes that were already scanned.
    seen: usize,
    /// The reserved memory of the bytes so far, if they are more than usual.
    reservation: Option<Reservation>,
    /// Since when the client was idle before this head.
    since: Instant,
    /// When the first byte of the head arrived.
    begun: Option<Instant>,
    /// Whether the bytes may be the HTTP/2 preface instead.
    may_be_http2: bool,
    /// Since when the connection is closing because of a shutdown.
    closing: Option<Instant>,
}

/// During a shutdown, how long a head that has begun may take to complete. Most heads arrive in one piece.
const SHUTDOWN_HEAD_TIMEOUT: Duration = Duration::from_secs(1);

/// Waits for the next request. The connection has been idle since `since`.
pub(super) async fn read(connection: &mut Http1Connection<'_>, since: Instant) -> HeadResult {
    let limits = connection.current.get().app.plan.server.head;
    let is_first = connection.socket.borrow().requests() == 0;
    let mut reader = HeadReader {
        scanner: HeadScanner::default(),
        limits,
        seen: 0,
        reservation: None,
        since,
        begun: None,
        // A client that negotiated HTTP/1.1 may not begin with another protocol.
        may_be_http2: is_first && connection.negotiated == NegotiatedProtocol::Nothing,
        closing: None,
    };
    poll_fn(|cx| reader.poll(connection, cx)).await
}

/// Whether more has arrived than the empty line that may precede a request (RFC 9112, 2.2).
fn has_begun(input: &[u8]) -> bool {
    !b"\r\n".starts_with(input)
}

/// Refuses an incomplete head, as a request with a refusal.
fn refused(input: &[u8], kind: FailureKind) -> HeadResult {
    let parts = refusal::recover_partial(input);
    HeadResult::Request(Box::new(ClientRequestHead::refused(
        parts,
        RequestRefusal { kind, misplaced: None },
    )))
}

// === impl HeadReader ===

impl HeadReader {
    fn poll(
        &mut self,
        connection: &mut Http1Connection<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<HeadResult> {
        let socket = Rc::clone(&connection.socket);
        let mut socket = socket.borrow_mut();
        loop {
            if let Some(arrived) = self.check_input(connection, &mut socket) {
                return Poll::Ready(arrived);
            }
            if self.begun.is_none() && has_begun(&socket.input) {
                let now = Deadline::now();
                self.begun = Some(now);
                connection.activity.set_head(now);
            }
            // Bytes that arrived before the client closed its side still count.
            let filled = if socket.has_ended { Poll::Ready(Ok(0)) } else { socket.poll_fill(cx) };
            match filled {
                Poll::Ready(Ok(0)) if !has_begun(&socket.input) => {
                    return Poll::Ready(HeadResult::Over(ConnectionEnd::Closed));
                }
                Poll::Ready(Ok(0)) => {
                    let error = io::ErrorKind::UnexpectedEof.into();
                    return Poll::Ready(HeadResult::Over(ConnectionEnd::Broken(error)));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(HeadResult::Over(ConnectionEnd::Broken(error)));
                }
                Poll::Pending => break,
            }
        }
        // Checked last, so that a request that has already arrived is answered first.
        if connection.guard.is_closing() {
            if self.begun.is_none() || self.may_be_http2 {
                return Poll::Ready(HeadResult::Over(ConnectionEnd::Draining));
            }
            self.closing.get_or_insert_with(Deadline::now);
        }
        if connection.activity.take_shed() {
            return Poll::Ready(HeadResult::Over(ConnectionEnd::Shed));
        }
        self.poll_timeout(connection, &mut socket, cx)
    }

    /// Scans the bytes that have arrived since the last scan.
    fn check_input(
        &mut self,
        connection: &Http1Connection<'_>,
        socket: &mut ClientSocket,
    ) -> Option<HeadResult> {
        if socket.input.len() == self.seen {
            return None;
        }
        if self.may_be_http2 {
            if socket.input.starts_with(PREFACE) {
                return Some(HeadResult::Http2);
            }
            if PREFACE.starts_with(&socket.input) {
                self.seen = socket.input.len();
                return None;
            }
            self.may_be_http2 = false;
        }
        match self.scanner.scan(&socket.input, &self.limits) {
            Ok(Some(head)) => {
                if !self.reserve(connection, head.length) {
                    return Some(refused(&socket.input, FailureKind::HeadsFull));
                }
                let bytes = socket.take_head(head.length);
                Some(HeadResult::Request(Box::new(ClientRequestHead::read(
                    bytes,
                    head,
                    (self.begun, self.reservation.take()),
                ))))
            }
            Ok(None) => {
                self.seen = socket.input.len();
                let fits = self.reserve(connection, socket.input.capacity());
                (!fits).then(|| refused(&socket.input, FailureKind::HeadsFull))
            }
            Err(fault) => {
                let parts = refusal::recover(&socket.input);
                let refused = ClientRequestHead::refused(parts, refusal(fault));
                Some(HeadResult::Request(Box::new(refused)))
            }
        }
    }

    /// Reserves memory for a head of this size. Returns `false` if the budget is exhausted.
    fn reserve(&mut self, connection: &Http1Connection<'_>, bytes: usize) -> bool {
        bytes <= UNRESERVED_HEAD
            || connection.current.get().app.reserve_head(&mut self.reservation, bytes)
    }

    /// Ready when the client has sent nothing more for too long.
    fn poll_timeout(
        &self,
        connection: &mut Http1Connection<'_>,
        socket: &mut ClientSocket,
        cx: &mut Context<'_>,
    ) -> Poll<HeadResult> {
        let timeouts = &connection.timeouts;
        let first = timeouts.first.filter(|_| socket.requests() == 0);
        let at = match (self.begun, first) {
            (Some(begun), _) => begun + timeouts.header,
            (None, Some(first)) => self.since + first,
            (None, None) => self.since + timeouts.idle,
        };
        let last = self.closing.map(|since| since + SHUTDOWN_HEAD_TIMEOUT);
        let at = last.map_or(at, |last| at.min(last));
        connection.deadline.set_at(at);
        connection.deadline.poll_expired(cx).map(|()| match (self.begun, first) {
            _ if last == Some(at) => HeadResult::Over(ConnectionEnd::Draining),
            (Some(_), _) if self.may_be_http2 => HeadResult::Over(ConnectionEnd::HalfHttp2),
            (Some(_), _) => refused(&socket.input, FailureKind::ClientHeadTimeout),
            (None, Some(_)) => HeadResult::Over(ConnectionEnd::Unbegun),
            (None, None) => HeadResult::Over(ConnectionEnd::Idle),
        })
    }
}
