//! Sends the files that the application names: `X-Accel-Redirect`, as in nginx, and `X-Sendfile`. This is the last step
//! of a proxied request.
//!
//! [`directives`] removes the application's instructions, and [`target`] finds the file. [`merge_headers`] merges the
//! application's header fields with those of the file, with the help of [`media_type`]. [`discard`](mod@discard) reads
//! the body that the application sent along.

mod directives;
mod discard;
mod media_type;
mod merge_headers;
mod target;

pub(super) use self::{
    directives::{AccelDirectives, AccelTarget, take},
    discard::discard,
};

use std::sync::Arc;

use http::{HeaderMap, Method};

use self::target::FileCandidate;
use super::{files, request_context::RequestContext, status_page, worker_state::WorkerState};
use crate::{
    body::Body,
    error::Error,
    files::{FileEntry, LoadResult, Representation},
    pipeline::response::Response,
    rfc::request_parts::FieldName,
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
        let FileCandidate { name, directory } = wanted;
        if name.name.is_empty() || name.name.ends_with(b"/") || files::is_hidden(&name.name) {
            why = "directories, names that begin with a dot and staticfiles.json are not sent";
            continue;
        }
        let LoadResult::File(entry) = files::find(local, context, name).await? else { continue };
        if directory.is_some_and(|directory| directory != entry.directory()) {
            why = "an earlier directory of the same prefix has another file of this name";
            continue;
        }
        local.metrics.accel_sent.add(1);
        let root = local.app.store(name.store_kind).roots().get(name.root);
        let rate = directives.rate(root.and_then(|root| root.rate));
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
    let parts = &context.parts;
    let coding_alone;
    let (method, headers) = if parts.method == Method::GET || parts.method == Method::HEAD {
        (&parts.method, &parts.headers)
    } else {
        // The preconditions and ranges of a POST concern its own resource, not this file.
        coding_alone = parts.headers.only(&[FieldName::AcceptEncoding]);
        (&Method::GET, &coding_alone)
    };
    let Some((selected, status)) = files::select(method, headers, entry) else {
        let mut response = status_page::not_acceptable(context);
        merge_headers::merge_into_status(&mut response, upstream_headers);
        return response;
    };
    let mut representation = Representation::clone(&selected);
    merge_headers::merge_into_file(&mut representation.head, upstream_headers);
    directives.set_charset(&mut representation.head);
    let mut response =
        files::render(method, &representation, status, (rate, files::HeaderSource::Fields));
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
