//! What goes on at the application after its client has left: requests that it works on, and connections that are being
//! opened. Each holds its permit until it ends, so they are never more than there are permits.

use std::{
    cell::{Cell, RefCell},
    fmt,
    pin::Pin,
    rc::Rc,
};

use tokio::{sync::Notify, task::spawn_local};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Tasks of one worker that nobody waits for.
#[derive(Default)]
pub(super) struct DetachedTasks {
    waiting: RefCell<Vec<Task>>,
    arrived: Notify,
    /// No others will come.
    is_over: Cell<bool>,
}

// === impl DetachedTasks ===

impl DetachedTasks {
    /// Has a task run. May be called from anywhere, also where no task can be spawned.
    pub(super) fn push(&self, task: impl Future<Output = ()> + 'static) {
        self.waiting.borrow_mut().push(Box::pin(task));
        self.arrived.notify_one();
    }

    /// Runs what comes, until no others will.
    pub(super) async fn run(self: Rc<Self>) {
        loop {
            self.arrived.notified().await;
            for task in self.waiting.take() {
                drop(spawn_local(task));
            }
            if self.is_over.get() {
                return;
            }
        }
    }

    /// No others will come; those that are here run to their end.
    pub(super) fn end(&self) {
        self.is_over.set(true);
        self.arrived.notify_one();
    }
}

impl fmt::Debug for DetachedTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detached").field("is_over", &self.is_over).finish_non_exhaustive()
    }
}
