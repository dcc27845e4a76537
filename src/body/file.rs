//! A part of an open file, read in chunks. What the page cache holds is read at once; what has to
//! come from the disk is read on the blocking pool, so that a slow disk never stalls a worker.

use std::{
    fs::File,
    io::{self, IoSliceMut},
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use tokio::task::JoinHandle;

use crate::error::{Error, Kind};

/// Memory of one transfer, whatever the size of its file.
const CHUNK: u64 = 128 * 1024;

/// The bytes `range` of a file. A file that turns out shorter ends the body with an error: the
/// client sees a broken transfer, never a short one that looks complete.
#[derive(Debug)]
pub struct FileStream {
    file: Arc<File>,
    range: Range<u64>,
    cold_read: Option<JoinHandle<io::Result<BytesMut>>>,
}

// === impl FileStream ===

impl FileStream {
    /// Starts at `range.start`; nothing is read before the first poll.
    pub fn new(file: Arc<File>, range: Range<u64>) -> Self {
        Self { file, range, cold_read: None }
    }

    fn left(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<BytesMut>> {
        let length = usize::try_from(self.left().min(CHUNK)).unwrap_or_default();
        if self.cold_read.is_none() {
            let mut chunk = BytesMut::zeroed(length);
            let flags = ReadWriteFlags::NOWAIT;
            let slices = &mut [IoSliceMut::new(&mut chunk)];
            match preadv2(&*self.file, slices, self.range.start, flags) {
                Ok(count) => {
                    chunk.truncate(count);
                    return Poll::Ready(Ok(chunk));
                }
                // Not in the page cache; or a file system or sandbox without RWF_NOWAIT.
                Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
            let (file, start) = (Arc::clone(&self.file), self.range.start);
            self.cold_read = Some(tokio::task::spawn_blocking(move || {
                let count = std::os::unix::fs::FileExt::read_at(&*file, &mut chunk, start)?;
                chunk.truncate(count);
                Ok(chunk)
            }));
        }
        let Some(read) = &mut self.cold_read else { return Poll::Pending };
        let result = ready!(Pin::new(read).poll(cx));
        self.cold_read = None;
        Poll::Ready(result.unwrap_or_else(|panic| Err(io::Error::other(panic))))
    }
}

impl Body for FileStream {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.left() == 0 {
            return Poll::Ready(None);
        }
        let chunk = match ready!(self.poll_chunk(cx)) {
            Ok(chunk) if chunk.is_empty() => {
                return Poll::Ready(Some(Err(Error::new(Kind::FileTruncated))));
            }
            Ok(chunk) => chunk,
            Err(error) => {
                return Poll::Ready(Some(Err(Error::io(Kind::FileUnreadable, error))));
            }
        };
        self.range.start += chunk.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(chunk.freeze()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}
