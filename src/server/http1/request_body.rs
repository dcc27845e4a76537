//! The body of an HTTP/1.1 request. It is read from the socket on demand.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::socket::ClientSocket;
use crate::{
    body::{BodyReader, ClientBody},
    error::{Error, FailureKind},
};

/// A body that is read from the socket. It holds the socket weakly, because the loop takes the whole socket back when
/// the connection ends.
#[derive(Debug)]
pub(super) struct SocketBody {
    socket: Weak<RefCell<ClientSocket>>,
    /// The number of the request that the body belongs to.
    number: u64,
    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110, 10.1.1).
    is_awaited: bool,
}

/// Where to read a body from.
enum BodyPosition {
    Here(Rc<RefCell<ClientSocket>>),
    /// The body is complete, and another request may have begun.
    Over,
    /// The connection is gone.
    Gone,
}

// === impl SocketBody ===

impl SocketBody {
    /// Creates the body of the request with this number.
    pub(super) fn of_request(
        socket: &Rc<RefCell<ClientSocket>>,
        number: u64,
        is_awaited: bool,
    ) -> ClientBody {
        if socket.borrow().is_body_complete() {
            return ClientBody::Empty;
        }
        ClientBody::Reader(Box::pin(Self { socket: Rc::downgrade(socket), number, is_awaited }))
    }

    /// Finds out where to read the body from.
    fn position(&self) -> BodyPosition {
        match self.socket.upgrade() {
            None => BodyPosition::Gone,
            // A new request begins only after the body of the previous one is complete.
            Some(socket) if socket.borrow().requests() != self.number => BodyPosition::Over,
            Some(socket) => BodyPosition::Here(socket),
        }
    }
}

impl BodyReader for SocketBody {
    fn reduce_read_size(self: Pin<&mut Self>) {
        if let BodyPosition::Here(socket) = self.position() {
            socket.borrow_mut().reduce_read_size();
        }
    }
}

impl Body for SocketBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let socket = match self.position() {
            BodyPosition::Here(socket) => socket,
            BodyPosition::Over => return Poll::Ready(None),
            BodyPosition::Gone => {
                return Poll::Ready(Some(Err(Error::new(FailureKind::ClientBody))));
            }
        };
        let mut socket = socket.borrow_mut();
        let polled = socket.poll_body(cx);
        if self.is_awaited {
            self.is_awaited = false;
            if polled.is_pending() {
                socket.ask_for_body(cx);
            }
        }
        polled.map(|data| data.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self.position() {
            BodyPosition::Here(socket) => socket.borrow().is_body_complete(),
            BodyPosition::Over => true,
            BodyPosition::Gone => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.position() {
            BodyPosition::Over => SizeHint::with_exact(0),
            BodyPosition::Gone => SizeHint::default(),
            BodyPosition::Here(socket) => {
                let left = socket.borrow().body_left();
                left.map_or_else(SizeHint::default, SizeHint::with_exact)
            }
        }
    }
}

impl Drop for SocketBody {
    fn drop(&mut self) {
        if let BodyPosition::Here(socket) = self.position() {
            socket.borrow_mut().abandon_body();
        }
    }
}
