//! Kept connections of one worker to one server. They live shorter than the application keeps them
//! (gunicorn: two seconds, or what it says in `Keep-Alive`), so that a request rarely meets one that is
//! just being closed.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::connection::UpstreamConnection;
use crate::plan;

/// What is taken off the time that a server says it keeps connections: its clock began earlier.
const MARGIN: Duration = Duration::from_millis(500);
/// A connection that is open so long after its answer is meant to stay open: who does not keep it
/// closes it at once.
const PROOF: Duration = Duration::from_millis(50);
/// A connection is kept no longer, whatever a server says.
const LONGEST: Duration = Duration::from_secs(600);

/// Unused connections, the latest one last.
#[derive(Debug)]
pub(super) struct ConnectionPool {
    idle: RefCell<Vec<(Instant, Box<UpstreamConnection>)>>,
    limit: usize,
    /// How long an unused connection is kept.
    lifetime: Cell<Duration>,
    /// How long a connection is used at all.
    max_age: Duration,
    /// Told when the first connection comes; shared by a worker's pools.
    filled: Rc<Notify>,
    /// Whether the application has shown that it keeps connections open. uWSGI's `--http-socket`
    /// answers as if it did, and closes.
    is_proven: Cell<bool>,
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
        }
    }

    /// Whether connections are kept at all.
    pub(super) fn is_on(&self) -> bool {
        self.limit > 0 && !self.lifetime.get().is_zero()
    }

    /// Whether kept connections can be relied on, so that even a request which can't be repeated may
    /// go over one.
    pub(super) fn is_proven(&self) -> bool {
        if !self.is_proven.get()
            && let Some((since, oldest)) = self.idle.borrow().first()
            && since.elapsed() >= PROOF
        {
            self.is_proven.set(oldest.is_quiet());
        }
        self.is_proven.get()
    }

    /// A kept connection was good, or the application said that it would be; or one was dead.
    pub(super) fn set_proven(&self, is_proven: bool) {
        self.is_proven.set(is_proven);
    }

    /// The server has said how long it keeps connections.
    pub(super) fn learn(&self, keeps: Duration) {
        if !self.lifetime.get().is_zero() {
            // Never nothing: it may say something else tomorrow, and would not be asked again.
            let lifetime = keeps.saturating_sub(MARGIN).clamp(Duration::from_millis(1), LONGEST);
            self.lifetime.set(lifetime);
        }
    }

    /// The connection used last, if it is still good: the others may grow old and be closed.
    pub(super) fn take(&self, now: Instant) -> Option<Box<UpstreamConnection>> {
        let mut idle = self.idle.borrow_mut();
        while let Some((since, connection)) = idle.pop() {
            if now.saturating_duration_since(since) >= self.lifetime.get() {
                // The ones below it are older still.
                idle.clear();
                return None;
            }
            if connection.is_quiet() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection on which a request has ended well.
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

    /// Closes connections that have been unused for too long. The pause until that is worth doing again;
    /// `None` if none is left.
    pub(super) fn reap(&self) -> Option<Duration> {
        let (mut idle, lifetime) = (self.idle.borrow_mut(), self.lifetime.get());
        idle.retain(|(since, _)| since.elapsed() < lifetime);
        (!idle.is_empty()).then_some(lifetime / 2)
    }
}
