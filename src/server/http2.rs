//! HTTP/2 from clients (RFC 9113): a connection with many concurrent requests. Each request goes through the same
//! pipeline as an HTTP/1.1 request. h2 does frames and flow control, without hyper. This allows interim responses, a
//! stream reset for a fault of its own request, and a timely announcement of the end. The [`HeadFilter`] reads the
//! heads. The limits are set here, and a connection is closed if its client reads no responses or sends no more
//! requests.
//!
//! The end (6.8): a GOAWAY announces it to the client, and the client's reply to a PING shows which requests still
//! count. If no reply arrives, the final GOAWAY is sent after [`GRACE`].

use std::{
    future::poll_fn,
    io,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use h2::{
    Reason, RecvStream,
    server::{Builder, Connection, SendResponse},
};
use http::Request;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    task::spawn_local,
    time::timeout,
};

use super::{
    current_settings::CurrentSettings,
    drain::ConnectionGuard,
    frame_budget::FrameBudget,
    head_filter::{FilteredRequest, HeadFilter, MAX_STREAMS},
    http2_body::{BodyFacts, StreamBody},
    http2_response::{PendingResets, StreamExchange},
    http2_timer::{ExpiredTimer, Http2Timer},
    keepalive::PingKeepalive,
    rewind::RewindStream,
    streams::RequestStreams,
    tracked_body::TrackedChunk,
    write_coalescer::WriteCoalescer,
};
use crate::{
    body::{ClientBody, Deadline},
    error::FailureKind,
    pipeline::{ClientRequest, ConnectionInfo, RequestRefusal},
    rfc::request_parts::FieldName,
    telemetry::{FloodLabel, LogThrottle, MethodLabel, RouteLabel, StatusClass, WorkerMetrics},
};

/// The size of a field besides its name and value (RFC 9113, 6.5.2).
const FIELD_OVERHEAD: usize = 32;
/// Requests of one connection that begin before other tasks run. Each takes some KiB until its response is sent, and
/// most are answered at once.
const MAX_PER_TURN: usize = 32;
/// Bytes of a request body that a client may send before they are read.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same limit for all request bodies of a connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of responses that may wait for a client that does not read them.
const SEND_BUFFER: usize = 64 * 1024;
/// How long a client may take to reply to the PING after the first GOAWAY, and to read the last GOAWAY.
const GRACE: Duration = Duration::from_secs(1);
/// Sent to a client that does not begin with the HTTP/2 preface: no stream, PROTOCOL_ERROR (RFC 9113, 3.4 and 6.8).
const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Http2End {
    /// It ended by itself, with an error if there was one.
    Itself(Option<h2::Error>),
    /// Writing failed.
    Broken(io::Error),
    /// The client sent something other than HTTP/2, after HTTP/2 was negotiated.
    Other,
    /// The client broke the rules of frames or heads.
    Malformed(Reason),
    Expired(ExpiredTimer),
    /// The client sent too much of something.
    Flooded(FloodLabel),
}

/// The stage of a connection's end.
enum ShutdownStage {
    Serving,
    /// The end was announced. Requests that the client sends before its reply to the PING still count.
    Announced(Deadline),
    /// The time to reply is over: no further request counts.
    Final,
    /// The last GOAWAY is being written.
    Closing(Deadline, Option<Http2End>),
}

/// One HTTP/2 connection.
struct Http2Driver<'a, I> {
    connection: Connection<WriteCoalescer<RewindStream<I>>, TrackedChunk>,
    coalescer: WriteCoalescer<RewindStream<I>>,
    filter: Rc<HeadFilter>,
    streams: Rc<RequestStreams>,
    resets: Rc<PendingResets>,
    current: Rc<CurrentSettings>,
    info: Rc<ConnectionInfo>,
    metrics: Arc<WorkerMetrics>,
    guard: &'a ConnectionGuard,
    max_requests: u64,
    timer: Http2Timer,
    end: ShutdownStage,
}

