//! What each kind of failure means for a client: the status, the words, and what to do next.

use std::borrow::Cow;

use http::StatusCode;

use crate::{error::Kind, rfc::request_head};

/// For whoever found no place: clients that come back together would find none again, so a moment
/// is enough, and it is the shortest that can be said (RFC 9110, 10.2.3).
const MOMENT: u32 = 1;
/// Work on a site takes minutes; half of one keeps the wait after its end short.
const WORK: u32 = 30;

pub(super) fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::HostMissing
        | Kind::HostRepeated
        | Kind::HostInvalid
        | Kind::HostMismatch
        | Kind::TargetInvalid
        | Kind::LineEndInvalid
        | Kind::RequestLineInvalid
        | Kind::FieldInvalid
        | Kind::LengthInvalid
        | Kind::LengthRepeated
        | Kind::LengthAndCoding
        | Kind::CodingUnexpected
        | Kind::PseudoHeaderInvalid
        | Kind::ConnectionField
        | Kind::ClientBody
        | Kind::ClientGone
        | Kind::PathInvalid => StatusCode::BAD_REQUEST,
        // RFC 9112, 6.1.
        Kind::CodingUnknown => StatusCode::NOT_IMPLEMENTED,
        Kind::ClientBodyTimeout | Kind::ClientBodySlow | Kind::ClientHeadTimeout => {
            StatusCode::REQUEST_TIMEOUT
        }
        Kind::ConnectMethod | Kind::TraceMethod => StatusCode::METHOD_NOT_ALLOWED,
        Kind::VersionUnsupported => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        Kind::RequestLineTooLong => StatusCode::URI_TOO_LONG,
        Kind::FileForbidden => StatusCode::FORBIDDEN,
        Kind::FileUnreadable | Kind::FileTruncated | Kind::FileChanged | Kind::BufferFailed => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        Kind::BodyTooLarge | Kind::BodyBeyondBuffers => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::HostNotAllowed => StatusCode::MISDIRECTED_REQUEST,
        Kind::HeaderTooLong | Kind::HeadersTooLong | Kind::TooManyHeaders | Kind::HeadTooLarge => {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        }
        Kind::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        Kind::LoopDetected => StatusCode::LOOP_DETECTED,
        Kind::DescriptorsExhausted
        | Kind::BuffersFull
        | Kind::Maintenance
        | Kind::QueueFull
        | Kind::QueueTimeout => StatusCode::SERVICE_UNAVAILABLE,
        Kind::UpstreamConnectTimeout | Kind::UpstreamReadTimeout | Kind::UpstreamTotalTimeout => {
            StatusCode::GATEWAY_TIMEOUT
        }
        Kind::UpstreamUnresolved
        | Kind::UpstreamRefused
        | Kind::UpstreamForbidden
        | Kind::UpstreamClosed
        | Kind::UpstreamGarbage
        | Kind::UpstreamHeadTooLarge
        | Kind::UpstreamTruncated
        | Kind::AccelRefused => StatusCode::BAD_GATEWAY,
    }
}

/// What happened, for whoever asked: the limit that was exceeded, and no setting, which means nothing to
/// users. [`advice`] has that. `max_body` is the limit of a body, if there is one.
pub(super) fn explanation(
    kind: Kind,
    max_body: Option<u64>,
    head: &request_head::Limits,
) -> Cow<'static, str> {
    let (what, limit) = match (kind, max_body) {
        (Kind::BodyTooLarge, Some(limit)) => ("body is", size(limit)),
        (Kind::RequestLineTooLong, _) => ("first line is", size(head.line)),
        (Kind::HeaderTooLong, _) => ("longest header is", size(head.field)),
        (Kind::HeadersTooLong, _) => ("headers together are", size(head.head)),
        (Kind::TooManyHeaders, _) => {
            return format!("The request has more than {} headers.", head.fields).into();
        }
        _ => return Cow::Borrowed(text(kind)),
    };
    format!("The request's {what} longer than {limit}.").into()
}

