//! Decides the outcome of a request for a file, before any part of the response is written.

use std::{sync::Arc, time::Duration};

use http::Method;

use super::{other_release, signature};
use crate::{
    error::Error,
    files::{FileStore, LoadResult, SelectedRepresentation},
    pipeline::{
        bucket::{self, WantedObject},
        cache, client_network,
        local_file::{FileStatus, find, is_hidden, select},
        own_paths::RequestedFile,
        request_context::RequestContext,
        response::Response,
        store_kind::StoreKind,
        worker_state::WorkerState,
    },
    plan::{Cors, MissingFile, Purpose, Root},
    rfc::accept,
};

/// Every outcome of a request for a file, except errors.
#[derive(Debug)]
pub(super) enum FileOutcome {
    /// The file, with at most `rate` bytes a second. If its URL is signed, only the client may keep it, and no longer
    /// than `private_for`.
    File {
        representation: SelectedRepresentation,
        status: FileStatus,
        rate: Option<u64>,
        private_for: Option<Duration>,
    },
    /// The page of a single-page application.
    SinglePage {
        representation: SelectedRepresentation,
        status: FileStatus,
    },
    /// The current version of a file of another release.
    CurrentVersion(SelectedRepresentation),
    /// The fallback's response. Boxed because it is rare and large.
    Fallback(Box<Response>),
    /// The object of a bucket. Boxed because it is large.
    Object {
        response: Box<Response>,
        private_for: Option<Duration>,
    },
    /// The client accepts no coding that the file is available in.
    NotAcceptable,
    /// The path of a directory lacks its trailing slash.
    RedirectToDirectory,
    Options(Cors),
    MethodNotAllowed,
    /// The file does not exist, or is hidden from clients. Caches may keep this response for a moment, so that a cache
    /// soon finds a file which appears. The name of another release's file must not be cached at all.
    NotFound {
        is_cacheable: bool,
    },
}

/// Decides the outcome of a request for `wanted`. Returns `None` if there is no such file and the next action shall
/// respond.
pub(super) async fn resolve(
    local: &WorkerState,
    context: &mut RequestContext,
    wanted: RequestedFile<'_>,
    missing: &MissingFile,
) -> Result<Option<FileOutcome>, Error> {
    let is_read = matches!(context.parts.method, Method::GET | Method::HEAD);
    if *missing == MissingFile::Next && !is_read {
        return Ok(None);
    }
    let RequestedFile { store_kind, root, .. } = wanted;
    let is_page = wants_page(context, &wanted.name);
    let outcome = present(local, context, wanted).await?;
    if !matches!(outcome, FileOutcome::NotFound { .. }) {
        return Ok(Some(outcome));
    }
    match missing {
        MissingFile::NotFound => Ok(Some(outcome)),
        MissingFile::Next => Ok(None),
        MissingFile::SinglePage(name) if is_page => {
            let name = name.as_bytes().into();
            let page = present(local, context, RequestedFile { store_kind, root, name }).await?;
            let FileOutcome::File { representation, status, .. } = page else {
                return Ok(Some(outcome));
            };
            Ok(Some(FileOutcome::SinglePage { representation, status }))
        }
        MissingFile::SinglePage(_) => Ok(Some(outcome)),
    }
}

/// Whether a client asks for a page at a name without an extension.
fn wants_page(context: &RequestContext, name: &[u8]) -> bool {
    let last = name.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    !last.contains(&b'.') && accept::names_html(&context.parts.headers)
}

