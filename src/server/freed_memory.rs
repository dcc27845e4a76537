//! Gives memory that a worker has freed back to the system. mimalloc keeps freed pages for whoever allocates next, and
//! lets go of them only when some thread allocates or frees pages again: after an attack an idle process would stay as
//! large as it was. It also finds what other threads have freed of a worker's memory only when that worker asks.
//!
//! Requests pay nothing for it: each worker has one task that asks once a second while there is something to do, and
//! rarely while there is not.

use std::time::Duration;

use tokio::{runtime::RuntimeMetrics, time::sleep};

/// The pause while something happens, and once all has been given back.
const PAUSE: Duration = Duration::from_secs(1);
const LONG_PAUSE: Duration = Duration::from_secs(5);

/// How often a worker that does nothing else wakes in a pause: for this task, and for timers that move on.
const OWN_WAKES: u64 = 2;
/// A worker that wakes more often in a pause has work to do, and would ask for the same pages again.
const FEW_WAKES: u64 = 50;

/// What of a worker's memory to give back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effort {
    /// Pages that have been free for a second.
    Old,
    /// All free pages.
    All,
}

/// Gives memory back as long as the worker of this runtime lives.
pub(super) async fn give_back(metrics: RuntimeMetrics) {
    let (mut wakes, mut is_done) = (0, false);
    loop {
        sleep(if is_done { LONG_PAUSE } else { PAUSE }).await;
        let before = std::mem::replace(&mut wakes, metrics.worker_park_count(0));
        let woken = wakes.saturating_sub(before);
        if let Some(effort) = effort(woken, is_done) {
            collect(effort);
        }
        is_done = woken <= OWN_WAKES;
    }
}

/// What to do after a pause in which the worker woke so many times.
fn effort(woken: u64, is_done: bool) -> Option<Effort> {
    match woken {
        0..=OWN_WAKES if is_done => None,
        0..=FEW_WAKES => Some(Effort::All),
        _ => Some(Effort::Old),
    }
}

#[expect(
    unsafe_code,
    reason = "the allocator has no safe function for it; the use says why it is sound"
)]
fn collect(effort: Effort) {
    // SAFETY: `mi_collect` takes no pointer and invalidates none: it frees pages in which no block is allocated. It
    // works on the calling thread's heap, and on what the threads share with the allocator's own synchronisation. It must
    // not be called from within the allocator, and nothing here registers a function that the allocator calls. Under
    // another allocator (unit tests) that heap is empty.
    unsafe { libmimalloc_sys::mi_collect(effort == Effort::All) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_worker_gives_all_back_once() {
        assert_eq!(effort(100_000, true), Some(Effort::Old));
        assert_eq!(effort(FEW_WAKES, false), Some(Effort::All));
        assert_eq!(effort(OWN_WAKES, false), Some(Effort::All));
        assert_eq!(effort(OWN_WAKES, true), None);
        // One wake may free the memory of many connections.
        assert_eq!(effort(OWN_WAKES + 1, true), Some(Effort::All));
    }

    #[test]
    fn collecting_twice_leaves_allocated_memory_alone() {
        let kept = vec![7_u8; 100_000];
        for effort in [Effort::Old, Effort::All, Effort::All] {
            collect(effort);
        }
        assert!(kept.iter().all(|byte| *byte == 7));
    }
}