/// Which byte of a target is wrong, for whoever asked. Bytes are counted from 1.
pub(super) fn misplaced(byte: u8, at: usize) -> String {
    let name = match byte {
        b' ' => "a space (0x20)".to_owned(),
        b'!'..=b'~' => format!("{:?} (0x{byte:02X})", char::from(byte).to_string()),
        _ => format!("0x{byte:02X}"),
    };
    let at = at + 1;
    format!(
        "The request's target has {name} as byte {at}, where it may not be: send it as %{byte:02X}."
    )
}

fn text(kind: Kind) -> &'static str {
    match kind {
        Kind::HostMissing => "The request has no Host header.",
        Kind::HostRepeated => "The request has more than one Host header.",
        Kind::HostInvalid => "The request's Host is not a host name.",
        Kind::CodingUnknown => "The only transfer coding that is understood is chunked.",
        Kind::TargetInvalid => "The request's target is not the path of anything.",
        Kind::HostMismatch => "The request's target names another host or scheme than the request.",
        Kind::LineEndInvalid => "A line of the request's head does not end with CR and LF.",
        Kind::RequestLineInvalid => "The request's first line is not a request line of HTTP/1.",
        Kind::VersionUnsupported => "The request's version is neither HTTP/1.0 nor HTTP/1.1.",
        Kind::FieldInvalid => "A line of the request's head is not a header.",
        Kind::LengthInvalid => "The request's Content-Length is not a number of bytes.",
        Kind::LengthRepeated => "The request has more than one Content-Length.",
        Kind::LengthAndCoding => "The request has a Content-Length and a Transfer-Encoding.",
        Kind::CodingUnexpected => "The request has a Transfer-Encoding, which HTTP/1.0 has not.",
        Kind::PseudoHeaderInvalid => {
            "A pseudo-header of the request (:method, :scheme, :path, :authority) is missing, repeated, \
             unknown or not valid."
        }
        Kind::ConnectionField => "The request has a header that HTTP/2 does not allow.",
        Kind::TraceMethod => "This server does not answer TRACE.",
        Kind::RequestLineTooLong => "The request's first line is longer than this server takes.",
        Kind::HeaderTooLong => "A header of the request is longer than this server takes.",
        Kind::HeadersTooLong | Kind::TooManyHeaders => {
            "The request's headers are more than this server takes."
        }
        Kind::ConnectMethod => "This server is no forward proxy.",
        Kind::ClientBody | Kind::ClientGone => "The request's body broke off or was malformed.",
        Kind::ClientBodyTimeout => "The request's body stood still for too long.",
        Kind::ClientBodySlow => "The request's body came too slowly.",
        Kind::ClientHeadTimeout => "The request's head was not complete in time.",
        Kind::PathInvalid => "The request's path can't be decoded.",
        Kind::FileForbidden => "The server is not permitted to read the file.",
        Kind::FileUnreadable | Kind::FileTruncated => "The file can't be read.",
        Kind::FileChanged => "The file has changed while it was read: ask again.",
        Kind::DescriptorsExhausted => {
            "The server has too many open files and connections. Please try again in a moment."
        }
        Kind::BodyTooLarge => "The request's body is longer than this server takes.",
        Kind::BodyBeyondBuffers => "The request's body is longer than this server can hold.",
        Kind::HostNotAllowed => "This server does not answer for the request's Host.",
        Kind::HeadTooLarge => "The request's head is larger than the application takes.",
        Kind::BuffersFull => "The server has no room for the request's body now: try again.",
        Kind::DiskFull => "The server has no disk space for the request's body.",
        Kind::BufferFailed => "The server could not store the request's body.",
        Kind::LoopDetected => "The request came back to the server that had passed it on.",
        Kind::Maintenance => "The site is being worked on. Please come back in a moment.",
        Kind::QueueFull | Kind::QueueTimeout => "The server is busy. Please try again in a moment.",
        Kind::UpstreamConnectTimeout | Kind::UpstreamReadTimeout | Kind::UpstreamTotalTimeout => {
            "The application did not answer in time."
        }
        Kind::UpstreamUnresolved => "The application's host name could not be resolved.",
        Kind::UpstreamRefused | Kind::UpstreamForbidden => {
            "The application does not accept connections."
        }
        Kind::UpstreamClosed => "The application closed the connection without a response.",
        Kind::UpstreamTruncated => "The application's response ended too early.",
        Kind::UpstreamGarbage => "The application's response is not valid HTTP.",
        Kind::UpstreamHeadTooLarge => {
            "The application's response has too many or too long headers."
        }
        Kind::AccelRefused => "The application named a file that this server may not send.",
    }
}

