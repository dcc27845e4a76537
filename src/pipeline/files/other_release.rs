//! Files of other releases. While a release rolls out, a page of one release requests files of another (issue 3.7). The
//! fallback supplies them, or the current version is sent, if the settings allow it.

use std::sync::Arc;

use http::{HeaderValue, header};
use tokio::time::timeout;

use crate::{
    error::Error,
    files::{FileEntry, LoadResult},
    pipeline::{
        bucket::WantedObject,
        cache, client_network,
        fallback::FallbackClient,
        local_file::{failure, find, is_hidden},
        own_paths::RequestedFile,
        request_context::RequestContext,
        response::Response,
        worker_state::WorkerState,
    },
    plan::BucketObjects,
};

/// Returns the fallback's response if it has the file. Counts every outcome, and logs failures.
pub(super) async fn fetch(
    local: &WorkerState,
    context: &RequestContext,
    fallback: &FallbackClient,
    wanted: &RequestedFile<'_>,
) -> Option<Box<Response>> {
    let parts = &context.parts;
    let path = parts.path();
    let cause =
        match fallback.fetch(&parts.method, path, &parts.headers, context.request_id()).await {
            Ok(None) => return None,
            Ok(Some(mut response)) => {
                local.metrics.found_by_fallback.add(1);
                if local.app.store(wanted.store_kind).is_shared(wanted.root, &wanted.name) {
                    let anyone = HeaderValue::from_static("*");
                    response.head.headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, anyone);
                }
                return Some(Box::new(response));
            }
            Err(cause) => cause,
        };
    local.metrics.fallback_failed.add(1);
    if let Some(missed) = local.app.failure_throttle.should_log() {
        let server = fallback.target();
        tracing::warn!(cause = &*cause, path, %server, missed, "static.fallback failed a request");
    }
    None
}

/// Returns the object of the bucket for other releases, if it has one. Counts every outcome, and logs failures.
pub(super) async fn fetch_object(
    local: &WorkerState,
    context: &mut RequestContext,
    objects: &BucketObjects,
    wanted: &RequestedFile<'_>,
) -> Option<Box<Response>> {
    let (store_kind, root, name) = (wanted.store_kind, wanted.root, &*wanted.name);
    let path = local.app.store(store_kind).roots().get(root)?.prefix.trim_start_matches('/');
    let prefix = format!("{}{path}", objects.prefix);
    let objects = &BucketObjects { bucket: objects.bucket, prefix };
    let client = client_network::of(context);
    let wanted = WantedObject { objects, store_kind, root, name, url: None, client };
    let patience = local.app.plan.missing.timeout;
    let found = match timeout(patience, cache::serve_object(local, context, wanted)).await {
        Ok(found) => found.map_err(|cause| cause.to_string()),
        Err(_) => Err(format!("the bucket did not respond within {patience:?}")),
    };
    let cause = match found {
        Ok(None) => return None,
        Ok(Some(response)) => {
            local.metrics.found_by_fallback.add(1);
            return Some(Box::new(response));
        }
        Err(cause) => cause,
    };
    local.metrics.fallback_failed.add(1);
    if let Some(missed) = local.app.failure_throttle.should_log() {
        let path = context.parts.path();
        tracing::warn!(cause, path, missed, "static.fallback failed a request");
    }
    None
}

/// Finds the current version of the same original file.
pub(super) async fn current(
    local: &WorkerState,
    context: &RequestContext,
    wanted: &RequestedFile<'_>,
) -> Result<Option<Arc<FileEntry>>, Error> {
    let store = Arc::clone(local.app.store(wanted.store_kind));
    let current = store.current(wanted.root, &wanted.name).await;
    let visible = current.map_err(failure)?.filter(|name| !is_hidden(name));
    let Some(name) = visible else { return Ok(None) };
    let wanted = RequestedFile { name: name.into(), ..*wanted };
    match find(local, context, &wanted).await? {
        LoadResult::File(entry) => Ok(Some(entry)),
        LoadResult::Directory | LoadResult::Missing => Ok(None),
    }
}