/// Serves a connection whose client speaks HTTP/2. `early` holds the bytes that were already read.
pub(super) async fn serve<I>(
    current: Rc<CurrentSettings>,
    (early, io): (Bytes, I),
    info: Rc<ConnectionInfo>,
    guard: &ConnectionGuard,
) -> Http2End
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let local = current.get();
    let server = &local.app.plan.server;
    // Announce more than the limit. A head that exceeds it a little is worth sending, because its request is answered,
    // logged and counted.
    let max = 2 * server.head.head + FIELD_OVERHEAD * server.head.fields;
    let mut http = Builder::new();
    http.max_concurrent_streams(u32::try_from(MAX_STREAMS).unwrap_or(u32::MAX))
        .max_header_list_size(u32::try_from(max).unwrap_or(u32::MAX))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER);
    let budget = Rc::new(FrameBudget::new());
    let filter = Rc::new(HeadFilter::new(server.head, Rc::clone(&budget)));
    let coalescer = WriteCoalescer::new(RewindStream::new(early, io, Rc::clone(&filter)));
    let streams = Rc::new(RequestStreams::new(Instant::now(), budget));
    guard.set_idle_handle(Rc::<RequestStreams>::clone(&streams));

    let handshake = http.handshake::<_, TrackedChunk>(coalescer.clone());
    let head_deadline = Deadline::after(server.header_timeout);
    let mut connection = match begin(handshake, &coalescer, head_deadline, guard).await {
        Ok(connection) => connection,
        Err(ended) => return ended,
    };
    let timer = Http2Timer::new(server, PingKeepalive::new(connection.ping_pong()));
    let mut driver = Http2Driver {
        connection,
        coalescer,
        filter,
        streams,
        resets: Rc::default(),
        metrics: Arc::clone(&local.metrics),
        guard,
        max_requests: server.max_requests,
        timer,
        end: ShutdownStage::Serving,
        current,
        info,
    };
    // An idle connection must not hold settings that were replaced.
    drop(local);
    poll_fn(|cx| driver.poll(cx)).await
}

/// Waits for the preface. Nothing of it has arrived if the protocol was negotiated by ALPN.
async fn begin<I>(
    handshake: h2::server::Handshake<WriteCoalescer<RewindStream<I>>, TrackedChunk>,
    coalescer: &WriteCoalescer<RewindStream<I>>,
    mut head_deadline: Deadline,
    guard: &ConnectionGuard,
) -> Result<Connection<WriteCoalescer<RewindStream<I>>, TrackedChunk>, Http2End>
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut handshake = pin!(handshake);
    let error = poll_fn(|cx| {
        if let Poll::Ready(result) = handshake.as_mut().poll(cx) {
            return Poll::Ready(result.map_err(|error| Http2End::Itself(Some(error))));
        }
        guard.listen(cx.waker());
        if let Poll::Ready(Err(error)) = coalescer.poll_drain(cx) {
            return Poll::Ready(Err(Http2End::Broken(error)));
        }
        if guard.is_closing() {
            return Poll::Ready(Err(Http2End::Itself(None)));
        }
        head_deadline.poll_expired(cx).map(|()| Err(Http2End::Expired(ExpiredTimer::Head)))
    });
    match error.await {
        Err(Http2End::Itself(Some(error))) if error.is_go_away() => {
            let mut coalescer = coalescer.clone();
            let notified = async {
                coalescer.write_all(&GOAWAY).await?;
                coalescer.shutdown().await
            };
            // A client that reads nothing is not waited for.
            let _ = timeout(GRACE, notified).await;
            Err(Http2End::Other)
        }
        result => result,
    }
}

// === impl Http2Driver ===

