//! Sends a request to the application. Sends the client its response, or the file that the response names.

use http::{HeaderMap, StatusCode, header};

use super::{
    accel, client_network, collect, compress::Compression, forward, intercept,
    replacements::Replacements, request_context::RequestContext, response::Response, tunnel,
    worker_state::WorkerState,
};
use crate::{
    body::{ClientShare, RequestBody},
    error::Error,
    rfc::{response_lines::ResponseLines, trailers},
    telemetry::RouteLabel,
    upstream::{SendNotes, UpstreamResponse},
};

/// Responds with the application's response.
pub(super) async fn serve(
    local: &WorkerState,
    context: &mut RequestContext,
    route: Option<usize>,
    body: &mut RequestBody,
) -> Result<Response, Error> {
    context.route = RouteLabel::Proxy;
    let upstream = local.application(route);
    let streaming = context.policies.streaming;
    // This comes before the body is taken: the rest of a refused body is read while the response is sent.
    let framing = collect::request(local, context, body, (upstream, streaming)).await?;
    let client = context.client_text();
    let mut buffers = forward::HeaderBuffers::default();
    let server = local.server_name(route);
    let replacements = Replacements::of(context, server);
    let head = forward::head(context, &client, (server, &replacements), &mut buffers);
    let interim = context.interim.clone();
    let on_interim = |status: StatusCode, fields: &ResponseLines| {
        if let Some(interim) = &interim {
            interim.push(status, fields);
        }
    };
    let server = context.wants_server().then_some(&context.server);
    let attempts = context.trace.as_ref().map(|trace| &trace.attempts);
    let timeouts = context.policies.timeouts;
    let client = client_network::of(context).map(ClientShare::of);
    let notes = SendNotes {
        client,
        queue: &context.queue,
        server,
        attempts,
        timeouts,
        interim: Some(&on_interim),
    };
    let reply = upstream.send(&head, framing, body.take(), notes).await?;
    drop(head);

    context.first_byte = Some(reply.first_byte);
    respond(local, context, reply).await
}

/// Makes the response of the application's, or of the file that this names.
pub(super) async fn respond(
    local: &WorkerState,
    context: &mut RequestContext,
    mut reply: UpstreamResponse,
) -> Result<Response, Error> {
    if let Some(trace) = &context.trace {
        trace.upstream_status.set(Some(reply.status));
    }
    let streams = context.policies.streaming.response || reply.is_prompt;
    // If no rule changes single fields, the lines are forwarded unchanged.
    let is_intercepted = context.policies.intercepts(reply.status);
    let compression = if is_intercepted || reply.upgraded.is_some() {
        Compression::None
    } else {
        Compression::of(local, context, reply.status, &reply.fields)
    };
    compression.change_lines(&mut reply.fields);
    let is_relayed = !is_intercepted
        && compression.keeps_lines()
        && !reply.has_directives
        && reply.upgraded.is_none()
        && context.takes_response_lines();
    let mut headers = if is_relayed { HeaderMap::new() } else { reply.fields.to_map() };
    if let Some(names) = reply.announced.filter(|_| trailers::are_taken(&context.parts.headers)) {
        headers.insert(header::TRAILER, names);
    }
    let directives = accel::take(&mut headers);
    Ok(match (reply.upgraded.take(), directives.target()) {
        (Some(upgraded), _) => tunnel::accept(context, headers, upgraded),
        (None, Some(target)) => {
            accel::serve(local, context, &directives, target, (headers, reply.body)).await?
        }
        (None, None) if is_intercepted => {
            intercept::respond(context, reply.status, (&headers, reply.body)).await
        }
        (None, None) => {
            context.streams = streams;
            compression.change_head(&mut headers);
            let body = compression.body(context, reply.body)?;
            let body = if streams { body } else { collect::response(local, context, body).await? };
            let mut response = Response::new(reply.status, body);
            response.head.headers = headers;
            response.head.reason = reply.reason;
            if is_relayed {
                response.head.lines = reply.fields;
            }
            directives.apply(&mut response);
            response
        }
    })
}
