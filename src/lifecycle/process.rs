//! What the process asks of the kernel for itself.

use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::disable_transparent_huge_pages,
};

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

/// Has memory given in small pages, whatever the system's default: of a huge one, a few bytes in use keep
/// 2 MiB, which made three times the memory of what was kept in a small container.
pub(super) fn refuse_huge_pages() {
    if let Err(error) = disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "memory may be given in huge pages");
    }
}
