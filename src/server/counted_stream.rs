//! A client's byte stream that counts the bytes it transfers, and sets socket options for it.

use std::{
    fs::File,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use rustix::{
    fs::sendfile,
    net::{SendFlags, send},
};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

use super::stream::{ClientStream, NegotiatedProtocol, Transport};
use crate::telemetry::WorkerMetrics;

/// Unsent bytes that the kernel may queue for a long response. With a short queue, bytes reach the client while they
/// are in the processor's cache, and a client that reads nothing costs little. It does not limit the bytes in flight,
/// so paths with long delays are not slowed down.
const MAX_UNSENT: u32 = 16 * 1024;

/// A byte stream with its counters.
#[derive(Debug)]
pub(super) struct CountedStream {
    stream: ClientStream,
    metrics: Arc<WorkerMetrics>,
    /// Whether the kernel was told to keep its queue of unsent bytes short.
    has_short_queue: bool,
}

// === impl CountedStream ===

impl CountedStream {
    pub(super) fn new(stream: ClientStream, metrics: Arc<WorkerMetrics>) -> Self {
        Self { stream, metrics, has_short_queue: false }
    }

    /// The protocol that was negotiated by ALPN.
    pub(super) fn negotiated(&self) -> NegotiatedProtocol {
        self.stream.negotiated()
    }

    /// Whether unread bytes have arrived. Makes no system call if nothing happened. It consumes a byte, so call it only
    /// if the bytes are not needed.
    pub(super) fn has_more(&mut self) -> bool {
        self.stream.has_more()
    }

    /// Sets whether dropping the stream resets the connection. After a reset, the kernel holds no bytes that the client
    /// does not read. A response without a length also needs a reset if it is truncated, because an orderly close would
    /// make it look complete.
    pub(super) fn reset_at_end(&self, resets: bool) {
        if let Transport::Tcp(tcp) = self.stream.transport() {
            let _ = SockRef::from(tcp).set_linger(resets.then_some(Duration::ZERO));
        }
    }

    /// Sends the TLS `close_notify`. Call it before an orderly close.
    pub(super) fn send_close_notify(&mut self) {
        self.stream.send_close_notify();
    }

    /// Fails if the client has reset the connection. Linux still reports an orderly end to readers if that came before
    /// the reset.
    pub(super) fn check_reset(&self) -> io::Result<()> {
        self.stream.transport().take_error()?.map_or(Ok(()), Err)
    }

    /// Tells the kernel to keep its queue of unsent bytes short from now on. Otherwise a client that reads a long
    /// response slowly would cost the kernel megabytes.
    pub(super) fn shorten_queue(&mut self) {
        if !self.has_short_queue {
            self.has_short_queue = true;
            if let Transport::Tcp(tcp) = self.stream.transport() {
                // A kernel without this option sends as well, but at a higher cost.
                let _ = SockRef::from(tcp).set_tcp_notsent_lowat(MAX_UNSENT);
            }
        }
    }

    /// Whether the kernel can send files on this connection: there is no TLS between TCP and HTTP.
    pub(super) fn takes_files(&self) -> bool {
        self.stream.bare_tcp().is_some()
    }

    /// Writes bytes that are followed by more at once, so that both leave in the same segments.
    pub(super) fn poll_write_more(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        let sent = self.poll_io(cx, |tcp| Ok(send(tcp, bytes, flags)?));
        self.count(sent)
    }

    /// Sends a part of a file from the page cache with sendfile(2). Returns 0 if the kernel has no more of it.
    pub(super) fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        file: &File,
        offset: u64,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        let sent = self.poll_io(cx, |tcp| {
            let mut offset = offset;
            Ok(sendfile(tcp, file, Some(&mut offset), length)?)
        });
        self.count(sent)
    }

    /// Whether the kernel accepts bytes. With TLS, some bytes may still wait in this process.
    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.transport().poll_write_ready(cx)
    }

    /// Makes one system call on the socket as soon as it is writable.
    fn poll_io(
        &self,
        cx: &mut Context<'_>,
        call: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let Some(tcp) = self.stream.bare_tcp() else {
            return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
        };
        loop {
            ready!(tcp.poll_write_ready(cx))?;
            match tcp.try_io(Interest::WRITABLE, || call(tcp)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn count(&self, sent: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = &sent {
            self.metrics.sent_bytes.add(*count as u64);
        }
        sent
    }
}

impl AsyncRead for CountedStream {
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

impl AsyncWrite for CountedStream {
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
