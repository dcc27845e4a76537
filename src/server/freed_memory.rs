//! Returns memory that a worker has freed to the system. mimalloc keeps freed pages for later allocations, and releases
//! them only when a thread allocates or frees pages again. After an attack, an idle process would stay as large as it
//! was. mimalloc also finds the memory that other threads have freed for a worker only when that worker asks.
//!
//! Requests pay nothing for this. Each worker has one task that asks once a second while the worker is active, and
//! rarely while it is idle.

use std::time::Duration;

use tokio::{runtime::RuntimeMetrics, time::sleep};

/// The pause while the worker is active; the next one is for an idle worker.
const PAUSE: Duration = Duration::from_secs(1);
const IDLE_PAUSE: Duration = Duration::from_secs(5);

/// How often an otherwise idle worker parks in a pause, at most. This task causes three to five parks, because its
/// timer moves through the runtime's wheel.
const MAX_OWN_PARKS: u64 = 8;
/// A worker that parks more often in a pause is busy, and would soon need the same pages again.
const MAX_IDLE_PARKS: u64 = 50;

/// The pages to return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CollectEffort {
    /// Pages that have been free for a second.
    Old,
    /// All free pages.
    All,
}

/// Returns memory as long as the worker of this runtime lives.
pub(super) async fn give_back(metrics: RuntimeMetrics) {
    let (mut parks, mut pause) = (0, PAUSE);
    loop {
        sleep(pause).await;
        let before = std::mem::replace(&mut parks, metrics.worker_park_count(0));
        let effort;
        (effort, pause) = next(parks.saturating_sub(before));
        collect(effort);
    }
}

/// Chooses the action after a pause in which the worker parked `parked` times, and the length of the next pause. One
/// wake-up may be enough to free the memory of many connections, so some pages are always returned.
fn next(parked: u64) -> (CollectEffort, Duration) {
    let effort = if parked <= MAX_IDLE_PARKS { CollectEffort::All } else { CollectEffort::Old };
    (effort, if parked <= MAX_OWN_PARKS { IDLE_PAUSE } else { PAUSE })
}

#[expect(
    unsafe_code,
    reason = "the allocator has no safe function for it; the use says why it is sound"
)]
fn collect(effort: CollectEffort) {
    // SAFETY: `mi_collect` takes no pointer and invalidates none: it frees pages in which no block is allocated. It
    // works on the calling thread's heap, and on what the threads share with the allocator's own synchronisation. It
    // must not be called from within the allocator, and nothing here registers a function that the allocator calls.
    // Under another allocator (unit tests) that heap is empty.
    unsafe { libmimalloc_sys::mi_collect(effort == CollectEffort::All) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_worker_gives_all_back_and_sleeps_longer() {
        assert_eq!(next(100_000), (CollectEffort::Old, PAUSE));
        assert_eq!(next(MAX_IDLE_PARKS), (CollectEffort::All, PAUSE));
        assert_eq!(next(0), (CollectEffort::All, IDLE_PAUSE));
    }

    /// The parks of an otherwise idle worker.
    #[test]
    fn own_parks_do_not_count_as_work() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let metrics = runtime.metrics();
        runtime.block_on(async {
            sleep(PAUSE).await;
            let before = metrics.worker_park_count(0);
            sleep(PAUSE).await;
            let parked = metrics.worker_park_count(0) - before;
            assert!((1..=MAX_OWN_PARKS).contains(&parked), "{parked}");
        });
    }

    #[test]
    fn collecting_twice_keeps_allocated_memory() {
        let kept = vec![7_u8; 100_000];
        for effort in [CollectEffort::Old, CollectEffort::All, CollectEffort::All] {
            collect(effort);
        }
        assert!(kept.iter().all(|byte| *byte == 7));
    }
}
