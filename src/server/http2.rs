//! HTTP/2 from clients (RFC 9113): a connection with many requests at once, each of which goes through
//! the same pipeline as one of HTTP/1.1. Frames and flow control are h2's, under hyper; the bounds
//! are set here, and a client that takes nothing of its answers, or asks nothing any more, is let go.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    rc::Rc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Request;
use http_body::Body as _;
use hyper::{body::Incoming, rt::Executor, server::conn::http2};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::task::spawn_local;

use super::{
    drain::Ticket,
    prefixed::Prefixed,
    streams::{Look, Streams},
    taken::Taken,
};
use crate::{
    body::Deadline,
    pipeline::{self, Client, Local},
    telemetry::Shard,
};

/// Requests at once on one connection.
const STREAMS: u32 = 128;
/// What a field counts besides its name and value (RFC 9113, 6.5.2).
const FIELD: usize = 32;
/// Bytes of a request's body that a client may send before they were read.
const WINDOW: u32 = 256 * 1024;
/// The same for all requests of a connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of an answer that wait for a client that does not take them.
const SEND_BUFFER: usize = 64 * 1024;
/// How long a silent client is believed to be there before it is asked.
const PING: Duration = Duration::from_secs(30);
/// How long it may take to say so.
const PONG: Duration = Duration::from_secs(20);
/// The pause between two looks for clients that take nothing.
const LOOK: Duration = Duration::from_secs(1);

/// How a connection ended.
pub(super) enum Ended {
    /// By itself, with what went wrong if something did.
    Itself(Option<hyper::Error>),
    /// It had no request for too long, or took nothing of an answer.
    Idle,
    /// It took back most of its requests at once.
    Flooded,
}

/// Runs a connection's requests on the thread that the connection lives on.
#[derive(Clone, Debug)]
struct LocalExecutor(Rc<Streams>);

/// Bounds how long a client may idle, and how long it may take nothing.
struct Timer {
    idle: Duration,
    deadline: Deadline,
}

/// Serves a connection whose client has been heard to speak HTTP/2. `early` is what was read of it.
pub(super) async fn serve<I>(
    local: Rc<Local>,
    (early, io): (Bytes, I),
    first: Rc<Client>,
    ticket: &Ticket,
) -> Ended
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    let streams = Rc::new(Streams::new(first));
    let (service_local, service_streams) = (Rc::clone(&local), Rc::clone(&streams));
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let (local, stream) = (Rc::clone(&service_local), service_streams.begin());
        let client = stream.client();
        client.on_request(request.version(), !request.body().is_end_stream());
        async move {
            let response = pipeline::handle(local, client, request).await;
            Ok::<_, Infallible>(response.map(|answer| Taken::new(answer, stream)))
        }
    });

    // What is over the limit, but not by far, is read: the pipeline says so, logs and counts it. Of more,
    // h2 keeps nothing, and answers 431 alone.
    let limits = &local.app.plan.server.head;
    let most = 2 * limits.head + FIELD * limits.fields;
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    let mut http = http2::Builder::new(LocalExecutor(Rc::clone(&streams)));
    http.timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(most)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG);
    let io = TokioIo::new(Prefixed::new(early, io));
    let connection = http.serve_connection(io, TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);

    let mut timer =
        Timer { idle: local.app.plan.server.idle_timeout, deadline: Deadline::default() };
    let mut told = false;
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(Ended::Itself(result.err()));
            }
            if ticket.is_closing() && !told {
                told = true;
                connection.as_mut().graceful_shutdown();
                continue;
            }
            if streams.is_flooded() {
                return Poll::Ready(Ended::Flooded);
            }
            ready!(timer.poll(&streams, &local.metrics, cx));
            return Poll::Ready(Ended::Idle);
        }
    })
    .await
}

// === impl LocalExecutor ===

impl<F: Future<Output = ()> + 'static> Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        self.0.adopt(spawn_local(future).abort_handle());
    }
}

// === impl Timer ===

impl Timer {
    fn poll(&mut self, streams: &Streams, metrics: &Shard, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if !self.deadline.is_set() {
                let now = Instant::now();
                let Look::Again { at, cut } = streams.look(now, self.idle) else {
                    return Poll::Ready(());
                };
                metrics.stalled_streams.add(cut);
                // While requests run, a look once a second is enough.
                self.deadline.set_at(at.map_or(now + LOOK, |at| at.max(now + LOOK)));
            }
            ready!(self.deadline.poll_expired(cx));
            self.deadline.clear();
        }
    }
}
