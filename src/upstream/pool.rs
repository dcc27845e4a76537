//! The idle connections of one worker to one server. They are closed earlier than the application would close them
//! (gunicorn: after two seconds, or the time in `Keep-Alive`). A request therefore rarely gets a connection that is
//! just being closed.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{backends::SentRequests, connection::UpstreamConnection};
use crate::plan;

/// Subtracted from the keep-alive time of a server, because the server's clock started earlier.
const MARGIN: Duration = Duration::from_millis(500);
/// A connection that is still open this long after its response is meant to stay open. A server that does not keep
/// connections closes them at once.
const PROVEN_IDLE: Duration = Duration::from_millis(50);
/// The longest lifetime of an idle connection, whatever a server announces.
const MAX_IDLE_TIME: Duration = Duration::from_secs(600);

/// The idle connections, most recent last.
#[derive(Debug)]
pub(super) struct ConnectionPool {
    idle: RefCell<Vec<(Instant, Box<UpstreamConnection>)>>,
    limit: usize,
    /// How long an idle connection is kept.
    lifetime: Cell<Duration>,
    /// How long a connection is used, counted from its opening.
    max_age: Duration,
    /// Notified when the first connection arrives; shared by the pools of a worker.
    filled: Rc<Notify>,
    /// Whether the application has shown that it keeps connections open. uWSGI's `--http-socket` responds as if it did,
    /// and closes them.
    is_proven: Cell<bool>,
    /// The requests without a response, if the limit of requests in flight is found by them.
    sent: Option<Rc<SentRequests>>,
}

// === impl ConnectionPool ===

impl ConnectionPool {
    pub(super) fn new(plan: &plan::UpstreamSettings, filled: Rc<Notify>) -> Self {
        Self {
            idle: RefCell::default(),
            limit: if plan.keeps_connections() { plan.max_idle } else { 0 },
            lifetime: Cell::new(plan.idle_timeout),
            max_age: plan.max_age,
            filled,
            is_proven: Cell::new(false),
            sent: plan.admission.tunes.then(SentRequests::new),
        }
    }

    /// The requests without a response, if somebody looks at them.
    pub(super) fn sent(&self) -> Option<&Rc<SentRequests>> {
        self.sent.as_ref()
    }

    /// Whether connections are kept at all.
    pub(super) fn is_on(&self) -> bool {
        self.limit > 0 && !self.lifetime.get().is_zero()
    }

    /// Whether idle connections are reliable enough for a request that cannot be repeated.
    pub(super) fn is_proven(&self) -> bool {
        if !self.is_proven.get()
            && let Some((since, oldest)) = self.idle.borrow_mut().first_mut()
            && since.elapsed() >= PROVEN_IDLE
        {
            self.is_proven.set(oldest.is_quiet());
        }
        self.is_proven.get()
    }

    /// Sets whether idle connections are reliable: one was still good or the application announced keep-alive, or one
    /// was dead.
    pub(super) fn set_proven(&self, is_proven: bool) {
        self.is_proven.set(is_proven);
    }

    /// Applies the keep-alive time that the server has announced.
    pub(super) fn learn(&self, keeps: Duration) {
        if !self.lifetime.get().is_zero() {
            // Never zero: the server may announce another time later, but with zero it would never be asked again.
            let lifetime =
                keeps.saturating_sub(MARGIN).clamp(Duration::from_millis(1), MAX_IDLE_TIME);
            self.lifetime.set(lifetime);
        }
    }

    /// Returns the connection that was used last, if it is still good. The others may expire and be closed.
    pub(super) fn take(&self, now: Instant) -> Option<Box<UpstreamConnection>> {
        let mut idle = self.idle.borrow_mut();
        while let Some((since, mut connection)) = idle.pop() {
            if now.saturating_duration_since(since) >= self.lifetime.get() {
                // The other connections are older still.
                idle.clear();
                return None;
            }
            if connection.is_quiet() {
                return Some(connection);
            }
        }
        None
    }

    /// Adds a connection whose request has ended successfully.
    pub(super) fn put(&self, mut connection: Box<UpstreamConnection>) {
        let (mut idle, now) = (self.idle.borrow_mut(), Instant::now());
        let is_old = now.saturating_duration_since(connection.opened) >= self.max_age;
        if !self.is_on() || idle.len() >= self.limit || is_old {
            return;
        }
        connection.is_reused = true;
        connection.deadline.clear();
        connection.total = None;
        if idle.is_empty() {
            self.filled.notify_one();
        }
        idle.push((now, connection));
    }

    /// Closes connections that were idle for too long. Returns the time until the next call is useful, or `None` if no
    /// connection is left.
    pub(super) fn reap(&self) -> Option<Duration> {
        let (mut idle, lifetime) = (self.idle.borrow_mut(), self.lifetime.get());
        idle.retain(|(since, _)| since.elapsed() < lifetime);
        (!idle.is_empty()).then_some(lifetime / 2)
    }
}
