//! A byte stream that first returns bytes that were already read, and filters its request heads.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::head_filter::HeadFilter;

/// Returns the early bytes, then those of the stream.
#[derive(Debug)]
pub(super) struct RewindStream<I> {
    source: EarlyBytes<I>,
    filter: Rc<HeadFilter>,
}

#[derive(Debug)]
struct EarlyBytes<I> {
    early: Bytes,
    io: I,
}

// === impl RewindStream ===

impl<I> RewindStream<I> {
    pub(super) fn new(early: Bytes, io: I, filter: Rc<HeadFilter>) -> Self {
        Self { source: EarlyBytes { early, io }, filter }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for RewindStream<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { source, filter } = self.get_mut();
        filter.poll_read(cx, buffer, Pin::new(source))
    }
}

// === impl EarlyBytes ===

impl<I: AsyncRead + Unpin> AsyncRead for EarlyBytes<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buffer);
        }
        let count = self.early.len().min(buffer.remaining());
        buffer.put_slice(self.early.get(..count).unwrap_or_default());
        self.early.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for RewindStream<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.source.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.source.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.source.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.source.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.source.io).poll_shutdown(cx)
    }
}
