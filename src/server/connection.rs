//! One client connection from accept to close: a handshake if there is one, then HTTP/1.1 by hyper. Here,
//! and nowhere else, the pipeline becomes a tower `Service`: layers that only add may wrap it. How hyper is
//! driven stands in `drive`, what may come after it in `ending`.

use std::{cell::Cell, convert::Infallible, net::SocketAddr, rc::Rc, sync::Arc, time::Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{io::AsyncWriteExt as _, sync::Semaphore};

use super::{
    current::Current,
    drain::Ticket,
    drive::{Driver, Ended},
    ending::{self, Open, Rest},
    gate::Gate,
    http2,
    linger::{self, linger},
    plain::Plain,
    room::{Guest, Stage},
    socket::Socket,
    stream::{Agreed, Stream, Transport},
    timer::Timer,
    tls::{self, Place, Shaken, Tls},
};
use crate::{
    body::ClientBody,
    pipeline::{self, Activity, Answer, Client, Tunnel, Way},
    telemetry::Shard,
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

/// Where the pipeline leaves the tunnel that its answer opens.
type Opened = Rc<Cell<Option<Tunnel>>>;

/// Counts a connection that speaks TLS.
struct Secure(Arc<Shard>);

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
    if stream.agreed() == Agreed::Http2 {
        drop(local);
        let begun = (Bytes::new(), Plain::new(stream, Arc::clone(&metrics)));
        // Boxed: as below.
        let ended = Box::pin(http2::serve(current, begun, Rc::clone(&client), &ticket)).await;
        return ended.note(&client, &metrics);
    }
    let limits = local.app.plan.server.head;
    let socket = Socket::new(stream, Rc::clone(&client), metrics, Gate::new(limits));
    let opened = Opened::default();
    let service = service(Rc::clone(&current), Rc::clone(&client), Rc::clone(&opened));

    let mut http = http1::Builder::new();
    // Not that half-closed clients get no answer: `Socket` tells them from those that have left.
    http.half_close(false);
    // Bounds what waits in memory for a client that reads slowly. What a head may have is up to `Gate`.
    http.max_buf_size(BUFFER.max(limits.head));
    // No header_read_timeout: hyper counts idle time as header time. See `Timer`.
    let mut connection =
        http.serve_connection(TokioIo::new(socket), TowerToHyperService::new(service));
    let mut driver = Driver::new(&client, &ticket, Timer::new(&local.app.plan.server));
    // An idle connection holds nothing of settings that others have taken the place of.
    drop(local);
    let mut ended = driver.run(&mut connection).await;
    if let Ended::Narrow = ended {
        // Everything before was answered. hyper can be told only at the beginning.
        http.max_headers(limits.fields);
        let mut parts = connection.into_parts();
        parts.io.inner_mut().widen();
        connection = http.serve_connection(parts.io, parts.service);
        driver.begin_again();
        ended = driver.run(&mut connection).await;
    }

    // `Socket` has kept hyper from shutting it down.
    let parts = connection.into_parts();
    let rest = Rest::new(parts.io.into_inner(), &ended, parts.read_buf, opened.take());
    if let Some(last) = ending::decide(ended, rest, &client, open) {
        // Boxed: most connections never come here.
        Box::pin(last.run(current, client, &ticket)).await;
    }
}

/// The pipeline for the requests of one connection.
fn service(
    current: Rc<Current>,
    client: Rc<Client>,
    opened: Opened,
) -> impl tower::Service<
    Request<Incoming>,
    Response = Response<Answer>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<Answer>, Infallible>>,
> + Clone {
    tower::service_fn(move |request: Request<Incoming>| {
        // It keeps these settings to its end; the next one may get others.
        let (local, client) = (current.get(), Rc::clone(&client));
        let opened = Rc::clone(&opened);
        // Before the future is polled: hyper looks for the client's end in between.
        client.on_request(request.version(), !request.body().is_end_stream());
        async move {
            let request = request.map(ClientBody::Http1);
            let mut response = pipeline::handle(local, client, request).await;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                opened.set(response.body_mut().take_tunnel());
            }
            Ok(response)
        }
    })
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

// === impl Client ===

impl Guest for Client {
    fn idle_since(&self) -> Option<Instant> {
        match self.activity() {
            Activity::Idle(since) | Activity::Head(since) if self.blocked().is_none() => {
                Some(since)
            }
            Activity::Idle(_) | Activity::Head(_) | Activity::Busy => None,
        }
    }

    fn stage(&self) -> Stage {
        match self.activity() {
            Activity::Idle(_) if self.requests() > 0 => Stage::Kept,
            Activity::Idle(_) | Activity::Head(_) | Activity::Busy => Stage::Unproven,
        }
    }

    fn let_go(&self) {
        Self::let_go(self);
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
