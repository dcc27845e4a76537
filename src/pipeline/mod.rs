//! The pipeline: one request from top to bottom. Read [`handle`] first. Each step is a file of its own:
//!
//! 1. [`request_context`] records what is known of the request. [`finish`] logs and counts it when its response ends.
//! 2. [`routes`] finds what the routes set for it, by its host and its path, which [`normal_path`] has decoded once.
//!    [`route`] decides between [`health`], [`files`] and the application.
//! 3. [`guard`], [`hosts`] and [`loops`] refuse requests that must not go further; [`redirect`] redirects to https.
//! 4. [`files`] finds the file and selects the part of it to send. Or [`proxy`] sends the request to the application:
//!    [`collect`] reads the body first, and [`forward`] makes the header fields. [`accel`] sends a file instead of the
//!    response's body if the application names one.
//! 5. [`status_page`] turns an error into a status and a page, which may come from [`pages`].
//! 6. [`fields`] changes the header fields of the response. If no rule changes them, those of a file or of the
//!    application are forwarded as lines (`rfc::response_lines`).
//! 7. [`drain_body`] reads the rest of a request body that nothing else has read.
//!
//! A server gives [`handle`] a [`request`] and a description of its connection ([`connection_info`]). A request may
//! also have [`interim_responses`] before its final response, and a [`tunnel`] after it.

mod accel;
mod app;
mod collect;
mod connection_info;
mod drain_body;
mod fallback;
mod fields;
mod files;
mod finish;
mod forward;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod guard;
mod health;
mod hosts;
mod interim_responses;
mod loops;
mod max_forwards;
mod normal_path;
mod pages;
mod proxy;
mod redirect;
mod request;
mod request_context;
mod response;
mod route;
mod routes;
mod status_page;
mod store_kind;
mod template;
mod tunnel;
mod upstream_handle;
mod worker_state;

pub use self::{
    app::{App, UNRESERVED_HEAD},
    connection_info::ConnectionInfo,
    finish::TrackedResponse,
    health::application_accepts,
    interim_responses::{InterimResponses, MAX_QUEUED_BYTES as INTERIM_LIMIT},
    request::{ClientRequest, RequestRefusal},
    response::{Response, ResponseHead},
    tunnel::Tunnel,
    worker_state::WorkerState,
};

use std::rc::Rc;

use http::Version;

use self::{request_context::RequestContext, route::Destination};
use crate::{
    body::RequestBody,
    error::{Error, FailureKind},
    rfc::target::Misplaced,
};

/// Responds to one request. The server drops the future when the client disconnects; the request context notices that.
pub async fn handle(
    local: Rc<WorkerState>,
    connection: Rc<ConnectionInfo>,
    request: ClientRequest,
) -> Response<TrackedResponse> {
    let ClientRequest { parts, refusal, head_room, body, interim } = request;
    let mut body = RequestBody::new(body);
    let mut context = RequestContext::begin(Rc::clone(&local), connection, parts);
    context.received = body.received();
    context.interim = interim;
    context.head_room = head_room;
    let result = match refusal {
        None => respond(&local, &mut context, &mut body).await,
        Some(refusal) => Err(refused(refusal)),
    };
    let mut response = match result {
        Ok(response) => response,
        Err(error) => status_page::failure(&mut context, &error),
    };
    fields::apply(&context, &mut response);
    if context.parts.version == Version::HTTP_2 {
        drain_body::read_beside(body);
    } else {
        drain_body::read(&context.parts, body).await;
    }
    finish::seal(context, response)
}

/// Converts a server's refusal of a request into an error.
fn refused(RequestRefusal { kind, misplaced }: RequestRefusal) -> Error {
    let error = Error::new(kind);
    match misplaced {
        Some(Misplaced { byte, at }) => error.at(byte, at),
        None => error,
    }
}

async fn respond(
    local: &WorkerState,
    context: &mut RequestContext,
    body: &mut RequestBody,
) -> Result<Response, Error> {
    // The context is written to while the name is borrowed.
    let path = Rc::clone(&context.path);
    let destination = route::decide(&local.app, &context.policies, &path);
    // Load balancers send health checks with any Host, or with none.
    if !destination.is_health() {
        if local.log.is_full() {
            local.metrics.log_waits.add(1);
            local.log.wait_for_space().await;
        }
        guard::check(context)?;
        hosts::check(context)?;
        local.app.loop_token.check(&context.parts.headers)?;
        if let Some(response) = redirect::to_https(context)? {
            return Ok(response);
        }
    }
    match destination {
        Destination::Health => Ok(health::health(local, context)),
        Destination::Ready => Ok(health::ready(local, context).await),
        Destination::File(name) => files::serve(local, context, name).await,
        Destination::Undecodable => Err(Error::new(FailureKind::PathInvalid)),
        Destination::Application(route) => {
            if let Some(response) = max_forwards::respond(context) {
                return Ok(response);
            }
            local.app.pages.check_maintenance()?;
            // Boxed because it is three times as large as all others together, and is moved before it runs.
            Box::pin(proxy::serve(local, context, route, body)).await
        }
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, B, C, F>(_: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    /// The future is moved several times before it is first polled.
    #[test]
    fn the_future_of_a_request_is_small() {
        assert!(size(handle) <= 2048, "{}", size(handle));
    }
}
