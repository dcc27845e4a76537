//! Decides what comes of a request for a file, before anything of the response is written.

use std::sync::Arc;

use http::Method;

use super::{
    lookup::{find, is_hidden},
    other_release,
    select::{FileStatus, select},
};
use crate::{
    error::Error,
    files::{FileStore, LoadResult, SelectedRepresentation},
    pipeline::{
        request_context::RequestContext, response::Response, route::RequestedFile,
        store_kind::StoreKind, worker_state::WorkerState,
    },
    plan::{Cors, Purpose},
};

/// Everything that can come of a request for a file, errors apart.
#[derive(Debug)]
pub(super) enum FileOutcome {
    /// The file, with at most `rate` bytes a second.
    File {
        representation: SelectedRepresentation,
        status: FileStatus,
        rate: Option<u64>,
    },
    /// The current version of a file of another release.
    CurrentVersion(SelectedRepresentation),
    /// The fallback's response. Boxed because it is rare and large.
    Fallback(Box<Response>),
    /// The client accepts no coding that the file is available in.
    NotAcceptable,
    /// The path of a directory lacks its last slash.
    RedirectToDirectory,
    Options(Cors),
    MethodNotAllowed,
    /// No file, or none that clients may see. Caches may keep this for a moment, so that a file that appears is soon
    /// found behind a cache too; but not at all for the name of another release's file.
    NotFound {
        is_cacheable: bool,
    },
}

/// Decides what comes of a request for `wanted`.
pub(super) async fn resolve(
    local: &WorkerState,
    record: &RequestContext,
    mut wanted: RequestedFile<'_>,
) -> Result<FileOutcome, Error> {
    let store = local.app.store(wanted.family);
    let root = match store.roots().get(wanted.root) {
        Some(root) if root.purpose != Purpose::Internal => root,
        // Whatever the method: clients must not learn that the prefix exists.
        Some(_) | None => return Ok(not_found(store, &wanted)),
    };
    match record.parts.method {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return Ok(FileOutcome::Options(root.cors)),
        _ => return Ok(FileOutcome::MethodNotAllowed),
    }
    if is_hidden(&wanted.name) {
        return Ok(not_found(store, &wanted));
    }
    // A directory is never listed: only its index can be sent.
    let is_directory = wanted.name.is_empty() || wanted.name.ends_with(b"/");
    if is_directory {
        let Some(index) = &root.index else { return Ok(not_found(store, &wanted)) };
        wanted.name.to_mut().extend_from_slice(index.as_bytes());
    }
    let entry = match find(local, record, &wanted).await? {
        LoadResult::File(entry) => entry,
        LoadResult::Directory | LoadResult::Missing if is_directory => {
            return Ok(not_found(store, &wanted));
        }
        LoadResult::Directory if root.index.is_some() => {
            return Ok(FileOutcome::RedirectToDirectory);
        }
        LoadResult::Directory | LoadResult::Missing => {
            return missing(local, record, &wanted).await;
        }
    };
    if !is_directory && entry.is_elsewhere() && store.looks_immutable(wanted.root, &wanted.name) {
        local.metrics.rescued_elsewhere.add(1);
    }
    Ok(match select(&record.parts.method, &record.parts.headers, entry) {
        Some((representation, status)) => {
            FileOutcome::File { representation, status, rate: root.rate }
        }
        None => FileOutcome::NotAcceptable,
    })
}

/// Decides about a name that is in none of the directories.
async fn missing(
    local: &WorkerState,
    record: &RequestContext,
    wanted: &RequestedFile<'_>,
) -> Result<FileOutcome, Error> {
    let store = local.app.store(wanted.family);
    if wanted.family == StoreKind::Static && store.looks_immutable(wanted.root, &wanted.name) {
        // Boxed because it is rare and large.
        if let Some(fallback) = &local.fallback
            && let Some(response) =
                Box::pin(other_release::fetch(local, record, fallback, wanted)).await
        {
            return Ok(FileOutcome::Fallback(response));
        }
        if local.app.plan.missing.serve_current
            && let Some(entry) = other_release::current(local, record, wanted).await?
        {
            local.metrics.rescued_current.add(1);
            let selected = entry.negotiate(&record.parts.headers);
            return Ok(selected.map_or(FileOutcome::NotAcceptable, FileOutcome::CurrentVersion));
        }
    }
    if store.is_first_missing(wanted.root) {
        let path = record.parts.path();
        let looked_for = store.places(wanted.root, &wanted.name);
        tracing::info!(
            path,
            ?looked_for,
            "first 404 below this prefix; later ones are in the access log"
        );
    }
    Ok(not_found(store, wanted))
}

fn not_found(store: &Arc<FileStore>, wanted: &RequestedFile<'_>) -> FileOutcome {
    FileOutcome::NotFound { is_cacheable: !store.looks_immutable(wanted.root, &wanted.name) }
}
