//! Asks for the findings about the process while the admin listener answers other requests.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{sync::Mutex, task::spawn_blocking, time::timeout};

use crate::finding::Finding;

/// How long the status waits. The checks take less than a millisecond, unless a disk hangs.
const MAX_TIME: Duration = Duration::from_secs(2);

/// Makes the checks. It may block.
pub type FindFaults = dyn Fn() -> Vec<Finding> + Send + Sync;

/// Makes the checks one after the other, so that a disk that hangs blocks one thread.
#[derive(Clone)]
pub(super) struct FindingSource {
    find: Arc<Mutex<Box<FindFaults>>>,
    max_time: Duration,
}

// === impl FindingSource ===

impl FindingSource {
    pub(super) fn new(find: Box<FindFaults>) -> Self {
        Self { find: Arc::new(Mutex::new(find)), max_time: MAX_TIME }
    }

    /// Returns the findings, or `None` if they are not there in time.
    pub(super) async fn read(&self) -> Option<Vec<Finding>> {
        let found = async {
            let find = Arc::clone(&self.find).lock_owned().await;
            let check = move || {
                let found = find();
                // The next status waits for this.
                drop(find);
                found
            };
            spawn_blocking(check).await.ok()
        };
        timeout(self.max_time, found).await.ok().flatten()
    }
}

impl Default for FindingSource {
    /// Makes no checks.
    fn default() -> Self {
        Self::new(Box::new(Vec::new))
    }
}

impl fmt::Debug for FindingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FindingSource")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{self, mpsc::channel};

    #[tokio::test]
    async fn disk_that_hangs_blocks_one_thread_and_no_status() {
        let (release, released) = channel::<()>();
        let (begin, begun) = channel();
        let released = sync::Mutex::new(released);
        let find = move || {
            begin.send(()).unwrap();
            let _ = released.lock().unwrap().recv();
            Vec::new()
        };
        let max_time = Duration::from_millis(1);
        let source = FindingSource { max_time, ..FindingSource::new(Box::new(find)) };
        assert_eq!(source.read().await, None);
        assert_eq!(source.read().await, None);
        begun.recv().unwrap();
        assert!(begun.try_recv().is_err());
        drop(release);
        let source = FindingSource { max_time: Duration::from_secs(60), ..source };
        assert_eq!(source.read().await, Some(Vec::new()));
    }
}
