//! What the process asks of the kernel for itself.

use std::fs;

use rustix::{
    io::Errno,
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::disable_transparent_huge_pages,
};

/// Why nothing can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFewDescriptors {
    /// The limit of open files.
    pub limit: usize,
    /// What it must be at the least.
    pub least: usize,
}

/// Raises the soft limit of open descriptors to the hard one: containers often begin with 1024,
/// and each proxied request needs two.
pub(super) fn raise_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!(%error, "the limit of descriptors stays as it is");
    }
}

/// Descriptors that serving takes beside those that are open once everything has begun: a few clients, the
/// application, a file, the admin listener.
const NEEDED: usize = 16;

/// Fails if there is no room to serve in: the process would accept connections, and then do nothing for them.
pub(super) fn check_descriptors() -> Result<(), TooFewDescriptors> {
    let Some(limit) = getrlimit(Resource::Nofile).current else { return Ok(()) };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    // Without /proc, or without a descriptor to read it by, the start is as it was.
    let open = match fs::read_dir("/proc/self/fd") {
        Ok(open) => open.count().saturating_sub(1),
        Err(error) if error.raw_os_error() == Some(Errno::MFILE.raw_os_error()) => limit,
        Err(_) => return Ok(()),
    };
    let least = open + NEEDED;
    if limit < least { Err(TooFewDescriptors { limit, least }) } else { Ok(()) }
}

/// Has memory given in small pages, whatever the system's default: of a huge one, a few bytes in use keep
/// 2 MiB, which made three times the memory of what was kept in a small container.
pub(super) fn refuse_huge_pages() {
    if let Err(error) = disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "memory may be given in huge pages");
    }
}
