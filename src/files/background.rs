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
    /// Hands over a job; `false` if too many are waiting.
    pub(super) fn push(&self, job: impl FnOnce() + Send + 'static) -> bool {
        let sender = self.0.get_or_init(start);
        sender.as_ref().is_some_and(|sender| sender.try_send(Box::new(job)).is_ok())
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn what_is_too_much_is_refused_and_the_rest_is_done() {
        let background = Background::default();
        let (open, gate) = channel::<()>();
        let (done, count) = channel();
        let (begun, begins) = channel();
        assert!(background.push(move || {
            begun.send(()).unwrap();
            // Ends when the test lets go of it.
            let _ = gate.recv();
        }));
        begins.recv().unwrap();
        for _ in 0..WAITING {
            let done = done.clone();
            assert!(background.push(move || done.send(()).unwrap()));
        }
        assert!(!background.push(|| {}));
        drop((open, done));
        assert_eq!(count.iter().count(), WAITING);
        assert!(background.push(|| {}));
    }

    #[test]
    fn a_job_that_panics_is_the_only_one_lost() {
        let background = Background::default();
        let (done, count) = channel();
        assert!(background.push(|| panic!("for the test")));
        assert!(background.push(move || done.send(()).unwrap()));
        assert_eq!(count.iter().count(), 1);
    }
}
