//! A thread for work that no request may wait for: compressing, verifying manifests, closing deleted files. Each file
//! store and each cache has one, of the lowest priority, started when there is work.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        OnceLock,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::setpriority_process;

/// The maximum number of waiting jobs. Further ones are refused, and scheduled again when there is the next reason to.
const MAX_QUEUED_JOBS: usize = 1024;

enum Job {
    Once(Box<dyn FnOnce() + Send>),
    Repeated(RepeatedJob),
}

/// A job that is repeated until it returns `false`.
struct RepeatedJob {
    period: Duration,
    next: Instant,
    run: Box<dyn FnMut() -> bool + Send>,
}

/// Accepts jobs.
#[derive(Debug)]
pub(crate) struct Background {
    /// The thread's name.
    name: &'static str,
    sender: OnceLock<Option<SyncSender<Job>>>,
}

// === impl Background ===

impl Background {
    /// Creates no thread yet; `name` is the one that it will have.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, sender: OnceLock::new() }
    }

    /// Queues a job; `false` if too many are waiting.
    pub(crate) fn push(&self, job: impl FnOnce() + Send + 'static) -> bool {
        self.send(Job::Once(Box::new(job)))
    }

    /// Runs a job once in each period, until it returns `false`. It replaces the previous repeated job. `false` if too
    /// many jobs are waiting.
    pub(crate) fn repeat(
        &self,
        period: Duration,
        run: impl FnMut() -> bool + Send + 'static,
    ) -> bool {
        let next = Instant::now() + period;
        self.send(Job::Repeated(RepeatedJob { period, next, run: Box::new(run) }))
    }

    fn send(&self, job: Job) -> bool {
        let sender = self.sender.get_or_init(|| start(self.name));
        sender.as_ref().is_some_and(|sender| sender.try_send(job).is_ok())
    }
}

fn start(name: &'static str) -> Option<SyncSender<Job>> {
    let (sender, receiver) = sync_channel(MAX_QUEUED_JOBS);
    let started = thread::Builder::new().name(name.into()).spawn(move || work(&receiver));
    match started {
        Ok(_) => Some(sender),
        Err(error) => {
            tracing::warn!(%error, name, "cannot start a background thread: nothing is compressed or verified there");
            None
        }
    }
}

/// Ends when the owner that sends the jobs is dropped.
fn work(receiver: &Receiver<Job>) {
    // The application and the workers go first. Linux has priorities per thread. If setting one is not allowed, the
    // thread works nevertheless.
    let _ = setpriority_process(None, 19);
    let mut repeated: Option<RepeatedJob> = None;
    loop {
        let received = match &repeated {
            Some(one) => receiver.recv_timeout(one.next.saturating_duration_since(Instant::now())),
            None => receiver.recv().map_err(RecvTimeoutError::from),
        };
        match received {
            // A bug costs one job. The panic hook has logged it.
            Ok(Job::Once(job)) => drop(panic::catch_unwind(AssertUnwindSafe(job))),
            Ok(Job::Repeated(one)) => repeated = Some(one),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // Also between many jobs.
        repeated = repeated.and_then(RepeatedJob::run_if_due);
    }
}

// === impl RepeatedJob ===

impl RepeatedJob {
    /// Runs the job if it is due; `None` if it is not to be repeated.
    fn run_if_due(mut self) -> Option<Self> {
        if Instant::now() < self.next {
            return Some(self);
        }
        let is_wanted = panic::catch_unwind(AssertUnwindSafe(&mut self.run)).unwrap_or(true);
        self.next = Instant::now() + self.period;
        is_wanted.then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn what_is_too_much_is_refused_and_the_rest_is_done() {
        let background = Background::new("test");
        let (open, gate) = channel::<()>();
        let (done, count) = channel();
        let (begun, begins) = channel();
        assert!(background.push(move || {
            begun.send(()).unwrap();
            // Ends when the test drops the sender.
            let _ = gate.recv();
        }));
        begins.recv().unwrap();
        for _ in 0..MAX_QUEUED_JOBS {
            let done = done.clone();
            assert!(background.push(move || done.send(()).unwrap()));
        }
        assert!(!background.push(|| {}));
        drop((open, done));
        assert_eq!(count.iter().count(), MAX_QUEUED_JOBS);
        assert!(background.push(|| {}));
    }

    #[test]
    fn repeated_job_stops_when_it_returns_false() {
        let background = Background::new("test");
        let (done, count) = channel();
        let mut left = 3;
        assert!(background.repeat(Duration::from_millis(1), move || {
            left -= 1;
            done.send(()).unwrap();
            left > 0
        }));
        // Ends when the repeated job is dropped.
        assert_eq!(count.iter().count(), 3);
        let (done, count) = channel();
        assert!(background.push(move || done.send(()).unwrap()));
        assert_eq!(count.iter().count(), 1);
    }

    #[test]
    fn a_job_that_panics_is_the_only_one_lost() {
        let background = Background::new("test");
        let (done, count) = channel();
        assert!(background.push(|| panic!("for the test")));
        assert!(background.push(move || done.send(()).unwrap()));
        assert_eq!(count.iter().count(), 1);
    }
}
