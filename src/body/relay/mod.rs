//! A response that is read as fast as the application writes it, and sent as fast as the client reads it. The bytes
//! between are buffered in memory, then in a file. When both are full, the application is read more slowly. A task of
//! its own reads ([`pump`]); it shares a [`relay_buffer`] with the body for the client.

mod pressure;
mod pump;
mod relay_buffer;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::{AbortHandle, spawn_local};

pub use self::pressure::Pressure;

use self::relay_buffer::RelayBuffer;
use super::buffers::BodyBuffers;
use crate::error::Error;

/// The client's end. Dropping it ends the application's.
pub(super) struct RelayedBody {
    store: Rc<RelayBuffer>,
    /// The bytes that are still to be given, if the length was known from the start.
    left: Option<u64>,
    task: Option<AbortHandle>,
}

/// The part of a body that was available without waiting.
pub(super) enum RelayStart {
    /// All of it.
    Complete(Bytes),
    /// The body continues, or has trailers.
    Relayed(RelayedBody),
}

/// A body that has arrived already needs no task. Up to this size, a body without an announced length becomes one
/// chunk, whose length can be announced.
const MAX_SHORT_BODY: u64 = 64 * 1024;
/// The maximum that is read ahead without a copy. The client gets it while the processor's caches still hold it.
const MAX_READ_AHEAD: u64 = 256 * 1024;

// === impl RelayedBody ===

impl RelayedBody {
    /// Begins to read a body, in a task of the current thread unless all of it has arrived already. `report` is called
    /// the first time that its memory is full, and the first time that all buffers are.
    pub(super) async fn begin<B>(
        mut body: B,
        buffers: &BodyBuffers,
        report: impl Fn(Pressure) + 'static,
    ) -> Result<RelayStart, Error>
    where
        B: Body<Data = Bytes, Error = Error> + Unpin + 'static,
    {
        let left = body.size_hint().exact();
        let store = Rc::new(RelayBuffer::new(buffers));
        let max = if left.is_some() { MAX_READ_AHEAD } else { MAX_SHORT_BODY };
        if store.fill(&mut body, max).await? && store.len() <= MAX_SHORT_BODY {
            return Ok(RelayStart::Complete(store.whole()));
        }
        let mut this = Self { store, left, task: None };
        if !this.store.has_ended() {
            let pump = pump::run(body, Rc::clone(&this.store), report);
            this.task = Some(spawn_local(pump).abort_handle());
        }
        Ok(RelayStart::Relayed(this))
    }
}

impl Body for RelayedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let given = ready!(self.store.poll_give(cx));
        if let (Some(Ok(frame)), Some(left)) = (&given, &mut self.left) {
            *left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
        }
        Poll::Ready(given)
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0) || self.store.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for RelayedBody {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl fmt::Debug for RelayedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relayed").field("left", &self.left).finish_non_exhaustive()
    }
}
