//! Requests that are refused because of their head alone, and the parts of them that are reported.

use http::{HeaderName, HeaderValue, Method, Version};

use crate::{
    error::FailureKind,
    pipeline::RequestRefusal,
    rfc::{
        request_head::{self, HeadFault},
        request_parts::{Headers, RequestParts, RequestTarget},
    },
};

/// Bytes of a refused head that are reported, and of each part of it.
const MAX_REPORTED: usize = 4096;
const MAX_REPORTED_PART: usize = 1024;

/// The refusal for a fault in a head: the response and the log entry.
pub(super) fn refusal(fault: HeadFault) -> RequestRefusal {
    let misplaced = if let HeadFault::Target(misplaced) = fault { misplaced } else { None };
    RequestRefusal { kind: kind(fault), misplaced }
}

/// Recovers the readable parts of a refused head: the method, the target, and the fields that the log and the page use.
pub(super) fn recover(head: &[u8]) -> RequestParts {
    let (method, target, fields) = request_head::recover(head);
    // The access log writes `-` for an unknown value.
    let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
    let target = if target.len() <= MAX_REPORTED_PART { target } else { "*" };
    let mut parts = RequestParts::new(method, Version::HTTP_11, RequestTarget::new(target));
    parts.headers = reported(fields);
    parts
}

/// Like [`recover`], for a head that did not become complete: only its complete lines are used.
pub(super) fn recover_partial(begun: &[u8]) -> RequestParts {
    let complete = memchr::memrchr(b'\n', begun).map_or(0, |end| end + 1);
    recover(begun.get(..complete).unwrap_or_default())
}

fn reported<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Headers {
    let (mut headers, mut size) = (Vec::new(), 0);
    for (name, value) in fields {
        if !request_head::is_reported(name)
            || value.len() > MAX_REPORTED_PART
            || size + value.len() > MAX_REPORTED
        {
            continue;
        }
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            size += name.as_str().len() + value.len();
            headers.push((name, value));
        }
    }
    Headers::shared(headers)
}

fn kind(fault: HeadFault) -> FailureKind {
    match fault {
        HeadFault::LineEnd => FailureKind::LineEndInvalid,
        HeadFault::RequestLine => FailureKind::RequestLineInvalid,
        HeadFault::Version => FailureKind::VersionUnsupported,
        HeadFault::Target(_) => FailureKind::TargetInvalid,
        HeadFault::Field => FailureKind::FieldInvalid,
        HeadFault::Length => FailureKind::LengthInvalid,
        HeadFault::LengthRepeated => FailureKind::LengthRepeated,
        HeadFault::LengthAndCoding => FailureKind::LengthAndCoding,
        HeadFault::Coding => FailureKind::CodingUnknown,
        HeadFault::CodingTooEarly => FailureKind::CodingUnexpected,
        HeadFault::Pseudo => FailureKind::PseudoHeaderInvalid,
        HeadFault::ConnectionField => FailureKind::ConnectionField,
        HeadFault::Authority => FailureKind::HostInvalid,
        HeadFault::BodyMissing => FailureKind::ClientBody,
        HeadFault::LineTooLong => FailureKind::RequestLineTooLong,
        HeadFault::FieldTooLong => FailureKind::HeaderTooLong,
        HeadFault::HeadTooLong => FailureKind::HeadersTooLong,
        HeadFault::TooManyFields => FailureKind::TooManyHeaders,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_request_lines_are_logged() {
        for (begun, method, target) in [
            ("", "-", "*"),
            ("G", "-", "*"),
            ("GET /page", "-", "*"),
            ("GET /page HTTP/1.1", "-", "*"),
            ("GET /page HTTP/1.1\r\n", "GET", "/page"),
            ("GET /page?a=b HTTP/1.1\r\nHost: exam", "GET", "/page?a=b"),
            ("HEAD / HTTP/1.1\r\nHo", "HEAD", "/"),
            ("GET\r\nHo", "GET", "*"),
            ("G(T / HTTP/1.1\r\nHo", "-", "/"),
            ("POST /\u{1} HTTP/1.1\r\nHo", "POST", "*"),
            ("\r\n", "-", "*"),
        ] {
            let parts = recover_partial(begun.as_bytes());
            let reported = (parts.method.as_str(), parts.path_and_query());
            assert_eq!(reported, (method, target), "{begun:?}");
            assert!(parts.headers.is_empty(), "{begun:?}");
        }
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(MAX_REPORTED_PART));
        assert_eq!(recover(long.as_bytes()).path(), "*");
    }

    #[test]
    fn fields_for_the_log_are_reported() {
        let head = b"GET / HTTP/1.1\r\nHost: a.test\r\nCookie: secret\r\nUser-Agent: b\r\nReferer";
        let parts = recover_partial(head);
        let reported: Vec<_> = parts.headers.iter().map(|(_, name, value)| (name, value)).collect();
        assert_eq!(reported, [(&b"host"[..], &b"a.test"[..]), (b"user-agent", b"b")]);
    }
}
