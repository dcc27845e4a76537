//! HTTP/2 from clients (RFC 9113): a connection with many requests at once, each of which goes through
//! the same pipeline as one of HTTP/1.1. Frames and flow control are h2's, under hyper; the bounds
//! are set here, and a client that takes nothing of its answers, or asks nothing any more, is let go.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    rc::Rc,
    sync::Arc,
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
    corked::Corked,
    current::Current,
    drain::Ticket,
    frames::Frames,
    prefixed::Prefixed,
    streams::{Look, Streams},
    taken::Taken,
    timer::jittered,
};
use crate::{
    body::Deadline,
    pipeline::{self, Client},
    plan,
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
    /// Nothing can be written any more.
    Broken(io::Error),
    /// It had no request for too long.
    Idle,
    /// The head of one was not complete in time, or it never began one.
    Head,
    /// It took nothing of an answer.
    Write,
    /// It took back most of its requests at once.
    Flooded,
}

/// Runs a connection's requests on the thread that the connection lives on.
#[derive(Clone, Debug)]
struct LocalExecutor(Rc<Streams>);

/// Bounds how long a client may idle, take for a head, and take nothing.
struct Timer {
    idle: Duration,
    header: Duration,
    /// How long it may take to begin the first request, if that is shorter than idling.
    first: Option<Duration>,
    write: Duration,
    /// Of the head that comes.
    head: Deadline,
    deadline: Deadline,
}

/// Serves a connection whose client has been heard to speak HTTP/2. `early` is what was read of it.
pub(super) async fn serve<I>(
    current: Rc<Current>,
    (early, io): (Bytes, I),
    first: Rc<Client>,
    ticket: &Ticket,
) -> Ended
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    let streams = Rc::new(Streams::new(first));
    let local = current.get();
    let metrics = Arc::clone(&local.metrics);
    let service_streams = Rc::clone(&streams);
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let (local, stream) = (current.get(), service_streams.begin());
        let client = stream.client();
        client.on_request(request.version(), !request.body().is_end_stream());
        // Boxed here: it is moved several times on its way to its task.
        Box::pin(async move {
            let response = pipeline::handle(local, client, request).await;
            Ok::<_, Infallible>(response.map(|answer| Taken::new(answer, stream)))
        })
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
    let frames = Rc::new(Frames::new());
    let corked = Corked::new(Prefixed::new(early, io, Rc::clone(&frames)));
    let io = TokioIo::new(corked.clone());
    let connection = http.serve_connection(io, TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);

    ticket.introduce(Rc::<Streams>::clone(&streams));

    let mut timer = Timer::new(&local.app.plan.server);
    let max_requests = local.app.plan.server.max_requests;
    drop(local);
    let mut told = false;
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(Ended::Itself(result.err()));
            }
            let is_used_up = streams.begun() >= max_requests;
            let is_let_go = streams.take_let_go();
            if !told && (ticket.is_closing() || is_used_up || is_let_go) {
                told = true;
                metrics.used_up.add(u64::from(is_used_up));
                metrics.shed.add(u64::from(is_let_go && !is_used_up));
                connection.as_mut().graceful_shutdown();
                continue;
            }
            if streams.is_flooded() {
                return Poll::Ready(Ended::Flooded);
            }
            if let Poll::Ready(Err(error)) = corked.poll_drain(cx) {
                return Poll::Ready(Ended::Broken(error));
            }
            return timer.poll(&streams, &frames, &metrics, cx);
        }
    })
    .await
}

// === impl Ended ===

impl Ended {
    /// Logs and counts it.
    pub(super) fn note(&self, client: &Client, metrics: &Shard) {
        let peer = client.address();
        match self {
            Self::Itself(None) => {}
            Self::Itself(Some(error)) => tracing::debug!(%error, peer, "client connection ended"),
            Self::Broken(error) => tracing::debug!(%error, peer, "client connection ended"),
            Self::Idle => metrics.idle_timeouts.add(1),
            Self::Head => metrics.header_timeouts.add(1),
            Self::Write => metrics.write_timeouts.add(1),
            Self::Flooded => {
                metrics.floods.add(1);
                tracing::debug!(peer, "client took its requests back at once");
            }
        }
    }
}

// === impl LocalExecutor ===

impl<F: Future<Output = ()> + 'static> Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        self.0.adopt(spawn_local(future).abort_handle());
    }
}

// === impl Timer ===

impl Timer {
    fn new(plan: &plan::Server) -> Self {
        Self {
            idle: jittered(plan.idle_timeout),
            header: plan.header_timeout,
            first: Some(plan.header_timeout).filter(|header| *header < plan.idle_timeout),
            write: plan.write_timeout,
            head: Deadline::default(),
            deadline: Deadline::default(),
        }
    }

    fn poll(
        &mut self,
        streams: &Streams,
        frames: &Frames,
        metrics: &Shard,
        cx: &mut Context<'_>,
    ) -> Poll<Ended> {
        if let Some(since) = frames.since() {
            self.head.set_at(since + self.header);
            if self.head.poll_expired(cx).is_ready() {
                return Poll::Ready(Ended::Head);
            }
        }
        loop {
            // Only one that has asked something may be silent for long.
            let first = self.first.filter(|_| streams.begun() == 0);
            if !self.deadline.is_set() {
                let now = Instant::now();
                match streams.look(now, first.unwrap_or(self.idle), self.write) {
                    Look::Again { at, cut } => {
                        metrics.stalled_streams.add(cut);
                        // While requests run, a look once a second is enough; and not much later than
                        // the next may have begun and stalled.
                        let (soon, late) = (now + LOOK, now + (self.write / 4).max(LOOK));
                        self.deadline.set_at(at.map_or(soon, |at| at.clamp(soon, late)));
                    }
                    Look::Stalled => return Poll::Ready(Ended::Write),
                    Look::Over if first.is_some() => return Poll::Ready(Ended::Head),
                    Look::Over => return Poll::Ready(Ended::Idle),
                }
            }
            ready!(self.deadline.poll_expired(cx));
            self.deadline.clear();
        }
    }
}
