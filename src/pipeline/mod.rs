//! The pipeline: one request from top to bottom. Read [`handle`] first. Each step is a file of its own:
//!
//! 1. [`request_context`] records what is known of the request. [`finish`] logs and counts it when its response ends.
//!    [`request_trace`] and [`request_record`] make its spans, if requests are traced.
//! 2. [`routes`] finds what the routes set for it, by its host and its path, which [`normal_path`] has decoded once.
//!    [`own_paths`] has those of [`health`] checks and files; [`acme_challenge`] answers a certificate authority.
//! 3. [`guard`], [`hosts`], [`loops`] and [`access`] refuse requests that must not go further; [`redirect`] redirects
//!    to https. [`rate_limit`] counts a request with the [`rate_limiter`] of its route. [`auth`] lets clients
//!    authenticate, with [`passwords`]. [`purge`] purges the cache for clients that may do so, and [`shared_purge`]
//!    that of other processes; [`cache_in_use`] is what they purge.
//! 4. An action responds: [`files`] finds the file and selects the part of it to send, with [`local_file`];
//!    [`own_response`] is a redirect, a fixed text or none. Or the [`cache`] has the application's response, or
//!    [`proxy`] sends it the request: [`collect`] reads the body first, and [`forward`] makes the header fields.
//!    [`accel`] sends a file instead of the response's body if the application names one. A [`bucket`] has files that
//!    directories lack; [`bucket_client`] requests them.
//! 5. [`status_page`] turns an error into a status and a page, which may come from [`pages`]. [`intercept`] replaces an
//!    error response of the application by such a page, [`compress`] encodes any other.
//! 6. [`fields`] changes the header fields of the response. If no rule changes them, those of a file or of the
//!    application are forwarded as lines (`rfc::response_lines`).
//! 7. [`drain_body`] reads the rest of a request body that nothing else has read.
//!
//! A server gives [`handle`] a [`request`] and a description of its connection ([`connection_info`]). A request may
//! also have [`interim_responses`] before its final response, and a [`tunnel`] after it. [`servers_in_use`] is what the
//! admin listener shows of the applications.

mod accel;
mod access;
mod acme_challenge;
mod app;
mod auth;
mod auth_fields;
mod bucket;
mod bucket_client;
mod cache;
mod cache_in_use;
mod challenge;
mod client_network;
mod collect;
mod compress;
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
mod intercept;
mod interim_responses;
mod local_file;
mod loops;
mod max_forwards;
mod normal_path;
mod origin_permits;
mod own_paths;
mod own_response;
mod pages;
mod passwords;
mod proxy;
mod purge;
mod purge_request;
mod rate_limit;
mod rate_limiter;
mod redirect;
mod replacements;
mod request;
mod request_context;
mod request_record;
mod request_start;
mod request_trace;
mod response;
mod routes;
mod scheme;
mod servers_in_use;
mod shared_purge;
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
    purge_request::{CONTENT_TYPE as PURGED_TYPE, CachePurger, METHOD as PURGE, PurgeRequest},
    request::{ClientRequest, RequestRefusal},
    response::{Response, ResponseHead},
    routes::matching_routes,
    servers_in_use::ServersInUse,
    tunnel::Tunnel,
    worker_state::WorkerState,
};

use std::{borrow::Cow, rc::Rc};

use http::Version;

use self::{
    own_paths::{HealthCheck, RequestedFile},
    request_context::RequestContext,
    routes::Action,
    store_kind::StoreKind,
};
use crate::{
    body::RequestBody,
    error::{Error, FailureKind},
    plan::MissingFile,
    rfc::target::Misplaced,
};

/// Responds to one request. The server drops the future when the client disconnects; the request context notices that.
pub async fn handle(
    local: Rc<WorkerState>,
    connection: Rc<ConnectionInfo>,
    request: ClientRequest,
) -> Response<TrackedResponse> {
    let ClientRequest { parts, begun, refusal, head_room, body, interim } = request;
    let mut body = RequestBody::new(body);
    let mut context = RequestContext::begin(Rc::clone(&local), connection, parts);
    context.received = body.received();
    context.first_request_byte = begun.unwrap_or(context.begin);
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
    if context.is_unanswered {
        drop(body);
    } else if context.parts.version == Version::HTTP_2 {
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
    // Load balancers send health checks with any Host, or with none.
    match own_paths::health_check(&local.app, &context.path) {
        Some(HealthCheck::Health) => return Ok(health::health(local, context)),
        Some(HealthCheck::Ready) => return Ok(health::ready(local, context).await),
        None => {}
    }
    // By plain HTTP, for names that may be new here.
    if let Some(response) = acme_challenge::respond(local, context) {
        return Ok(response);
    }
    if local.log.is_full() {
        local.metrics.log_waits.add(1);
        local.log.wait_for_space().await;
    }
    guard::check(context)?;
    hosts::check(context)?;
    local.app.loop_token.check(&context.parts.headers)?;
    access::check(context)?;
    if let Some(response) = purge::respond(context) {
        return Ok(response);
    }
    if let Some(response) = redirect::to_https(context)? {
        return Ok(response);
    }
    // The context is written to while these are borrowed.
    let (path, policies) = (Rc::clone(&context.path), Rc::clone(&context.policies));
    let limit_at =
        |index: usize| policies.rate_limit.as_ref().filter(|one| one.first_action == index);
    // Before authentication, which costs more than a refusal.
    if let Some(limit) = limit_at(0) {
        rate_limit::check(context, limit).await?;
    }
    if let Some(response) = auth::check(context).await? {
        return Ok(response);
    }
    // `OPTIONS *` is about the server, and has no path that a file or a redirect could be for.
    if path.raw() == "*" && !policies.responds_to_any_path() {
        return Ok(own_response::methods());
    }
    for (index, action) in policies.actions.iter().enumerate() {
        if let Some(limit) = limit_at(index).filter(|_| index > 0) {
            rate_limit::check(context, limit).await?;
        }
        match action {
            Action::Files { store_kind, root, prefix, missing } => {
                let (store_kind, root) = (*store_kind, *root);
                let name = path.normal().and_then(|normal| normal.get(*prefix..));
                let response = match name.map(Cow::Borrowed) {
                    Some(name) => {
                        let wanted = RequestedFile { store_kind, root, name };
                        files::serve(local, context, wanted, missing).await?
                    }
                    None if *missing == MissingFile::Next => None,
                    None => return Err(Error::new(FailureKind::PathInvalid)),
                };
                if let Some(response) = response {
                    return Ok(response);
                }
            }
            Action::File { root, name } => {
                let name = Cow::Borrowed(name.as_bytes());
                let wanted = RequestedFile { store_kind: StoreKind::Static, root: *root, name };
                return files::serve_one(local, context, wanted).await;
            }
            Action::Redirect(action) => return own_response::redirect(context, action),
            Action::Respond(response) => return Ok(own_response::respond(context, response)),
            Action::Upstream(index) => {
                if let Some(response) = max_forwards::respond(context) {
                    return Ok(response);
                }
                local.app.pages.check_maintenance()?;
                let pending = match cache::look_up(context, *index) {
                    cache::Lookup::Fresh(response) => return response,
                    cache::Lookup::Other(pending) => pending,
                };
                // Boxed because it is three times as large as all others together, and is moved before it runs.
                return Box::pin(cache::serve(pending, context, *index, body)).await;
            }
        }
    }
    // The last action always responds.
    Err(Error::new(FailureKind::PathInvalid))
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
