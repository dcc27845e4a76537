//! Answers a certificate authority that validates a name of the site over plain HTTP (RFC 8555, 8.3). Only the tokens
//! that Sideman has asked for are its own: the application or a route may answer others.

use http::{HeaderValue, Method, StatusCode, header};

use super::{request_context::RequestContext, response::Response, worker_state::WorkerState};
use crate::{body::Body, telemetry::RouteLabel};

/// Returns the text that the authority expects, if the request is for one.
pub(super) fn respond(local: &WorkerState, context: &mut RequestContext) -> Option<Response> {
    let text = local.app.challenges.text_at(context.path.normal()?)?;
    let is_head = context.parts.method == Method::HEAD;
    if !is_head && context.parts.method != Method::GET {
        return None;
    }
    context.route = RouteLabel::Respond;
    let length = HeaderValue::from(text.len());
    let body = if is_head { Body::Empty } else { Body::Full(text.into()) };
    let mut response = Response::new(StatusCode::OK, body);
    let headers = &mut response.head.headers;
    let kind = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}
