//! One client connection from accept to close: HTTP/1.1 by hyper, timers of our own, and what may come
//! after the last answer. Here, and nowhere else, the pipeline becomes a tower `Service`: layers that
//! only add may wrap it.

use std::{
    cell::Cell,
    convert::Infallible,
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use http::{Request, StatusCode};
use http_body::Body as _;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{io::AsyncWriteExt as _, sync::Semaphore};

use super::{
    drain::Ticket,
    gate::Gate,
    http2,
    linger::linger,
    plain::Plain,
    socket::Socket,
    stream::{Stream, Transport},
    tls::{self, Place, Shaken, Tls},
    tunnel,
};
use crate::{
    body::Deadline,
    error::Kind,
    pipeline::{self, Activity, Client, Departure, Local, Way},
    plan,
    telemetry::{MethodLabel, Route, Shard, StatusClass},
};

/// Bytes of an answer on its way, roughly, at the most; more if a request's head may have more.
const BUFFER: usize = 64 * 1024;

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
    pub(super) handshake: Option<Box<Handshake>>,
}

/// What a handshake needs.
#[derive(Debug)]
pub(super) struct Handshake {
    pub(super) tls: Arc<Tls>,
    pub(super) place: Place,
    pub(super) turns: Rc<Semaphore>,
}

/// Serves a connection until it ends.
pub(super) async fn serve(local: Rc<Local>, entry: Entry, ticket: Ticket) {
    let open = Open::count(Arc::clone(&local.metrics));
    let Entry { transport, peer, handshake } = entry;
    transport.set_nodelay();
    let (server_port, is_tls) = (transport.local_port(), handshake.is_some());
    let stream = match handshake {
        None => Stream::Bare(transport),
        // Boxed: what it needs is given back before HTTP begins.
        Some(handshake) => match Box::pin(shake(&local, transport, *handshake, &ticket)).await {
            Some(stream) => stream,
            None => return,
        },
    };
    let _secure = is_tls.then(|| Secure::count(Arc::clone(&local.metrics)));
    let way = Way { peer, server_port, tls: stream.tls_version() };
    let client = Rc::new(Client::new(way, Instant::now()));
    let limits = local.app.plan.server.head;
    let gate = Gate::new(limits);
    let socket = Socket::new(stream, Rc::clone(&client), Arc::clone(&local.metrics), gate);

    let opened = Rc::new(Cell::new(None));
    let (service_local, service_client) = (Rc::clone(&local), Rc::clone(&client));
    let service_opened = Rc::clone(&opened);
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let (local, client) = (Rc::clone(&service_local), Rc::clone(&service_client));
        let opened = Rc::clone(&service_opened);
        // Before the future is polled: hyper looks for the client's end in between.
        client.on_request(request.version(), !request.body().is_end_stream());
        async move {
            let mut response = pipeline::handle(local, client, request).await;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                opened.set(response.body_mut().take_tunnel());
            }
            Ok::<_, Infallible>(response)
        }
    });

    let mut http = http1::Builder::new();
    // Not that half-closed clients get no answer: `Socket` tells them from those that have left.
    http.half_close(false);
    // Bounds what waits in memory for a client that reads slowly. What a head may have is up to `Gate`.
    http.max_buf_size(BUFFER.max(limits.head));
    // No header_read_timeout: hyper counts idle time as header time. See `Timer`.
    let mut connection =
        http.serve_connection(TokioIo::new(socket), TowerToHyperService::new(service));

    let mut timer = Timer::new(&local.app.plan.server);
    let (mut listens, told) = (false, Cell::new(false));
    let mut poll = |connection: &mut Http1<_>, cx: &mut Context<'_>| {
        if !listens {
            ticket.listen(cx.waker());
            listens = true;
        }
        loop {
            if let Poll::Ready(result) = Pin::new(&mut *connection).poll(cx) {
                return Poll::Ready(Ended::Http(result.err()));
            }
            if client.take_wide() {
                return Poll::Ready(Ended::Narrow);
            }
            // Only after a poll: a request that has arrived already is answered first.
            if ticket.is_closing() && !told.replace(true) {
                Pin::new(&mut *connection).graceful_shutdown();
                continue;
            }
            if client.take_hidden_end() {
                continue;
            }
            match ready!(timer.poll(&client, cx)) {
                Expired::Idle => return Poll::Ready(Ended::Idle),
                Expired::Head => return Poll::Ready(Ended::Head),
                // The next poll reads again.
                Expired::Look => {}
            }
        }
    };
    let mut ended = poll_fn(|cx| poll(&mut connection, cx)).await;
    if let Ended::Narrow = ended {
        // Everything before was answered. hyper can be told only at the beginning.
        http.max_headers(limits.fields);
        let mut parts = connection.into_parts();
        parts.io.inner_mut().widen();
        connection = http.serve_connection(parts.io, parts.service);
        told.set(false);
        ended = poll_fn(|cx| poll(&mut connection, cx)).await;
    }

    // `Socket` has kept hyper from shutting it down.
    let parts = connection.into_parts();
    let socket = parts.io.into_inner();
    let is_http2 = socket.is_http2();
    let (mut socket, held) = socket.into_plain(matches!(ended, Ended::Http(None)));
    match ended {
        Ended::Http(None) => {
            if let Some(tunnel) = opened.take() {
                // hyper has read at most what came before it was held.
                let early = if held.is_empty() {
                    parts.read_buf
                } else {
                    [parts.read_buf, held].concat().into()
                };
                let run = tunnel::run(socket, early, tunnel, &ticket, &local.metrics);
                // Boxed, as what follows is: most connections never come here.
                return Box::pin(run).await;
            }
            let is_unread = client.owes_body()
                || client.refusal().is_some()
                || !parts.read_buf.is_empty()
                || !held.is_empty();
            if is_unread || !client.has_ended() && socket.has_more() {
                drop(open);
                Box::pin(linger(socket, &ticket)).await;
            } else {
                socket.say_end();
            }
        }
        Ended::Http(Some(_)) if is_http2 => {
            let begun = (parts.read_buf, socket);
            match Box::pin(http2::serve(Rc::clone(&local), begun, Rc::clone(&client), &ticket))
                .await
            {
                http2::Ended::Itself(None) => {}
                http2::Ended::Itself(Some(error)) => {
                    tracing::debug!(%error, peer = client.address(), "client connection ended");
                }
                http2::Ended::Idle => local.metrics.idle_timeouts.add(1),
                http2::Ended::Flooded => {
                    local.metrics.floods.add(1);
                    tracing::debug!(
                        peer = client.address(),
                        "client took its requests back at once"
                    );
                }
            }
        }
        Ended::Http(Some(error)) => {
            if error.is_parse() {
                // hyper has answered 400, about what `Gate` has overlooked; no request has come of it.
                let class = StatusClass::ClientError;
                local.metrics.requests(Route::None, MethodLabel::Other, class).add(1);
            }
            tracing::debug!(%error, peer = client.address(), "client connection ended");
            if let Some(mut tunnel) = opened.take() {
                tunnel.fail(Kind::ClientGone);
            }
            if error.is_parse() && !client.has_ended() {
                drop(open);
                Box::pin(linger(socket, &ticket)).await;
            }
        }
        Ended::Head => {
            local.metrics.header_timeouts.add(1);
            socket.say_end();
        }
        Ended::Idle => {
            local.metrics.idle_timeouts.add(1);
            // An answer that was not taken is cut off.
            if client.activity() != Activity::Busy {
                socket.say_end();
            }
        }
        // Once there is room, there is room.
        Ended::Narrow => {}
    }
}