impl<I: AsyncRead + AsyncWrite + Unpin> Http2Driver<'_, I> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Http2End> {
        self.guard.listen(cx.waker());
        let mut begun = 0;
        loop {
            let accepted = pin!(self.connection.accept()).poll(cx);
            match accepted {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    self.begin(request, respond);
                    begun += 1;
                    // The tasks of these requests run before more requests begin.
                    if begun < MAX_PER_TURN {
                        continue;
                    }
                    cx.waker().wake_by_ref();
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(self.ended(Some(error))),
                Poll::Ready(None) => return Poll::Ready(self.ended(None)),
                Poll::Pending => {
                    if self.filter.forget_refused() {
                        continue;
                    }
                }
            }
            while let Some((stream, kind)) = self.filter.take_refused_trailers() {
                self.streams.on_body_fault(stream, kind);
            }
            if self.resets.send() {
                continue;
            }
            if let ShutdownStage::Closing(deadline, ended) = &mut self.end {
                return deadline
                    .poll_expired(cx)
                    .map(|()| ended.take().unwrap_or(Http2End::Itself(None)));
            }
            if let Some(reason) = self.filter.fatal() {
                let ended =
                    self.filter.flood().map_or(Http2End::Malformed(reason), Http2End::Flooded);
                self.close(reason, ended);
            } else if let Some(flood) = self.streams.flood() {
                self.close(Reason::ENHANCE_YOUR_CALM, Http2End::Flooded(flood));
            } else if self.is_due() {
                self.announce_end();
            } else if let Poll::Ready(Err(error)) = self.coalescer.poll_drain(cx) {
                return Poll::Ready(Http2End::Broken(error));
            } else if self.is_over(cx) {
                self.close(Reason::NO_ERROR, Http2End::Itself(None));
            } else {
                let Self { timer, streams, filter, metrics, .. } = self;
                match timer.poll(streams, filter, metrics, cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(ExpiredTimer::Grown) => {
                        if matches!(self.end, ShutdownStage::Serving) {
                            self.metrics.grown.add(1);
                            self.announce_end();
                        }
                    }
                    // The client would not receive a GOAWAY.
                    Poll::Ready(expired @ (ExpiredTimer::Write | ExpiredTimer::Gone)) => {
                        return Poll::Ready(Http2End::Expired(expired));
                    }
                    Poll::Ready(expired @ (ExpiredTimer::Idle | ExpiredTimer::Head)) => {
                        self.close(Reason::NO_ERROR, Http2End::Expired(expired));
                    }
                }
            }
        }
    }

    /// Starts the task that answers the request of an accepted stream.
    fn begin(&mut self, request: Request<RecvStream>, mut respond: SendResponse<TrackedChunk>) {
        let number = respond.stream_id().as_u32();
        let Some(FilteredRequest { mut head, mut refusal, .. }) = self.filter.take(number) else {
            tracing::warn!(
                stream = number,
                "internal error: HTTP/2 stream without a request; please report it"
            );
            respond.send_reset(Reason::INTERNAL_ERROR);
            return;
        };
        if matches!(self.end, ShutdownStage::Final) {
            respond.send_reset(Reason::REFUSED_STREAM);
            return;
        }
        let local = self.current.get();
        let mut head_room = None;
        if refusal.is_none() && !local.app.reserve_head(&mut head_room, head.memory) {
            refusal = Some(RequestRefusal { kind: FailureKind::HeadsFull, misplaced: None });
            head.keep_reported();
        }
        let incoming = request.into_body();
        let has_body = refusal.is_none() && !incoming.is_end_stream();
        let expects = head.parts.headers.get(FieldName::Expect);
        let expects = expects.is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"));
        let facts = has_body.then(|| Rc::new(BodyFacts::new(expects)));
        let body = match &facts {
            Some(facts) => {
                let body = StreamBody::new(incoming, head.length, Rc::clone(facts));
                ClientBody::Reader(Box::pin(body))
            }
            None => ClientBody::Empty,
        };
        if refusal.is_some_and(|refusal| refusal.kind != FailureKind::HeadsFull) {
            self.streams.on_malformed();
        }
        let stream = self.streams.begin(number, facts);
        let request = ClientRequest {
            parts: head.parts,
            begun: None,
            refusal,
            head_room,
            body,
            interim: Some(stream.interim()),
        };
        let exchange = StreamExchange {
            local,
            info: Rc::clone(&self.info),
            stream: Rc::clone(&stream),
            respond,
            resets: refusal.map(|_| Rc::clone(&self.resets)),
        };
        let task = spawn_local(exchange.run(request));
        stream.set_task(task.abort_handle());
    }

    /// Whether the end must be announced now, at most once.
    fn is_due(&self) -> bool {
        if !matches!(self.end, ShutdownStage::Serving) {
            return false;
        }
        let is_used_up = self.streams.begun() >= self.max_requests;
        let is_shed = self.streams.take_shed();
        self.metrics.used_up.add(u64::from(is_used_up));
        self.metrics.shed.add(u64::from(is_shed && !is_used_up));
        self.guard.is_closing() || is_used_up || is_shed
    }

    /// Announces the end to the client.
    fn announce_end(&mut self) {
        self.connection.graceful_shutdown();
        self.end = ShutdownStage::Announced(Deadline::after(GRACE));
    }

    /// Whether the client has had the time to reply to the announcement, and no request runs.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        if let ShutdownStage::Announced(deadline) = &mut self.end
            && deadline.poll_expired(cx).is_ready()
        {
            self.end = ShutdownStage::Final;
        }
        matches!(self.end, ShutdownStage::Final) && !self.connection.has_streams()
    }

    /// Sends the last GOAWAY. The connection ends when it was written.
    fn close(&mut self, reason: Reason, ended: Http2End) {
        self.connection.abrupt_shutdown(reason);
        self.end = ShutdownStage::Closing(Deadline::after(GRACE), Some(ended));
    }

    /// Returns how the connection ended, with the cause if it was not an error of h2.
    fn ended(&mut self, error: Option<h2::Error>) -> Http2End {
        match &mut self.end {
            ShutdownStage::Closing(_, ended) => ended.take().unwrap_or(Http2End::Itself(error)),
            ShutdownStage::Serving | ShutdownStage::Announced(_) | ShutdownStage::Final => {
                Http2End::Itself(error)
            }
        }
    }
}

