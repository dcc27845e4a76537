//! One connection to the application with its buffers.

use std::{
    io::{self, IoSlice},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};

use super::stream::UpstreamStream;
use crate::{body::Deadline, error::FailureKind};

/// Room made for each read: a usual page in one go, without holding much for idle connections.
const READ: usize = 16 * 1024;
/// Room made for each read of a body whose length is known.
const READ_KNOWN: usize = 32 * 1024;
/// Room beyond the last byte: a read that fills all of its room leaves it open whether there is more, and the
/// next request on the connection would have to look.
pub(super) const BEYOND: usize = 1;

/// A connection in use or in the pool.
#[derive(Debug)]
pub(super) struct UpstreamConnection {
    stream: UpstreamStream,
    /// What arrived and was not taken yet.
    pub(super) input: BytesMut,
    /// What waits to be written: heads and chunk sizes.
    pub(super) output: BytesMut,
    pub(super) deadline: Deadline,
    /// When the answer must be complete (`upstream.total_timeout`).
    pub(super) total: Option<Instant>,
    pub(super) opened: Instant,
    /// Whether an earlier request went over it.
    pub(super) is_reused: bool,
    writes: WriteMode,
}

/// Whether a write may leave before the one in front of it was acknowledged (TCP_NODELAY). Many
/// applications get one write a connection: it needs no system call to say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteMode {
    None,
    One,
    AtOnce,
}

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadTimeout {
    /// Nothing moved.
    Pause,
    /// The whole answer.
    Total,
}

// === impl ReadTimeout ===

impl ReadTimeout {
    /// What the failure is then.
    pub(super) fn kind(self) -> FailureKind {
        match self {
            Self::Pause => FailureKind::UpstreamReadTimeout,
            Self::Total => FailureKind::UpstreamTotalTimeout,
        }
    }
}

// === impl UpstreamConnection ===

impl UpstreamConnection {
    /// `deadline` is what its opening was bounded by.
    pub(super) fn new(stream: UpstreamStream, mut deadline: Deadline) -> Self {
        deadline.clear();
        Self {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            deadline,
            total: None,
            opened: Instant::now(),
            is_reused: false,
            writes: WriteMode::None,
        }
    }

    /// The stream, and what arrived and was not taken yet, for another protocol.
    pub(super) fn into_parts(mut self) -> (UpstreamStream, BytesMut) {
        self.write_at_once();
        (self.stream, self.input)
    }

    /// Reads more into `input`; 0 is the end.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.input.capacity() - self.input.len() < READ / 2 {
            self.input.reserve(READ);
        }
        self.stream.poll_read(cx, &mut self.input)
    }

    /// The same when `left` bytes are known to come: in as few pieces as they may take memory.
    pub(super) fn poll_fill_known(
        &mut self,
        left: u64,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let wanted = usize::try_from(left).unwrap_or(READ_KNOWN).saturating_add(BEYOND);
        let room = wanted.min(READ_KNOWN);
        if self.input.capacity() - self.input.len() < room.min(READ / 2) {
            self.input.reserve(room);
        }
        self.stream.poll_read(cx, &mut self.input)
    }

    /// Writes some of `output`, and of `chunk` behind it.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        chunk: &mut Bytes,
    ) -> Poll<io::Result<()>> {
        if self.writes == WriteMode::One {
            self.write_at_once();
        }
        // Most requests have no body: one piece costs the kernel less than a list of them.
        let written = if chunk.is_empty() {
            self.stream.poll_write(cx, &self.output)
        } else {
            let slices = [IoSlice::new(&self.output), IoSlice::new(chunk)];
            self.stream.poll_write_vectored(cx, &slices)
        };
        match written {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(written)) => {
                if self.writes == WriteMode::None {
                    self.writes = WriteMode::One;
                }
                let from_output = written.min(self.output.len());
                self.output.advance(from_output);
                chunk.advance(written - from_output);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// From the second write on: none waits for the one before.
    fn write_at_once(&mut self) {
        self.stream.write_at_once();
        self.writes = WriteMode::AtOnce;
    }

    /// Ready when nothing has moved for `pause`, or the whole takes too long. The clock is read only
    /// when something did.
    pub(super) fn poll_timeout(
        &mut self,
        pause: Duration,
        moved: bool,
        cx: &mut Context<'_>,
    ) -> Poll<ReadTimeout> {
        if moved || !self.deadline.is_set() {
            let at = Deadline::now() + pause;
            self.deadline.set_at(self.total.map_or(at, |total| total.min(at)));
        }
        self.deadline
            .poll_expired(cx)
            .map(|()| if self.is_over_total() { ReadTimeout::Total } else { ReadTimeout::Pause })
    }

    /// Whether the whole takes too long. The clock is read only if there is such a bound.
    pub(super) fn is_over_total(&self) -> bool {
        self.total.is_some_and(|total| Instant::now() >= total)
    }

    /// Whether it was reset after its end was read.
    pub(super) fn is_reset(&self) -> bool {
        self.stream.is_reset()
    }

    /// Whether a request may go over it as far as can be told without asking.
    pub(super) fn is_quiet(&self) -> bool {
        self.input.is_empty() && self.stream.is_quiet()
    }
}
