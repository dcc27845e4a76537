//! Keeps slow clients away from the application: a request's body is complete before the application
//! sees the request, and an answer is taken from it as fast as it writes. What is too long for memory
//! waits in files (`body/`). Routes, and answers that say so, go on as they come.

use std::sync::Arc;

use http_body::Body as _;

use super::{
    forward, normal_path::NormalPath, request_context::RequestContext, worker_state::WorkerState,
};
use crate::{
    body::{Body, BodyBuffers, Pressure, RequestBody, SlowClientLimits},
    error::{Error, FailureKind},
    plan::{ClientNetwork, Plan, Streaming},
    upstream::{RequestFraming, UpstreamClient},
};

/// What of a request and its answer goes on as it comes.
pub(super) fn streaming(plan: &Plan, path: &NormalPath) -> Streaming {
    if plan.unbuffered.is_empty() {
        return Streaming::default();
    }
    let path = path.or_raw();
    let fitting = plan.unbuffered.iter().filter(|one| path.starts_with(one.prefix.as_bytes()));
    let longest = fitting.max_by_key(|one| one.prefix.len());
    longest.map_or_else(Streaming::default, |one| one.streaming)
}

/// Takes the body from the client, unless it is to be streamed. Gives how the application will know
/// its end: by its length, whatever the client said. WSGI servers read nothing without one.
pub(super) async fn request(
    local: &WorkerState,
    context: &RequestContext,
    body: &mut RequestBody,
    (upstream, streaming): (&UpstreamClient, Streaming),
) -> Result<RequestFraming, Error> {
    let limit = local.app.plan.server.max_body.unwrap_or(u64::MAX);
    // Before anything is read: a client that asks first (Expect) is not told to go on.
    if body.size_hint().lower() > limit {
        return Err(Error::new(FailureKind::BodyTooLarge));
    }
    let framing = forward::framing(context, body);
    if body.is_end_stream() {
        return Ok(framing);
    }
    // Not every protocol has a way to say where a body ends that has no length.
    let streams =
        streaming.request && (framing != RequestFraming::Chunked || upstream.takes_chunks());
    let buffers = buffers(local, context);
    if !streams && !buffers.may_hold(body.size_hint().lower()).await {
        return Err(Error::new(FailureKind::BodyExceedsBuffers));
    }
    body.limit(limit);
    let server = &local.app.plan.server;
    body.watch(SlowClientLimits { pause: server.body_timeout, rate: server.min_body_rate });
    if streams {
        return Ok(framing);
    }
    if body.collect(&buffers).await? {
        local.metrics.spilled_requests.add(1);
    }
    Ok(match body.size_hint().exact() {
        Some(length) => RequestFraming::Length(length),
        None => framing,
    })
}

/// Has the rest of an answer read as fast as the application writes.
pub(super) async fn response(
    local: &WorkerState,
    context: &RequestContext,
    body: Body,
) -> Result<Body, Error> {
    let metrics = Arc::clone(&local.metrics);
    let report = move |pressure| match pressure {
        Pressure::Spilled => metrics.spilled_responses.add(1),
        Pressure::Paused => metrics.paused_responses.add(1),
    };
    body.relayed(&buffers(local, context), report).await
}

/// The room for bodies of this request's client. Behind a proxy that does not say who it is, there is no single one.
fn buffers(local: &WorkerState, context: &RequestContext) -> BodyBuffers {
    let is_proxy = context.is_trusted
        && (context.client == context.connection.address || local.app.is_trusted(context.client));
    match is_proxy {
        true => local.app.buffers.clone(),
        false => local.app.buffers.of_client(ClientNetwork::of(context.client)),
    }
}
