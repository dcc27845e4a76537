//! The responses of routes that need neither a file nor an application: redirects, fixed texts, and none at all.

use http::{HeaderValue, StatusCode, header};

use super::{
    request_context::RequestContext, response::Response, routes::RedirectAction, status_page,
    template,
};
use crate::{
    body::Body,
    error::{Error, FailureKind},
    plan::{FixedResponse, Placeholder, RouteResponse, TemplatePart},
    telemetry::RouteLabel,
};

/// Returns the methods that the server supports (RFC 9110, 9.3.7).
pub(super) fn methods() -> Response {
    let mut response = Response::new(StatusCode::NO_CONTENT, Body::Empty);
    response.head.headers.insert(header::ALLOW, HeaderValue::from_static(status_page::METHODS));
    response
}

/// Returns a redirect. Caches keep it as the status says (RFC 9110, 15.4).
pub(super) fn redirect(
    context: &mut RequestContext,
    action: &RedirectAction,
) -> Result<Response, Error> {
    context.route = RouteLabel::Respond;
    let names_host = action.redirect.location.contains(&TemplatePart::Value(Placeholder::Host));
    // HTTP/1.0 has no Host.
    if names_host && context.host().is_none() {
        return Err(Error::new(FailureKind::HostMissing));
    }
    let location = template::location(context, action);
    let location =
        HeaderValue::from_bytes(&location).map_err(|_| Error::new(FailureKind::TargetInvalid))?;
    let mut response = Response::new(action.redirect.status, Body::Empty);
    let headers = &mut response.head.headers;
    headers.insert(header::LOCATION, location);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    Ok(response)
}

/// Returns the response of a route.
pub(super) fn respond(context: &mut RequestContext, response: &RouteResponse) -> Response {
    context.route = RouteLabel::Respond;
    match response {
        RouteResponse::Fixed(response) => fixed(context, response),
        RouteResponse::Close => {
            context.is_unanswered = true;
            Response::new(StatusCode::NO_CONTENT, Body::Empty)
        }
    }
}

/// Returns a fixed response: its text, the page of an error, or no content.
fn fixed(context: &RequestContext, response: &FixedResponse) -> Response {
    let status = response.status;
    if let Some(text) = &response.text {
        return status_page::text(context, status, text);
    }
    if status.is_client_error() || status.is_server_error() {
        return status_page::of_route(context, status);
    }
    let mut response = Response::new(status, Body::Empty);
    // RFC 9110, 8.6: a 204 has no length.
    if status != StatusCode::NO_CONTENT {
        response.head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    }
    response
}
