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
    incoming: Incoming,
    is_awaited: Rc<Cell<bool>>,
}

// === impl RequestBody ===

impl RequestBody {
    /// Clears `is_awaited` at the body's end.
    pub fn new(incoming: Incoming, is_awaited: Rc<Cell<bool>>) -> Self {
        Self { incoming, is_awaited }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || self.incoming.is_end_stream() {
            self.is_awaited.set(false);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
