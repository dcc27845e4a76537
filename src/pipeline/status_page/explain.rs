//! Explains a failure to the client: a text for its kind, with the limit or the byte that it concerns.

use std::borrow::Cow;

use http::StatusCode;

use crate::{error::FailureKind, rfc::request_head};

/// Returns the explanation for the client. It names the limit that was exceeded, but no setting, which means nothing to
/// users; the logged advice names that. `max_body` is the limit of a body, if there is one.
pub(super) fn explanation(
    kind: FailureKind,
    max_body: Option<u64>,
    head: &request_head::HeadLimits,
) -> Cow<'static, str> {
    let (what, limit) = match (kind, max_body) {
        (FailureKind::BodyTooLarge, Some(limit)) => ("body is", size(limit)),
        (FailureKind::RequestLineTooLong, _) => ("first line is", size(head.line)),
        (FailureKind::HeaderTooLong, _) => ("longest header is", size(head.field)),
        (FailureKind::HeadersTooLong, _) => ("headers together are", size(head.head)),
        (FailureKind::TooManyHeaders, _) => {
            return format!("The request has more than {} headers.", head.fields).into();
        }
        _ => return Cow::Borrowed(kind.row().text),
    };
    format!("The request's {what} longer than {limit}.").into()
}

/// Names the invalid byte of a target. Positions count from 1.
pub(super) fn misplaced(byte: u8, at: usize) -> String {
    let name = match byte {
        b' ' => "a space (0x20)".to_owned(),
        b'!'..=b'~' => format!("{:?} (0x{byte:02X})", char::from(byte).to_string()),
        _ => format!("0x{byte:02X}"),
    };
    let at = at + 1;
    format!(
        "The request's target has {name} as byte {at}, where it is not allowed: send it as %{byte:02X}."
    )
}

/// The methods that a web application may support. How it handles them is its own matter.
pub(in crate::pipeline) const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Returns the methods for the `Allow` field of a response about the method (RFC 9110, 15.5.6).
pub(super) fn allow(kind: FailureKind) -> Option<&'static str> {
    (kind.status() == StatusCode::METHOD_NOT_ALLOWED).then_some(METHODS)
}

