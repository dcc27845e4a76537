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
    is_awaited: Rc<Cell<bool>>,
}

// === impl RequestBody ===

impl RequestBody {
    /// Clears `is_awaited` at the body's end.
    pub fn new(incoming: Incoming, is_awaited: Rc<Cell<bool>>) -> Self {
        Self { incoming: Some(incoming), is_awaited }
    }

    /// The body, for somebody who wants it; what stays behind is at its end.
    #[must_use]
    pub fn take(&mut self) -> Self {
        Self { incoming: self.incoming.take(), is_awaited: Rc::clone(&self.is_awaited) }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let polled = Pin::new(&mut *incoming).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || incoming.is_end_stream() {
            self.is_awaited.set(false);
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
