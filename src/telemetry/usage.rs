//! Resource usage of the process, as the kernel counts it in /proc. It is read on each request for metrics, on the
//! admin thread. Values that cannot be read are left out, never zero.

use std::fs;

use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
    thread::gettid,
};

/// The resource usage of the whole process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessUsage {
    pub cpu_seconds: Option<f64>,
    pub resident_bytes: Option<u64>,
    pub virtual_bytes: Option<u64>,
    pub threads: Option<u64>,
    pub open_files: Option<u64>,
    /// `None` if there is no limit.
    pub max_files: Option<u64>,
}

/// The needed fields of a `stat` file (proc(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ProcessStat {
    /// In user and kernel mode.
    ticks: u64,
    threads: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

// === impl ProcessUsage ===

impl ProcessUsage {
    /// Returns the current usage.
    pub fn now() -> Self {
        let stat = read("/proc/self/stat");
        let pages = u64::try_from(page_size()).unwrap_or_default();
        Self {
            cpu_seconds: stat.map(|stat| seconds(stat.ticks)),
            resident_bytes: stat.map(|stat| stat.resident_pages.saturating_mul(pages)),
            virtual_bytes: stat.map(|stat| stat.virtual_bytes),
            threads: stat.map(|stat| stat.threads),
            open_files: open_files(),
            max_files: getrlimit(Resource::Nofile).current,
        }
    }
}

/// Returns the kernel's number of the calling thread.
pub fn this_thread() -> u32 {
    gettid().as_raw_nonzero().get().unsigned_abs()
}

/// Returns the CPU time of a thread of this process, in seconds.
pub fn thread_cpu_seconds(thread: u32) -> Option<f64> {
    read(&format!("/proc/self/task/{thread}/stat")).map(|stat| seconds(stat.ticks))
}

fn read(path: &str) -> Option<ProcessStat> {
    parse(&fs::read_to_string(path).ok()?)
}

fn open_files() -> Option<u64> {
    // Linux 6.2 and later return the number as the directory's size; before it was zero.
    let ready = fs::metadata("/proc/self/fd").ok()?.len();
    if ready > 0 {
        return Some(ready);
    }
    let listed = fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them belongs to this listing.
    Some(u64::try_from(listed).unwrap_or_default().saturating_sub(1))
}

/// Parses `pid (name) state ...`. The name may contain any characters, including spaces and parentheses.
fn parse(stat: &str) -> Option<ProcessStat> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    // proc(5) counts from 1, and the state is the third field.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(ProcessStat {
        ticks: field(14)?.saturating_add(field(15)?),
        threads: field(20)?,
        virtual_bytes: field(23)?,
        resident_pages: field(24)?,
    })
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 ticks, a million years")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / clock_ticks_per_second() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_fields_are_where_proc_has_them() {
        let tail = "S 1 2 3 4 5 6 7 8 9 10 250 50 13 14 15 16 21 18 19 4096000 77 20";
        for name in ["sideman", "a b", "a) S 9 9 9", ")"] {
            let found = parse(&format!("42 ({name}) {tail}\n"));
            let expected = ProcessStat {
                ticks: 300,
                threads: 21,
                virtual_bytes: 4_096_000,
                resident_pages: 77,
            };
            assert_eq!(found, Some(expected), "{name}");
        }
        for broken in ["", "42 (sideman)", "42 sideman S 1 2", "42 (sideman) S 1 2 3 x"] {
            assert_eq!(parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn this_process_uses_something() {
        let usage = ProcessUsage::now();
        assert!(usage.cpu_seconds.is_some_and(|seconds| seconds < 1e6), "{usage:?}");
        let (resident, reserved) = (usage.resident_bytes.unwrap(), usage.virtual_bytes.unwrap());
        assert!(resident > 1 << 20 && resident < reserved, "{usage:?}");
        assert!(usage.threads.unwrap() >= 2, "the test has a thread of its own: {usage:?}");
        let open = usage.open_files.unwrap();
        assert!(open >= 3 && usage.max_files.is_none_or(|max| open < max), "{usage:?}");
        assert!(thread_cpu_seconds(this_thread()).is_some_and(|seconds| seconds < 1e6));
        assert_eq!(thread_cpu_seconds(0), None);
    }

    #[test]
    fn open_files_are_counted() {
        let before = open_files().unwrap();
        let files: Vec<_> = (0..500).map(|_| fs::File::open("/proc/self/stat").unwrap()).collect();
        // Other tests open and close files at the same time, but fewer than that.
        assert!(open_files().unwrap() > before + 250, "{} beyond {before}", files.len());
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[ ()0-9a-zA-Z\n-]{0,200}") {
            let _ = parse(&text);
        }
    }
}
