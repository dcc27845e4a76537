//! Spans as OpenTelemetry defines them, with the names of its semantic conventions for HTTP.
//! <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>

use std::{
    borrow::Cow,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use http::{Method, Version};

use super::record::{RequestRecord, UpstreamRecord};
use crate::error::{FailureKind, FailureSide};

/// One span. Its texts are those of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span<'a> {
    pub(super) trace_id: [u8; 16],
    pub(super) id: [u8; 8],
    pub(super) parent: Option<[u8; 8]>,
    /// Whether the parent is in another process.
    pub(super) has_remote_parent: bool,
    pub(super) name: &'a str,
    pub(super) kind: SpanKind,
    /// Nanoseconds since 1970.
    pub(super) begin: u64,
    pub(super) end: u64,
    pub(super) attributes: Vec<(&'static str, AttributeValue<'a>)>,
    pub(super) is_error: bool,
}

/// The kinds that Sideman has, with their numbers in OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpanKind {
    Internal = 1,
    Server = 2,
    Client = 3,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AttributeValue<'a> {
    Text(Cow<'a, str>),
    Number(i64),
}

/// The name of the instrumentation.
pub(super) const INSTRUMENTATION: &str = "sideman";
/// `STATUS_CODE_ERROR`.
pub(super) const STATUS_ERROR: u64 = 2;

/// The methods of HTTP (RFC 9110, 9; RFC 5789). Others could be any number of names.
const METHODS: [&str; 9] =
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

/// The bits of `flags`: the span is recorded, and it is known whether its parent is remote.
const SAMPLED: u32 = 0x01;
const KNOWS_PARENT: u32 = 0x100;
const REMOTE_PARENT: u32 = 0x200;

/// The moment that both clocks show.
#[derive(Clone, Copy, Debug)]
pub struct SpanClock {
    instant: Instant,
    since_epoch: Duration,
}

// === impl SpanClock ===

impl SpanClock {
    /// Reads both clocks.
    pub fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { instant: Instant::now(), since_epoch }
    }

    /// Nanoseconds since 1970.
    fn nanos(self, at: Instant) -> u64 {
        let ago = self.instant.saturating_duration_since(at);
        let ahead = at.saturating_duration_since(self.instant);
        let since_epoch = (self.since_epoch + ahead).saturating_sub(ago);
        u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)
    }
}

// === impl Span ===

impl<'a> Span<'a> {
    /// Appends the spans of a request.
    pub fn append(spans: &mut Vec<Self>, record: &'a RequestRecord, clock: SpanClock) {
        let server = Self {
            trace_id: record.trace_id,
            id: record.server_span,
            parent: record.parent,
            has_remote_parent: record.parent.is_some(),
            name: method_name(&record.method).unwrap_or("HTTP"),
            kind: SpanKind::Server,
            begin: clock.nanos(record.begin),
            end: clock.nanos(record.end),
            attributes: server_attributes(record),
            is_error: record.status >= 500
                || record.error.is_some_and(|kind| kind.side() != FailureSide::Client),
        };
        if let Some(queue) = record.queue {
            // A request that was sent left the queue then, and any other one at its end.
            let end = record.upstream.as_ref().map_or(record.end, |upstream| upstream.begin);
            let begin = end.checked_sub(queue.time).unwrap_or(record.begin).max(record.begin);
            spans.push(server.child(queue.span, "queue", SpanKind::Internal, |span| {
                (span.begin, span.end) = (clock.nanos(begin), clock.nanos(end));
            }));
        }
        if let Some(upstream) = &record.upstream {
            let end = match upstream.first_byte {
                Some(time) => (upstream.last_begin + time).min(record.end),
                None => record.end,
            };
            spans.push(server.child(upstream.span, server.name, SpanKind::Client, |span| {
                (span.begin, span.end) = (clock.nanos(upstream.begin), clock.nanos(end));
                span.attributes = upstream_attributes(record, upstream);
                span.is_error = upstream.first_byte.is_none()
                    || upstream.status.is_some_and(|status| status >= 400);
            }));
        }
        spans.push(server);
    }

    fn child(
        &self,
        id: [u8; 8],
        name: &'a str,
        kind: SpanKind,
        fill_in: impl FnOnce(&mut Self),
    ) -> Self {
        let mut span = Self {
            id,
            parent: Some(self.id),
            has_remote_parent: false,
            name,
            kind,
            attributes: Vec::new(),
            is_error: false,
            ..self.clone()
        };
        fill_in(&mut span);
        span
    }

