//! Requests that are refused for their heads alone, and what is told of them.

use http::{HeaderName, HeaderValue, Method, Version};

use crate::{
    error::Kind,
    pipeline::Refusal,
    rfc::{
        request_head::{self, Fault},
        request_parts::{Headers, RequestParts, RequestTarget},
    },
};

/// Bytes that are told of a refused head, and of one thing in it.
const TOLD_MOST: usize = 4096;
const TOLD_ONE: usize = 1024;

/// What a fault in a head is to the client and to the log.
pub(super) fn refusal(fault: Fault) -> Refusal {
    let misplaced = if let Fault::Target(misplaced) = fault { misplaced } else { None };
    Refusal { kind: kind(fault), misplaced }
}

/// What can be told of a request whose head is refused: the method and the target, where they can be read, and the
/// fields that the log and the page make use of.
pub(super) fn salvage(head: &[u8]) -> RequestParts {
    let (method, target, fields) = request_head::salvage(head);
    // `-` is what the access log has for what is not known.
    let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
    let target = if target.len() <= TOLD_ONE { target } else { "*" };
    let mut parts = RequestParts::new(method, Version::HTTP_11, RequestTarget::new(target));
    parts.headers = told(fields);
    parts
}

/// The same of a head that did not become complete: of its lines those that did.
pub(super) fn salvage_begun(begun: &[u8]) -> RequestParts {
    let complete = memchr::memrchr(b'\n', begun).map_or(0, |end| end + 1);
    salvage(begun.get(..complete).unwrap_or_default())
}

fn told<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Headers {
    let (mut headers, mut size) = (Vec::new(), 0);
    for (name, value) in fields {
        if !request_head::is_told(name) || value.len() > TOLD_ONE || size + value.len() > TOLD_MOST
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

fn kind(fault: Fault) -> Kind {
    match fault {
        Fault::LineEnd => Kind::LineEndInvalid,
        Fault::RequestLine => Kind::RequestLineInvalid,
        Fault::Version => Kind::VersionUnsupported,
        Fault::Target(_) => Kind::TargetInvalid,
        Fault::Field => Kind::FieldInvalid,
        Fault::Length => Kind::LengthInvalid,
        Fault::LengthRepeated => Kind::LengthRepeated,
        Fault::LengthAndCoding => Kind::LengthAndCoding,
        Fault::Coding => Kind::CodingUnknown,
        Fault::CodingTooEarly => Kind::CodingUnexpected,
        Fault::Pseudo => Kind::PseudoHeaderInvalid,
        Fault::ConnectionField => Kind::ConnectionField,
        Fault::Authority => Kind::HostInvalid,
        Fault::BodyMissing => Kind::ClientBody,
        Fault::LineTooLong => Kind::RequestLineTooLong,
        Fault::FieldTooLong => Kind::HeaderTooLong,
        Fault::HeadTooLong => Kind::HeadersTooLong,
        Fault::TooManyFields => Kind::TooManyHeaders,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_complete_are_told() {
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
            let parts = salvage_begun(begun.as_bytes());
            let told = (parts.method.as_str(), parts.path_and_query());
            assert_eq!(told, (method, target), "{begun:?}");
            assert!(parts.headers.is_empty(), "{begun:?}");
        }
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(TOLD_ONE));
        assert_eq!(salvage(long.as_bytes()).path(), "*");
    }

    #[test]
    fn fields_for_the_log_are_told() {
        let head = b"GET / HTTP/1.1\r\nHost: a.test\r\nCookie: secret\r\nUser-Agent: b\r\nReferer";
        let parts = salvage_begun(head);
        let told: Vec<_> = parts.headers.iter().map(|(_, name, value)| (name, value)).collect();
        assert_eq!(told, [(&b"host"[..], &b"a.test"[..]), (b"user-agent", b"b")]);
    }
}
