//! Kept connections of one worker. They live shorter than the application keeps them (gunicorn:
//! two seconds), so that a request rarely meets one that is just being closed.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::sleep};

use super::connection::Connection;

/// Unused connections, the latest one last.
#[derive(Debug)]
pub(super) struct Pool {
    idle: RefCell<Vec<(Instant, Connection)>>,
    limit: usize,
    lifetime: Duration,
    filled: Notify,
    /// Whether the application has shown that it keeps connections open. uWSGI's `--http-socket`
    /// answers as if it did, and closes.
    is_proven: Cell<bool>,
}

// === impl Pool ===

impl Pool {
    pub(super) fn new(limit: usize, lifetime: Duration) -> Self {
        Self {
            idle: RefCell::default(),
            limit,
            lifetime,
            filled: Notify::new(),
            is_proven: Cell::new(false),
        }
    }

    /// Whether connections are kept at all.
    pub(super) fn is_on(&self) -> bool {
        self.limit > 0 && !self.lifetime.is_zero()
    }

    /// Whether kept connections can be relied on, so that even a request which can't be repeated may
    /// go over one.
    pub(super) fn is_proven(&self) -> bool {
        self.is_proven.get()
    }

    /// A kept connection was good, or the application said that it would be; or one was dead.
    pub(super) fn set_proven(&self, is_proven: bool) {
        self.is_proven.set(is_proven);
    }

    /// The connection used last, if it is still good: the others may grow old and be closed.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        while let Some((since, connection)) = idle.pop() {
            if since.elapsed() >= self.lifetime {
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
    pub(super) fn put(&self, mut connection: Connection) {
        let mut idle = self.idle.borrow_mut();
        if !self.is_on() || idle.len() >= self.limit {
            return;
        }
        connection.is_reused = true;
        connection.deadline.clear();
        if idle.is_empty() {
            self.filled.notify_one();
        }
        idle.push((Instant::now(), connection));
    }

    /// Closes connections that have been unused for too long; runs for ever.
    pub(super) async fn reap(&self) {
        loop {
            self.filled.notified().await;
            while !self.idle.borrow().is_empty() {
                sleep(self.lifetime / 2).await;
                self.idle.borrow_mut().retain(|(since, _)| since.elapsed() < self.lifetime);
            }
        }
    }
}
