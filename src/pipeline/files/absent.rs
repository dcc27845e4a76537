//! Names that stand for nothing here. While releases roll, a page of one asks for files of another
//! (issue 3.7): those are fetched from a fallback, or answered with the current version, if set.

use std::sync::Arc;

use http::{HeaderValue, Response, header};

use super::{
    answer,
    lookup::{failure, find, is_hidden},
};
use crate::{
    body::Body,
    error::Error,
    files::{Entry, Found, Store},
    pipeline::{
        fallback::{Fallback, Fetched},
        family::Family,
        local::Local,
        record::Record,
        reply,
        route::FileName,
    },
};

/// Answers for a name that is in none of the directories.
pub(super) async fn serve(
    local: &Local,
    record: &Record,
    wanted: FileName<'_>,
) -> Result<Response<Body>, Error> {
    let store = local.app.store(wanted.family);
    if wanted.family == Family::Static && store.looks_immutable(wanted.root, &wanted.name) {
        // Boxed: it is rare, and large.
        if let Some(fallback) = &local.fallback
            && let Some(mut response) = Box::pin(fetch(local, record, fallback)).await
        {
            if store.is_shared(wanted.root, &wanted.name) {
                let anyone = HeaderValue::from_static("*");
                response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, anyone);
            }
            return Ok(response);
        }
        if local.app.plan.missing.serve_current
            && let Some(response) = current(local, record, store, &wanted).await?
        {
            local.metrics.rescued_current.add(1);
            return Ok(response);
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
    Ok(missing(record, store, &wanted))
}

/// What the fallback has, if it has it. Counted and told whatever comes of it.
async fn fetch(local: &Local, record: &Record, fallback: &Fallback) -> Option<Response<Body>> {
    let parts = &record.parts;
    let path = parts.path();
    let cause = match fallback.fetch(&parts.method, path, &parts.headers, record.request_id()).await
    {
        Fetched::Reply(response) => {
            local.metrics.rescued_fallback.add(1);
            return Some(response);
        }
        Fetched::Missing => return None,
        Fetched::Failed(Some(error)) => error.to_string(),
        Fetched::Failed(None) => "it answered with an error".to_owned(),
        Fetched::Busy => "it has too many requests already".to_owned(),
    };
    local.metrics.fallback_failed.add(1);
    if let Some(missed) = local.app.trouble.allow() {
        let server = fallback.target();
        tracing::warn!(cause, path, %server, missed, "static.fallback failed a request");
    }
    None
}

/// Answers 404. The name of another release's file must not be remembered as missing by any cache; any
/// other may be for a moment, so that a file which appears is soon found behind a cache as well.
pub(super) fn missing(record: &Record, store: &Store, wanted: &FileName<'_>) -> Response<Body> {
    match store.looks_immutable(wanted.root, &wanted.name) {
        true => reply::not_found(record),
        false => reply::not_found_for_now(record),
    }
}

/// Counts a file of another release that was found in a further directory.
pub(super) fn count_elsewhere(local: &Local, wanted: &FileName<'_>, entry: &Entry) {
    let store = local.app.store(wanted.family);
    if entry.is_elsewhere() && store.looks_immutable(wanted.root, &wanted.name) {
        local.metrics.rescued_elsewhere.add(1);
    }
}

/// The current version of the same original file: not what was asked for, so nobody may keep it.
async fn current(
    local: &Local,
    record: &Record,
    store: &Arc<Store>,
    wanted: &FileName<'_>,
) -> Result<Option<Response<Body>>, Error> {
    let current = Arc::clone(store).current(wanted.root, &wanted.name).await;
    let Some(name) = current.map_err(failure)? else {
        return Ok(None);
    };
    let wanted = FileName { name: name.into(), ..*wanted };
    if is_hidden(&wanted.name) {
        return Ok(None);
    }
    let Found::File(entry) = find(local, record, &wanted).await? else { return Ok(None) };
    let mut response = answer::whole(record, &entry);
    let forget = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, forget);
    Ok(Some(response))
}
