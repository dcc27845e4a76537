//! Spans in OTLP's binary form. The comments name the messages of opentelemetry-proto 1.x whose fields are written.
//! <https://protobuf.dev/programming-guides/encoding/>

use super::span::{AttributeValue, INSTRUMENTATION, STATUS_ERROR, Span};

/// A field's number with its wire type, as it is written.
#[derive(Clone, Copy)]
struct Tag(u8);

// ExportTraceServiceRequest, TracesData
const RESOURCE_SPANS: Tag = Tag::bytes(1);
// ResourceSpans
const RESOURCE: Tag = Tag::bytes(1);
const SCOPE_SPANS: Tag = Tag::bytes(2);
// Resource
const RESOURCE_ATTRIBUTES: Tag = Tag::bytes(1);
// ScopeSpans
const SCOPE: Tag = Tag::bytes(1);
const SPANS: Tag = Tag::bytes(2);
// InstrumentationScope
const SCOPE_NAME: Tag = Tag::bytes(1);
const SCOPE_VERSION: Tag = Tag::bytes(2);
// Span
const TRACE_ID: Tag = Tag::bytes(1);
const SPAN_ID: Tag = Tag::bytes(2);
const PARENT_SPAN_ID: Tag = Tag::bytes(4);
const NAME: Tag = Tag::bytes(5);
const KIND: Tag = Tag::varint(6);
const START_TIME: Tag = Tag::fixed64(7);
const END_TIME: Tag = Tag::fixed64(8);
const ATTRIBUTES: Tag = Tag::bytes(9);
const STATUS: Tag = Tag::bytes(15);
/// Number 16 takes two bytes.
const FLAGS: [u8; 2] = [0x85, 0x01];
// Status
const STATUS_CODE: Tag = Tag::varint(3);
// KeyValue
const KEY: Tag = Tag::bytes(1);
const VALUE: Tag = Tag::bytes(2);
// AnyValue
const STRING_VALUE: Tag = Tag::bytes(1);
const INT_VALUE: Tag = Tag::varint(3);

/// Returns a body for a collector.
pub(super) fn encode(resource: &[(String, String)], spans: &[Span<'_>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(512 * spans.len());
    message(&mut out, RESOURCE_SPANS, |out| {
        message(out, RESOURCE, |out| {
            for (key, value) in resource {
                attribute(out, RESOURCE_ATTRIBUTES, key, |out| text(out, STRING_VALUE, value));
            }
        });
        message(out, SCOPE_SPANS, |out| {
            message(out, SCOPE, |out| {
                text(out, SCOPE_NAME, INSTRUMENTATION);
                text(out, SCOPE_VERSION, env!("CARGO_PKG_VERSION"));
            });
            for span in spans {
                message(out, SPANS, |out| write_span(out, span));
            }
        });
    });
    out
}

fn write_span(out: &mut Vec<u8>, span: &Span<'_>) {
    bytes(out, TRACE_ID, &span.trace_id);
    bytes(out, SPAN_ID, &span.id);
    if let Some(parent) = &span.parent {
        bytes(out, PARENT_SPAN_ID, parent);
    }
    text(out, NAME, span.name);
    number(out, KIND, span.kind as u64);
    fixed64(out, START_TIME, span.begin);
    fixed64(out, END_TIME, span.end);
    for (key, value) in &span.attributes {
        attribute(out, ATTRIBUTES, key, |out| match value {
            AttributeValue::Text(value) => text(out, STRING_VALUE, value),
            // int64 is written as its two's complement.
            AttributeValue::Number(value) => number(out, INT_VALUE, value.cast_unsigned()),
        });
    }
    if span.is_error {
        message(out, STATUS, |out| number(out, STATUS_CODE, STATUS_ERROR));
    }
    out.extend_from_slice(&FLAGS);
    out.extend_from_slice(&span.flags().to_le_bytes());
}

fn attribute(out: &mut Vec<u8>, tag: Tag, key: &str, value: impl FnOnce(&mut Vec<u8>)) {
    message(out, tag, |out| {
        text(out, KEY, key);
        message(out, VALUE, value);
    });
}

/// Writes a message, whose length stands in front of it.
fn message(out: &mut Vec<u8>, tag: Tag, fill_in: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    fill_in(&mut inner);
    bytes(out, tag, &inner);
}

fn text(out: &mut Vec<u8>, tag: Tag, value: &str) {
    bytes(out, tag, value.as_bytes());
}

fn bytes(out: &mut Vec<u8>, tag: Tag, value: &[u8]) {
    out.push(tag.0);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn number(out: &mut Vec<u8>, tag: Tag, value: u64) {
    out.push(tag.0);
    varint(out, value);
}

fn fixed64(out: &mut Vec<u8>, tag: Tag, value: u64) {
    out.push(tag.0);
    out.extend_from_slice(&value.to_le_bytes());
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

// === impl Tag ===

impl Tag {
    const fn varint(number: u8) -> Self {
        Self(number << 3)
    }

    const fn fixed64(number: u8) -> Self {
        Self(number << 3 | 1)
    }

    const fn bytes(number: u8) -> Self {
        Self(number << 3 | 2)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::telemetry::traces::{record::tests::record, span::tests::clock};

    /// tests/it/traces has it decoded by the library of the specification.
    #[test]
    fn body_is_nested_as_in_the_specification() {
        let begin = Instant::now();
        let record = record(begin);
        let mut spans = Vec::new();
        Span::append(&mut spans, &record, clock(begin));
        let body = encode(&[("k".into(), "v".into())], &spans[..1]);
        let version = env!("CARGO_PKG_VERSION").as_bytes();
        let span = [
            &[0x0a, 16][..],
            &[0x0a; 16],
            &[0x12, 8],
            &[0x0e; 8],
            &[0x22, 8],
            &[0x0b; 8],
            b"\x2a\x05queue\x30\x01",
            b"\x39",
            &1_700_000_000_005_000_000_u64.to_le_bytes(),
            b"\x41",
            &1_700_000_000_025_000_000_u64.to_le_bytes(),
            b"\x85\x01\x01\x01\x00\x00",
        ]
        .concat();
        let wrapped = |tag: u8, parts: &[&[u8]]| {
            let inner = parts.concat();
            assert!(inner.len() < 128);
            [&[tag, u8::try_from(inner.len()).unwrap()][..], &inner].concat()
        };
        let scope = wrapped(0x0a, &[b"\x0a\x07sideman", &wrapped(0x12, &[version])]);
        let scope_spans = wrapped(0x12, &[&scope, &wrapped(0x12, &[&span])]);
        let resource = wrapped(0x0a, &[&wrapped(0x0a, &[b"\x0a\x01k", b"\x12\x03\x0a\x01v"])]);
        assert_eq!(body, wrapped(0x0a, &[&resource, &scope_spans]));
    }

    #[test]
    fn varints() {
        for (value, expected) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ] {
            let mut out = Vec::new();
            varint(&mut out, value);
            assert_eq!(out, expected, "{value}");
        }
    }
}