/// Formats a number of bytes for people.
fn size(bytes: impl TryInto<u64>) -> String {
    let bytes = bytes.try_into().unwrap_or(u64::MAX);
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{} {name}", bytes / unit);
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: request_head::HeadLimits =
        request_head::HeadLimits { line: 16 << 10, field: 1 << 10, head: 96 << 10, fields: 200 };

    #[test]
    fn every_error_has_advice_for_the_operator() {
        use crate::error::FailureSide;
        // For these, the error explains everything, and maintenance is intended.
        let plain = [
            FailureKind::FileUnreadable,
            FailureKind::FileTruncated,
            FailureKind::FileChanged,
            FailureKind::Maintenance,
        ];
        // A setting decides these.
        let limits = [
            FailureKind::BodyTooLarge,
            FailureKind::RequestLineTooLong,
            FailureKind::HeaderTooLong,
            FailureKind::HeadersTooLong,
            FailureKind::TooManyHeaders,
            FailureKind::ClientBodyTimeout,
            FailureKind::ClientBodySlow,
            FailureKind::ClientHeadTimeout,
            FailureKind::HostNotAllowed,
            FailureKind::AccessDenied,
            FailureKind::HeadTooLarge,
            FailureKind::RateLimited,
            FailureKind::AuthFailed,
            FailureKind::AuthLimited,
            FailureKind::SignatureInvalid,
            FailureKind::SignatureExpired,
        ];
        for kind in FailureKind::ALL {
            let is_ours = kind.side() != FailureSide::Client
                || kind == FailureKind::BodyExceedsBuffers
                || limits.contains(&kind);
            let is_reported = is_ours && !plain.contains(&kind);
            assert_eq!(kind.row().advice.is_some(), is_reported, "{kind:?}");
        }
        for kind in limits {
            let settings = [
                "server.",
                "upstream.",
                "media.signed",
                "media.signing_keys",
                "rate_limit of the route",
                "auth_users of the route",
            ];
            let names_setting =
                |advice: &str| settings.iter().any(|setting| advice.contains(setting));
            assert!(kind.row().advice.is_some_and(names_setting), "{kind:?}");
        }
    }

    #[test]
    fn pages_name_no_setting() {
        const SECTIONS: [&str; 12] = [
            "server.",
            "upstream.",
            "buffers.",
            "route.",
            "static.",
            "media.",
            "accel.",
            "tls.",
            "log.",
            "shutdown.",
            "limits.",
            "nofile",
        ];
        for kind in FailureKind::ALL {
            let text = explanation(kind, Some(1 << 20), &HEAD);
            let found = SECTIONS.iter().find(|section| text.contains(**section));
            assert_eq!(found, None, "{kind:?}: {text}");
        }
    }

    #[test]
    fn sizes() {
        for (bytes, expected) in [
            (0_u64, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (1536, "1536 bytes"),
            (100 << 20, "100 MiB"),
            ((1 << 20) + 1024, "1025 KiB"),
            (2 << 30, "2 GiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn limits_are_named() {
        let body = |limit| explanation(FailureKind::BodyTooLarge, limit, &HEAD).into_owned();
        let expected = "The request's body is longer than 100 MiB.";
        assert_eq!(body(Some(100 << 20)), expected);
        assert_eq!(body(None), FailureKind::BodyTooLarge.row().text);
        let head = |kind| explanation(kind, None, &HEAD).into_owned();
        for (kind, limit) in [
            (FailureKind::RequestLineTooLong, "longer than 16 KiB."),
            (FailureKind::HeaderTooLong, "longer than 1 KiB."),
            (FailureKind::HeadersTooLong, "longer than 96 KiB."),
            (FailureKind::TooManyHeaders, "more than 200 headers."),
        ] {
            assert!(head(kind).ends_with(limit), "{}", head(kind));
        }
    }

    #[test]
    fn misplaced_bytes_are_named() {
        for (byte, name) in [
            (b' ', "a space (0x20) as byte 8"),
            (b'#', "\"#\" (0x23) as byte 8"),
            (b'<', "\"<\" (0x3C) as byte 8"),
            (0, "0x00 as byte 8"),
            (0xe9, "0xE9 as byte 8"),
        ] {
            let text = misplaced(byte, 7);
            let end = format!("send it as %{byte:02X}.");
            assert!(text.contains(name) && text.ends_with(&end), "{text}");
        }
    }

    /// The texts need no escaping in HTML.
    #[test]
    fn texts_mean_nothing_to_html() {
        for kind in FailureKind::ALL {
            let text = explanation(kind, Some(1 << 20), &HEAD);
            assert!(!text.contains(['<', '>', '&', '"']), "{text}");
        }
    }

    #[test]
    fn only_503_has_retry_after() {
        for kind in FailureKind::ALL {
            let is_503 = kind.status() == StatusCode::SERVICE_UNAVAILABLE;
            assert_eq!(kind.row().retry_after.is_some(), is_503, "{kind:?}");
        }
        assert_eq!(FailureKind::QueueFull.row().retry_after, Some(1));
        assert_eq!(FailureKind::Maintenance.row().retry_after, Some(30));
    }

    #[test]
    fn statuses_are_those_of_the_side_that_failed() {
        for kind in FailureKind::ALL {
            let status = kind.status();
            match kind.side() {
                crate::error::FailureSide::Client => {
                    // RFC 9112, 6.1 has 501 for a coding that is not understood, and RFC 9110, 15.6.6 505 for a
                    // version, RFC 9111, 5.2.1.7 has 504 for a response that is not stored.
                    let is_ours = matches!(
                        kind,
                        FailureKind::CodingUnknown
                            | FailureKind::VersionUnsupported
                            | FailureKind::NotCached
                    );
                    assert!(status.is_client_error() || is_ours, "{kind:?}");
                }
                crate::error::FailureSide::Sideman | crate::error::FailureSide::Upstream => {
                    let is_theirs = kind == FailureKind::FileForbidden;
                    assert!(status.is_server_error() || is_theirs, "{kind:?}");
                }
            }
        }
    }
}
