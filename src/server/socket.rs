//! A client's socket that counts its bytes and tells its connection when some arrive.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use rustix::{
    fs::sendfile,
    net::{SendAncillaryBuffer, SendFlags, sendmsg},
};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

use crate::{
    pipeline::{Client, Sendable},
    telemetry::Shard,
};

/// A TCP stream with its counters.
#[derive(Debug)]
pub(super) struct Socket {
    tcp: TcpStream,
    client: Rc<Client>,
    metrics: Arc<Shard>,
    /// Whether the kernel was told to keep its queue of unsent bytes short.
    is_short: bool,
}

/// Bytes that the kernel may hold unsent while it sends from a file. With a short queue they reach
/// the client while they are still in the processor's cache: a file of 1 MiB costs half as much. It
/// does not bound what is in flight, so long ways are not slowed down.
const UNSENT: u32 = 128 * 1024;

// === impl Socket ===

impl Socket {
    pub(super) fn new(tcp: TcpStream, client: Rc<Client>, metrics: Arc<Shard>) -> Self {
        Self { tcp, client, metrics, is_short: false }
    }

    /// Writes slices of which one stands in a file: what is before it from memory, then it by
    /// sendfile(2). Whatever the kernel does not want to send that way is written from memory.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        sendable: &Sendable,
    ) -> Poll<io::Result<usize>> {
        let found = slices.iter().enumerate().find_map(|(index, slice)| {
            sendable.position(slice).map(|position| (slices.get(..index), position, slice.len()))
        });
        let Some((Some(before), position, length)) = found else {
            return Pin::new(&mut self.tcp).poll_write_vectored(cx, slices);
        };
        if !self.is_short {
            self.is_short = true;
            // A kernel without the option sends just as well, only less cheaply.
            let _ = SockRef::from(&self.tcp).set_tcp_notsent_lowat(UNSENT);
        }
        let head: usize = before.iter().map(|slice| slice.len()).sum();
        if head > 0 {
            // More follows at once: both shall leave in the same segments.
            let sent = ready!(self.poll_io(cx, |tcp| {
                let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
                Ok(sendmsg(tcp, before, &mut SendAncillaryBuffer::default(), flags)?)
            }))?;
            if sent < head {
                return Poll::Ready(Ok(sent));
            }
        }
        let sent = self.poll_io(cx, |tcp| {
            let mut offset = position;
            Ok(sendfile(tcp, &*sendable.file, Some(&mut offset), length)?)
        });
        match sent {
            Poll::Ready(Ok(count)) if count > 0 => {
                if sendable.ends_at(position + count as u64) {
                    self.client.clear_sendable();
                }
                Poll::Ready(Ok(head + count))
            }
            Poll::Pending if head == 0 => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(head)),
            // The file has become shorter, or its file system can't: memory has it all.
            Poll::Ready(_) => {
                self.client.clear_sendable();
                if head > 0 {
                    return Poll::Ready(Ok(head));
                }
                Pin::new(&mut self.tcp).poll_write_vectored(cx, slices)
            }
        }
    }

    /// Does one system call on the socket as soon as it is writable.
    fn poll_io(
        &self,
        cx: &mut Context<'_>,
        call: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.tcp.poll_write_ready(cx))?;
            match self.tcp.try_io(Interest::WRITABLE, || call(&self.tcp)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buffer))?;
        let count = buffer.filled().len() - before;
        if count > 0 {
            self.client.on_read();
            self.metrics.received_bytes.add(count as u64);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.tcp).poll_write(cx, bytes))?;
        self.metrics.sent_bytes.add(count as u64);
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let count = match self.client.sendable() {
            Some(sendable) => ready!(self.poll_send(cx, slices, &sendable))?,
            None => ready!(Pin::new(&mut self.tcp).poll_write_vectored(cx, slices))?,
        };
        self.metrics.sent_bytes.add(count as u64);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
