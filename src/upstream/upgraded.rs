//! The application's side of a connection that has switched to another protocol (101).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{connection::UpstreamConnection, stream::UpstreamStream};

/// A byte stream to and from the application. It belongs to no pool and holds no permit.
#[derive(Debug)]
pub struct UpgradedStream {
    stream: UpstreamStream,
    /// The bytes that arrived right behind the head of the response.
    early: BytesMut,
    idle_timeout: Duration,
}

// === impl UpgradedStream ===

impl UpgradedStream {
    pub(super) fn new(connection: UpstreamConnection, idle_timeout: Duration) -> Self {
        let (stream, early) = connection.into_parts();
        Self { stream, early, idle_timeout }
    }

    /// How long both directions may be silent.
    pub fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }
}

impl AsyncRead for UpgradedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return self.stream.poll_read_some(cx, buffer);
        }
        let count = self.early.len().min(buffer.remaining());
        buffer.put_slice(self.early.get(..count).unwrap_or_default());
        self.early.advance(count);
        if self.early.is_empty() {
            // Free the memory, because a tunnel may last for hours.
            self.early = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for UpgradedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_shutdown(cx)
    }
}