/// Decides the outcome of a request for a file, whose absence is a 404.
pub(super) async fn present(
    local: &WorkerState,
    context: &mut RequestContext,
    mut wanted: RequestedFile<'_>,
) -> Result<FileOutcome, Error> {
    let store = local.app.store(wanted.store_kind);
    let root = match store.roots().get(wanted.root) {
        Some(root) if root.purpose != Purpose::Internal => root,
        // This holds for every method: clients must not learn that the prefix exists.
        Some(_) | None => return Ok(not_found(store, &wanted)),
    };
    match context.parts.method {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return Ok(FileOutcome::Options(root.cors)),
        _ => return Ok(FileOutcome::MethodNotAllowed),
    }
    // Before everything that depends on the file: whether it exists is for clients with a signature only.
    let private_for = match &root.signed {
        Some(signed) => {
            let left = signature::check(context.path.or_raw(), context.parts.query(), signed);
            Some(left.map_err(Error::new)?.min(root.max_age))
        }
        None => None,
    };
    if is_hidden(&wanted.name) {
        return Ok(not_found(store, &wanted));
    }
    // A directory is never listed; only its index can be sent.
    let is_directory = wanted.name.is_empty() || wanted.name.ends_with(b"/");
    if is_directory {
        let Some(index) = &root.index else { return Ok(not_found(store, &wanted)) };
        wanted.name.to_mut().extend_from_slice(index.as_bytes());
    }
    let found = match root.directories.is_empty() {
        true => LoadResult::Missing,
        false => find(local, context, &wanted).await?,
    };
    if let (LoadResult::Missing, Some(object)) = (&found, object(context, root, &wanted)) {
        // Boxed because it is large, and few prefixes have a bucket.
        if let Some(response) = Box::pin(cache::serve_object(local, context, object)).await? {
            let response = Box::new(response.paced(root.rate));
            return Ok(FileOutcome::Object { response, private_for });
        }
    }
    let entry = match found {
        LoadResult::File(entry) => entry,
        LoadResult::Directory | LoadResult::Missing if is_directory => {
            return Ok(not_found(store, &wanted));
        }
        LoadResult::Directory if root.index.is_some() => {
            return Ok(FileOutcome::RedirectToDirectory);
        }
        LoadResult::Directory | LoadResult::Missing => {
            return missing(local, context, &wanted).await;
        }
    };
    if !is_directory && entry.is_elsewhere() && store.looks_immutable(wanted.root, &wanted.name) {
        local.metrics.found_in_directory.add(1);
    }
    Ok(match select(&context.parts.method, &context.parts.headers, entry) {
        Some((representation, status)) => {
            FileOutcome::File { representation, status, rate: root.rate, private_for }
        }
        None => FileOutcome::NotAcceptable,
    })
}

/// Decides about a name that is in none of the directories.
async fn missing(
    local: &WorkerState,
    context: &mut RequestContext,
    wanted: &RequestedFile<'_>,
) -> Result<FileOutcome, Error> {
    let store = local.app.store(wanted.store_kind);
    if wanted.store_kind == StoreKind::Static && store.looks_immutable(wanted.root, &wanted.name) {
        // Boxed because it is rare and large.
        if let Some(fallback) = &local.fallback
            && let Some(response) =
                Box::pin(other_release::fetch(local, context, fallback, wanted)).await
        {
            return Ok(FileOutcome::Fallback(response));
        }
        if let Some(objects) = &local.app.plan.missing.bucket
            && let Some(response) =
                Box::pin(other_release::fetch_object(local, context, objects, wanted)).await
        {
            return Ok(FileOutcome::Fallback(response));
        }
        if local.app.plan.missing.serve_current
            && let Some(entry) = other_release::current(local, context, wanted).await?
        {
            local.metrics.found_current.add(1);
            let selected = entry.negotiate(&context.parts.headers);
            return Ok(selected.map_or(FileOutcome::NotAcceptable, FileOutcome::CurrentVersion));
        }
    }
    if store.is_first_missing(wanted.root) {
        let path = context.parts.path();
        let mut looked_for: Vec<String> = store
            .locations(wanted.root, &wanted.name)
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let object = store.roots().get(wanted.root).and_then(|root| object(context, root, wanted));
        looked_for.extend(object.and_then(|object| bucket::shown(local, object)));
        tracing::info!(
            path,
            ?looked_for,
            "first 404 below this prefix; later ones are in the access log"
        );
    }
    Ok(not_found(store, wanted))
}

/// Returns the object to look for in the bucket of a prefix, if it has one.
fn object<'a>(
    context: &RequestContext,
    root: &'a Root,
    wanted: &'a RequestedFile<'_>,
) -> Option<WantedObject<'a>> {
    let objects = root.bucket.as_ref()?;
    let (store_kind, root, name) = (wanted.store_kind, wanted.root, &*wanted.name);
    let client = client_network::of(context);
    Some(WantedObject { objects, store_kind, root, name, url: None, client })
}

fn not_found(store: &Arc<FileStore>, wanted: &RequestedFile<'_>) -> FileOutcome {
    let is_signed = store.roots().get(wanted.root).is_some_and(|root| root.signed.is_some());
    let is_cacheable = !is_signed && !store.looks_immutable(wanted.root, &wanted.name);
    FileOutcome::NotFound { is_cacheable }
}
