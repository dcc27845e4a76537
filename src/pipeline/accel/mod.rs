//! Sends the files that the application names: `X-Accel-Redirect`, as in nginx, and `X-Sendfile`. This is the last step
//! of a proxied request.
//!
//! [`directives`] removes the application's instructions, and [`target`] finds the file, with its [`server_url`] if it
//! is on a file server. [`merge_headers`] merges the application's header fields with those of the file, with the help
//! of [`media_type`]. [`discard`](mod@discard) reads the body that the application sent along. [`object`] sends a file
//! that is in a bucket or on a file server.

mod directives;
mod discard;
mod media_type;
mod merge_headers;
mod object;
mod request;
mod server_url;
mod target;

pub(super) use self::{
    directives::{AccelDirectives, AccelTarget, take},
    discard::discard,
};

use std::sync::Arc;

use http::HeaderMap;

use self::target::FileCandidate;
use super::{
    bucket::WantedObject, client_network, local_file, request_context::RequestContext, status_page,
    worker_state::WorkerState,
};
use crate::{
    body::Body,
    error::Error,
    files::{FileEntry, LoadResult, Representation},
    pipeline::response::Response,
    telemetry::RouteLabel,
};

/// Responds with the file that the application has named. The application's status is ignored, as by nginx.
pub(super) async fn serve(
    local: &WorkerState,
    context: &mut RequestContext,
    directives: &AccelDirectives,
    target: AccelTarget<'_>,
    (upstream_headers, body): (HeaderMap, Body),
) -> Result<Response, Error> {
    context.route = RouteLabel::Accel;
    let context = &*context;
    discard(body).await;
    let candidates =
        target::resolve(&local.app, target).inspect_err(|_| local.metrics.accel_refused.add(1))?;
    let mut why = "there is none";
    for wanted in &candidates {
        let FileCandidate { name, directory, url } = wanted;
        let is_hidden =
            name.name.is_empty() || name.name.ends_with(b"/") || local_file::is_hidden(&name.name);
        if is_hidden && url.is_none() {
            why = "directories, names that begin with a dot and staticfiles.json are not sent";
            continue;
        }
        let root = local.app.store(name.store_kind).roots().get(name.root);
        let has_directories = root.is_none_or(|root| !root.directories.is_empty());
        let found = match has_directories && !is_hidden {
            true => local_file::find(local, context, name).await?,
            false => LoadResult::Missing,
        };
        let rate = directives.rate(root.and_then(|root| root.rate));
        if let (LoadResult::Missing, None, Some(objects)) =
            (&found, directory, root.and_then(|root| root.bucket.as_ref()))
        {
            let (store_kind, root, name) = (name.store_kind, name.root, &*name.name);
            let url = url.as_deref();
            let client = client_network::of(context);
            let object = WantedObject { objects, store_kind, root, name, url, client };
            let sent = object::serve(local, context, object, (directives, &upstream_headers));
            if let Some(response) = Box::pin(sent).await? {
                local.metrics.accel_sent.add(1);
                return Ok(response.paced(rate));
            }
        }
        let LoadResult::File(entry) = found else { continue };
        if directory.is_some_and(|directory| directory != entry.directory()) {
            why = "an earlier directory of the same prefix has another file of this name";
            continue;
        }
        local.metrics.accel_sent.add(1);
        return Ok(respond(context, entry, directives, &upstream_headers, rate));
    }
    Ok(missing(local, context, target, &candidates, why))
}

/// Selects what to send of the file. The request counts as a GET of it, unless it is a HEAD.
fn respond(
    context: &RequestContext,
    entry: Arc<FileEntry>,
    directives: &AccelDirectives,
    upstream_headers: &HeaderMap,
    rate: Option<u64>,
) -> Response {
    let mut coding_alone = None;
    let (method, headers) = request::of_file(&context.parts, &mut coding_alone);
    let Some((selected, status)) = local_file::select(method, headers, entry) else {
        let mut response = status_page::not_acceptable(context);
        merge_headers::merge_into_status(&mut response, upstream_headers);
        return response;
    };
    let mut representation = Representation::clone(&selected);
    merge_headers::merge_into_file(&mut representation.head, upstream_headers);
    directives.set_charset(&mut representation.head);
    let mut response = local_file::render(
        method,
        &representation,
        status,
        (rate, local_file::HeaderSource::Fields),
    );
    // These responses have a few of the file's header fields; all others have all of them.
    if !response.head.status.is_success() {
        merge_headers::merge_into_status(&mut response, upstream_headers);
    }
    response
}

/// Responds when the file does not exist: the application made a mistake, or the file was deleted meanwhile.
fn missing(
    local: &WorkerState,
    context: &RequestContext,
    target: AccelTarget<'_>,
    candidates: &[FileCandidate],
    why: &str,
) -> Response {
    local.metrics.accel_missing.add(1);
    if let Some(missed) = local.app.failure_throttle.should_log() {
        let path = context.parts.path();
        let looked_for: Vec<String> =
            candidates.iter().map(|wanted| wanted.shown(&local.app)).collect();
        let looked_for = looked_for.join(", ");
        tracing::warn!(
            %target, %looked_for, why, path, missed,
            "the application named a file that does not exist"
        );
    }
    status_page::not_found(context)
}
