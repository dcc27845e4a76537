//! One request at one server, from its first byte to the head of the answer. It outlives a client that
//! leaves: an application works on what it has got all the same, and its place must not be given to
//! another request before it is free.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use http::Method;
use tokio::{sync::Notify, task::spawn_local};

use super::{
    connection::Connection,
    exchange::{Failure, exchange},
    http1::{Asked, BodyLength, ReplyHead},
    permit::Permit,
    reply::ReplyBody,
    request::OnInterim,
    upload::Upload,
};
use crate::{plan::Protocol, telemetry::Shard};

/// An answer's body up to this size is read for the connection's sake when nobody wants it.
const MOST: u64 = 64 * 1024;

/// A request that was given to the application.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) connection: Box<Connection>,
    pub(super) upload: Upload,
    pub(super) permit: Permit,
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
pub(super) struct Watched {
    /// `None` once it is over.
    attempt: Option<Attempt>,
    /// Who takes it when nobody waits any more.
    orphans: Rc<Orphans>,
    metrics: Arc<Shard>,
}

/// Attempts that nobody waits for.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    left: RefCell<Vec<Attempt>>,
    arrived: Notify,
    /// Whether they are cut off instead.
    abort: bool,
    /// No others will come.
    is_over: Cell<bool>,
}

// === impl Attempt ===

impl Attempt {
    /// Writes the request and waits for the head of the answer.
    async fn run(&mut self, interim: Option<OnInterim<'_>>) -> Result<ReplyHead, Failure> {
        let asked = Asked {
            method: &self.method,
            protocol: self.protocol,
            upgrade: self.asks_upgrade,
            interim,
        };
        exchange(&mut self.connection, &mut self.upload, asked, self.pause).await
    }

    /// What is left of the answer.
    pub(super) fn into_body(self, head: &ReplyHead) -> ReplyBody {
        let Self { connection, upload, permit, pause, .. } = self;
        ReplyBody::new(connection, upload, head.length, permit, pause).keep(head.keep)
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

// === impl Watched ===

impl Watched {
    pub(super) fn new(attempt: Attempt, orphans: &Rc<Orphans>, metrics: &Arc<Shard>) -> Self {
        let (orphans, metrics) = (Rc::clone(orphans), Arc::clone(metrics));
        Self { attempt: Some(attempt), orphans, metrics }
    }

    /// Waits for the head of the answer. Dropping this before it was taken back leaves the attempt to the orphans.
    pub(super) async fn run(
        &mut self,
        interim: Option<OnInterim<'_>>,
    ) -> Option<Result<ReplyHead, Failure>> {
        Some(self.attempt.as_mut()?.run(interim).await)
    }

    /// Takes the attempt back.
    pub(super) fn into_attempt(mut self) -> Option<Attempt> {
        self.attempt.take()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let Some(attempt) = self.attempt.take() else { return };
        self.metrics.abandoned_running.add(1);
        // One that has not got all of its request can't work on it.
        if !self.orphans.abort && attempt.upload.is_finished() {
            self.orphans.left.borrow_mut().push(attempt);
            self.orphans.arrived.notify_one();
        }
    }
}

// === impl Orphans ===

impl Orphans {
    pub(super) fn new(abort: bool) -> Self {
        Self { abort, ..Self::default() }
    }

    /// Sees to those who are left, until no others come. They are no more than there are places.
    pub(super) async fn adopt(self: Rc<Self>) {
        loop {
            self.arrived.notified().await;
            for attempt in self.left.take() {
                drop(spawn_local(attempt.end()));
            }
            if self.is_over.get() {
                return;
            }
        }
    }

    /// No others will come; those that are here are seen to.
    pub(super) fn end(&self) {
        self.is_over.set(true);
        self.arrived.notify_one();
    }
}