/// What to do about it, for whoever runs the site; nothing where the error says it, or nobody can.
pub(super) fn advice(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::QueueFull | Kind::QueueTimeout => {
            "the application is busy: give it more workers, and set upstream.max_in_flight to their \
             number"
        }
        Kind::BodyBeyondBuffers => {
            "raise buffers.disk (or buffers.memory, where files are in memory), or lower server.max_body; \
             routes.unbuffered holds nothing back"
        }
        Kind::BuffersFull => "raise buffers.memory or buffers.disk, as far as there is room",
        Kind::BufferFailed => {
            "see the error: the disk or the file system of buffers.directory fails; set another directory"
        }
        Kind::LoopDetected => {
            "name the application's own address in upstream.url (or routes.upstreams): this one leads back to \
             Sideman, perhaps through a name, a load balancer or another proxy"
        }
        Kind::DiskFull => "free space where buffers.directory is, or lower buffers.disk",
        Kind::DescriptorsExhausted => "raise the container's limit of open files (nofile)",
        Kind::FileForbidden => {
            "give the user or group of this process r on the file and x on the directories above it, or run \
             it as the user that writes them (FILE_UPLOAD_PERMISSIONS, umask)"
        }
        Kind::UpstreamUnresolved => "see whether the host in upstream.url is known to DNS",
        Kind::UpstreamForbidden => {
            "let the user or group of this process use the socket: a common group and gunicorn --umask 007, \
             uWSGI chmod-socket = 660 and chown-socket, or both as the same user; and x on its directories"
        }
        Kind::UpstreamRefused => "see whether the application runs, and listens at this address",
        Kind::UpstreamConnectTimeout => {
            "nothing answers at this address: see whether the way there is open (security groups), or \
             the listen queue full"
        }
        Kind::UpstreamReadTimeout => {
            "see what the application waits for, or raise upstream.read_timeout"
        }
        Kind::UpstreamTotalTimeout => {
            "see what takes the application so long, or raise upstream.total_timeout"
        }
        Kind::UpstreamClosed | Kind::UpstreamTruncated => {
            "see the application's log: its worker has ended or was killed, or has closed the \
             connection, as uWSGI does with a head longer than its buffer-size"
        }
        Kind::UpstreamGarbage => {
            "mend what the application sends, or see whether upstream.url names the protocol that it speaks \
             (http or uwsgi)"
        }
        Kind::UpstreamHeadTooLarge => "have the application send fewer or shorter headers",
        Kind::AccelRefused => "have the application name a file below one of accel.roots",
        Kind::BodyTooLarge => "raise server.max_body, if such uploads are right",
        Kind::RequestLineTooLong => "raise server.max_request_line, if such addresses are right",
        Kind::HeaderTooLong => "raise server.max_header, or have the site set fewer cookies",
        Kind::HeadersTooLong => "raise server.max_head, or have the site set fewer cookies",
        Kind::TooManyHeaders => "raise server.max_headers, if such requests are right",
        Kind::ClientBodyTimeout => "raise server.body_timeout, if such clients are right",
        Kind::ClientBodySlow => "lower server.min_body_rate, if such clients are right",
        Kind::ClientHeadTimeout => "raise server.header_timeout, if such clients are right",
        Kind::HostNotAllowed => "add the host to server.allowed_hosts, if it is yours",
        Kind::HeadTooLarge => {
            "raise the application server's buffer-size and upstream.uwsgi_buffer_size"
        }
        Kind::HostMissing
        | Kind::HostRepeated
        | Kind::HostInvalid
        | Kind::CodingUnknown
        | Kind::TargetInvalid
        | Kind::ConnectMethod
        | Kind::ClientBody
        | Kind::ClientGone
        | Kind::PathInvalid
        | Kind::FileUnreadable
        | Kind::FileTruncated
        | Kind::FileChanged
        | Kind::HostMismatch
        | Kind::LineEndInvalid
        | Kind::RequestLineInvalid
        | Kind::VersionUnsupported
        | Kind::FieldInvalid
        | Kind::LengthInvalid
        | Kind::LengthRepeated
        | Kind::LengthAndCoding
        | Kind::CodingUnexpected
        | Kind::PseudoHeaderInvalid
        | Kind::ConnectionField
        | Kind::TraceMethod
        | Kind::Maintenance => return None,
    })
}

