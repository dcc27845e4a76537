//! The body of a request: streamed from the client, or collected before.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{
    buffers::BodyBuffers,
    client::ClientBody,
    collected::{CollectedBody, collect},
    slow_client::{SlowClientLimits, SlowClientTimer},
};
use crate::error::{Error, FailureKind};

/// A request's body, within its limits.
#[derive(Debug)]
pub struct RequestBody {
    source: BodySource,
    /// Bytes that were received from the client; `None` if there is no body.
    received: Option<Rc<Cell<u64>>>,
}

#[derive(Debug)]
enum BodySource {
    /// There is none, or another value has taken it.
    Nothing,
    Client {
        incoming: ClientBody,
        /// Bytes that may still arrive.
        left: u64,
        /// Bytes that have arrived and were given away.
        come: u64,
        /// Whether some of it was given away already.
        is_begun: bool,
        limits: Option<SlowClientLimits>,
        /// Set once there was a wait.
        waiting: Option<Box<SlowClientTimer>>,
    },
    Collected(CollectedBody),
}

// === impl RequestBody ===

impl RequestBody {
    /// Creates the body of a client's request.
    pub fn new(incoming: ClientBody) -> Self {
        if matches!(incoming, ClientBody::Empty) {
            return Self::empty();
        }
        let source = BodySource::Client {
            incoming,
            left: u64::MAX,
            come: 0,
            is_begun: false,
            limits: None,
            waiting: None,
        };
        Self { source, received: Some(Rc::default()) }
    }

    /// Returns the counter of the bytes received so far, which also counts later ones; `None` if there is no body.
    pub fn received(&self) -> Option<Rc<Cell<u64>>> {
        self.received.clone()
    }

    /// Creates the body of an internal request without one.
    pub fn empty() -> Self {
        Self { source: BodySource::Nothing, received: None }
    }

    /// Takes the body and leaves an ended one.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let source = std::mem::replace(&mut self.source, BodySource::Nothing);
        Self { source, received: self.received.clone() }
    }

    /// Ends the body with an error as soon as more than `max` bytes have arrived.
    pub fn limit(&mut self, max: u64) {
        if let BodySource::Client { left, .. } = &mut self.source {
            *left = max;
        }
    }

    /// Ends the body with an error if the client pauses for too long, or is too slow.
    pub fn watch(&mut self, bounds: SlowClientLimits) {
        if let BodySource::Client { limits, .. } = &mut self.source {
            *limits = Some(bounds);
        }
    }

    /// Reads all of it from the client, within its limits. Returns whether it was too long for memory. After a failure,
    /// the rest has not been read.
    pub async fn collect(&mut self, buffers: &BodyBuffers) -> Result<bool, Error> {
        if !matches!(self.source, BodySource::Client { .. }) {
            return Ok(false);
        }
        let spare = |this: &mut Self| {
            if let BodySource::Client { incoming, .. } = &mut this.source {
                incoming.reduce_read_size();
            }
        };
        let collected = collect(self, buffers, spare).await?;
        let is_file = collected.is_file();
        self.source = BodySource::Collected(collected);
        Ok(is_file)
    }

    /// Starts again from the beginning; `false` if that is not possible.
    pub fn rewind(&mut self) -> bool {
        match &mut self.source {
            BodySource::Nothing => true,
            BodySource::Client { is_begun, .. } => !*is_begun,
            BodySource::Collected(collected) => {
                collected.rewind();
                true
            }
        }
    }

    /// Whether it can be read several times.
    pub fn is_repeatable(&self) -> bool {
        matches!(self.source, BodySource::Nothing | BodySource::Collected(_))
            || self.is_end_stream()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Self { source, received } = self.get_mut();
        let (incoming, left, come, is_begun, limits, waiting) = match source {
            BodySource::Nothing => return Poll::Ready(None),
            BodySource::Collected(collected) => return Pin::new(collected).poll_frame(cx),
            BodySource::Client { incoming, left, come, is_begun, limits, waiting } => {
                (incoming, left, come, is_begun, limits, waiting)
            }
        };
        let Poll::Ready(frame) = Pin::new(&mut *incoming).poll_frame(cx) else {
            let Some(limits) = *limits else { return Poll::Pending };
            let waiting =
                waiting.get_or_insert_with(|| Box::new(SlowClientTimer::new(limits, *come)));
            return waiting.poll_timeout(cx).map(|kind| Some(Err(Error::new(kind))));
        };
        let Some(frame) = frame else { return Poll::Ready(None) };
        *is_begun = true;
        let frame = frame.and_then(|frame| {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            if let Some(received) = received {
                received.set(received.get() + length);
            }
            *left =
                left.checked_sub(length).ok_or_else(|| Error::new(FailureKind::BodyTooLarge))?;
            *come += length;
            if let Some(waiting) = waiting {
                waiting.on_bytes(length);
            }
            Ok(frame)
        });
        Poll::Ready(Some(frame))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            BodySource::Nothing => true,
            BodySource::Client { incoming, .. } => incoming.is_end_stream(),
            BodySource::Collected(collected) => collected.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            BodySource::Nothing => SizeHint::with_exact(0),
            BodySource::Client { incoming, .. } => incoming.size_hint(),
            BodySource::Collected(collected) => collected.size_hint(),
        }
    }
}
