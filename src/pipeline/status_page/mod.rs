//! Sideman's own responses to failures. Only this module turns an error into a response. [`crate::error::FailureKind`]
//! is the table of what each kind means, [`explain`] words it, and [`page`] writes it in the format that the client
//! asks for.

mod explain;
mod page;

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

pub(super) use self::explain::METHODS;
use self::page::PageMessage;
use super::{challenge, request_context::RequestContext};
use crate::{
    error::{Error, FailureKind, FailureSide},
    pipeline::response::Response,
    plan::UpstreamSettings,
};

const NOT_FOUND: PageMessage<'_> = PageMessage {
    status: StatusCode::NOT_FOUND,
    name: "not_found",
    text: "There is no such file here.",
};

/// Returns the response to a failed request.
pub(super) fn failure(context: &mut RequestContext, error: &Error) -> Response {
    let kind = error.kind();
    context.error = Some(kind);
    match kind.side() {
        // The operator intended this, and its start was logged once.
        FailureSide::Sideman if kind == FailureKind::Maintenance => {}
        FailureSide::Client if kind == FailureKind::BodyExceedsBuffers => {
            body_limit_advice(context, error)
        }
        FailureSide::Client => report_refused(context, error),
        FailureSide::Sideman | FailureSide::Upstream => log_failure(context, error, kind.side()),
    }
    let server = &context.local.app.plan.server;
    let text = match error.byte() {
        Some((byte, at)) => explain::misplaced(byte, at).into(),
        None => explain::explanation(kind, context.max_body(), &server.head),
    };
    let message = PageMessage { status: kind.status(), name: kind.name(), text: &text };
    let mut response = page::create(context, &message);
    if kind.row().closes {
        let close = HeaderValue::from_static("close");
        response.head.headers.insert(header::CONNECTION, close);
    }
    if kind.status() == StatusCode::UNAUTHORIZED
        && let Some(challenge) = challenge::of(context)
    {
        response.head.headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if let Some(methods) = explain::allow(kind) {
        response.head.headers.insert(header::ALLOW, HeaderValue::from_static(methods));
    }
    if let Some(seconds) = error.seconds_to_retry() {
        response.head.headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// Returns the response for a file that does not exist.
pub(super) fn not_found(context: &RequestContext) -> Response {
    page::create(context, &NOT_FOUND)
}

/// Returns a 404 that caches may keep for a moment. It names no request id: a cached one would belong to another
/// request.
pub(super) fn not_found_for_now(context: &RequestContext) -> Response {
    static PAGE: LazyLock<Bytes> = LazyLock::new(|| NOT_FOUND.html(None));
    let mut response = page::shared_response(context, &NOT_FOUND, &PAGE);
    let headers = &mut response.head.headers;
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=5"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// Returns the response for a client that accepts no available coding (RFC 9110, 15.5.7).
pub(super) fn not_acceptable(context: &RequestContext) -> Response {
    let text = "The file is not available in any coding that Accept-Encoding allows.";
    let status = StatusCode::NOT_ACCEPTABLE;
    let mut response = page::create(context, &PageMessage { status, name: "not_acceptable", text });
    let vary = HeaderValue::from_static("accept-encoding");
    response.head.headers.insert(header::VARY, vary);
    response
}

/// Returns a 405 with the methods that are allowed.
pub(super) fn method_not_allowed(context: &RequestContext, allow: &'static str) -> Response {
    let text = "This address only supports GET, HEAD and OPTIONS.";
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut response =
        page::create(context, &PageMessage { status, name: "method_not_allowed", text });
    response.head.headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// Returns the page for a client whose request an auth server has not let pass.
pub(super) fn denied(context: &RequestContext, status: StatusCode) -> Response {
    let text = "You have no access to this address.";
    page::create(context, &PageMessage { status, name: "auth_denied", text })
}

/// Returns the error that a route responds with.
pub(super) fn of_route(context: &RequestContext, status: StatusCode) -> Response {
    let text = "This server is set to respond to this address with an error.";
    page::create(context, &PageMessage { status, name: "route", text })
}

/// Returns the page in place of an error response of the application.
pub(super) fn intercepted(context: &RequestContext, status: StatusCode) -> Response {
    let text = match status.is_server_error() {
        true => "The application failed to respond to this request.",
        false => "The application cannot respond to this request.",
    };
    page::create(context, &PageMessage { status, name: "application", text })
}

/// Returns a plain text.
pub(super) fn text(context: &RequestContext, status: StatusCode, text: &str) -> Response {
    page::respond(
        context,
        status,
        "text/plain; charset=utf-8",
        Bytes::copy_from_slice(text.as_bytes()),
    )
}

/// Logs why a response was aborted after its header section was sent.
pub(super) fn report_aborted(context: &RequestContext, error: &Error) {
    match error.kind().side() {
        FailureSide::Client => {}
        side @ (FailureSide::Sideman | FailureSide::Upstream) => log_failure(context, error, side),
    }
}

fn log_failure(context: &RequestContext, error: &Error, side: FailureSide) {
    let app = &context.local.app;
    let Some(missed) = app.failure_throttle(error.kind()).should_log() else { return };
    let path = context.parts.path();
    let advice = error.kind().row().advice;
    if side == FailureSide::Sideman {
        tracing::warn!(%error, path, missed, advice, "request failed in Sideman");
    } else if error.kind().is_of_auth_server() {
        let route = context.policies.route.as_deref();
        tracing::warn!(%error, path, route, missed, advice, "request failed at the auth server");
    } else if error.kind().is_of_bucket() {
        tracing::warn!(%error, path, missed, advice, "request failed at a bucket or file server");
    } else {
        let target = application(context).names();
        let route = context.policies.route.as_deref();
        tracing::warn!(%error, path, route, %target, missed, advice, "request failed at the application");
    }
}

/// Returns the settings of the application that a request is for.
fn application(context: &RequestContext) -> &UpstreamSettings {
    let app = &context.local.app;
    let routed = context.policies.upstream().and_then(|index| app.plan.routed.get(index));
    routed.unwrap_or(&app.plan.upstream)
}

/// Logs a request that is the client's fault. If a setting decides that, the operator can change it, and the page does
/// not name it.
fn report_refused(context: &RequestContext, error: &Error) {
    let kind = error.kind();
    let Some(advice) = kind.row().advice else {
        tracing::debug!(%error, "request refused");
        return;
    };
    let Some(missed) = context.local.app.failure_throttle(kind).should_log() else { return };
    let path = context.parts.path();
    if kind == FailureKind::HeadTooLarge {
        // The client can do little about cookies that the site has set.
        tracing::warn!(%error, path, missed, advice, "request head too large");
    } else if kind == FailureKind::AccessDenied {
        let (client, route) = (context.client, context.policies.route.as_deref());
        tracing::info!(%error, path, %client, route, missed, advice, "access denied");
    } else if matches!(kind, FailureKind::AuthFailed | FailureKind::AuthLimited) {
        let (client, route) = (context.client, context.policies.route.as_deref());
        tracing::info!(%error, path, %client, route, missed, advice, "login failed");
    } else if matches!(kind, FailureKind::SignatureInvalid | FailureKind::SignatureExpired) {
        tracing::info!(%error, path, missed, advice, "signed link refused");
    } else {
        tracing::info!(%error, path, missed, advice, "request exceeded a limit");
    }
}

/// Warns that a body is too long for the buffers, although `server.max_body` allows it.
fn body_limit_advice(context: &RequestContext, error: &Error) {
    let Some(missed) = context.local.app.failure_throttle(error.kind()).should_log() else {
        return;
    };
    let (path, advice) = (context.parts.path(), error.kind().row().advice);
    tracing::warn!(%error, path, missed, advice, "request body exceeds the buffers");
}