    pub(super) fn flags(&self) -> u32 {
        SAMPLED | KNOWS_PARENT | if self.has_remote_parent { REMOTE_PARENT } else { 0 }
    }
}

fn server_attributes(record: &RequestRecord) -> Vec<(&'static str, AttributeValue<'_>)> {
    let mut attributes = vec![
        ("http.request.method", text(method_name(&record.method).unwrap_or("_OTHER"))),
        ("url.scheme", text(record.scheme)),
        ("url.path", text(&record.path)),
        ("network.protocol.name", text("http")),
        ("network.protocol.version", text(version(record.version))),
        ("http.response.status_code", AttributeValue::Number(record.status.into())),
        ("http.response.body.size", number(record.bytes)),
        ("sideman.route", text(record.route.name())),
        ("sideman.request_id", text(&record.request_id)),
    ];
    let (host, port) = host_and_port(&record.host);
    if !host.is_empty() {
        attributes.push(("server.address", text(host)));
    }
    if let Some(port) = port {
        attributes.push(("server.port", AttributeValue::Number(port.into())));
    }
    if let Some(bytes) = record.bytes_in {
        attributes.push(("http.request.body.size", number(bytes)));
    }
    if let Some(client) = record.client {
        let client = AttributeValue::Text(Cow::Owned(client.to_string()));
        attributes.push(("client.address", client));
    }
    if let Some(cache) = record.cache {
        attributes.push(("sideman.cache", text(cache.name())));
    }
    attributes
        .extend(error_type(record.error, Some(record.status).filter(|status| *status >= 500)));
    attributes
}

fn upstream_attributes<'a>(
    record: &'a RequestRecord,
    upstream: &'a UpstreamRecord,
) -> Vec<(&'static str, AttributeValue<'a>)> {
    let mut attributes =
        vec![("http.request.method", text(method_name(&record.method).unwrap_or("_OTHER")))];
    if let (host, Some(port)) = host_and_port(&upstream.server) {
        attributes.push(("server.address", text(host)));
        attributes.push(("server.port", AttributeValue::Number(port.into())));
    } else if !upstream.server.is_empty() {
        attributes.push(("server.address", text(&upstream.server)));
        attributes.push(("network.transport", text("unix")));
    }
    if upstream.retries > 0 {
        let retries = AttributeValue::Number(upstream.retries.into());
        attributes.push(("http.request.resend_count", retries));
    }
    if let Some(status) = upstream.status {
        attributes.push(("http.response.status_code", AttributeValue::Number(status.into())));
    }
    let error = record.error.filter(|_| upstream.first_byte.is_none());
    attributes.extend(error_type(error, upstream.status.filter(|status| *status >= 400)));
    attributes
}

/// Returns the reason of a failure: Sideman's word for it, or the status that is one.
fn error_type<'a>(
    error: Option<FailureKind>,
    status: Option<u16>,
) -> Option<(&'static str, AttributeValue<'a>)> {
    let reason = match error {
        Some(kind) => Cow::Borrowed(kind.name()),
        None => Cow::Owned(status?.to_string()),
    };
    Some(("error.type", AttributeValue::Text(reason)))
}

fn text(value: &str) -> AttributeValue<'_> {
    AttributeValue::Text(Cow::Borrowed(value))
}

fn number<'a>(value: u64) -> AttributeValue<'a> {
    AttributeValue::Number(i64::try_from(value).unwrap_or(i64::MAX))
}

fn method_name(method: &Method) -> Option<&'static str> {
    METHODS.into_iter().find(|known| *known == method.as_str())
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

