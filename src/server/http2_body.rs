//! The body of one HTTP/2 request. Taking its bytes lets the client send more.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame, SizeHint};

use crate::{
    body::BodyReader,
    error::{Error, FailureKind},
};

/// The data of a stream.
#[derive(Debug)]
pub(super) struct StreamBody {
    stream: RecvStream,
    /// The number of missing bytes, if the client has announced a length.
    left: Option<u64>,
    facts: Rc<BodyFacts>,
}

/// State that a body and its connection share.
#[derive(Debug, Default)]
pub(super) struct BodyFacts {
    permission: Cell<ContinueState>,
    /// Why the body failed, if known.
    fault: Cell<Option<FailureKind>>,
}

/// Whether a client waits for `100 Continue` before it sends its body (RFC 9110, 10.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ContinueState {
    #[default]
    NotAsked,
    /// The client waits, and nobody has asked for the body yet.
    Asked,
    /// The body is wanted, and no data has arrived.
    Granted,
}

// === impl BodyFacts ===

impl BodyFacts {
    /// `asks` says that the client waits for `100 Continue`.
    pub(super) fn new(asks: bool) -> Self {
        let permission = if asks { ContinueState::Asked } else { ContinueState::NotAsked };
        Self { permission: Cell::new(permission), fault: Cell::new(None) }
    }

    /// Whether `100 Continue` must be sent now, at most once.
    pub(super) fn take_permission(&self) -> bool {
        let is_granted = self.permission.get() == ContinueState::Granted;
        if is_granted {
            self.permission.set(ContinueState::NotAsked);
        }
        is_granted
    }

    /// Sets the fault to report when the body fails.
    pub(super) fn set_fault(&self, kind: FailureKind) {
        self.fault.set(Some(kind));
    }
}

// === impl StreamBody ===

impl StreamBody {
    /// `length` is the length that the client has announced.
    pub(super) fn new(stream: RecvStream, length: Option<u64>, facts: Rc<BodyFacts>) -> Self {
        Self { stream, left: length, facts }
    }

    /// Reads more bytes; `None` is the end. Trailers are not passed on, so nobody waits for them.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        let Some(data) = ready!(self.stream.poll_data(cx)) else {
            // If the data did not carry the end of the stream, trailers follow, and they may be refused.
            let trailers = ready!(self.stream.poll_trailers(cx));
            return Poll::Ready(trailers.err().map(Err));
        };
        let data = data?;
        self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
        // Fails only if more is released than has arrived.
        let _ = self.stream.flow_control().release_capacity(data.len());
        Poll::Ready(Some(Ok(data)))
    }
}

impl BodyReader for StreamBody {
    /// Not needed: HTTP/2 frames are small.
    fn reduce_read_size(self: Pin<&mut Self>) {}
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let polled = this.poll_data(cx);
        let permission = &this.facts.permission;
        let Poll::Ready(data) = polled else {
            if permission.get() == ContinueState::Asked {
                permission.set(ContinueState::Granted);
            }
            return Poll::Pending;
        };
        permission.set(ContinueState::NotAsked);
        let broken = |error| {
            let kind = this.facts.fault.get().unwrap_or(FailureKind::ClientBody);
            Error::io(kind, io::Error::other(error))
        };
        Poll::Ready(data.map(|data| data.map(Frame::data).map_err(broken)))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.stream.is_end_stream() {
            return SizeHint::with_exact(0);
        }
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
