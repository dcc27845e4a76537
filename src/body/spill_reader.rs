//! Reads at a position without stalling the worker: cached bytes at once, and bytes on the disk on the blocking pool.

use std::{
    io,
    os::unix::fs::FileExt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;

use super::{
    budget::{Budget, Reservation},
    page_cache::cached,
    spill::UnnamedFile,
};
use crate::error::{Error, FailureKind};

/// Reads a temporary file from its beginning, in chunks.
#[derive(Debug)]
pub(super) struct SpillReader {
    file: Arc<UnnamedFile>,
    at: u64,
    /// A read on a blocking thread: the memory that was read into, and the result.
    cold: Option<JoinHandle<(BytesMut, io::Result<usize>)>>,
    /// Covers one chunk, which the reader's caller holds.
    reservation: Reservation,
}

/// Bytes of a chunk. If the budget does not cover the first size, the second applies, which is about one read of a
/// socket.
const CHUNK_SIZES: (u64, u64) = (64 * 1024, 8 * 1024);

// === impl SpillReader ===

impl SpillReader {
    pub(super) fn new(file: &Arc<UnnamedFile>, memory: &Budget) -> Self {
        Self { file: Arc::clone(file), at: 0, cold: None, reservation: memory.nothing() }
    }

    /// Returns where the next chunk begins.
    pub(super) fn position(&self) -> u64 {
        self.at
    }

    /// Starts again from the beginning.
    pub(super) fn rewind(&mut self) {
        (self.at, self.cold) = (0, None);
    }

    /// Returns the next chunk before `end`, which is within the file.
    pub(super) fn poll_chunk(
        &mut self,
        end: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes, Error>> {
        let read = match &mut self.cold {
            Some(read) => match ready!(Pin::new(read).poll(cx)) {
                Ok((memory, count)) => count.map(|count| cut(memory, count)),
                Err(panic) => Err(io::Error::other(panic)),
            },
            None => match self.begin(end) {
                Some(read) => read,
                None => return self.poll_chunk(end, cx),
            },
        };
        self.cold = None;
        Poll::Ready(match read {
            // No other process can have truncated it.
            Ok(data) if data.is_empty() => Err(failed(&io::ErrorKind::UnexpectedEof.into())),
            Ok(data) => {
                self.at += data.len() as u64;
                Ok(data)
            }
            Err(error) => Err(failed(&error)),
        })
    }

    /// Reads what is available at once; `None` if a blocking thread reads it now.
    fn begin(&mut self, end: u64) -> Option<io::Result<Bytes>> {
        let has_room = self.reservation.amount() > 0 || self.reservation.grow(CHUNK_SIZES.0);
        let chunk = if has_room { CHUNK_SIZES.0 } else { CHUNK_SIZES.1 };
        let length = usize::try_from(chunk.min(end.saturating_sub(self.at))).unwrap_or_default();
        let (mut memory, at) = (BytesMut::zeroed(length), self.at);
        let here = match self.file.get() {
            Ok(file) if self.file.is_disk() => cached(file, &mut memory, at),
            Ok(file) => file.read_at(&mut memory, at).map(Some),
            Err(error) => Err(error),
        };
        match here {
            Ok(Some(count)) => Some(Ok(cut(memory, count))),
            Err(error) => Some(Err(error)),
            Ok(None) => {
                let file = Arc::clone(&self.file);
                self.cold = Some(tokio::task::spawn_blocking(move || {
                    let count = file.get().and_then(|file| file.read_at(&mut memory, at));
                    // The blocking thread allocates nothing that the worker would have to free.
                    (memory, count)
                }));
                None
            }
        }
    }
}

/// Returns the first `count` bytes.
fn cut(mut memory: BytesMut, count: usize) -> Bytes {
    memory.truncate(count);
    memory.freeze()
}

/// Converts a read error. Reading needs no space, so no error counts as a full disk.
fn failed(error: &io::Error) -> Error {
    let text = format!("reading a buffered body failed: {error}");
    Error::io(FailureKind::BufferFailed, io::Error::new(error.kind(), text))
}
