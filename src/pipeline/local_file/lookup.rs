//! Looks for files, and knows which names are hidden.

use std::{io, path::PathBuf, sync::Arc};

use rustix::io::Errno;

use crate::{
    error::{Error, FailureKind},
    files::LoadResult,
    pipeline::{
        own_paths::RequestedFile, request_context::RequestContext, worker_state::WorkerState,
    },
    telemetry::denied,
};

/// Looks for a file in memory, then on disk.
pub(in crate::pipeline) async fn find(
    local: &WorkerState,
    context: &RequestContext,
    wanted: &RequestedFile<'_>,
) -> Result<LoadResult, Error> {
    let store = local.app.store(wanted.store_kind);
    if let Some(found) = store.find_fresh(wanted.root, &wanted.name, context.begin) {
        local.metrics.file_store_hits.add(1);
        return Ok(found);
    }
    local.metrics.file_store_misses.add(1);
    let found = Arc::clone(store).find(wanted.root, &wanted.name).await;
    match found.map_err(failure) {
        Err(error) if error.kind() == FailureKind::FileForbidden => {
            Err(forbidden(store.locations(wanted.root, &wanted.name), error).await)
        }
        found => found,
    }
}

/// Replaces the system's error text by a description of the path that denies access, if one is found.
async fn forbidden(locations: Vec<PathBuf>, error: Error) -> Error {
    let explain = move || {
        // The first of several that exists or cannot be examined.
        let is_there = |path: &&PathBuf| {
            !path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        locations
            .iter()
            .find(is_there)
            .map(|path| denied::describe(path, denied::DeniedAccess::Read))
    };
    match tokio::task::spawn_blocking(explain).await {
        Ok(Some(cause)) => {
            let cause = io::Error::new(io::ErrorKind::PermissionDenied, cause);
            Error::io(FailureKind::FileForbidden, cause)
        }
        Ok(None) | Err(_) => error,
    }
}

/// Converts the error of finding or reading a file.
pub(in crate::pipeline) fn failure(error: io::Error) -> Error {
    let kind = match Errno::from_io_error(&error) {
        Some(Errno::MFILE | Errno::NFILE) => FailureKind::DescriptorsExhausted,
        Some(Errno::ACCESS | Errno::PERM) => FailureKind::FileForbidden,
        _ => FailureKind::FileUnreadable,
    };
    Error::io(kind, error)
}

/// Whether a name is hidden: names that begin with a dot, and the manifest, which lists every file, also compressed.
/// `.well-known` is visible (RFC 8615).
pub(in crate::pipeline) fn is_hidden(name: &[u8]) -> bool {
    let is_dotted = |segment: &[u8]| segment.first() == Some(&b'.');
    let (first, rest) = match memchr::memchr(b'/', name) {
        Some(slash) => (name.get(..slash), name.get(slash + 1..).unwrap_or_default()),
        None => (None, name),
    };
    first.is_some_and(|first| is_dotted(first) && first != b".well-known")
        || rest.split(|&byte| byte == b'/').any(is_dotted)
        || name.rsplit(|&byte| byte == b'/').next().is_some_and(is_manifest)
}

fn is_manifest(name: &[u8]) -> bool {
    let suffix = name.strip_prefix(b"staticfiles.json");
    suffix.is_some_and(|suffix| matches!(suffix, b"" | b".gz" | b".br" | b".zst"))
}
