//! One client connection from accept to close: a PROXY header and a TLS handshake if required, then HTTP/1.1
//! ([`http1`]) or HTTP/2 ([`http2`]). HTTP/1.1 can be followed by a tunnel, or by a lingering close if the client still
//! sends.

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use bytes::Bytes;
use tokio::{io::AsyncWriteExt as _, sync::Semaphore};

use super::{
    connection_permit::ConnectionPermit,
    counted_stream::CountedStream,
    current_settings::CurrentSettings,
    drain::ConnectionGuard,
    http1::{self, NextStep},
    http2,
    linger::{self, linger},
    proxy_protocol::{ConnectionEnds, ExpectedHeader},
    stream::{ClientStream, NegotiatedProtocol, Transport},
    tls::{self, HandshakeOutcome, TlsContext},
    tunnel,
};
use crate::{pipeline::ConnectionInfo, telemetry::WorkerMetrics};

/// The response to a client that speaks plain HTTP on a TLS listener.
const NOT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
    connection: close\r\n\r\nthis port speaks TLS: use https\n";

/// A connection that was accepted.
#[derive(Debug)]
pub(super) struct AcceptedConnection {
    pub(super) transport: Transport,
    /// `None` for a unix socket.
    pub(super) peer: Option<SocketAddr>,
    /// `None` if the peer is the client.
    pub(super) proxy_header: Option<ExpectedHeader>,
    /// `None` if HTTP begins without a handshake.
    pub(super) handshake: Option<HandshakeContext>,
    /// Counts this connection for its worker and its client.
    pub(super) permit: Option<ConnectionPermit>,
}

/// What a handshake needs.
#[derive(Debug)]
pub(super) struct HandshakeContext {
    pub(super) tls: Arc<TlsContext>,
    pub(super) turns: Rc<Semaphore>,
}

/// Counts an open connection until it has nothing more to send.
struct OpenConnection(Arc<WorkerMetrics>);

/// Counts a connection that speaks TLS.
struct TlsConnection(Arc<WorkerMetrics>);

/// A connection that is ready for HTTP: accepted, counted, and with its handshake complete.
struct ReadyConnection {
    stream: CountedStream,
    is_http2: bool,
    info: Rc<ConnectionInfo>,
    open: OpenConnection,
    _secure: Option<TlsConnection>,
    _permit: Option<ConnectionPermit>,
}

/// Serves a connection until it ends.
///
/// This future is most of the cost of an idle connection. The steps before HTTP begins and after HTTP/1.1 ends
/// therefore have memory of their own. No function borrows a value that a later function must own, because the future
/// would keep that value until the end.
#[expect(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice")]
pub(super) fn serve(
    current: Rc<CurrentSettings>,
    entry: Box<AcceptedConnection>,
    guard: ConnectionGuard,
) -> impl Future<Output = ()> {
    async move {
        let Some(ReadyConnection { stream, is_http2, info, open, _secure, _permit }) =
            open(&current, entry, &guard).await
        else {
            return;
        };
        let served = if is_http2 {
            (stream, NextStep::Http2(Bytes::new()))
        } else {
            match http1::serve(&current, &info, &guard, stream, &open.0).await {
                Some(ended) => ended,
                None => return,
            }
        };
        Box::pin(continue_connection(current, info, &guard, served, open)).await;
    }
}

/// Counts a connection, and reads its PROXY header and completes its TLS handshake if required.
async fn open(
    current: &CurrentSettings,
    entry: Box<AcceptedConnection>,
    guard: &ConnectionGuard,
) -> Option<ReadyConnection> {
    let metrics = Arc::clone(&current.get().metrics);
    let open = OpenConnection::count(Arc::clone(&metrics));
    let AcceptedConnection { transport, peer, proxy_header, handshake, mut permit } = *entry;
    transport.set_nodelay();
    let is_tls = handshake.is_some();
    let ConnectionEnds { client, server_port } = match proxy_header {
        None => ConnectionEnds { client: peer, server_port: transport.local_port() },
        Some(header) => {
            let read = Box::pin(header.read(&transport, peer, &metrics, guard));
            let (ends, share) = read.await?;
            if let Some(permit) = &mut permit {
                permit.charge(share);
            }
            guard.set_client(share);
            ends
        }
    };
    let stream = match handshake {
        None => ClientStream::Bare(transport),
        Some(handshake) => {
            Box::pin(perform_handshake(&metrics, transport, handshake, guard)).await?
        }
    };
    Some(ReadyConnection {
        is_http2: stream.negotiated() == NegotiatedProtocol::Http2,
        info: Rc::new(ConnectionInfo::new(client, server_port, stream.tls_version())),
        stream: CountedStream::new(stream, Arc::clone(&metrics)),
        _secure: is_tls.then(|| TlsConnection::count(metrics)),
        open,
        _permit: permit,
    })
}

/// Handles the connection after HTTP/1.1, until it ends.
async fn continue_connection(
    current: Rc<CurrentSettings>,
    info: Rc<ConnectionInfo>,
    guard: &ConnectionGuard,
    (mut stream, next): (CountedStream, NextStep),
    open: OpenConnection,
) {
    match next {
        NextStep::Close => stream.send_close_notify(),
        NextStep::Abort => {}
        NextStep::Linger(max_time) => {
            // The connection has nothing more to send.
            drop(open);
            linger(stream, guard, max_time).await;
        }
        NextStep::Tunnel(tunnel, early) => {
            tunnel::run(stream, early, *tunnel, guard, &open.0).await;
        }
        NextStep::Http2(early) => {
            let ended = http2::serve(current, (early, stream), Rc::clone(&info), guard).await;
            ended.note(&info, &open.0);
        }
    }
}

/// Completes the handshake, or handles its absence.
async fn perform_handshake(
    metrics: &Arc<WorkerMetrics>,
    transport: Transport,
    handshake: HandshakeContext,
    guard: &ConnectionGuard,
) -> Option<ClientStream> {
    let HandshakeContext { tls, turns } = handshake;
    let outcome = tls::perform_handshake(&tls, &turns, transport, metrics, guard).await;
    match outcome {
        HandshakeOutcome::Completed(stream) => Some(stream),
        HandshakeOutcome::PlainHttp(transport) => {
            let mut plain = CountedStream::new(ClientStream::Bare(transport), Arc::clone(metrics));
            // The response fits into the socket's empty buffer, unless the client has disconnected.
            if plain.write(NOT_TLS).await.is_ok() {
                linger(plain, guard, linger::MAX_TIME).await;
            }
            None
        }
        HandshakeOutcome::Failed => None,
    }
}

// === impl OpenConnection ===

impl OpenConnection {
    fn count(metrics: Arc<WorkerMetrics>) -> Self {
        metrics.connections.add(1);
        metrics.connections_accepted.add(1);
        Self(metrics)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections.subtract(1);
        if std::thread::panicking() {
            self.0.panics.add(1);
        }
    }
}

// === impl TlsConnection ===

impl TlsConnection {
    fn count(metrics: Arc<WorkerMetrics>) -> Self {
        metrics.tls_connections.add(1);
        Self(metrics)
    }
}

impl Drop for TlsConnection {
    fn drop(&mut self) {
        self.0.tls_connections.subtract(1);
    }
}
