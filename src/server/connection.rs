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
use tokio::{io::AsyncWriteExt as _, sync::Semaphore, time::timeout};

use super::{
    current::Current,
    drain::Ticket,
    gate::Gate,
    http2,
    linger::{self, linger},
    plain::Plain,
    room::Guest,
    socket::Socket,
    stream::{Stream, Transport},
    timer::{Expired, Timer},
    tls::{self, Place, Shaken, Tls},
    tunnel,
};
use crate::{
    error::Kind,
    pipeline::{self, Activity, Client, Way},
    telemetry::{MethodLabel, Route, Shard, StatusClass},
};

/// Bytes of an answer on its way, roughly, at the most; more if a request's head may have more.
const BUFFER: usize = 64 * 1024;

/// How long a client that was too slow is given to read why.
const BRIEFLY: Duration = Duration::from_secs(2);

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
pub(super) async fn serve(current: Rc<Current>, entry: Entry, ticket: Ticket) {
    let local = current.get();
    let metrics = Arc::clone(&local.metrics);
    let open = Open::count(Arc::clone(&metrics));
    let Entry { transport, peer, handshake } = entry;
    transport.set_nodelay();
    let (server_port, is_tls) = (transport.local_port(), handshake.is_some());
    let stream = match handshake {
        None => Stream::Bare(transport),
        // Boxed: what it needs is given back before HTTP begins.
        Some(handshake) => match Box::pin(shake(&metrics, transport, *handshake, &ticket)).await {
            Some(stream) => stream,
            None => return,
        },
    };
    let _secure = is_tls.then(|| Secure::count(Arc::clone(&metrics)));
    let way = Way { peer, server_port, tls: stream.tls_version() };
    let client = Rc::new(Client::new(way, Instant::now()));
    ticket.introduce(Rc::<Client>::clone(&client));
    let limits = local.app.plan.server.head;
    let gate = Gate::new(limits);
    let socket = Socket::new(stream, Rc::clone(&client), Arc::clone(&metrics), gate);

    let opened = Rc::new(Cell::new(None));
    let (service_current, service_client) = (Rc::clone(&current), Rc::clone(&client));
    let service_opened = Rc::clone(&opened);
    let service = tower::service_fn(move |request: Request<Incoming>| {
        // It keeps these settings to its end; the next one may get others.
        let (local, client) = (service_current.get(), Rc::clone(&service_client));
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
    // An idle connection holds nothing of settings that others have taken the place of.
    drop(local);
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
            if client.take_let_go() && client.idle_since().is_some() {
                return Poll::Ready(Ended::LetGo);
            }
            match ready!(timer.poll(&client, cx)) {
                Expired::Idle => return Poll::Ready(Ended::Idle),
                Expired::Unbegun => return Poll::Ready(Ended::Unbegun),
                Expired::Head => return Poll::Ready(Ended::Head),
                Expired::Write => return Poll::Ready(Ended::Write),
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
    let (is_http2, may_be_http2) = (socket.is_http2(), socket.may_be_http2());
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
                let run = tunnel::run(socket, early, tunnel, &ticket, &metrics);
                // Boxed, as what follows is: most connections never come here.
                return Box::pin(run).await;
            }
            let is_unread = client.owes_body()
                || client.refusal().is_some()
                || !parts.read_buf.is_empty()
                || !held.is_empty();
            if is_unread || !client.has_ended() && socket.has_more() {
                drop(open);
                Box::pin(linger(socket, &ticket, linger::PATIENCE)).await;
            } else {
                socket.say_end();
            }
        }
        Ended::Http(Some(_)) if is_http2 => {
            let begun = (parts.read_buf, socket);
            match Box::pin(http2::serve(Rc::clone(&current), begun, Rc::clone(&client), &ticket))
                .await
            {
                http2::Ended::Itself(None) => {}
                http2::Ended::Itself(Some(error)) => {
                    tracing::debug!(%error, peer = client.address(), "client connection ended");
                }
                http2::Ended::Broken(error) => {
                    tracing::debug!(%error, peer = client.address(), "client connection ended");
                }
                http2::Ended::Idle => metrics.idle_timeouts.add(1),
                http2::Ended::Head => metrics.header_timeouts.add(1),
                http2::Ended::Write => metrics.write_timeouts.add(1),
                http2::Ended::Flooded => {
                    metrics.floods.add(1);
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
                metrics.requests(Route::None, MethodLabel::Other, class).add(1);
            }
            tracing::debug!(%error, peer = client.address(), "client connection ended");
            if let Some(mut tunnel) = opened.take() {
                tunnel.fail(Kind::ClientGone);
            }
            if error.is_parse() && !client.has_ended() {
                drop(open);
                Box::pin(linger(socket, &ticket, linger::PATIENCE)).await;
            }
        }
        Ended::Unbegun => {
            metrics.header_timeouts.add(1);
            socket.say_end();
        }
        Ended::Head => {
            metrics.header_timeouts.add(1);
            // The rest of a body that nobody wanted is no head, and what may be HTTP/2 understands no answer.
            if client.owes_body() || may_be_http2 || !client.is_flushed() {
                return socket.say_end();
            }
            drop(open);
            let answer = pipeline::head_timeout(&current.get(), client, &held);
            Box::pin(refuse(socket, &answer, &ticket)).await;
        }
        Ended::Write => {
            metrics.write_timeouts.add(1);
            tracing::debug!(peer = client.address(), "client took nothing of its answer: cut off");
            socket.reset_at_end();
        }
        Ended::Idle => {
            metrics.idle_timeouts.add(1);
            socket.say_end();
        }
        Ended::LetGo => {
            metrics.shed.add(1);
            socket.say_end();
        }
        // Once there is room, there is room.
        Ended::Narrow => {}
    }
}

/// Says the last word to a client that may still send. It fits into the socket's buffer, which is empty, or
/// it is not worth waiting for.
async fn refuse(mut socket: Plain, answer: &[u8], ticket: &Ticket) {
    let said = async {
        socket.write_all(answer).await?;
        socket.flush().await
    };
    if let Ok(Ok(())) = timeout(BRIEFLY, said).await {
        linger(socket, ticket, BRIEFLY).await;
    }
}

/// The handshake, or what is to be done without one.
async fn shake(
    metrics: &Arc<Shard>,
    transport: Transport,
    handshake: Handshake,
    ticket: &Ticket,
) -> Option<Stream> {
    let Handshake { tls, place, turns } = handshake;
    let shaken = tls::shake(&tls, &turns, transport, metrics, ticket).await;
    drop(place);
    match shaken {
        Shaken::Hands(stream) => Some(stream),
        Shaken::Http(transport) => {
            let mut plain = Plain::new(Stream::Bare(transport), Arc::clone(metrics));
            // It fits into the socket's empty buffer, or the client has left.
            if plain.write(NOT_TLS).await.is_ok() {
                linger(plain, ticket, linger::PATIENCE).await;
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
    Unbegun,
    Head,
    Write,
    Idle,
    /// To make room for others.
    LetGo,
}

/// Counts an open connection until it has nothing more to say.
struct Open(Arc<Shard>);

/// Counts a connection that speaks TLS.
struct Secure(Arc<Shard>);

// === impl Client ===

impl Guest for Client {
    fn idle_since(&self) -> Option<Instant> {
        match self.activity() {
            Activity::Idle(since) if self.blocked().is_none() => Some(since),
            Activity::Idle(_) | Activity::Head(_) | Activity::Busy => None,
        }
    }

    fn let_go(&self) {
        Self::let_go(self);
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
