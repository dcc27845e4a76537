//! Sends one request to the application and returns its response. This takes a permit, a connection, and an attempt,
//! and more attempts where that is safe.

mod retry;
mod retry_state;
mod unproven;

use std::{
    io,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, StatusCode};
use tokio::task::spawn_local;

use self::retry_state::RetryState;
use super::{
    attempt::{Attempt, WatchedAttempt},
    backends::{Backends, Trouble, UpstreamServer},
    connection::UpstreamConnection,
    detached_tasks::DetachedTasks,
    http1::{self, BodyLength, UpstreamResponseHead},
    pending_connection::WatchedPendingConnection,
    permit::RequestPermit,
    queue_metrics::QueueMetrics,
    request::{RequestFraming, RequestTimeouts, SendNotes, ServedBy, UpstreamRequestHead},
    upgraded::UpgradedStream,
    upload::RequestUpload,
    uwsgi,
    worker_pools::WorkerPools,
};
use crate::{
    body::{Body, RequestBody},
    error::{Error, FailureKind},
    plan::{self, Protocol},
    rfc::response_lines::ResponseLines,
    telemetry::{EjectionCause, WorkerMetrics},
};

/// A body up to this size is read before the response is passed on. The client then gets one write instead of two, and
/// the connection is free at once.
const MAX_SHORT_BODY: u64 = 64 * 1024;

/// The application as one worker sees it.
#[derive(Debug)]
pub struct UpstreamClient {
    /// The settings with which its requests began. Those of [`Backends`] may have changed since.
    plan: plan::UpstreamSettings,
    backends: Arc<Backends>,
    pools: Rc<WorkerPools>,
    detached: Rc<DetachedTasks>,
    metrics: Arc<WorkerMetrics>,
}

/// A response of the application.
#[derive(Debug)]
pub struct UpstreamResponse {
    pub status: StatusCode,
    /// Its reason phrase, if it differs from the usual one of the status.
    pub reason: Option<Bytes>,
    /// Without hop-by-hop fields.
    pub fields: ResponseLines,
    /// The names of the trailers that its body may have, if it announces any.
    pub announced: Option<HeaderValue>,
    /// Whether some of its fields are for the server in front of the application, and not for the client.
    pub has_directives: bool,
    pub body: Body,
    /// The time from the start of the successful attempt to the head of the response.
    pub first_byte: Duration,
    /// Whether each byte of the body must be passed on when it arrives.
    pub is_prompt: bool,
    /// For status 101: the connection, which speaks WebSocket from now on.
    pub upgraded: Option<UpgradedStream>,
}

// === impl UpstreamClient ===

impl UpstreamClient {
    /// Creates the client without opening a connection. Until it is dropped, tasks on this worker's thread close
    /// connections that were idle for too long, and handle requests of disconnected clients.
    pub fn start(
        plan: &plan::UpstreamSettings,
        backends: &Arc<Backends>,
        metrics: Arc<WorkerMetrics>,
    ) -> Rc<Self> {
        let (plan, pools) = (plan.clone(), WorkerPools::start(backends));
        let detached = Rc::new(DetachedTasks::default());
        drop(spawn_local(Rc::clone(&detached).run()));
        Rc::new(Self { plan, backends: Arc::clone(backends), pools, detached, metrics })
    }

    /// Whether this equals the client that [`start`](Self::start) would create: the same servers with equal settings.
    pub fn is_like(&self, plan: &plan::UpstreamSettings, backends: &Arc<Backends>) -> bool {
        Arc::ptr_eq(&self.backends, backends) && self.plan == *plan
    }

    /// Returns the names of all servers, for messages.
    pub fn names(&self) -> String {
        self.plan.names()
    }

    /// Returns the trouble of the application, if there is any.
    pub fn trouble(&self) -> Option<Trouble> {
        self.backends.trouble()
    }

    /// Whether the application accepts a body of unknown length.
    pub fn takes_chunks(&self) -> bool {
        self.plan.protocol == Protocol::Http1
    }

