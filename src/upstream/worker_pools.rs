//! One worker's view of the application's servers: a copy of their list, and the idle connections to each.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::Notify, task::spawn_local, time::sleep};

use super::{
    backends::{Backends, UpstreamServer},
    pool::ConnectionPool,
};
use crate::plan;

/// The shortest pause between two checks for expired connections.
const MIN_PAUSE: Duration = Duration::from_millis(10);

/// The servers as one worker sees them.
#[derive(Debug)]
pub(super) struct WorkerPools {
    backends: Arc<Backends>,
    list: RefCell<ServerList>,
    /// By the id of the server.
    pools: RefCell<Vec<(u64, Rc<ConnectionPool>)>>,
    /// Notified when a first connection becomes idle.
    filled: Rc<Notify>,
}

/// A copy of the list in [`Backends`].
#[derive(Debug)]
struct ServerList {
    generation: u64,
    servers: Arc<[Arc<UpstreamServer>]>,
}

// === impl WorkerPools ===

impl WorkerPools {
    /// Creates the pools. Until they are dropped, a task on this worker's thread closes connections that were idle for
    /// too long.
    pub(super) fn start(backends: &Arc<Backends>) -> Rc<Self> {
        let list = ServerList { generation: backends.generation(), servers: backends.servers() };
        let (list, pools, filled) = (RefCell::new(list), RefCell::default(), Rc::default());
        let pools = Rc::new(Self { backends: Arc::clone(backends), list, pools, filled });
        drop(spawn_local(reap(Rc::downgrade(&pools), Rc::clone(&pools.filled))));
        pools
    }

    /// The current servers.
    pub(super) fn servers(&self) -> Arc<[Arc<UpstreamServer>]> {
        let generation = self.backends.generation();
        let mut list = self.list.borrow_mut();
        if list.generation != generation {
            *list = ServerList { generation, servers: self.backends.servers() };
        }
        Arc::clone(&list.servers)
    }

    /// The pool of a server.
    pub(super) fn pool(
        &self,
        server: &UpstreamServer,
        plan: &plan::UpstreamSettings,
    ) -> Rc<ConnectionPool> {
        let mut pools = self.pools.borrow_mut();
        if let Some((_, pool)) = pools.iter().find(|(id, _)| *id == server.id) {
            return Rc::clone(pool);
        }
        let pool = Rc::new(ConnectionPool::new(plan, Rc::clone(&self.filled)));
        if let Some(sent) = pool.sent() {
            server.add_sent(sent.shared());
        }
        pools.push((server.id, Rc::clone(&pool)));
        pool
    }

    /// Closes expired connections. Returns the time until the next check, or `None` if no connection is left.
    fn reap_once(&self) -> Option<Duration> {
        let servers = self.servers();
        let mut pools = self.pools.borrow_mut();
        pools.retain(|(id, _)| servers.iter().any(|server| server.id == *id));
        pools.iter().filter_map(|(_, pool)| pool.reap()).min()
    }
}

impl Drop for WorkerPools {
    fn drop(&mut self) {
        self.filled.notify_one();
    }
}

/// Closes connections that were idle for too long, until the pools are dropped.
async fn reap(pools: Weak<WorkerPools>, filled: Rc<Notify>) {
    loop {
        filled.notified().await;
        loop {
            let Some(pools) = pools.upgrade() else { return };
            let Some(pause) = pools.reap_once() else { break };
            drop(pools);
            sleep(pause.max(MIN_PAUSE)).await;
        }
    }
}
