//! A client's socket under hyper: it counts its bytes, tells its connection when some arrive, and
//! writes the interim answers that hyper can't.

mod half_close;
mod send;

use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    gate::{Demand, Gate},
    plain::Plain,
    preface::Opening,
    stream::{Agreed, Stream, Transport},
};
use crate::{pipeline::Client, telemetry::Shard};

/// A byte stream with its counters.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
    client: Rc<Client>,
    metrics: Arc<Shard>,
    opening: Opening,
    gate: Gate,
    /// Whether the kernel was told to keep its queue of unsent bytes short.
    is_short: bool,
    /// The client takes bytes more slowly than they come.
    is_slow: bool,
    /// The last write has not gone through, or only a part of it.
    is_amid: bool,
    /// Whether a close is a reset, unless HTTP comes to its end.
    is_open_ended: bool,
}

/// Bytes that the kernel may hold unsent, once there is more than it takes at once. With a short queue they reach
/// the client while they are still in the processor's cache: a file of 1 MiB costs half as much. It
/// does not bound what is in flight, so long ways are not slowed down.
const UNSENT: u32 = 128 * 1024;

// === impl Socket ===

impl Socket {
    pub(super) fn new(stream: Stream, client: Rc<Client>, metrics: Arc<Shard>, gate: Gate) -> Self {
        // Who has agreed upon HTTP/1.1 may not begin with something else.
        let opening = match stream.agreed() {
            Agreed::Nothing => Opening::Held(0),
            Agreed::Http1 | Agreed::Http2 => Opening::Http1,
        };
        Self {
            stream,
            client,
            metrics,
            opening,
            gate,
            is_short: false,
            is_slow: false,
            is_amid: false,
            is_open_ended: false,
        }
    }

    /// Has the connection reset, however it ends, if the answer could not be told from one that was cut.
    fn guard_end(&mut self) {
        if !self.is_open_ended && self.client.ends_open() {
            self.is_open_ended = true;
            self.set_linger(Some(Duration::ZERO));
        }
    }

    fn set_linger(&self, linger: Option<Duration>) {
        if let Transport::Tcp(tcp) = self.stream.transport() {
            let _ = SockRef::from(tcp).set_linger(linger);
        }
    }

    /// hyper takes as many fields as may be from now on.
    pub(super) fn widen(&mut self) {
        self.gate.widen(&self.client);
    }

    /// The socket alone, when HTTP is over, and what has come that hyper has not got; `is_well` tells
    /// whether the last answer was complete.
    pub(super) fn into_plain(self, is_well: bool) -> (Plain, Bytes) {
        if self.is_open_ended && is_well {
            self.set_linger(None);
        }
        (Plain::new(self.stream, self.metrics), self.gate.into_held())
    }

    /// Whether the client began to speak HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.opening == Opening::Http2
    }

    /// Whether what has come may be the beginning of that.
    pub(super) fn may_be_http2(&self) -> bool {
        self.opening.held() > 0
    }

    /// Reads, and counts what comes; gives how much there is to be seen of it.
    fn poll_some(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let before = buffer.filled().len();
        loop {
            let Self { stream, opening, .. } = self;
            let known = ready!(
                opening.poll_read(buffer, |buffer| Pin::new(&mut *stream).poll_read(cx, buffer))
            )?;
            let (seen, held) = (buffer.filled().len() - before, opening.held());
            let come = (seen + held).saturating_sub(known);
            if come > 0 {
                self.client.on_read();
                self.is_slow = false;
                self.metrics.received_bytes.add(come as u64);
            }
            if held == 0 {
                return Poll::Ready(Ok(seen));
            }
        }
    }

    /// Writes interim answers to their end: whatever comes after them must wait. hyper has either
    /// nothing to write, or the final answer.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(mut queue) = self.client.interim() else { return Poll::Ready(Ok(())) };
        if self.is_amid {
            // hyper is at its own `100 Continue`, and the final answer may follow in the same buffer.
            queue.clear();
        }
        while !queue.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &queue))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            queue.advance(written);
            self.metrics.sent_bytes.add(written as u64);
        }
        drop(queue);
        self.client.clear_interim();
        Poll::Ready(Ok(()))
    }

    /// Counts what was written of `offered` bytes. An answer that was handed over completely may still be on its way:
    /// its client is not idle as long as it takes some.
    fn on_written(
        &mut self,
        written: Poll<io::Result<usize>>,
        offered: usize,
    ) -> Poll<io::Result<usize>> {
        self.is_amid = !matches!(written, Poll::Ready(Ok(count)) if count == offered);
        match &written {
            Poll::Ready(Ok(count)) => {
                self.metrics.sent_bytes.add(*count as u64);
                self.client.on_unblocked();
                if self.is_slow {
                    self.client.on_write();
                }
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.is_slow = true;
                self.client.on_blocked();
                // A client that takes a long answer slowly must not cost the kernel megabytes.
                self.shorten();
            }
        }
        written
    }

    /// Has the kernel keep its queue of unsent bytes short from now on.
    fn shorten(&mut self) {
        if !self.is_short {
            self.is_short = true;
            if let Transport::Tcp(tcp) = self.stream.transport() {
                // A kernel without the option sends just as well, only less cheaply.
                let _ = SockRef::from(tcp).set_tcp_notsent_lowat(UNSENT);
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        loop {
            if this.gate.demand(&this.client)? == Demand::Nothing {
                return if this.gate.deliver(buffer) { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            if this.gate.deliver(buffer) {
                this.client.on_read();
                return Poll::Ready(Ok(()));
            }
            if ready!(this.poll_some(cx, buffer))? == 0 {
                break;
            }
            if this.is_http2() {
                return Poll::Ready(Ok(()));
            }
            let come = buffer.filled_mut().get_mut(before..).unwrap_or_default();
            let passed = this.gate.admit(come, &this.client);
            buffer.set_filled(before + passed);
            if passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
        this.poll_end(cx, buffer.remaining() > 0)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_interim(cx))?;
        self.guard_end();
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.on_written(written, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_interim(cx))?;
        self.guard_end();
        let written = match self.client.sendable() {
            Some(sendable) => self.poll_send(cx, slices, &sendable),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
        };
        self.on_written(written, slices.iter().map(|slice| slice.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper calls it when it has written everything that it had, also when that was nothing.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.client.on_flushed();
        ready!(self.poll_interim(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// The end of HTTP is not the end of the socket: `ending.rs` sees to that.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