    /// Sends a request and waits for the head of its response.
    pub async fn send(
        &self,
        head: &UpstreamRequestHead<'_>,
        framing: RequestFraming,
        body: RequestBody,
        notes: SendNotes<'_>,
    ) -> Result<UpstreamResponse, Error> {
        let since = Instant::now();
        // Encoded first: a request that is too large for its server needs no permit.
        let packet = self.packet(head, framing)?;
        let mut upload = RequestUpload::new(body, framing);
        let (mut retry, host) = (RetryState::begin(since), head.origin.host);
        loop {
            let permit = match retry.kept.take() {
                Some(permit) => permit,
                None => self.acquire_permit(since, &notes).await?,
            };
            // The clock is read again only if there was a wait.
            let is_first = std::mem::replace(&mut retry.is_first, false);
            let begin = if is_first && notes.queue.is_unused() { since } else { Instant::now() };
            if let Some(server) = notes.server {
                server.replace(Some(ServedBy(Arc::clone(permit.server()))));
            }
            if let Some(attempts) = notes.attempts {
                attempts.begin(begin);
            }
            let is_repeatable = head.method.is_idempotent() && upload.is_repeatable();
            // A request that cannot be repeated must not get a connection that is being closed.
            let may_reuse = retry.may_reuse() && (is_repeatable || permit.pool().is_proven());
            let (permit, connection) = self.connection(permit, may_reuse, begin).await?;
            let mut connection = match connection {
                Ok(connection) => connection,
                Err(error) => {
                    self.after_refusal(permit.server(), error, &mut retry)?;
                    continue;
                }
            };
            match &packet {
                Some(packet) => connection.output.extend_from_slice(packet),
                None => {
                    let keep = permit.pool().is_on();
                    http1::encode(&mut connection.output, head, framing, keep);
                }
            }
            // The time to connect does not count as time of the application.
            let begin = if connection.is_reused { begin } else { Instant::now() };
            // Only until an application has responded there.
            let unproven =
                (!permit.server().protocol.is_proven()).then(|| Arc::clone(permit.server()));
            let attempt =
                self.attempt(head, (connection, upload, framing), (permit, begin, notes.timeouts));
            let detached = (!self.plan.abort).then(|| Rc::clone(&self.detached));
            let mut watched = WatchedAttempt::new(attempt, detached, &self.metrics);
            let result = match &unproven {
                None => watched.run(notes.interim).await,
                Some(server) => {
                    let run = self.run_unproven(&mut watched, server, host, notes.interim);
                    match Box::pin(run).await {
                        Ok(result) => result,
                        Err(error) => {
                            // Nobody waits for it any more.
                            drop(watched.into_attempt());
                            return Err(error);
                        }
                    }
                }
            };
            let (Some(result), Some(attempt)) = (result, watched.into_attempt()) else {
                return Err(Error::new(FailureKind::UpstreamClosed));
            };
            upload = match result {
                Ok(reply) => {
                    if unproven.is_some()
                        && let Some(error) =
                            Box::pin(self.judge_answer(&attempt, &reply, host)).await
                    {
                        return Err(error);
                    }
                    return self.reply(attempt, reply).await;
                }
                Err(failure) => {
                    match self.after_failure(attempt, failure, is_repeatable, &mut retry).await {
                        Ok(upload) => upload,
                        Err(error) => {
                            let Some(server) = unproven else { return Err(error) };
                            return Err(Box::pin(self.judge_failure(&server, host, error)).await);
                        }
                    }
                }
            };
        }
    }

    /// Encodes the head of a request as a uwsgi packet, if the protocol is uwsgi.
    fn packet(
        &self,
        head: &UpstreamRequestHead<'_>,
        framing: RequestFraming,
    ) -> Result<Option<BytesMut>, Error> {
        let plan = &self.plan;
        let Protocol::Uwsgi(server) = plan.protocol else { return Ok(None) };
        let mut packet = BytesMut::new();
        uwsgi::encode(&mut packet, head, framing, server, plan.keeps_connections())?;
        Ok(Some(packet))
    }

    /// Creates an attempt that is ready to be written.
    fn attempt(
        &self,
        head: &UpstreamRequestHead<'_>,
        (mut connection, upload, framing): (Box<UpstreamConnection>, RequestUpload, RequestFraming),
        (permit, begin, timeouts): (RequestPermit, Instant, RequestTimeouts),
    ) -> Attempt {
        let plan = &self.plan;
        let total = timeouts.total.unwrap_or(plan.total_timeout);
        connection.total = total.map(|total| begin + total);
        let shows = framing.is_read_at_once(plan.protocol);
        let sent = permit.pool().sent().filter(|_| shows);
        let sent = sent.and_then(|sent| sent.add(connection.descriptor()));
        Attempt {
            sent,
            connection,
            upload,
            permit,
            protocol: plan.protocol,
            method: head.method.clone(),
            asks_upgrade: head.asks_upgrade(),
            pause: timeouts.read.unwrap_or(plan.read_timeout),
            begin,
        }
    }

