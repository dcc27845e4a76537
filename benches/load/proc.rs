//! Resource use of a process and its descendants, from /proc.
//!
//! CPU time is user + system. The kernel gives it to the nanosecond for each living thread
//! (`task/*/schedstat`) and in ticks of 10 ms for the process with the threads and children that
//! ended (`stat`); the greater of the two is taken. Memory is PSS (`smaps_rollup`): pages shared by
//! several processes of the tree count once.

use std::{
    fs, io,
    time::{Duration, Instant},
};

/// USER_HZ: part of the kernel's interface, 100 on every architecture this runs on.
const TICK: Duration = Duration::from_millis(10);

/// The processes that existed when the tree was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    processes: Vec<u32>,
}

/// The fields of /proc/PID/stat that are read here.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// utime + stime + cutime + cstime.
    ticks: u32,
}

/// The source of the CPU times on this machine, for the report.
pub(crate) fn cpu_source() -> &'static str {
    match threads_cpu(std::process::id()) {
        Ok(Duration::ZERO) | Err(_) => "/proc/PID/stat (10 ms ticks)",
        Ok(_) => "/proc/PID/task/*/schedstat (ns)",
    }
}

/// The CPU time of the whole machine so far, including time taken by a hypervisor.
pub(crate) fn machine_cpu() -> io::Result<Duration> {
    let text = fs::read_to_string("/proc/stat")?;
    // user nice system idle iowait irq softirq steal; guest time is already in user.
    let fields = text.lines().next().unwrap_or_default().split_ascii_whitespace().skip(1).take(8);
    let ticks = fields.enumerate().filter(|(index, _)| !matches!(index, 3 | 4));
    let ticks: u64 = ticks.filter_map(|(_, field)| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// Proves on this process that CPU time is counted, and counted once.
pub(crate) fn self_check() -> io::Result<()> {
    let line = "7 (a) b) (c) S 3 1 1 0 -1 4194560 5 0 0 0 11 22 33 44 20 0 1 0 5 0";
    if Stat::parse(line) != Some(Stat { parent: 3, ticks: 110 }) {
        return Err(io::Error::other("a line of /proc/PID/stat is read wrongly"));
    }
    let tree = Tree::of_one(std::process::id());
    let (start, before) = (Instant::now(), tree.cpu()?);
    let target = Duration::from_millis(100);
    loop {
        let (used, elapsed) = (tree.cpu()?.saturating_sub(before), start.elapsed());
        // Before the first tick of a thread its time may be missing, so two ticks are allowed.
        if used > elapsed + 2 * TICK {
            return Err(io::Error::other(format!("{used:?} of CPU counted within {elapsed:?}")));
        }
        if used >= target {
            return Ok(());
        }
        if elapsed > 100 * target {
            return Err(io::Error::other(format!("{used:?} of CPU counted after {elapsed:?}")));
        }
    }
}

// === impl Tree ===

impl Tree {
    /// The process `root` and all its descendants.
    pub(crate) fn of(root: u32) -> io::Result<Self> {
        let mut parents = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let Some(process) = entry?.file_name().to_str().and_then(|name| name.parse().ok())
            else {
                continue;
            };
            if let Some(stat) = gone(Stat::read(process))? {
                parents.push((process, stat.parent));
            }
        }
        let mut processes = vec![root];
        let mut next = 0;
        while let Some(&parent) = processes.get(next) {
            processes
                .extend(parents.iter().filter(|(_, of)| *of == parent).map(|(child, _)| child));
            next += 1;
        }
        processes.sort_unstable();
        Ok(Self { processes })
    }

    /// The process alone, without its descendants.
    pub(crate) fn of_one(process: u32) -> Self {
        Self { processes: vec![process] }
    }

    /// The processes' ids.
    pub(crate) fn processes(&self) -> &[u32] {
        &self.processes
    }

    /// User + system time so far.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        self.processes.iter().map(|process| cpu(*process)).sum()
    }

    /// Bytes read from the disk so far.
    pub(crate) fn disk(&self) -> io::Result<u64> {
        self.processes.iter().map(|process| disk(*process)).sum()
    }

    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> io::Result<u64> {
        self.processes.iter().map(|process| pss(*process)).sum()
    }
}

// === impl Stat ===

impl Stat {
    fn read(process: u32) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
        Self::parse(&text)
            .ok_or_else(|| io::Error::other(format!("cannot read /proc/{process}/stat: {text}")))
    }

    /// The name, in parentheses, may itself hold spaces and parentheses.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(") ")?;
        let mut fields = rest.split_ascii_whitespace();
        let parent = fields.nth(1)?.parse().ok()?;
        let mut times = fields.skip(9).take(4).map(str::parse::<u32>);
        let ticks = times.try_fold(0, |sum: u32, time| sum.checked_add(time.ok()?))?;
        Some(Self { parent, ticks })
    }
}

/// The CPU time of one process, of its ended threads and of the children it has waited for.
fn cpu(process: u32) -> io::Result<Duration> {
    let ticks = TICK * Stat::read(process)?.ticks;
    Ok(ticks.max(threads_cpu(process)?))
}

fn threads_cpu(process: u32) -> io::Result<Duration> {
    let mut sum = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let path = thread?.path().join("schedstat");
        if let Some(text) = gone(fs::read_to_string(path))? {
            let nanoseconds = text.split_ascii_whitespace().next().and_then(|n| n.parse().ok());
            sum += Duration::from_nanos(nanoseconds.unwrap_or(0));
        }
    }
    Ok(sum)
}

fn pss(process: u32) -> io::Result<u64> {
    line(&format!("/proc/{process}/smaps_rollup"), "Pss:", " kB")
}

/// Of all threads, including ended ones.
fn disk(process: u32) -> io::Result<u64> {
    line(&format!("/proc/{process}/io"), "read_bytes:", "")
}

/// The number between `name` and `unit`.
fn line(path: &str, name: &str, unit: &str) -> io::Result<u64> {
    let text = fs::read_to_string(path)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot read {path}: {error}")))?;
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(unit)?.parse().ok())
        .ok_or_else(|| io::Error::other(format!("{path} has no line `{name}`")))
}

/// A process that ends while it is read is not an error.
fn gone<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    const ESRCH: i32 = rustix::io::Errno::SRCH.raw_os_error();
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error)
            if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(ESRCH) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