/// Splits off the port. An address of IPv6 has brackets in front of one.
fn host_and_port(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (host, None),
        },
        _ => (host, None),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::telemetry::traces::record::{QueueRecord, tests::record};

    /// A clock that shows 1700000000 s at the given moment.
    pub(crate) fn clock(instant: Instant) -> SpanClock {
        SpanClock { instant, since_epoch: Duration::from_secs(1_700_000_000) }
    }

    fn spans(record: &RequestRecord, begin: Instant) -> Vec<Span<'_>> {
        let mut spans = Vec::new();
        Span::append(&mut spans, record, clock(begin));
        assert_eq!(spans.len(), record.spans());
        spans
    }

    fn attribute<'a>(span: &'a Span<'_>, name: &str) -> Option<&'a AttributeValue<'a>> {
        span.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Milliseconds since the request's beginning.
    fn times(span: &Span<'_>) -> (u64, u64) {
        let millis = |nanos: u64| nanos / 1_000_000 - 1_700_000_000_000;
        (millis(span.begin), millis(span.end))
    }

    #[test]
    fn queue_and_upstream_are_parts_of_the_request() {
        let begin = Instant::now();
        let record = record(begin);
        let [queue, upstream, server] = &spans(&record, begin)[..] else { panic!() };
        assert_eq!((server.parent, server.flags()), (Some([0x0c; 8]), 0x301));
        for child in [queue, upstream] {
            assert_eq!((child.parent, child.flags()), (Some(server.id), 0x101));
            assert_eq!(child.trace_id, server.trace_id);
        }
        assert_eq!((times(server), times(queue), times(upstream)), ((0, 100), (5, 25), (25, 70)));
        assert_eq!((server.name, queue.name, upstream.name), ("GET", "queue", "GET"));
        let retries = attribute(upstream, "http.request.resend_count");
        assert_eq!(retries, Some(&AttributeValue::Number(1)));
        assert_eq!(attribute(upstream, "server.port"), Some(&AttributeValue::Number(8000)));
        assert!(!spans(&record, begin).iter().any(|span| span.is_error));
    }

    #[test]
    fn request_that_left_the_queue_has_no_upstream() {
        let begin = Instant::now();
        let queue = Some(QueueRecord { span: [1; 8], time: Duration::from_millis(90) });
        let error = Some(FailureKind::QueueTimeout);
        let record = RequestRecord { queue, upstream: None, status: 503, error, ..record(begin) };
        let [queue, server] = &spans(&record, begin)[..] else { panic!() };
        assert_eq!((times(queue), server.is_error), ((10, 100), true));
        assert_eq!(attribute(server, "error.type"), Some(&text("queue_timeout")));
    }

    #[test]
    fn errors_are_marked_by_the_conventions() {
        let begin = Instant::now();
        for (status, error, is_error, upstream_error, reason) in [
            (404, None, false, true, None),
            (500, None, true, true, Some("500")),
            (499, Some(FailureKind::ClientDisconnected), false, true, Some("client_disconnected")),
            (502, Some(FailureKind::UpstreamClosed), true, true, Some("upstream_closed")),
        ] {
            let mut record = RequestRecord { status, error, queue: None, ..record(begin) };
            if let Some(upstream) = &mut record.upstream {
                upstream.status = Some(status).filter(|_| error.is_none());
                upstream.first_byte = upstream.first_byte.filter(|_| error.is_none());
            }
            let [upstream, server] = &spans(&record, begin)[..] else { panic!() };
            assert_eq!(
                (server.is_error, upstream.is_error),
                (is_error, upstream_error),
                "{status}"
            );
            assert_eq!(attribute(server, "error.type"), reason.map(text).as_ref(), "{status}");
        }
    }

    #[test]
    fn values_are_normal() {
        let begin = Instant::now();
        let value = |record: &RequestRecord, name: &str| {
            let spans = spans(record, begin);
            attribute(spans.last().unwrap(), name).cloned().map(|value| match value {
                AttributeValue::Text(text) => text.into_owned(),
                AttributeValue::Number(number) => number.to_string(),
            })
        };
        let brew = RequestRecord { method: "BREW".parse().unwrap(), ..record(begin) };
        assert_eq!(value(&brew, "http.request.method").as_deref(), Some("_OTHER"));
        assert_eq!(spans(&brew, begin).last().unwrap().name, "HTTP");
        for (host, address, port) in [
            ("shop.test", Some("shop.test"), None),
            ("shop.test:8443", Some("shop.test"), Some("8443")),
            ("[::1]:80", Some("[::1]"), Some("80")),
            ("[::1]", Some("[::1]"), None),
            ("", None, None),
        ] {
            let record = RequestRecord { host: host.into(), ..record(begin) };
            assert_eq!(value(&record, "server.address").as_deref(), address, "{host}");
            assert_eq!(value(&record, "server.port").as_deref(), port, "{host}");
        }
        assert_eq!(value(&record(begin), "network.protocol.version").as_deref(), Some("2"));
        assert_eq!(value(&record(begin), "http.response.body.size").as_deref(), Some("5000000000"));
    }
}
