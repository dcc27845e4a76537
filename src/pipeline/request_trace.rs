//! The place of a request in a trace: its ids, whether it is recorded, and the header fields that pass the trace on.

use std::cell::Cell;

use http::StatusCode;

use super::worker_state::WorkerState;
use crate::{
    plan::TracePropagation,
    rfc::{
        request_parts::{FieldName, Headers},
        trace_context::{self, AMAZON_LENGTH, RemoteContext, SpanId, TRACEPARENT_LENGTH, TraceId},
    },
    upstream::AttemptTimes,
};

/// The ids of a request in its trace.
#[derive(Debug)]
pub(super) struct RequestTrace {
    pub(super) trace_id: TraceId,
    /// The trace's id as hex digits.
    text: [u8; 32],
    /// The span that has sent the request.
    pub(super) parent: Option<SpanId>,
    pub(super) server_span: SpanId,
    pub(super) upstream_span: SpanId,
    pub(super) is_sampled: bool,
    /// Whether the ids came in a `traceparent`, to which a `tracestate` belongs.
    pub(super) is_of_traceparent: bool,
    propagation: TracePropagation,
    /// Whether the application is asked for others, and not for this request.
    is_in_background: Cell<bool>,
    pub(super) attempts: AttemptTimes,
    /// The status of the application's response.
    pub(super) upstream_status: Cell<Option<StatusCode>>,
}

// === impl RequestTrace ===

impl RequestTrace {
    /// Continues the trace that the request belongs to, or begins one.
    pub(super) fn begin(
        local: &WorkerState,
        headers: &Headers,
        is_trusted: bool,
    ) -> Option<Box<Self>> {
        let settings = local.app.plan.traces.settings()?;
        let propagation = settings.propagation;
        let trusted = &local.app.plan.server.trusted_headers;
        let is_read = |name: FieldName| is_trusted || !trusted.iter().any(|one| one == name.text());
        let value = |name| {
            let mut values = headers.get_all(name).filter(|_| is_read(name));
            // Nobody knows which of two counts.
            values.next().filter(|_| values.next().is_none())
        };
        let traceparent = value(FieldName::Traceparent).filter(|_| propagation.has_w3c);
        let traceparent = traceparent.and_then(RemoteContext::of_traceparent);
        let is_of_traceparent = traceparent.is_some();
        let reads_amazon = propagation.has_w3c || propagation.has_xray;
        let remote = traceparent.or_else(|| {
            let amazon = value(FieldName::XAmznTraceId).filter(|_| reads_amazon)?;
            RemoteContext::of_amazon(amazon)
        });
        let remote = remote.unwrap_or_else(|| RemoteContext {
            trace_id: not_zero(local.random_bytes()),
            parent: None,
            is_sampled: None,
        });
        let RemoteContext { trace_id, parent, is_sampled } = remote;
        let (server_span, upstream_span) = span_ids(local);
        Some(Box::new(Self {
            trace_id,
            text: trace_context::hex(&trace_id),
            parent,
            server_span,
            upstream_span,
            is_sampled: settings.sampler.is_sampled(&trace_id, is_sampled),
            is_of_traceparent,
            propagation,
            is_in_background: Cell::new(false),
            attempts: AttemptTimes::default(),
            upstream_status: Cell::new(None),
        }))
    }

    /// Returns the trace's id as hex digits.
    pub(super) fn id(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// Whether the application gets another value of this field than the client has sent.
    pub(super) fn replaces(&self, name: FieldName) -> bool {
        (name == FieldName::Traceparent && self.propagation.has_w3c)
            || (name == FieldName::XAmznTraceId && self.propagation.has_xray)
    }

    /// From now on the application is asked for others. That has no span here, and what the application records is a
    /// part of this request.
    pub(super) fn continues_in_background(&self) {
        self.is_in_background.set(true);
    }

    /// Returns the `traceparent` for the application.
    pub(super) fn traceparent(&self) -> Option<[u8; TRACEPARENT_LENGTH]> {
        self.traceparent_with(self.parent_for_application())
    }

    /// Returns the `traceparent` for a server that is asked about the request.
    pub(super) fn traceparent_of_server(&self) -> Option<[u8; TRACEPARENT_LENGTH]> {
        self.traceparent_with(self.server_span)
    }

    /// Returns the `X-Amzn-Trace-Id` for the application, if it replaces the client's.
    pub(super) fn amazon(&self) -> Option<[u8; AMAZON_LENGTH]> {
        let parent = self.parent_for_application();
        let write = || trace_context::amazon(self.trace_id, parent, self.is_sampled);
        self.propagation.has_xray.then(write)
    }

    fn traceparent_with(&self, parent: SpanId) -> Option<[u8; TRACEPARENT_LENGTH]> {
        let write = || trace_context::traceparent(self.trace_id, parent, self.is_sampled);
        self.propagation.has_w3c.then(write)
    }

    fn parent_for_application(&self) -> SpanId {
        if self.is_in_background.get() { self.server_span } else { self.upstream_span }
    }
}

/// Returns two new ids.
pub(super) fn span_ids(local: &WorkerState) -> (SpanId, SpanId) {
    let bytes = local.random_bytes();
    let id = |half: Option<&[u8; 8]>| not_zero(half.copied().unwrap_or_default());
    (id(bytes.first_chunk()), id(bytes.last_chunk()))
}

/// An id of zeros is none.
fn not_zero<const LENGTH: usize>(id: [u8; LENGTH]) -> [u8; LENGTH] {
    if id == [0; LENGTH] { [1; LENGTH] } else { id }
}
