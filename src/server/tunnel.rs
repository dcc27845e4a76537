//! Copies bytes between a client and the application after both have switched to WebSocket. It does not parse frames.
//! It ends when both sides have ended, when neither sends anything for too long, or when the process stops.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{counted_stream::CountedStream, drain::ConnectionGuard};
use crate::{body::Deadline, error::FailureKind, pipeline::Tunnel, telemetry::WorkerMetrics};

/// Bytes read at a time, and the most that is held for a slow receiver.
const BUFFER: usize = 16 * 1024;

/// One direction of a tunnel. It holds memory only while the receiver is slow.
#[derive(Debug)]
struct TunnelDirection {
    held: Bytes,
    /// Bytes that have arrived.
    carried: u64,
    state: DirectionState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DirectionState {
    Open,
    /// The sender has ended its side; the receiver does not know yet.
    Ending,
    Ended,
}

/// The end of a direction that failed.
#[derive(Debug)]
enum TunnelFault {
    Read(io::Error),
    Write(io::Error),
}

/// Copies bytes until the end. `early` holds the bytes that the client has sent right behind its request.
pub(super) async fn run(
    mut client: CountedStream,
    early: Bytes,
    mut tunnel: Tunnel,
    guard: &ConnectionGuard,
    metrics: &WorkerMetrics,
) {
    let idle_timeout = tunnel.application().idle_timeout();
    let (mut up, mut down) = (TunnelDirection::new(early), TunnelDirection::new(Bytes::new()));
    let mut deadline = Deadline::default();
    deadline.set(idle_timeout);
    poll_fn(|cx| {
        if guard.ends_tunnels() {
            return Poll::Ready(());
        }
        let before = (up.carried, down.carried, up.state, down.state);
        let rising = up.poll(&mut client, tunnel.application(), cx);
        let falling = down.poll(tunnel.application(), &mut client, cx);
        tunnel.set_sent(down.carried);
        let failure = match (&rising, &falling) {
            (Poll::Ready(Err(TunnelFault::Read(error))), _)
            | (_, Poll::Ready(Err(TunnelFault::Write(error)))) => {
                Some((FailureKind::ClientDisconnected, error))
            }
            (Poll::Ready(Err(TunnelFault::Write(error))), _)
            | (_, Poll::Ready(Err(TunnelFault::Read(error)))) => {
                Some((FailureKind::UpstreamTruncated, error))
            }
            (Poll::Ready(Ok(())) | Poll::Pending, Poll::Ready(Ok(())) | Poll::Pending) => None,
        };
        if let Some((kind, error)) = failure {
            tracing::debug!(%error, kind = kind.name(), "upgraded connection failed");
            tunnel.fail(kind);
            return Poll::Ready(());
        }
        if rising.is_ready() && falling.is_ready() {
            return Poll::Ready(());
        }
        if before != (up.carried, down.carried, up.state, down.state) {
            deadline.set(idle_timeout);
        }
        ready!(deadline.poll_expired(cx));
        metrics.idle_timeouts.add(1);
        Poll::Ready(())
    })
    .await;
}

// === impl TunnelDirection ===

impl TunnelDirection {
    fn new(held: Bytes) -> Self {
        Self { held, carried: 0, state: DirectionState::Open }
    }

    /// Copies the available bytes. Ready when the sender has ended its side and the receiver knows.
    fn poll(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TunnelFault>> {
        loop {
            while !self.held.is_empty() {
                let written = ready!(write(to, &self.held, cx))?;
                self.held.advance(written);
                self.carried += written as u64;
            }
            // The bytes were sent: a silent tunnel holds no memory.
            self.held = Bytes::new();
            if self.state == DirectionState::Ending {
                // A receiver that is gone need not know.
                let _ = ready!(Pin::new(&mut *to).poll_shutdown(cx));
                self.state = DirectionState::Ended;
            }
            if self.state == DirectionState::Ended {
                return Poll::Ready(Ok(()));
            }
            let mut space = [const { MaybeUninit::<u8>::uninit() }; BUFFER];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut *from).poll_read(cx, &mut buffer)).map_err(TunnelFault::Read)?;
            let received = buffer.filled();
            if received.is_empty() {
                self.state = DirectionState::Ending;
                continue;
            }
            let written = match write(to, received, cx) {
                Poll::Ready(written) => written?,
                Poll::Pending => 0,
            };
            self.carried += written as u64;
            self.held = Bytes::copy_from_slice(received.get(written..).unwrap_or_default());
        }
    }
}

fn write(
    to: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    cx: &mut Context<'_>,
) -> Poll<Result<usize, TunnelFault>> {
    match ready!(Pin::new(to).poll_write(cx, bytes)) {
        Ok(0) => Poll::Ready(Err(TunnelFault::Write(io::ErrorKind::WriteZero.into()))),
        Ok(written) => Poll::Ready(Ok(written)),
        Err(error) => Poll::Ready(Err(TunnelFault::Write(error))),
    }
}