    /// Acquires a permit, at once or after a wait in the queue.
    async fn acquire_permit(
        &self,
        since: Instant,
        &SendNotes { client, queue, .. }: &SendNotes<'_>,
    ) -> Result<RequestPermit, Error> {
        let server_permit = match self.backends.try_admit(&self.pools.servers(), client) {
            Some(server_permit) => {
                if queue.is_unused() {
                    self.metrics.queue_wait.observe(Duration::ZERO);
                }
                server_permit
            }
            None => {
                let mut waiting = QueueMetrics::begin(&self.metrics, queue);
                let result = self.backends.admit(since, client).await;
                waiting.is_over = true;
                result?
            }
        };
        let pool = self.pools.pool(&server_permit.server, &self.plan);
        Ok(RequestPermit::new(server_permit, pool, &self.metrics))
    }

    /// Returns an idle connection if that is allowed and there is one, or else a new connection. The permit is returned
    /// with it.
    async fn connection(
        &self,
        permit: RequestPermit,
        may_reuse: bool,
        now: Instant,
    ) -> Result<(RequestPermit, Result<Box<UpstreamConnection>, Error>), Error> {
        if may_reuse && let Some(connection) = permit.pool().take(now) {
            self.metrics.upstream_reused.add(1);
            return Ok((permit, Ok(connection)));
        }
        let opening =
            WatchedPendingConnection::begin(permit, self.plan.connect_timeout, &self.detached);
        let Some((permit, result)) = opening.wait().await else {
            return Err(Error::new(FailureKind::UpstreamRefused));
        };
        match &result {
            Ok(_) => self.metrics.upstream_opened.add(1),
            Err(_) => self.metrics.upstream_failed.add(1),
        }
        Ok((permit, result))
    }

    async fn reply(
        &self,
        attempt: Attempt,
        mut head: UpstreamResponseHead,
    ) -> Result<UpstreamResponse, Error> {
        // gunicorn announces that it keeps the connection, finds too many unread bytes on it, and closes it under the
        // next request.
        head.keep &= !attempt.upload.is_long() || head.status.is_success();
        if attempt.connection.is_reused || head.announces_keep_alive {
            attempt.permit.pool().set_proven(true);
        }
        if let Some(keeps) = head.keeps {
            attempt.permit.pool().learn(keeps);
        }
        match self.plan.ejection.counts_status(head.status) {
            true => self.on_bad_status(attempt.permit.server(), head.status),
            false => attempt.permit.server().on_answer(),
        }
        attempt.count_response();
        let first_byte = attempt.begin.elapsed();
        self.metrics.upstream_first_byte.observe(first_byte);
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return self.switched(attempt, head, first_byte);
        }
        let is_prompt = head.is_prompt || head.is_event_stream;
        let rest = attempt.into_body(&head);
        let body = match head.length {
            BodyLength::None | BodyLength::Exact(0) => Body::from(rest.collect().await?),
            BodyLength::Exact(length) if length <= MAX_SHORT_BODY && !is_prompt => {
                Body::from(rest.collect().await?)
            }
            _ if head.is_event_stream => Body::stream(rest.release_permit()),
            BodyLength::Exact(_) | BodyLength::Chunked | BodyLength::UntilClose => {
                Body::stream(rest)
            }
        };
        Ok(UpstreamResponse::new(head, body, first_byte))
    }

    /// Records a response whose status counts as a failure of its server.
    #[cold]
    fn on_bad_status(&self, server: &UpstreamServer, status: StatusCode) {
        let text = format!("the response was {}", status.as_u16());
        let error = Error::io(FailureKind::UpstreamClosed, io::Error::other(text));
        self.backends.on_failed(server, &error, EjectionCause::Status);
    }

    /// Switches the connection to another protocol. It no longer counts as a request and holds no permit.
    fn switched(
        &self,
        attempt: Attempt,
        head: UpstreamResponseHead,
        first_byte: Duration,
    ) -> Result<UpstreamResponse, Error> {
        if !attempt.upload.is_finished() {
            return Err(http1::garbage("it switches protocols before it has read the request"));
        }
        let upgraded = UpgradedStream::new(*attempt.connection, self.plan.tunnel_timeout);
        Ok(UpstreamResponse {
            upgraded: Some(upgraded),
            ..UpstreamResponse::new(head, Body::Empty, first_byte)
        })
    }
}

// === impl UpstreamResponse ===

impl UpstreamResponse {
    fn new(head: UpstreamResponseHead, body: Body, first_byte: Duration) -> Self {
        Self {
            status: head.status,
            reason: head.reason,
            is_prompt: head.is_prompt || head.is_event_stream,
            fields: head.fields,
            announced: head.announced,
            has_directives: head.has_directives,
            body,
            first_byte,
            upgraded: None,
        }
    }
}

impl Drop for UpstreamClient {
    fn drop(&mut self) {
        self.detached.end();
    }
}
