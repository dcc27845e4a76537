//! Work that continues after its client has disconnected: requests that the application works on, and connections that
//! are being opened. Each task holds its permit until it ends, so there are never more tasks than permits.

use std::{
    cell::{Cell, RefCell},
    fmt,
    pin::Pin,
    rc::Rc,
};

use tokio::{sync::Notify, task::spawn_local};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// The tasks of one worker that nobody waits for.
#[derive(Default)]
pub(super) struct DetachedTasks {
    waiting: RefCell<Vec<Task>>,
    arrived: Notify,
    /// Whether no more tasks will be added.
    is_over: Cell<bool>,
}

// === impl DetachedTasks ===

impl DetachedTasks {
    /// Adds a task. This works everywhere, also where no task can be spawned.
    pub(super) fn push(&self, task: impl Future<Output = ()> + 'static) {
        self.waiting.borrow_mut().push(Box::pin(task));
        self.arrived.notify_one();
    }

    /// Runs tasks until no more will be added.
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

    /// Ends the list. Tasks that are already in it run to their end.
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
