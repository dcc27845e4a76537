//! A thread that compares memory usage with `memory.limit`. Shares limit the memory that Sideman counts; this thread
//! also sees the rest, such as the kernel's memory for sockets. Above the limit it closes idle connections, the oldest
//! first.

use std::{
    fs, io, mem,
    sync::{Arc, Weak, atomic::Ordering},
    thread,
    time::Duration,
};

use super::cgroup::MemoryGroup;
use crate::{
    server::Placement,
    telemetry::{LogThrottle, metrics::ProcessMetrics},
};

/// The interval of the checks. A check takes about 50 us.
const INTERVAL: Duration = Duration::from_millis(100);

/// Starts the thread. It ends after the workers.
pub(super) fn start(
    group: Option<MemoryGroup>,
    process: Arc<ProcessMetrics>,
    placement: Weak<Placement>,
) -> io::Result<()> {
    // What the application uses says nothing about Sideman.
    let group = group.filter(|group| !group.is_shared);
    let watch = move || {
        let (repeat, mut is_exceeded) = (LogThrottle::default(), false);
        while let Some(placement) = placement.upgrade() {
            // A reload may change the limit.
            let limit = process.limits.find("memory.limit").unwrap_or(u64::MAX);
            if let Some(used_bytes) = used(group.as_ref()) {
                process.memory_used.store(used_bytes, Ordering::Relaxed);
                let was_exceeded = mem::replace(&mut is_exceeded, used_bytes > limit);
                if is_exceeded {
                    placement.make_room();
                }
                if is_exceeded && !was_exceeded {
                    report(&process, &repeat, used_bytes, limit);
                }
            }
            drop(placement);
            thread::sleep(INTERVAL);
        }
    };
    thread::Builder::new().name("memory".to_owned()).spawn(watch).map(drop)
}

fn report(process: &ProcessMetrics, repeat: &LogThrottle, used_bytes: u64, limit: u64) {
    process.memory_exceeded.fetch_add(1, Ordering::Relaxed);
    if let Some(missed) = repeat.should_log() {
        tracing::warn!(
            used_bytes,
            limit,
            missed,
            "memory.limit exceeded, closing idle connections; give the container more memory, or lower \
             server.max_connections"
        );
    }
}

/// Returns the bytes in use: those of the container, which include sockets, or else those of the process.
fn used(group: Option<&MemoryGroup>) -> Option<u64> {
    match group {
        Some(group) => group.used(),
        None => process_memory(&fs::read_to_string("/proc/self/status").ok()?),
    }
}

/// Returns the process's memory that belongs to no file (proc(5)).
fn process_memory(status: &str) -> Option<u64> {
    let of = |name: &str| -> Option<u64> {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        value.trim().strip_suffix(" kB")?.trim().parse().ok()
    };
    Some((of("RssAnon:")? + of("RssShmem:")?) * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_process_do_not_count() {
        let status = "Name:\tsideman\nRssAnon:\t    1500 kB\nRssFile:\t   10500 kB\nRssShmem:\t      24 kB\n";
        assert_eq!(process_memory(status), Some(1524 * 1024));
        assert_eq!(process_memory("Name:\tsideman\n"), None);
        assert!(used(None).is_some_and(|bytes| bytes > 0));
    }
}
