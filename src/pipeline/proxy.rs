//! Hands a request to the application and its reply, or the file that this names, to the client.

use http::{HeaderMap, StatusCode, header};

use super::{
    accel, collect, forward, request_context::RequestContext, response::Response, tunnel,
    worker_state::WorkerState,
};
use crate::{
    body::RequestBody,
    error::Error,
    plan::LogField,
    rfc::{response_lines::ResponseLines, trailers},
    telemetry::RouteLabel,
    upstream::SendNotes,
};

/// Answers with what the application says.
pub(super) async fn serve(
    local: &WorkerState,
    record: &mut RequestContext,
    route: Option<usize>,
    body: &mut RequestBody,
) -> Result<Response, Error> {
    record.route = RouteLabel::Proxy;
    let upstream = local.application(route);
    let streaming = collect::streaming(&local.app.plan, &record.path);
    // Before the body is taken: what is left of one that is refused is read beside the answer.
    let framing = collect::request(local, record, body, (upstream, streaming)).await?;
    let through_proxies;
    let client = if record.client == record.connection.address {
        &record.connection.text
    } else {
        through_proxies = record.client.to_string();
        &through_proxies
    };
    let mut digits = forward::HeaderDigits::default();
    let head = forward::head(record, client, &local.fallback_host, &mut digits);
    let interim = record.interim.clone();
    let on_interim = |status: StatusCode, fields: &ResponseLines| {
        if let Some(interim) = &interim {
            interim.push(status, fields);
        }
    };
    let server = local.log.tells(LogField::Upstream).then_some(&record.server);
    let notes = SendNotes { waited: &record.queued, server, interim: Some(&on_interim) };
    let mut reply = upstream.send(&head, framing, body.take(), notes).await?;
    drop(head);

    record.first_byte = Some(reply.first_byte);
    let streams = streaming.response || reply.is_prompt;
    // Where nobody changes single fields, the lines go on as they are.
    let is_relayed =
        !reply.has_directives && reply.upgraded.is_none() && record.takes_response_lines();
    let mut headers = if is_relayed { HeaderMap::new() } else { reply.fields.to_map() };
    if let Some(names) = reply.announced.filter(|_| trailers::are_taken(&record.parts.headers)) {
        headers.insert(header::TRAILER, names);
    }
    let directives = accel::take(&mut headers);
    Ok(match (reply.upgraded.take(), directives.target()) {
        (Some(upgraded), _) => tunnel::accept(record, headers, upgraded),
        (None, Some(target)) => {
            accel::serve(local, record, &directives, target, (headers, reply.body)).await?
        }
        (None, None) => {
            record.streams = streams;
            let body = if streams {
                reply.body
            } else {
                collect::answer(local, record, reply.body).await?
            };
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
