//! Keeps slow clients away from the application. The application sees a request once its body is complete, and Sideman
//! reads a response as fast as the application writes it. Bodies that are too long for memory spill to files (`body/`).
//! Routes can disable this, and so can a response.

use std::sync::Arc;

use http_body::Body as _;

use super::{client_network, forward, request_context::RequestContext, worker_state::WorkerState};
use crate::{
    body::{Body, BodyBuffers, Pressure, RequestBody, SlowClientLimits},
    error::{Error, FailureKind},
    plan::Streaming,
    upstream::{RequestFraming, UpstreamClient},
};

/// Reads the body from the client, unless it is streamed. Returns how the application learns where the body ends: by
/// its length if it is collected, whatever the client announced. WSGI servers read no body without a length.
pub(super) async fn request(
    local: &WorkerState,
    context: &RequestContext,
    body: &mut RequestBody,
    (upstream, streaming): (&UpstreamClient, Streaming),
) -> Result<RequestFraming, Error> {
    let limit = context.max_body().unwrap_or(u64::MAX);
    // This comes before the first read: a client that sends Expect gets no 100 for a body that is too long.
    if body.size_hint().lower() > limit {
        return Err(Error::new(FailureKind::BodyTooLarge));
    }
    let framing = forward::framing(context, body);
    if body.is_end_stream() {
        return Ok(framing);
    }
    // Not every protocol can mark the end of a body without a length.
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

/// Reads the rest of a response as fast as the application writes it.
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

/// Returns the buffers for the bodies of this request's client. Behind a proxy that does not name the client, there is
/// no per-client limit.
fn buffers(local: &WorkerState, context: &RequestContext) -> BodyBuffers {
    match client_network::of(context) {
        None => local.app.buffers.clone(),
        Some(client) => local.app.buffers.of_client(client),
    }
}
