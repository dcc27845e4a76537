//! One connection to the application with its buffers.

use std::{
    io::{self, IoSlice},
    os::fd::RawFd,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};

use super::stream::UpstreamStream;
use crate::{body::Deadline, error::FailureKind};

/// Bytes to read at a time: a usual page in one read, without much memory for idle connections.
const READ_SIZE: usize = 16 * 1024;
/// Bytes to read at a time from a body of known length.
const KNOWN_READ_SIZE: usize = 32 * 1024;
/// Extra space beyond the last byte. If a read filled its whole buffer, it would be unknown whether more bytes exist,
/// and the next request on the connection would have to check.
pub(super) const SPARE_SPACE: usize = 1;

/// A connection in use or in the pool.
#[derive(Debug)]
pub(super) struct UpstreamConnection {
    stream: UpstreamStream,
    /// Bytes that arrived and were not taken yet.
    pub(super) input: BytesMut,
    /// Bytes to write: heads and chunk sizes.
    pub(super) output: BytesMut,
    pub(super) deadline: Deadline,
    /// When the response must be complete (`upstream.total_timeout`).
    pub(super) total: Option<Instant>,
    pub(super) opened: Instant,
    /// Whether the connection carried an earlier request.
    pub(super) is_reused: bool,
    writes: WriteMode,
}

/// Whether a write may be sent before the previous one was acknowledged (TCP_NODELAY). For many applications there is
/// only one write per connection, so the system call is not needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteMode {
    None,
    One,
    AtOnce,
}

/// The timeout that has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadTimeout {
    /// No bytes moved.
    Pause,
    /// The whole response took too long.
    Total,
}

// === impl ReadTimeout ===

impl ReadTimeout {
    /// The failure kind of this timeout.
    pub(super) fn kind(self) -> FailureKind {
        match self {
            Self::Pause => FailureKind::UpstreamReadTimeout,
            Self::Total => FailureKind::UpstreamTotalTimeout,
        }
    }
}

// === impl UpstreamConnection ===

impl UpstreamConnection {
    /// Creates a connection. `deadline` is the one that limited its opening.
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

    /// The number of the socket.
    pub(super) fn descriptor(&self) -> RawFd {
        self.stream.descriptor()
    }

    /// Returns the stream and the bytes that were not taken yet, for another protocol.
    pub(super) fn into_parts(mut self) -> (UpstreamStream, BytesMut) {
        self.write_at_once();
        (self.stream, self.input)
    }

    /// Reads more bytes into `input`; 0 is the end.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.input.capacity() - self.input.len() < READ_SIZE / 2 {
            self.input.reserve(READ_SIZE);
        }
        self.stream.poll_read(cx, &mut self.input)
    }

    /// Like [`poll_fill`](Self::poll_fill), if it is known that `left` bytes follow. Reads are larger, so that a body
    /// arrives in few chunks, but each takes limited memory.
    pub(super) fn poll_fill_known(
        &mut self,
        left: u64,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let wanted = usize::try_from(left).unwrap_or(KNOWN_READ_SIZE).saturating_add(SPARE_SPACE);
        let space = wanted.min(KNOWN_READ_SIZE);
        if self.input.capacity() - self.input.len() < space.min(READ_SIZE / 2) {
            self.input.reserve(space);
        }
        self.stream.poll_read(cx, &mut self.input)
    }

    /// Writes some of `output`, then some of `chunk`.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        chunk: &mut Bytes,
    ) -> Poll<io::Result<()>> {
        if self.writes == WriteMode::One {
            self.write_at_once();
        }
        // Most requests have no body, and one slice costs the kernel less than a list of slices.
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

    /// From the second write on, no write waits for the previous one.
    fn write_at_once(&mut self) {
        self.stream.write_at_once();
        self.writes = WriteMode::AtOnce;
    }

    /// Ready when no bytes moved for `pause`, or the total timeout expired. The clock is read only if bytes moved.
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

    /// Whether the total timeout has expired. The clock is read only if there is such a timeout.
    pub(super) fn is_over_total(&self) -> bool {
        self.total.is_some_and(|total| Instant::now() >= total)
    }

    /// Whether the connection was reset after its end was read.
    pub(super) fn is_reset(&self) -> bool {
        self.stream.is_reset()
    }

    /// Whether the connection seems usable for a request, as far as this is known without a system call.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.input.is_empty() && self.stream.is_quiet()
    }
}