/// The handshake, or what is to be done without one.
async fn shake(
    local: &Local,
    transport: Transport,
    handshake: Handshake,
    ticket: &Ticket,
) -> Option<Stream> {
    let Handshake { tls, place, turns } = handshake;
    let shaken = tls::shake(&tls, &turns, transport, &local.metrics, ticket).await;
    drop(place);
    match shaken {
        Shaken::Hands(stream) => Some(stream),
        Shaken::Http(transport) => {
            let mut plain = Plain::new(Stream::Bare(transport), Arc::clone(&local.metrics));
            // It fits into the socket's empty buffer, or the client has left.
            if plain.write(NOT_TLS).await.is_ok() {
                linger(plain, ticket).await;
            }
            None
        }
        Shaken::Nothing => None,
    }
}

type Http1<S> = http1::Connection<TokioIo<Socket>, S>;

/// Why a connection ended.
enum Ended {
    Http(Option<hyper::Error>),
    /// The next head has more fields than hyper has room for.
    Narrow,
    Head,
    Idle,
}

/// What a connection's timer was set for.
enum Expired {
    Head,
    Idle,
    /// It is time to look whether a client that has closed its side is still there.
    Look,
}

/// Bounds how long a client may idle and how long it may take for a head. It costs a comparison
/// when the connection is polled, and touches the runtime's timers about once a timeout.
#[derive(Debug)]
struct Timer {
    idle: Duration,
    header: Duration,
    deadline: Deadline,
    /// The last moment that was set for a look.
    looked: Instant,
}

/// Counts an open connection until it has nothing more to say.
struct Open(Arc<Shard>);

/// Counts a connection that speaks TLS.
struct Secure(Arc<Shard>);

// === impl Timer ===

impl Timer {
    fn new(plan: &plan::Server) -> Self {
        Self {
            idle: plan.idle_timeout,
            header: plan.header_timeout,
            deadline: Deadline::default(),
            looked: Instant::now(),
        }
    }

    fn poll(&mut self, client: &Client, cx: &mut Context<'_>) -> Poll<Expired> {
        let (at, expired) = match (client.activity(), client.departure()) {
            // Whatever else it waits for: one that takes nothing of its answer keeps a place for nothing.
            (Activity::Busy, _) if let Some(since) = client.blocked() => {
                (since + self.idle, Expired::Idle)
            }
            (Activity::Idle(since), _) => (since + self.idle, Expired::Idle),
            (Activity::Head(since), _) => (since + self.header, Expired::Head),
            (Activity::Busy, Departure::Suspected(at) | Departure::Probed(at))
                if at != self.looked =>
            {
                (at, Expired::Look)
            }
            (Activity::Busy, _) => return Poll::Pending,
        };
        self.deadline.set_at(at);
        ready!(self.deadline.poll_expired(cx));
        // One look for each moment: should hyper not read then, this must not go in circles.
        self.looked = at;
        Poll::Ready(expired)
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
