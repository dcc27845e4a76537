//! Limits the requests of a worker to one server that is not the application: few clients need it, and their requests
//! must not use up the descriptors.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::{body::Body, error::Error};

/// The requests that may run at the same time.
#[derive(Debug)]
pub(super) struct OriginPermits {
    running: Rc<Cell<usize>>,
    max: usize,
}

/// Counts a request while it runs.
pub(super) struct OriginPermit(Rc<Cell<usize>>);

/// The body of a response that is not complete. Its request runs until the client has the body.
struct CountedBody<F> {
    body: Body,
    explain: F,
    _running: OriginPermit,
}

// === impl OriginPermits ===

impl OriginPermits {
    pub(super) fn new(max: usize) -> Self {
        Self { running: Rc::default(), max }
    }

    /// Returns `None` if too many requests are running.
    pub(super) fn acquire(&self) -> Option<OriginPermit> {
        if self.running.get() >= self.max {
            return None;
        }
        self.running.set(self.running.get() + 1);
        Some(OriginPermit(Rc::clone(&self.running)))
    }
}

// === impl OriginPermit ===

impl OriginPermit {
    /// Counts the request until this body has ended. If it fails, `explain` makes the error of the request.
    pub(super) fn hold(
        self,
        body: Body,
        explain: impl Fn(Error) -> Error + Unpin + 'static,
    ) -> Body {
        match body {
            Body::Stream(_) => Body::stream(CountedBody { body, explain, _running: self }),
            here @ (Body::Empty | Body::Full(_) | Body::Sealed(_) | Body::File(_)) => here,
        }
    }
}

impl Drop for OriginPermit {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

// === impl CountedBody ===

impl<F: Fn(Error) -> Error + Unpin> HttpBody for CountedBody<F> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        polled.map(|frame| frame.map(|frame| frame.map_err(&this.explain)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
