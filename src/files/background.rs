//! The thread that does what no request may wait for: hashing large files, compressing, verifying
//! manifests. One for a store, of the lowest priority, started when there is something to do.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        OnceLock,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use rustix::process::setpriority_process;

/// Jobs that may wait; what comes beyond is done when the file is looked at again.
const WAITING: usize = 1024;

type Job = Box<dyn FnOnce() + Send>;

/// Takes jobs.
#[derive(Debug, Default)]
pub(super) struct Background(OnceLock<Option<SyncSender<Job>>>);

// === impl Background ===

impl Background {
    /// Hands over a job, unless too many are waiting.
    pub(super) fn push(&self, job: impl FnOnce() + Send + 'static) {
        if let Some(sender) = self.0.get_or_init(start) {
            let _ = sender.try_send(Box::new(job));
        }
    }
}

fn start() -> Option<SyncSender<Job>> {
    let (sender, receiver) = sync_channel(WAITING);
    let started = thread::Builder::new().name("files".into()).spawn(move || work(&receiver));
    match started {
        Ok(_) => Some(sender),
        Err(error) => {
            tracing::warn!(%error, "no thread for files: nothing is compressed or verified");
            None
        }
    }
}

/// Ends with the store that sends the jobs.
fn work(receiver: &Receiver<Job>) {
    // The application and the workers go first. Linux knows priorities by thread; where it is not
    // allowed, the thread works all the same.
    let _ = setpriority_process(None, 19);
    for job in receiver {
        // A bug costs one job. The panic hook has logged it.
        let _ = panic::catch_unwind(AssertUnwindSafe(job));
    }
}
