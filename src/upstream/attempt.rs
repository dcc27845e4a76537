//! One request at one server, from its first byte to the head of the answer. It outlives a client that
//! leaves: an application works on what it has got all the same, and its place must not be given to
//! another request before it is free.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
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

/// An answer's body up to this size is read for the connection's sake when nobody wants it.
const MOST: u64 = 64 * 1024;

/// A request that was given to the application.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) connection: Box<UpstreamConnection>,
    pub(super) upload: RequestUpload,
    pub(super) permit: RequestPermit,
    pub(super) protocol: Protocol,
    pub(super) method: Method,
    /// Whether WebSocket was asked for.
    pub(super) asks_upgrade: bool,
    /// Bounds each wait.
    pub(super) pause: Duration,
    pub(super) begin: Instant,
}

/// An attempt that somebody waits for.
#[derive(Debug)]
pub(super) struct WatchedAttempt {
    /// `None` once it is over.
    attempt: Option<Attempt>,
    /// Who takes it when nobody waits any more; nobody, if it is cut off instead.
    detached: Option<Rc<DetachedTasks>>,
    metrics: Arc<WorkerMetrics>,
}

// === impl Attempt ===

impl Attempt {
    /// Writes the request and waits for the head of the answer.
    async fn run(
        &mut self,
        interim: Option<OnInterim<'_>>,
    ) -> Result<UpstreamResponseHead, ExchangeFailure> {
        let asked = RequestSummary {
            method: &self.method,
            protocol: self.protocol,
            upgrade: self.asks_upgrade,
            interim,
        };
        exchange(&mut self.connection, &mut self.upload, asked, self.pause).await
    }

    /// What is left of the answer.
    pub(super) fn into_body(self, head: &UpstreamResponseHead) -> UpstreamBody {
        let Self { connection, upload, permit, pause, .. } = self;
        UpstreamBody::new(connection, upload, head.length, permit, pause).keep(head.keep)
    }

    /// Waits for an answer that nobody wants.
    async fn end(mut self) {
        // It is not sent again: others may have the room that its body takes.
        self.upload.forget();
        let Ok(head) = self.run(None).await else { return };
        let is_short = match head.length {
            BodyLength::None => true,
            BodyLength::Exact(length) => length <= MOST,
            // Nobody knows how long it will take: the write that fails tells the application.
            BodyLength::Chunked | BodyLength::UntilClose => false,
        };
        if is_short {
            // Its end returns the connection; if it has none, so be it.
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

    /// Waits for the head of the answer. Dropping this before it was taken back detaches the attempt.
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
        // One that has not got all of its request can't work on it.
        if let Some(detached) = &self.detached
            && attempt.upload.is_finished()
        {
            detached.push(attempt.end());
        }
    }
}
