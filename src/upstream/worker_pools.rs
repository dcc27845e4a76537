//! What one worker knows of the application's servers: its copy of their list, and its kept connections
//! to each.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::Notify, task::spawn_local, time::sleep};

use super::{
    backends::{Fleet, Server},
    pool::Pool,
};
use crate::plan;

/// How often a worker looks for connections that grew old, at the most.
const PAUSE: Duration = Duration::from_millis(10);

/// The servers, as one worker sees them.
#[derive(Debug)]
pub(super) struct Known {
    fleet: Arc<Fleet>,
    list: RefCell<List>,
    /// By the server's number.
    pools: RefCell<Vec<(u64, Rc<Pool>)>>,
    /// Told when a first connection is kept.
    filled: Rc<Notify>,
}

/// A copy of the fleet's list.
#[derive(Debug)]
struct List {
    generation: u64,
    servers: Arc<[Arc<Server>]>,
}

// === impl Known ===

impl Known {
    /// Until it is dropped, a task on this worker's thread closes connections that have been unused for
    /// too long.
    pub(super) fn start(fleet: &Arc<Fleet>) -> Rc<Self> {
        let list = List { generation: fleet.generation(), servers: fleet.servers() };
        let (list, pools, filled) = (RefCell::new(list), RefCell::default(), Rc::default());
        let known = Rc::new(Self { fleet: Arc::clone(fleet), list, pools, filled });
        drop(spawn_local(reap(Rc::downgrade(&known), Rc::clone(&known.filled))));
        known
    }

    /// The servers that there are now.
    pub(super) fn servers(&self) -> Arc<[Arc<Server>]> {
        let generation = self.fleet.generation();
        let mut list = self.list.borrow_mut();
        if list.generation != generation {
            *list = List { generation, servers: self.fleet.servers() };
        }
        Arc::clone(&list.servers)
    }

    /// The kept connections to a server.
    pub(super) fn pool(&self, server: &Server, plan: &plan::Upstream) -> Rc<Pool> {
        let mut pools = self.pools.borrow_mut();
        if let Some((_, pool)) = pools.iter().find(|(id, _)| *id == server.id) {
            return Rc::clone(pool);
        }
        let pool = Rc::new(Pool::new(plan, Rc::clone(&self.filled)));
        pools.push((server.id, Rc::clone(&pool)));
        pool
    }

    /// Closes what is too old. The pause until the next look, unless nothing is left.
    fn reap_once(&self) -> Option<Duration> {
        let servers = self.servers();
        let mut pools = self.pools.borrow_mut();
        pools.retain(|(id, _)| servers.iter().any(|server| server.id == *id));
        pools.iter().filter_map(|(_, pool)| pool.reap()).min()
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        self.filled.notify_one();
    }
}

/// Closes connections that have been unused for too long, until nobody knows the servers any more.
async fn reap(known: Weak<Known>, filled: Rc<Notify>) {
    loop {
        filled.notified().await;
        loop {
            let Some(known) = known.upgrade() else { return };
            let Some(pause) = known.reap_once() else { break };
            drop(known);
            sleep(pause.max(PAUSE)).await;
        }
    }
}
