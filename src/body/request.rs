//! The body of a request: as it comes from the client, or collected before.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{
    buffers::Buffers,
    client::ClientBody,
    collected::{Collected, collect},
    patience::{Patience, Wait},
};
use crate::error::{Error, Kind};

/// A request's body that tells its connection when it has come completely.
#[derive(Debug)]
pub struct RequestBody {
    source: Source,
    arrival: Rc<Arriving>,
}

#[derive(Debug)]
enum Source {
    /// There is none, or somebody else has it.
    Nothing,
    Coming {
        incoming: ClientBody,
        /// Bytes that may still come.
        left: u64,
        /// Bytes that have come and were given away.
        come: u64,
        /// Some of it was given away already.
        is_begun: bool,
        patience: Option<Patience>,
        /// Once there was something to wait for.
        waiting: Option<Box<Wait>>,
    },
    Collected(Collected),
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

/// What has come of a body, for its connection.
#[derive(Debug, Default)]
pub struct Arriving {
    arrival: Cell<Arrival>,
    bytes: Cell<u64>,
    permission: Cell<Permission>,
    fault: Cell<Option<Kind>>,
}

/// Whether a client waits to be told to send its body (RFC 9110, 10.1.1). Over HTTP/1.1 that is hyper's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Permission {
    #[default]
    NotAsked,
    /// It asks; nobody wants the body so far.
    Asked,
    /// Somebody does, and nothing has come.
    Granted,
}

// === impl Arriving ===

impl Arriving {
    /// Another body begins.
    pub fn begin(&self, arrival: Arrival) {
        self.arrival.set(arrival);
        self.bytes.set(0);
        self.permission.set(Permission::NotAsked);
        self.fault.set(None);
    }

    /// The client waits to be told to send it.
    pub fn ask(&self) {
        self.permission.set(Permission::Asked);
    }

    /// Whether the client is to be told to send it. Once.
    pub fn take_permission(&self) -> bool {
        let is_granted = self.permission.get() == Permission::Granted;
        if is_granted {
            self.permission.set(Permission::NotAsked);
        }
        is_granted
    }

    /// What is wrong with it, once it breaks off.
    pub fn set_fault(&self, kind: Kind) {
        self.fault.set(Some(kind));
    }

    /// How much of it has come.
    pub fn get(&self) -> Arrival {
        self.arrival.get()
    }

    /// The same in bytes, as far as somebody took them.
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Notes how much of it has come.
    pub fn set(&self, arrival: Arrival) {
        self.arrival.set(arrival);
    }
}

// === impl RequestBody ===

impl RequestBody {
    /// Keeps `arrival` up to date.
    pub fn new(incoming: ClientBody, arrival: Rc<Arriving>) -> Self {
        let source = Source::Coming {
            incoming,
            left: u64::MAX,
            come: 0,
            is_begun: false,
            patience: None,
            waiting: None,
        };
        Self { source, arrival }
    }

    /// The body of a request that is made here and has none.
    pub fn empty() -> Self {
        Self { source: Source::Nothing, arrival: Rc::default() }
    }

    /// The body, for somebody who wants it; what stays behind is at its end.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let source = std::mem::replace(&mut self.source, Source::Nothing);
        Self { source, arrival: Rc::clone(&self.arrival) }
    }

    /// Ends it with an error as soon as more than so many bytes have come.
    pub fn limit(&mut self, most: u64) {
        if let Source::Coming { left, .. } = &mut self.source {
            *left = most;
        }
    }

    /// Ends it with an error when the client is silent for too long, or too slow.
    pub fn watch(&mut self, bounds: Patience) {
        if let Source::Coming { patience, .. } = &mut self.source {
            *patience = Some(bounds);
        }
    }

    /// Takes all of it from the client, within its bounds; gives whether it was too long for memory.
    /// After a failure what has not come is still to come.
    pub async fn collect(&mut self, buffers: &Buffers) -> Result<bool, Error> {
        if !matches!(self.source, Source::Coming { .. }) {
            return Ok(false);
        }
        let collected = collect(self, buffers).await?;
        let is_file = collected.is_file();
        self.source = Source::Collected(collected);
        Ok(is_file)
    }

    /// Begins again; `false` if that is not possible.
    pub fn rewind(&mut self) -> bool {
        match &mut self.source {
            Source::Nothing => true,
            Source::Coming { is_begun, .. } => !*is_begun,
            Source::Collected(collected) => {
                collected.rewind();
                true
            }
        }
    }

    /// Whether it can be read several times.
    pub fn is_repeatable(&self) -> bool {
        matches!(self.source, Source::Nothing | Source::Collected(_)) || self.is_end_stream()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Self { source, arrival } = self.get_mut();
        let (incoming, left, come, is_begun, patience, waiting) = match source {
            Source::Nothing => return Poll::Ready(None),
            Source::Collected(collected) => return Pin::new(collected).poll_frame(cx),
            Source::Coming { incoming, left, come, is_begun, patience, waiting } => {
                (incoming, left, come, is_begun, patience, waiting)
            }
        };
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
        let Poll::Ready(frame) = polled else {
            if arrival.permission.get() == Permission::Asked {
                arrival.permission.set(Permission::Granted);
            }
            let Some(patience) = *patience else { return Poll::Pending };
            let waiting = waiting.get_or_insert_with(|| Box::new(Wait::new(patience, *come)));
            return waiting.poll_late(cx).map(|kind| Some(Err(Error::new(kind))));
        };
        let Some(frame) = frame else { return Poll::Ready(None) };
        *is_begun = true;
        arrival.permission.set(Permission::NotAsked);
        let kind = arrival.fault.get().unwrap_or(Kind::ClientBody);
        let broken = |error: io::Error| Error::io(kind, error);
        let frame = frame.map_err(broken).and_then(|frame| {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            arrival.bytes.set(arrival.bytes.get() + length);
            *left = left.checked_sub(length).ok_or_else(|| Error::new(Kind::BodyTooLarge))?;
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
            Source::Nothing => true,
            Source::Coming { incoming, .. } => incoming.is_end_stream(),
            Source::Collected(collected) => collected.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Nothing => SizeHint::with_exact(0),
            Source::Coming { incoming, .. } => incoming.size_hint(),
            Source::Collected(collected) => collected.size_hint(),
        }
    }
}
