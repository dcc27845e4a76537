//! Limits and options that the process sets for itself in the kernel.

use std::fs;

use rustix::{
    io::Errno,
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::disable_transparent_huge_pages,
};

/// The reason why the process cannot serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFewDescriptors {
    /// The limit of open files.
    pub limit: usize,
    /// The minimum that is needed.
    pub min: usize,
}

/// Raises the soft limit of open descriptors to the hard one. Containers often start with 1024, and each forwarded
/// request needs two.
pub(super) fn raise_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!(%error, "cannot raise the limit of open files, keeping the current one");
    }
}

/// Descriptors for serving, in addition to those that are open after the start: a few clients, the application, a file,
/// the admin listener.
const MIN_DESCRIPTORS: usize = 16;

/// Fails if too few descriptors are left to serve. Otherwise the process would accept connections and never respond.
pub(super) fn check_descriptors() -> Result<(), TooFewDescriptors> {
    let Some(limit) = getrlimit(Resource::Nofile).current else { return Ok(()) };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    // Without /proc, or without a descriptor to read it, the check is skipped.
    let open = match fs::read_dir("/proc/self/fd") {
        Ok(open) => open.count().saturating_sub(1),
        Err(error) if error.raw_os_error() == Some(Errno::MFILE.raw_os_error()) => limit,
        Err(_) => return Ok(()),
    };
    let min = open + MIN_DESCRIPTORS;
    if limit < min { Err(TooFewDescriptors { limit, min }) } else { Ok(()) }
}

/// Disables huge pages for this process, whatever the system's default. A few bytes in use would keep 2 MiB, which
/// tripled the memory in a small container.
pub(super) fn refuse_huge_pages() {
    if let Err(error) = disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "cannot disable huge pages for this process");
    }
}