/// Seconds after which asking again is worth it.
pub(super) fn retry_after(kind: Kind) -> Option<u32> {
    if kind == Kind::Maintenance {
        return Some(WORK);
    }
    (status(kind) == StatusCode::SERVICE_UNAVAILABLE).then_some(MOMENT)
}

/// After an error about where a request ends, nothing more can be read from its connection; and a
/// body that is too long is not read.
pub(super) fn closes(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::HostMissing
            | Kind::HostRepeated
            | Kind::HostInvalid
            | Kind::CodingUnknown
            | Kind::HostMismatch
            | Kind::TargetInvalid
            | Kind::LineEndInvalid
            | Kind::RequestLineInvalid
            | Kind::VersionUnsupported
            | Kind::FieldInvalid
            | Kind::LengthInvalid
            | Kind::LengthRepeated
            | Kind::LengthAndCoding
            | Kind::CodingUnexpected
            | Kind::PseudoHeaderInvalid
            | Kind::ConnectionField
            | Kind::RequestLineTooLong
            | Kind::HeaderTooLong
            | Kind::HeadersTooLong
            | Kind::TooManyHeaders
            | Kind::ConnectMethod
            | Kind::TraceMethod
            | Kind::ClientBody
            | Kind::ClientBodyTimeout
            | Kind::ClientBodySlow
            | Kind::ClientHeadTimeout
            | Kind::ClientGone
            | Kind::BodyTooLarge
            | Kind::BodyBeyondBuffers
    )
}

/// The methods that a web application may have. What it makes of them is its own matter.
pub(in crate::pipeline) const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The methods that an answer about the method names (RFC 9110, 15.5.6).
pub(super) fn allow(kind: Kind) -> Option<&'static str> {
    let is_method = matches!(kind, Kind::ConnectMethod | Kind::TraceMethod);
    is_method.then_some(METHODS)
}

