//! One client connection from accept to close: a handshake if there is one, then HTTP/1.1 ([`http1`]) or HTTP/2
//! ([`http2`]), and what comes behind HTTP/1.1: a tunnel, or patience with a client that still sends.

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use bytes::Bytes;
use tokio::{io::AsyncWriteExt as _, sync::Semaphore};

use super::{
    connection_permit::ConnectionPermit,
    counted_stream::CountedStream,
    current_settings::Current,
    drain::Ticket,
    http1::{self, NextStep},
    http2,
    linger::{self, linger},
    stream::{Agreed, Stream, Transport},
    tls::{self, Shaken, Tls},
    tunnel,
};
use crate::{pipeline::ConnectionInfo, telemetry::Shard};

/// What is told to one that speaks HTTP where TLS is spoken.
const NOT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
    connection: close\r\n\r\nthis port speaks TLS: use https\n";

/// A connection that was accepted.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) transport: Transport,
    /// `None` came by a unix socket.
    pub(super) peer: Option<SocketAddr>,
    /// `None` speaks HTTP at once.
    pub(super) handshake: Option<Handshake>,
    /// Counts it among the connections of its worker and its client.
    pub(super) permit: Option<ConnectionPermit>,
}

/// What a handshake needs.
#[derive(Debug)]
pub(super) struct Handshake {
    pub(super) tls: Arc<Tls>,
    pub(super) turns: Rc<Semaphore>,
}

/// Counts an open connection until it has nothing more to say.
struct Open(Arc<Shard>);

/// Counts a connection that speaks TLS.
struct Secure(Arc<Shard>);

/// A connection whose client may begin to speak HTTP.
struct Opened {
    stream: CountedStream,
    is_http2: bool,
    info: Rc<ConnectionInfo>,
    open: Open,
    _secure: Option<Secure>,
    _permit: Option<ConnectionPermit>,
}

/// Serves a connection until it ends.
///
/// Most of what an idle connection costs is this future: what is over before HTTP begins, and what comes after HTTP/1.1,
/// has memory of its own, and no function borrows what another is to own (it would be kept until the end).
#[expect(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice")]
pub(super) fn serve(
    current: Rc<Current>,
    entry: Box<Entry>,
    ticket: Ticket,
) -> impl Future<Output = ()> {
    async move {
        let Some(Opened { stream, is_http2, info, open, _secure, _permit }) =
            open(&current, entry, &ticket).await
        else {
            return;
        };
        let served = if is_http2 {
            (stream, NextStep::Http2(Bytes::new()))
        } else {
            match http1::serve(&current, &info, &ticket, stream, &open.0).await {
                Some(ended) => ended,
                None => return,
            }
        };
        Box::pin(go_on(current, info, &ticket, served, open)).await;
    }
}

/// Counts a connection, and does the handshake of one that speaks TLS.
async fn open(current: &Current, entry: Box<Entry>, ticket: &Ticket) -> Option<Opened> {
    let metrics = Arc::clone(&current.get().metrics);
    let open = Open::count(Arc::clone(&metrics));
    let Entry { transport, peer, handshake, permit } = *entry;
    transport.set_nodelay();
    let (server_port, is_tls) = (transport.local_port(), handshake.is_some());
    let stream = match handshake {
        None => Stream::Bare(transport),
        Some(handshake) => Box::pin(shake(&metrics, transport, handshake, ticket)).await?,
    };
    Some(Opened {
        is_http2: stream.agreed() == Agreed::Http2,
        info: Rc::new(ConnectionInfo::new(peer, server_port, stream.tls_version())),
        stream: CountedStream::new(stream, Arc::clone(&metrics)),
        _secure: is_tls.then(|| Secure::count(metrics)),
        open,
        _permit: permit,
    })
}

/// Does what comes after HTTP/1.1, to the end of the connection.
async fn go_on(
    current: Rc<Current>,
    info: Rc<ConnectionInfo>,
    ticket: &Ticket,
    (mut stream, next): (CountedStream, NextStep),
    open: Open,
) {
    match next {
        NextStep::Close => stream.say_end(),
        NextStep::Abort => {}
        NextStep::Linger(patience) => {
            // It has nothing more to say.
            drop(open);
            linger(stream, ticket, patience).await;
        }
        NextStep::Tunnel(tunnel, early) => {
            tunnel::run(stream, early, *tunnel, ticket, &open.0).await;
        }
        NextStep::Http2(early) => {
            let ended = http2::serve(current, (early, stream), Rc::clone(&info), ticket).await;
            ended.note(&info, &open.0);
        }
    }
}

/// The handshake, or what is to be done without one.
async fn shake(
    metrics: &Arc<Shard>,
    transport: Transport,
    handshake: Handshake,
    ticket: &Ticket,
) -> Option<Stream> {
    let Handshake { tls, turns } = handshake;
    let shaken = tls::shake(&tls, &turns, transport, metrics, ticket).await;
    match shaken {
        Shaken::Hands(stream) => Some(stream),
        Shaken::Http(transport) => {
            let mut plain = CountedStream::new(Stream::Bare(transport), Arc::clone(metrics));
            // It fits into the socket's empty buffer, or the client has left.
            if plain.write(NOT_TLS).await.is_ok() {
                linger(plain, ticket, linger::PATIENCE).await;
            }
            None
        }
        Shaken::Nothing => None,
    }
}

// === impl Open ===

impl Open {
    fn count(metrics: Arc<Shard>) -> Self {
        metrics.connections.add(1);
        metrics.connections_accepted.add(1);
        Self(metrics)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.subtract(1);
        if std::thread::panicking() {
            self.0.panics.add(1);
        }
    }
}

// === impl Secure ===

impl Secure {
    fn count(metrics: Arc<Shard>) -> Self {
        metrics.tls_connections.add(1);
        Self(metrics)
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        self.0.tls_connections.subtract(1);
    }
}
