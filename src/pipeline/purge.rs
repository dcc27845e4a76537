//! `PURGE` requests at the listeners for clients, from the networks of `cache.purge_from`. Those of other clients go to
//! the application, as any method does.

use http::{HeaderValue, StatusCode, header};

use super::{
    purge_request::{CONTENT_TYPE, METHOD, PurgeRequest},
    request_context::RequestContext,
    response::Response,
};
use crate::{body::Body, telemetry::RouteLabel};

/// Responds to a request if it is a purge of a client that may send it.
pub(super) fn respond(context: &mut RequestContext) -> Option<Response> {
    let app = &context.local.app;
    let from = &app.plan.cache.purge_from;
    // Nearly no site has any.
    if from.is_empty() || context.parts.method.as_str() != METHOD {
        return None;
    }
    let client = context.client.to_canonical();
    if !from.iter().any(|network| network.contains(&client)) {
        return None;
    }
    let fields = context.parts.headers.iter().map(|(_, name, value)| (name, value));
    let request = PurgeRequest::read(context.host(), context.parts.path_and_query(), fields);
    let (status, media_type, body) = match request {
        Ok(request) => {
            let counts = &app.metrics.process().cache;
            (StatusCode::OK, CONTENT_TYPE, request.run(app.cache_in_use().as_ref(), counts))
        }
        Err(fault) => (StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", format!("{fault}\n")),
    };
    context.route = RouteLabel::Respond;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_LENGTH, HeaderValue::from(body.len())),
    ];
    let mut response = Response::new(status, Body::Full(body.into()));
    response.head.headers.extend(headers);
    Some(response)
}