/// A number of bytes, for people.
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

    const HEAD: request_head::Limits =
        request_head::Limits { line: 16 << 10, field: 1 << 10, head: 96 << 10, fields: 200 };

    #[test]
    fn whoever_runs_the_site_is_told_what_to_do() {
        use crate::error::Side;
        // Of these the error says all there is to say, and maintenance was wanted.
        let plain =
            [Kind::FileUnreadable, Kind::FileTruncated, Kind::FileChanged, Kind::Maintenance];
        // These are up to a setting.
        let limits = [
            Kind::BodyTooLarge,
            Kind::RequestLineTooLong,
            Kind::HeaderTooLong,
            Kind::HeadersTooLong,
            Kind::TooManyHeaders,
            Kind::ClientBodyTimeout,
            Kind::ClientBodySlow,
            Kind::ClientHeadTimeout,
            Kind::HostNotAllowed,
            Kind::HeadTooLarge,
        ];
        for kind in Kind::ALL {
            let is_ours = kind.side() != Side::Client
                || kind == Kind::BodyBeyondBuffers
                || limits.contains(&kind);
            let is_told = is_ours && !plain.contains(&kind);
            assert_eq!(advice(kind).is_some(), is_told, "{kind:?}");
        }
        for kind in limits {
            let names_setting =
                |advice: &str| advice.contains("server.") || advice.contains("upstream.");
            assert!(advice(kind).is_some_and(names_setting), "{kind:?}");
        }
    }

    #[test]
    fn pages_name_no_setting() {
        const SECTIONS: [&str; 12] = [
            "server.",
            "upstream.",
            "buffers.",
            "routes.",
            "static.",
            "media.",
            "accel.",
            "tls.",
            "log.",
            "shutdown.",
            "limits.",
            "nofile",
        ];
        for kind in Kind::ALL {
            let text = explanation(kind, Some(1 << 20), &HEAD);
            let found = SECTIONS.iter().find(|section| text.contains(**section));
            assert_eq!(found, None, "{kind:?}: {text}");
        }
    }

    #[test]
    fn the_guide_explains_every_error_with_its_status() {
        let guide = include_str!("../../../docs/application.md");
        let (_, rest) = guide.split_once("\n## What went wrong\n").unwrap();
        let section = rest.split("\n## ").next().unwrap();
        let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
        for kind in Kind::ALL {
            let begin = format!("| `{}` | ", kind.name());
            let mut found = rows.iter().filter_map(|row| row.strip_prefix(&begin));
            let (row, other) = (found.next().unwrap_or_default(), found.next());
            // One that has left gets no answer.
            let status = if kind == Kind::ClientGone { 499 } else { status(kind).as_u16() };
            assert!(row.starts_with(&status.to_string()) && other.is_none(), "{kind:?}: {row:?}");
        }
        assert_eq!(rows.len(), Kind::ALL.len());
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
        let body = |limit| explanation(Kind::BodyTooLarge, limit, &HEAD).into_owned();
        let expected = "The request's body is longer than 100 MiB.";
        assert_eq!(body(Some(100 << 20)), expected);
        assert_eq!(body(None), text(Kind::BodyTooLarge));
        let head = |kind| explanation(kind, None, &HEAD).into_owned();
        for (kind, limit) in [
            (Kind::RequestLineTooLong, "longer than 16 KiB."),
            (Kind::HeaderTooLong, "longer than 1 KiB."),
            (Kind::HeadersTooLong, "longer than 96 KiB."),
            (Kind::TooManyHeaders, "more than 200 headers."),
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

    /// They stand in HTML as they are.
    #[test]
    fn texts_mean_nothing_to_html() {
        for kind in Kind::ALL {
            let text = explanation(kind, Some(1 << 20), &HEAD);
            assert!(!text.contains(['<', '>', '&', '"']), "{text}");
        }
    }

    #[test]
    fn every_503_says_when_to_come_back_and_nothing_else_does() {
        for kind in Kind::ALL {
            let is_503 = status(kind) == StatusCode::SERVICE_UNAVAILABLE;
            assert_eq!(retry_after(kind).is_some(), is_503, "{kind:?}");
        }
        assert_eq!(retry_after(Kind::QueueFull), Some(1));
        assert_eq!(retry_after(Kind::Maintenance), Some(30));
    }

    #[test]
    fn statuses_are_those_of_the_side_that_failed() {
        for kind in Kind::ALL {
            let status = status(kind);
            match kind.side() {
                crate::error::Side::Client => {
                    // RFC 9112, 6.1 has 501 for a coding that is not understood, and RFC 9110, 15.6.6
                    // 505 for a version.
                    let is_ours = matches!(kind, Kind::CodingUnknown | Kind::VersionUnsupported);
                    assert!(status.is_client_error() || is_ours, "{kind:?}");
                }
                crate::error::Side::Us | crate::error::Side::Upstream => {
                    let is_theirs = kind == Kind::FileForbidden;
                    assert!(status.is_server_error() || is_theirs, "{kind:?}");
                }
            }
        }
    }
}
