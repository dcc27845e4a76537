//! Spans in OTLP's JSON: names in lowerCamelCase, enums as numbers, 64-bit numbers as strings, and ids as hex digits.
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>

use serde::Serialize;
use serde_json::{Value, json};

use super::span::{AttributeValue, INSTRUMENTATION, STATUS_ERROR, Span};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonSpan<'a> {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    flags: u32,
    name: &'a str,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Value>,
}

/// Returns a body for a collector.
pub(super) fn encode(resource: &[(String, String)], spans: &[Span<'_>]) -> Vec<u8> {
    let resource: Vec<Value> = resource
        .iter()
        .map(|(key, value)| attribute(key, &json!({ "stringValue": value })))
        .collect();
    let spans: Vec<JsonSpan<'_>> = spans.iter().map(JsonSpan::of).collect();
    let scope = json!({ "name": INSTRUMENTATION, "version": env!("CARGO_PKG_VERSION") });
    let request = json!({
        "resourceSpans": [{
            "resource": { "attributes": resource },
            "scopeSpans": [{ "scope": scope, "spans": spans }],
        }],
    });
    request.to_string().into_bytes()
}

fn attribute(key: &str, value: &Value) -> Value {
    json!({ "key": key, "value": value })
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

// === impl JsonSpan ===

impl<'a> JsonSpan<'a> {
    fn of(span: &'a Span<'_>) -> Self {
        let value = |value: &AttributeValue<'_>| match value {
            AttributeValue::Text(text) => json!({ "stringValue": text }),
            AttributeValue::Number(number) => json!({ "intValue": number.to_string() }),
        };
        let attributes = span.attributes.iter();
        Self {
            trace_id: hex(&span.trace_id),
            span_id: hex(&span.id),
            parent_span_id: span.parent.map(|id| hex(&id)),
            flags: span.flags(),
            name: span.name,
            kind: span.kind as u8,
            start_time_unix_nano: span.begin.to_string(),
            end_time_unix_nano: span.end.to_string(),
            attributes: attributes.map(|(key, one)| attribute(key, &value(one))).collect(),
            status: span.is_error.then(|| json!({ "code": STATUS_ERROR })),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::telemetry::traces::{record::tests::record, span::tests::clock};

    #[test]
    fn body_is_that_of_the_specification() {
        let begin = Instant::now();
        let record = record(begin);
        let mut spans = Vec::new();
        Span::append(&mut spans, &record, clock(begin));
        spans.truncate(2);
        let resource = [("service.name".to_owned(), "a \"site\"".to_owned())];
        let body: Value = serde_json::from_slice(&encode(&resource, &spans)).unwrap();
        let text = |value: &str| json!({ "stringValue": value });
        let number = |value: &str| json!({ "intValue": value });
        let trace_id = "0a".repeat(16);
        let expected = json!({ "resourceSpans": [{
            "resource": { "attributes": [{ "key": "service.name", "value": text("a \"site\"") }] },
            "scopeSpans": [{
                "scope": { "name": "sideman", "version": env!("CARGO_PKG_VERSION") },
                "spans": [
                    {
                        "traceId": trace_id,
                        "spanId": "0e0e0e0e0e0e0e0e",
                        "parentSpanId": "0b0b0b0b0b0b0b0b",
                        "flags": 257,
                        "name": "queue",
                        "kind": 1,
                        "startTimeUnixNano": "1700000000005000000",
                        "endTimeUnixNano": "1700000000025000000",
                        "attributes": [],
                    },
                    {
                        "traceId": trace_id,
                        "spanId": "0d0d0d0d0d0d0d0d",
                        "parentSpanId": "0b0b0b0b0b0b0b0b",
                        "flags": 257,
                        "name": "GET",
                        "kind": 3,
                        "startTimeUnixNano": "1700000000025000000",
                        "endTimeUnixNano": "1700000000070000000",
                        "attributes": [
                            { "key": "http.request.method", "value": text("GET") },
                            { "key": "server.address", "value": text("127.0.0.1") },
                            { "key": "server.port", "value": number("8000") },
                            { "key": "http.request.resend_count", "value": number("1") },
                            { "key": "http.response.status_code", "value": number("200") },
                        ],
                    },
                ],
            }],
        }] });
        assert_eq!(body, expected);
    }

    #[test]
    fn error_is_a_number() {
        let begin = Instant::now();
        let mut record = record(begin);
        record.status = 500;
        let mut spans = Vec::new();
        Span::append(&mut spans, &record, clock(begin));
        let body: Value = serde_json::from_slice(&encode(&[], &spans)).unwrap();
        let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
        let server = spans.last().unwrap();
        assert_eq!((&server["kind"], &server["status"]), (&json!(2), &json!({ "code": 2 })));
        assert_eq!(server["parentSpanId"], "0c0c0c0c0c0c0c0c");
    }
}
