//! The TLS handshake of a client. It is limited in time and number, so that many concurrent handshakes do not delay
//! requests.

use std::{
    future::poll_fn,
    io, mem,
    pin::{Pin, pin},
    task::Poll,
};

use rustls::{AlertDescription, HandshakeKind};
use tokio::{io::AsyncWriteExt as _, sync::Semaphore, task::yield_now, time::timeout};
use tokio_rustls::server::TlsStream;

use super::config::TlsContext;
use crate::{
    acme::ACME_TLS,
    server::{
        drain::ConnectionGuard,
        stream::{ClientStream, Transport},
    },
    telemetry::{HandshakeResult, WorkerMetrics},
};

/// The type of the first record of a handshake (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;

/// The result of a connection that should begin with a handshake.
#[derive(Debug)]
pub(in crate::server) enum HandshakeOutcome {
    Completed(ClientStream),
    /// The client speaks HTTP without TLS and can get an error response.
    PlainHttp(Transport),
    Failed,
}

/// Why there is no handshake.
enum HandshakeFailure {
    /// The process is ending, and the client has sent nothing.
    Unwanted,
    /// Closed to make room for other connections.
    Shed,
    /// The client sent something else; this is its first byte.
    Other(Transport, u8),
    Ended(HandshakeResult, Option<io::Error>),
}

/// Completes the handshake and counts its result. `turns` has a single permit for all handshakes of the worker.
pub(in crate::server) async fn perform_handshake(
    tls: &TlsContext,
    turns: &Semaphore,
    transport: Transport,
    metrics: &WorkerMetrics,
    guard: &ConnectionGuard,
) -> HandshakeOutcome {
    let begun = begin(tls, turns, transport, metrics, guard);
    let failure = match guard.unless_shed(begun).await.unwrap_or(Err(HandshakeFailure::Shed)) {
        Ok(stream) => {
            let is_resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
            let end = if is_resumed { HandshakeResult::Resumed } else { HandshakeResult::Full };
            metrics.handshakes(end).add(1);
            if stream.get_ref().1.alpn_protocol() == Some(ACME_TLS) {
                return close_validation(tls, stream).await;
            }
            return HandshakeOutcome::Completed(ClientStream::Tls(Box::new(stream)));
        }
        Err(failure) => failure,
    };
    let (end, error, outcome) = match failure {
        HandshakeFailure::Unwanted => return HandshakeOutcome::Failed,
        HandshakeFailure::Shed => {
            metrics.shed.add(1);
            return HandshakeOutcome::Failed;
        }
        // The methods of HTTP begin with a capital letter.
        HandshakeFailure::Other(transport, b'A'..=b'Z') => {
            (HandshakeResult::NotTls, None, HandshakeOutcome::PlainHttp(transport))
        }
        HandshakeFailure::Other(..) => (HandshakeResult::NotTls, None, HandshakeOutcome::Failed),
        HandshakeFailure::Ended(end, error) => (end, error, HandshakeOutcome::Failed),
    };
    metrics.handshakes(end).add(1);
    tracing::debug!(result = end.name(), ?error, "TLS handshake failed");
    outcome
}

/// Ends the connection of an authority, which has seen the certificate (RFC 8737, 3).
async fn close_validation(tls: &TlsContext, mut stream: TlsStream<Transport>) -> HandshakeOutcome {
    // It may have disconnected.
    let _ = timeout(tls.timeout, stream.shutdown()).await;
    HandshakeOutcome::Failed
}

async fn begin(
    tls: &TlsContext,
    turns: &Semaphore,
    transport: Transport,
    metrics: &WorkerMetrics,
    guard: &ConnectionGuard,
) -> Result<TlsStream<Transport>, HandshakeFailure> {
    let permit = async {
        match first_byte(&transport, guard).await? {
            HANDSHAKE => Ok(Ok(tls.limit.acquire(metrics).await)),
            other => Ok(Err(other)),
        }
    };
    let _permit = match in_time(tls, permit).await? {
        Ok(permit) => permit,
        Err(other) => return Err(HandshakeFailure::Other(transport, other)),
    };
    // The time starts again here, because the client is not responsible for the time that it waited for a permit.
    in_time(tls, negotiated(tls, turns, transport)).await
}

/// Completes the handshake of a client that has a permit.
async fn negotiated(
    tls: &TlsContext,
    turns: &Semaphore,
    transport: Transport,
) -> Result<TlsStream<Transport>, HandshakeFailure> {
    let mut accept = tls.acceptor.accept(transport);
    let mut postponed = pin!(tls.limit.postponed());
    loop {
        // A signature takes as long as many requests. Each worker therefore does one step of one handshake at a time,
        // and all other tasks that are ready run before it. The semaphore is never closed.
        let turn = turns.acquire().await;
        yield_now().await;
        let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut accept).poll(cx))).await;
        drop(turn);
        match polled {
            Poll::Ready(Ok(stream)) => return Ok(stream),
            Poll::Ready(Err(error)) => {
                return Err(HandshakeFailure::Ended(reason(&error), Some(error)));
            }
            Poll::Pending => {}
        }
        // The handshake has registered the task's waker for the next event.
        let mut is_asleep = false;
        let woken = poll_fn(|cx| {
            if postponed.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(HandshakeFailure::Shed));
            }
            if mem::replace(&mut is_asleep, true) { Poll::Ready(Ok(())) } else { Poll::Pending }
        });
        woken.await?;
    }
}

/// Returns the result if it is ready within `tls.handshake_timeout`.
async fn in_time<T>(
    tls: &TlsContext,
    future: impl Future<Output = Result<T, HandshakeFailure>>,
) -> Result<T, HandshakeFailure> {
    timeout(tls.timeout, future)
        .await
        .unwrap_or(Err(HandshakeFailure::Ended(HandshakeResult::Timeout, None)))
}

/// Waits for the first byte of the client. Until then, the connection costs only its socket.
async fn first_byte(
    transport: &Transport,
    guard: &ConnectionGuard,
) -> Result<u8, HandshakeFailure> {
    let mut peek = pin!(transport.first_byte());
    poll_fn(|cx| {
        if let Poll::Ready(peeked) = peek.as_mut().poll(cx) {
            return Poll::Ready(match peeked {
                Ok(Some(byte)) => Ok(byte),
                Ok(None) => Err(HandshakeFailure::Ended(HandshakeResult::Disconnected, None)),
                Err(error) => Err(HandshakeFailure::Ended(reason(&error), Some(error))),
            });
        }
        if guard.is_closing() {
            Poll::Ready(Err(HandshakeFailure::Unwanted))
        } else {
            Poll::Pending
        }
    })
    .await
}

/// Maps an error of the library or of the socket to a result.
fn reason(error: &io::Error) -> HandshakeResult {
    use rustls::Error;
    let Some(cause) = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>()) else {
        // An error of the socket itself.
        return HandshakeResult::Disconnected;
    };
    if let Error::AlertReceived(alert) = cause {
        let is_end =
            matches!(alert, AlertDescription::CloseNotify | AlertDescription::UserCanceled);
        return if is_end { HandshakeResult::Disconnected } else { HandshakeResult::Refused };
    }
    match matches!(cause, Error::PeerIncompatible(_) | Error::NoApplicationProtocol) {
        true => HandshakeResult::Incompatible,
        false => HandshakeResult::Broken,
    }
}
