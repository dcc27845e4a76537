//! What a collector says about spans that it has refused, in a response with status 200: the number of them
//! (`partial_success` of ExportTraceServiceResponse).
//! <https://opentelemetry.io/docs/specs/otlp/#partial-success-1>

use serde_json::Value;

use crate::plan::TraceEncoding;

/// The spans that a collector has refused, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusedSpans {
    pub count: u64,
    pub reason: String,
}

/// A longer reason is cut.
const MAX_REASON: usize = 200;
/// Groups of older protocols may be nested, and are in no message that is read here.
const PARTIAL_SUCCESS: u64 = 1;
const REJECTED_SPANS: u64 = 1;
const ERROR_MESSAGE: u64 = 2;

/// The value of a field.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

// === impl RefusedSpans ===

impl RefusedSpans {
    /// Reads the body of a response. One that cannot be read says nothing.
    pub fn read(encoding: TraceEncoding, body: &[u8]) -> Self {
        let read = match encoding {
            TraceEncoding::Protobuf => read_protobuf(body),
            TraceEncoding::Json => read_json(body),
        };
        read.unwrap_or_default()
    }
}

fn read_json(body: &[u8]) -> Option<RefusedSpans> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let partial = body.get("partialSuccess")?;
    let count = partial.get("rejectedSpans");
    // A number of 64 bits is a string in JSON; not everyone writes it so.
    let count = count.and_then(|count| match count.as_str() {
        Some(text) => text.parse().ok(),
        None => count.as_u64(),
    });
    let reason = partial.get("errorMessage").and_then(Value::as_str).unwrap_or_default();
    Some(RefusedSpans { count: count.unwrap_or(0), reason: short(reason) })
}

fn read_protobuf(body: &[u8]) -> Option<RefusedSpans> {
    let (mut rest, mut refused) = (body, RefusedSpans::default());
    while !rest.is_empty() {
        let (number, field) = take_field(&mut rest)?;
        if let (PARTIAL_SUCCESS, Field::Bytes(mut partial)) = (number, field) {
            while !partial.is_empty() {
                match take_field(&mut partial)? {
                    (REJECTED_SPANS, Field::Number(count)) => refused.count = count,
                    (ERROR_MESSAGE, Field::Bytes(text)) => {
                        refused.reason = short(&String::from_utf8_lossy(text));
                    }
                    _ => {}
                }
            }
        }
    }
    Some(refused)
}

/// Takes a field with its number off the front.
fn take_field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let tag = take_varint(rest)?;
    let length = match tag & 7 {
        0 => return Some((tag >> 3, Field::Number(take_varint(rest)?))),
        1 => 8,
        2 => usize::try_from(take_varint(rest)?).ok()?,
        5 => 4,
        _ => return None,
    };
    let (bytes, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some((tag >> 3, Field::Bytes(bytes)))
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn short(reason: &str) -> String {
    reason.chars().take(MAX_REASON).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refused_spans_are_read_in_both_forms() {
        let refused = |count, reason: &str| RefusedSpans { count, reason: reason.into() };
        for (body, expected) in [
            (&b""[..], refused(0, "")),
            (b"{}", refused(0, "")),
            (b"{\"partialSuccess\":{}}", refused(0, "")),
            (
                b"{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"no\"}}",
                refused(3, "no"),
            ),
            (b"{\"partialSuccess\":{\"rejectedSpans\":3}}", refused(3, "")),
            (b"<html>", refused(0, "")),
        ] {
            assert_eq!(RefusedSpans::read(TraceEncoding::Json, body), expected);
        }
        for (body, expected) in [
            (&b""[..], refused(0, "")),
            (b"\x0a\x00", refused(0, "")),
            (b"\x0a\x07\x08\xac\x02\x12\x02no", refused(300, "no")),
            // Fields of a later version.
            (b"\x10\x01\x0a\x0b\x19\0\0\0\0\0\0\0\0\x08\x01", refused(1, "")),
            (b"\x0a\x08\x08\x01", refused(0, "")),
            (b"<html>", refused(0, "")),
        ] {
            assert_eq!(RefusedSpans::read(TraceEncoding::Protobuf, body), expected, "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(body: Vec<u8>) {
            let _ = RefusedSpans::read(TraceEncoding::Protobuf, &body);
            let _ = RefusedSpans::read(TraceEncoding::Json, &body);
        }
    }
}
