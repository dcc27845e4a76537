//! The body of a request as it comes from the client.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// A request's body that tells its connection when it has come completely.
#[derive(Debug)]
pub struct RequestBody {
    /// `None` once taken.
    incoming: Option<Incoming>,
    arrival: Rc<Cell<Arrival>>,
}

/// How much of a body has come. hyper reads ahead of whoever takes it: when the connection finds the
/// end of what the client sends, all of the body may be here already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrival {
    /// All of it.
    #[default]
    Over,
    /// Some of it, for all that is known.
    Coming,
    /// The client sends no more; whether that was all is known when the rest was taken.
    Ended,
    /// The client sends no more, and that was not all.
    Broken,
}

// === impl RequestBody ===

impl RequestBody {
    /// Keeps `arrival` up to date.
    pub fn new(incoming: Incoming, arrival: Rc<Cell<Arrival>>) -> Self {
        Self { incoming: Some(incoming), arrival }
    }

    /// The body of a request that is made here and has none.
    pub fn empty() -> Self {
        Self { incoming: None, arrival: Rc::default() }
    }

    /// The body, for somebody who wants it; what stays behind is at its end.
    #[must_use]
    pub fn take(&mut self) -> Self {
        Self { incoming: self.incoming.take(), arrival: Rc::clone(&self.arrival) }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { incoming, arrival } = self.get_mut();
        let Some(incoming) = incoming else { return Poll::Ready(None) };
        let polled = Pin::new(&mut *incoming).poll_frame(cx);
        let before = arrival.get();
        if matches!(polled, Poll::Ready(None)) || incoming.is_end_stream() {
            arrival.set(Arrival::Over);
        } else if polled.is_pending() && before == Arrival::Ended {
            arrival.set(Arrival::Broken);
        }
        if before == Arrival::Ended && arrival.get() != before {
            // The connection shall look at the end again.
            cx.waker().wake_by_ref();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