// === impl Http2End ===

impl Http2End {
    /// Logs and counts the end of the connection.
    pub(super) fn note(&self, info: &ConnectionInfo, metrics: &WorkerMetrics) {
        let peer = info.address();
        match self {
            Self::Itself(None) | Self::Expired(ExpiredTimer::Gone | ExpiredTimer::Grown) => {}
            Self::Itself(Some(error)) if is_flood(error) => {
                report(FloodLabel::Other, Some(error), peer, metrics);
            }
            Self::Itself(Some(error)) => tracing::debug!(%error, peer, "client connection failed"),
            Self::Broken(error) => tracing::debug!(%error, peer, "client connection failed"),
            Self::Other => {
                // No request exists that could count it, so it is counted here.
                let class = StatusClass::ClientError;
                metrics.requests(RouteLabel::None, MethodLabel::Other, class).add(1);
                tracing::debug!(peer, "client negotiated HTTP/2 but does not speak it");
            }
            Self::Malformed(reason) => {
                tracing::debug!(%reason, peer, "client violated the HTTP/2 protocol");
            }
            Self::Expired(ExpiredTimer::Idle) => metrics.idle_timeouts.add(1),
            Self::Expired(ExpiredTimer::Head) => metrics.header_timeouts.add(1),
            Self::Expired(ExpiredTimer::Write) => metrics.write_timeouts.add(1),
            Self::Flooded(flood) => report(*flood, None, peer, metrics),
        }
    }
}

/// Whether h2 has ended the connection because one of its own limits was exceeded.
fn is_flood(error: &h2::Error) -> bool {
    error.is_library() && error.reason() == Some(Reason::ENHANCE_YOUR_CALM)
}

/// Counts a flood, and logs it at most once in ten seconds.
fn report(flood: FloodLabel, error: Option<&h2::Error>, peer: &str, metrics: &WorkerMetrics) {
    static REPORTS: LogThrottle = LogThrottle::new();
    metrics.floods(flood).add(1);
    if let Some(missed) = REPORTS.should_log() {
        let flood = flood.name();
        let error = error.map(tracing::field::display);
        tracing::warn!(flood, error, peer, missed, "client connection closed: HTTP/2 flood");
    }
}
