//! The body of a request: as it comes from the client, or collected before.

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

/// A request's body, within its bounds.
#[derive(Debug)]
pub struct RequestBody {
    source: BodySource,
    /// Bytes that were taken from the client; `None` if there never were any.
    received: Option<Rc<Cell<u64>>>,
}

#[derive(Debug)]
enum BodySource {
    /// There is none, or somebody else has it.
    Nothing,
    Client {
        incoming: ClientBody,
        /// Bytes that may still come.
        left: u64,
        /// Bytes that have come and were given away.
        come: u64,
        /// Some of it was given away already.
        is_begun: bool,
        patience: Option<SlowClientLimits>,
        /// Once there was something to wait for.
        waiting: Option<Box<SlowClientTimer>>,
    },
    Collected(CollectedBody),
}

// === impl RequestBody ===

impl RequestBody {
    /// The body of a client's request.
    pub fn new(incoming: ClientBody) -> Self {
        if matches!(incoming, ClientBody::Empty) {
            return Self::empty();
        }
        let source = BodySource::Client {
            incoming,
            left: u64::MAX,
            come: 0,
            is_begun: false,
            patience: None,
            waiting: None,
        };
        Self { source, received: Some(Rc::default()) }
    }

    /// Bytes that were taken from the client so far, also of what is taken later; `None` if there is no body.
    pub fn received(&self) -> Option<Rc<Cell<u64>>> {
        self.received.clone()
    }

    /// The body of a request that is made here and has none.
    pub fn empty() -> Self {
        Self { source: BodySource::Nothing, received: None }
    }

    /// The body, for somebody who wants it; what stays behind is at its end.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let source = std::mem::replace(&mut self.source, BodySource::Nothing);
        Self { source, received: self.received.clone() }
    }

    /// Ends it with an error as soon as more than so many bytes have come.
    pub fn limit(&mut self, max: u64) {
        if let BodySource::Client { left, .. } = &mut self.source {
            *left = max;
        }
    }

    /// Ends it with an error when the client is silent for too long, or too slow.
    pub fn watch(&mut self, bounds: SlowClientLimits) {
        if let BodySource::Client { patience, .. } = &mut self.source {
            *patience = Some(bounds);
        }
    }

    /// Takes all of it from the client, within its bounds; gives whether it was too long for memory.
    /// After a failure what has not come is still to come.
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

    /// Begins again; `false` if that is not possible.
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
        let (incoming, left, come, is_begun, patience, waiting) = match source {
            BodySource::Nothing => return Poll::Ready(None),
            BodySource::Collected(collected) => return Pin::new(collected).poll_frame(cx),
            BodySource::Client { incoming, left, come, is_begun, patience, waiting } => {
                (incoming, left, come, is_begun, patience, waiting)
            }
        };
        let Poll::Ready(frame) = Pin::new(&mut *incoming).poll_frame(cx) else {
            let Some(patience) = *patience else { return Poll::Pending };
            let waiting =
                waiting.get_or_insert_with(|| Box::new(SlowClientTimer::new(patience, *come)));
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
