//! Spans of requests. A worker makes a [`RequestRecord`] at the end of a recorded request and gives it to a
//! [`SpanSink`]: it neither waits nor takes a lock, and drops the record if too many wait. The exporter's thread takes
//! them from the [`SpanQueue`], makes [`Span`]s of them, and encodes these for a collector.

mod counts;
mod json;
mod protobuf;
mod record;
mod reply;
mod sink;
mod span;

pub use self::{
    counts::TraceCounts,
    record::{QueueRecord, RequestRecord, UpstreamRecord},
    reply::RefusedSpans,
    sink::{SpanQueue, SpanSink, channel},
    span::{Span, SpanClock},
};

use crate::plan::TraceEncoding;

/// Encodes spans as the body of a request to a collector.
pub fn encode(
    encoding: TraceEncoding,
    resource: &[(String, String)],
    spans: &[Span<'_>],
) -> Vec<u8> {
    match encoding {
        TraceEncoding::Protobuf => protobuf::encode(resource, spans),
        TraceEncoding::Json => json::encode(resource, spans),
    }
}

/// Returns the media type of the bodies.
pub fn media_type(encoding: TraceEncoding) -> &'static str {
    match encoding {
        TraceEncoding::Protobuf => "application/x-protobuf",
        TraceEncoding::Json => "application/json",
    }
}
