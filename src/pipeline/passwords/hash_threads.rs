//! The threads that hash passwords: a few for the whole process, with a low priority, so that requests of others do not
//! wait for them. The queue before them has a limit.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::verify;
use crate::plan::PasswordHash;

/// Maximum number of passwords that wait for a thread.
const QUEUE: usize = 64;
/// A password that has waited for so long is not hashed: its client would soon give up.
const MAX_WAIT: Duration = Duration::from_secs(10);
const MAX_THREADS: usize = 4;
/// The niceness of the threads (nice(2)). With 10, a login took ten seconds beside a busy application.
const NICENESS: i32 = 5;

/// The queue to the threads. They end when it is dropped.
#[derive(Debug)]
pub(super) struct HashThreads {
    queue: SyncSender<Job>,
}

/// A password to compare with a hash.
pub(super) struct Job {
    pub(super) hash: PasswordHash,
    /// Whether the user exists. If not, no password is right.
    pub(super) is_known: bool,
    pub(super) password: Zeroizing<Vec<u8>>,
    pub(super) queued: Instant,
    /// It is dropped without a reply if there is no result.
    pub(super) reply: oneshot::Sender<bool>,
}

// === impl HashThreads ===

impl HashThreads {
    /// Starts a thread for every two cores.
    pub(super) fn start() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let (queue, jobs) = sync_channel(QUEUE);
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..(cores / 2).clamp(1, MAX_THREADS) {
            let jobs = Arc::clone(&jobs);
            let started =
                thread::Builder::new().name("passwords".into()).spawn(move || work(&jobs));
            if let Err(error) = started {
                tracing::warn!(%error, "cannot start a thread that checks passwords: raise the limit of threads");
            }
        }
        Self { queue }
    }

    /// Queues a password. Returns `false` if too many wait already.
    pub(super) fn submit(&self, job: Job) -> bool {
        self.queue.try_send(job).is_ok()
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    // Linux has a niceness for each thread. Where it cannot be changed, the threads are as fast as others.
    let _ = rustix::process::nice(NICENESS);
    loop {
        // The lock is held while one thread waits; the next one waits for the lock.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { hash, is_known, password, queued, reply }) = job else { return };
        if queued.elapsed() > MAX_WAIT {
            continue;
        }
        let verify = AssertUnwindSafe(|| verify::is_right(&hash, &password));
        // A panic ends this check alone.
        if let Ok(is_right) = catch_unwind(verify) {
            let _ = reply.send(is_right && is_known);
        }
    }
}
