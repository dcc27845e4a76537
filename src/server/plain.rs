//! A client's socket without HTTP: what is left of it after the last answer.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::{Stream, Transport};
use crate::telemetry::Shard;

/// A byte stream that counts what passes.
#[derive(Debug)]
pub(super) struct Plain {
    stream: Stream,
    metrics: Arc<Shard>,
}

// === impl Plain ===

impl Plain {
    pub(super) fn new(stream: Stream, metrics: Arc<Shard>) -> Self {
        Self { stream, metrics }
    }

    /// Whether something has come that nobody has read; costs no system call when nothing happened.
    /// For those who want none of it: it takes a byte.
    pub(super) fn has_more(&mut self) -> bool {
        self.stream.has_more()
    }

    /// Has it reset when it is dropped: what the client does not take must not wait in the kernel.
    pub(super) fn reset_at_end(&self) {
        if let Transport::Tcp(tcp) = self.stream.transport() {
            let _ = SockRef::from(tcp).set_linger(Some(Duration::ZERO));
        }
    }

    /// Before it is closed in an orderly way.
    pub(super) fn say_end(&mut self) {
        self.stream.say_end();
    }
}

impl AsyncRead for Plain {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.metrics.received_bytes.add((buffer.filled().len() - before) as u64);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Plain {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.metrics.sent_bytes.add(written as u64);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices))?;
        self.metrics.sent_bytes.add(written as u64);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
