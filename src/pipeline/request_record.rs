//! Makes the record of a request from which its spans are made.

use std::time::Instant;

use http::StatusCode;

use super::{request_context::RequestContext, request_trace, scheme};
use crate::{
    plan::LogField,
    telemetry::{
        RouteLabel,
        traces::{QueueRecord, RequestRecord, UpstreamRecord},
    },
    upstream::ServedBy,
};

/// Passes a record of a request to the exporter, if the request is recorded.
pub(super) fn record(context: &RequestContext, status: StatusCode, now: Instant) {
    let Some(trace) = context.trace.as_ref().filter(|trace| trace.is_sampled) else { return };
    let Some(spans) = &context.local.app.spans else { return };
    let attempts = trace.attempts.get();
    let has_failed =
        context.error.is_some() || status.is_client_error() || status.is_server_error();
    let is_left_out = match context.route {
        RouteLabel::Health => true,
        // A page has dozens of them, and they would be traces of their own.
        RouteLabel::Static | RouteLabel::Media => trace.parent.is_none() && !has_failed,
        RouteLabel::None | RouteLabel::Proxy | RouteLabel::Accel | RouteLabel::Respond => false,
    };
    if is_left_out && attempts.is_none() {
        return;
    }
    let upstream = attempts.map(|attempts| UpstreamRecord {
        span: trace.upstream_span,
        begin: attempts.first,
        last_begin: attempts.last,
        first_byte: context.first_byte,
        status: trace.upstream_status.get().map(|status| status.as_u16()),
        retries: attempts.retries,
        server: context.server.borrow().as_ref().map(ServedBy::name).unwrap_or_default().into(),
    });
    let queue = context.queue_wait().map(|time| {
        let (span, _) = request_trace::span_ids(&context.local);
        QueueRecord { span, time }
    });
    let log = &context.local.log;
    let reports_client = log.includes(LogField::Client) || log.includes(LogField::Combined);
    spans.push(Box::new(RequestRecord {
        trace_id: trace.trace_id,
        server_span: trace.server_span,
        parent: trace.parent,
        begin: context.begin,
        end: now,
        method: context.parts.method.clone(),
        scheme: scheme::of(context),
        host: RequestRecord::text(context.host().unwrap_or_default()),
        path: RequestRecord::text(context.path.raw().as_bytes()),
        version: context.parts.version,
        client: reports_client.then_some(context.client),
        status: status.as_u16(),
        bytes: context.bytes,
        bytes_in: context.received.as_ref().map(|received| received.get()),
        route: context.route,
        cache: context.cache,
        error: context.error,
        request_id: RequestRecord::text(context.request_id()),
        queue,
        upstream,
    }));
}
