//! One request at one server, from its first byte to the head of the response. It continues after its client has
//! disconnected. An application still works on a request that it has received, and its permit must not go to another
//! request before it is free.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    backends::SentRequest,
    connection::UpstreamConnection,
    detached_tasks::DetachedTasks,
    exchange::{ExchangeFailure, exchange},
    http1::{BodyLength, RequestSummary, UpstreamResponseHead},
    permit::RequestPermit,
    request::OnInterim,
    response_body::UpstreamBody,
    upload::RequestUpload,
};
use crate::{plan::Protocol, telemetry::WorkerMetrics};
use http::Method;

/// A response body up to this size is read to keep the connection, even if no client wants it.
const MAX_DISCARDED: u64 = 64 * 1024;

/// A request that was sent to the application.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Where the request is in the list of those without a response. It comes before the connection, so that it leaves
    /// the list before the socket is closed.
    pub(super) sent: Option<SentRequest>,
    pub(super) connection: Box<UpstreamConnection>,
    pub(super) upload: RequestUpload,
    pub(super) permit: RequestPermit,
    pub(super) protocol: Protocol,
    pub(super) method: Method,
    /// Whether the request asks for WebSocket.
    pub(super) asks_upgrade: bool,
    /// The limit of each wait.
    pub(super) pause: Duration,
    pub(super) begin: Instant,
}

/// An attempt that a caller waits for.
#[derive(Debug)]
pub(super) struct WatchedAttempt {
    /// `None` after it is over.
    attempt: Option<Attempt>,
    /// Takes the attempt over if the caller is dropped. If `None`, the attempt is aborted instead.
    detached: Option<Rc<DetachedTasks>>,
    metrics: Arc<WorkerMetrics>,
}

// === impl Attempt ===

impl Attempt {
    /// Writes the request and waits for the head of the response.
    async fn run(
        &mut self,
        interim: Option<OnInterim<'_>>,
    ) -> Result<UpstreamResponseHead, ExchangeFailure> {
        let summary = RequestSummary {
            method: &self.method,
            protocol: self.protocol,
            upgrade: self.asks_upgrade,
            interim,
        };
        exchange(&mut self.connection, &mut self.upload, summary, self.pause).await
    }

    /// Converts the attempt into the body of the response.
    pub(super) fn into_body(self, head: &UpstreamResponseHead) -> UpstreamBody {
        let Self { sent, connection, upload, permit, pause, .. } = self;
        // Its worker has begun it.
        drop(sent);
        UpstreamBody::new(connection, upload, head.length, permit, pause).keep(head.keep)
    }

    /// Counts the response, if the limit of requests in flight is found by them.
    pub(super) fn count_response(&self) {
        if let Some(sent) = self.permit.pool().sent() {
            sent.count_response();
        }
    }

    /// Waits for a response that no client wants.
    async fn end(mut self) {
        // It is not retried, so others can use the memory of its body.
        self.upload.forget();
        let head = match self.run(None).await {
            Ok(head) => head,
            Err(failure) => return self.permit.on_no_response(&failure.error),
        };
        self.permit.server().on_answer();
        // The application has worked on it as on any other.
        self.count_response();
        let is_short = match head.length {
            BodyLength::None => true,
            BodyLength::Exact(length) => length <= MAX_DISCARDED,
            // It is unknown how long such a body takes. The connection is closed, and the application notices when its
            // write fails.
            BodyLength::Chunked | BodyLength::UntilClose => false,
        };
        if is_short {
            // The end of the body returns the connection. If the body does not end, there is nothing to return.
            let _ = self.into_body(&head).collect().await;
        }
    }
}

// === impl WatchedAttempt ===

impl WatchedAttempt {
    pub(super) fn new(
        attempt: Attempt,
        detached: Option<Rc<DetachedTasks>>,
        metrics: &Arc<WorkerMetrics>,
    ) -> Self {
        Self { attempt: Some(attempt), detached, metrics: Arc::clone(metrics) }
    }

    /// Waits for the head of the response. Dropping this before [`into_attempt`](Self::into_attempt) detaches the
    /// attempt.
    pub(super) async fn run(
        &mut self,
        interim: Option<OnInterim<'_>>,
    ) -> Option<Result<UpstreamResponseHead, ExchangeFailure>> {
        Some(self.attempt.as_mut()?.run(interim).await)
    }

    /// Takes the attempt back.
    pub(super) fn into_attempt(mut self) -> Option<Attempt> {
        self.attempt.take()
    }
}

impl Drop for WatchedAttempt {
    fn drop(&mut self) {
        let Some(attempt) = self.attempt.take() else { return };
        self.metrics.abandoned_running.add(1);
        // An application that has not received the whole request cannot work on it.
        if let Some(detached) = &self.detached
            && attempt.upload.is_finished()
        {
            detached.push(attempt.end());
        }
    }
}
