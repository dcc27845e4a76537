//! A client's socket without HTTP: what is left of it after the last answer.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::telemetry::Shard;

/// A byte stream that counts what passes.
#[derive(Debug)]
pub(super) struct Plain {
    tcp: TcpStream,
    metrics: Arc<Shard>,
}

// === impl Plain ===

impl Plain {
    pub(super) fn new(tcp: TcpStream, metrics: Arc<Shard>) -> Self {
        Self { tcp, metrics }
    }

    /// Whether something has come that nobody has read; costs no system call when nothing happened.
    /// For those who want none of it: it takes a byte.
    pub(super) fn has_more(&self) -> bool {
        self.tcp.try_read(&mut [0]).is_ok_and(|count| count > 0)
    }
}

impl AsyncRead for Plain {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buffer))?;
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
        let written = ready!(Pin::new(&mut self.tcp).poll_write(cx, bytes))?;
        self.metrics.sent_bytes.add(written as u64);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
