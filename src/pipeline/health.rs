//! The responses for load balancers and orchestrators: whether this process is in service, and whether the application
//! accepts connections and is ready.

use std::time::{Duration, Instant};

use http::{HeaderValue, Method, StatusCode, header};

use super::{
    app::App, request_context::RequestContext, response::Response, status_page,
    worker_state::WorkerState,
};
use crate::{body::Body, phase::Phase, telemetry::RouteLabel, upstream};

/// How long the result of a probe is used: checks by several balancers share one probe.
const PROBE_LIFETIME: Duration = Duration::from_secs(1);

/// Whether the application accepts a connection now, if there is one.
pub async fn application_accepts(app: &App) -> bool {
    if app.plan.upstream.targets.is_empty() {
        // Routes respond to everything.
        return true;
    }
    match upstream::accepts(&app.plan.upstream).await {
        Ok(()) => true,
        Err(error) if error.is_lasting() => {
            if let Some(missed) = app.failure_throttle(error.kind()).should_log() {
                let target = app.plan.upstream.names();
                tracing::warn!(%error, target, missed, "application unavailable");
            }
            false
        }
        Err(error) => {
            tracing::debug!(%error, target = app.plan.upstream.names(), "application unavailable");
            false
        }
    }
}

/// Why a check fails while `health.application` does.
const NOT_READY: &str = "the application is not ready: health.application has not got status 2xx\n";

/// Responds whether this process is in service.
pub(super) fn health(local: &WorkerState, context: &mut RequestContext) -> Response {
    let reason = match local.phase.get() {
        Phase::Starting => Some("starting: the application has not accepted a connection yet\n"),
        Phase::Ready if local.app.plan.health.application_in_path => not_ready(&local.app),
        Phase::Ready => None,
        Phase::Draining | Phase::Stopped => Some("draining: this process is shutting down\n"),
    };
    verdict(context, reason)
}

/// Responds whether the application accepts connections now, and is ready.
pub(super) async fn ready(local: &WorkerState, context: &mut RequestContext) -> Response {
    if local.phase.get() >= Phase::Draining {
        return verdict(context, Some("draining: this process is shutting down\n"));
    }
    let accepts = match local.last_probe.get() {
        Some((when, accepts)) if when.elapsed() < PROBE_LIFETIME => accepts,
        _ => {
            let accepts = application_accepts(&local.app).await;
            local.last_probe.set(Some((Instant::now(), accepts)));
            accepts
        }
    };
    let refuses = (!accepts).then_some("the application does not accept connections\n");
    verdict(context, refuses.or_else(|| not_ready(&local.app)))
}

/// Returns why the application is not ready, if it is checked and is not.
fn not_ready(app: &App) -> Option<&'static str> {
    let is_checked = app.plan.health.application.is_some() && !app.plan.upstream.targets.is_empty();
    (is_checked && !app.backends().is_ready()).then_some(NOT_READY)
}

fn verdict(context: &mut RequestContext, reason: Option<&'static str>) -> Response {
    context.route = RouteLabel::Health;
    let method = &context.parts.method;
    if method != Method::GET && method != Method::HEAD {
        return status_page::method_not_allowed(context, "GET, HEAD");
    }
    context.is_quiet = reason.is_none();
    let text = reason.unwrap_or("ok\n").as_bytes();
    let body =
        if context.parts.method == Method::HEAD { Body::Empty } else { Body::Full(text.into()) };
    let status = reason.map_or(StatusCode::OK, |_| StatusCode::SERVICE_UNAVAILABLE);
    let mut response = Response::new(status, body);
    let headers = &mut response.head.headers;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, plain);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
