//! Whether a response of the application may be compressed, by its status and header fields.

use http::StatusCode;

use crate::rfc::{media_type, response_lines::ResponseLines, vary};

/// A response whose form may depend on the codings that a client accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Whether its `Vary` says so already.
    pub(super) varies: bool,
}

/// Shorter bodies fit into one packet with their head, compressed or not.
const MIN_LENGTH: u64 = 1024;

// === impl Candidate ===

impl Candidate {
    /// Returns `None` for a response that is the same for all clients.
    pub(super) fn of(status: StatusCode, lines: &ResponseLines) -> Option<Self> {
        let has_body = !matches!(
            status,
            StatusCode::NO_CONTENT | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED
        );
        if !has_body || lines.length.is_some_and(|length| length < MIN_LENGTH) {
            return None;
        }
        let (mut is_compressible, mut varies) = (false, false);
        for (name, value) in lines.iter() {
            match name {
                b"content-type" => is_compressible = is_text(value),
                // A part has the bytes of the identity form.
                b"content-encoding" | b"content-range" => return None,
                b"cache-control" if lists(value, b"no-transform") => return None,
                b"vary" => varies |= names_codings(value),
                _ => {}
            }
        }
        is_compressible.then_some(Self { varies })
    }
}

/// Whether a media type is that of text. The events of a stream are too short, and their clients wait for them.
fn is_text(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok_and(|text| {
        const EVENTS: &str = "text/event-stream";
        let is_events =
            text.get(..EVENTS.len()).is_some_and(|one| one.eq_ignore_ascii_case(EVENTS));
        media_type::is_compressible(text) && !is_events
    })
}

/// Whether a list has this member, without arguments.
fn lists(value: &[u8], member: &[u8]) -> bool {
    value.split(|&byte| byte == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(member))
}

fn names_codings(value: &[u8]) -> bool {
    vary::names(std::iter::once(value))
        .any(|name| name == b"*" || name.eq_ignore_ascii_case(b"accept-encoding"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderName, HeaderValue};

    fn of(status: u16, fields: &[(&'static str, &'static str)]) -> Option<bool> {
        let mut map = HeaderMap::new();
        for &(name, value) in fields {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let status = StatusCode::from_u16(status).unwrap();
        Candidate::of(status, &ResponseLines::from(&map)).map(|candidate| candidate.varies)
    }

    #[test]
    fn text_from_one_kibibyte_is_compressed() {
        const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");
        for status in [200, 201, 400, 403, 404, 500, 503] {
            assert_eq!(of(status, &[HTML]), Some(false), "{status}");
        }
        for status in [204, 206, 304] {
            assert_eq!(of(status, &[HTML]), None, "{status}");
        }
        assert_eq!(of(200, &[HTML, ("content-length", "1024")]), Some(false));
        assert_eq!(of(200, &[HTML, ("content-length", "1023")]), None);
        assert_eq!(of(200, &[]), None);
    }

    #[test]
    fn types() {
        for text in
            ["application/json", "Application/Problem+JSON; q=1", "image/svg+xml", "text/csv"]
        {
            assert_eq!(of(200, &[("content-type", text)]), Some(false), "{text}");
        }
        for other in [
            "text/event-stream",
            "Text/Event-Stream; charset=utf-8",
            "image/png",
            "",
            "application/pdf",
        ] {
            assert_eq!(of(200, &[("content-type", other)]), None, "{other}");
        }
    }

    #[test]
    fn encoded_partial_and_fixed_responses_are_not_compressed() {
        for field in [
            ("content-encoding", "gzip"),
            ("content-encoding", "identity"),
            ("content-range", "bytes 0-1/2"),
            ("cache-control", "no-transform"),
            ("cache-control", "public , No-Transform"),
        ] {
            for fields in
                [[("content-type", "text/html"), field], [field, ("content-type", "text/html")]]
            {
                assert_eq!(of(200, &fields), None, "{field:?}");
            }
        }
        let private = ("cache-control", "private, no-store");
        assert_eq!(of(200, &[("content-type", "text/html"), private]), Some(false));
    }

    #[test]
    fn vary_may_name_the_codings() {
        for (value, varies) in [
            ("Cookie", false),
            ("accept-encoding-x", false),
            ("Accept-Encoding", true),
            ("cookie ,\taccept-encoding", true),
            ("*", true),
        ] {
            assert_eq!(
                of(200, &[("content-type", "text/html"), ("vary", value)]),
                Some(varies),
                "{value}"
            );
        }
    }
}
