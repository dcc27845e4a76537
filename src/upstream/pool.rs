//! Kept connections of one worker. They live shorter than the application keeps them (gunicorn:
//! two seconds), so that a request rarely meets one that is just being closed.

use std::{
    cell::RefCell,
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
}

// === impl Pool ===

impl Pool {
    pub(super) fn new(limit: usize, lifetime: Duration) -> Self {
        Self { idle: RefCell::default(), limit, lifetime, filled: Notify::new() }
    }

    /// Whether connections are kept at all.
    pub(super) fn is_on(&self) -> bool {
        self.limit > 0 && !self.lifetime.is_zero()
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
