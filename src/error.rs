//! What can go wrong with one request: its kind, whose side it lies on, and whether sending the
//! request again is safe. `pipeline/reply` alone turns an error into a status.

use std::{fmt, io};

/// One failure of one request.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    /// The application cannot have acted on the request: sending it again is safe.
    unsent: bool,
    /// The byte that is wrong, and how many are before it.
    byte: Option<(u8, usize)>,
    cause: Option<io::Error>,
}

/// The kinds of failure, each with a [`name`](Kind::name) for the log and the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request of HTTP/1.1 without `Host` (RFC 9112, 3.2).
    HostMissing,
    /// More than one `Host` field.
    HostRepeated,
    /// A `Host` that is no host and port.
    HostInvalid,
    /// A transfer coding besides `chunked`, or `chunked` twice.
    CodingUnknown,
    /// A request target without a path, or with what no URI has.
    TargetInvalid,
    /// `CONNECT`, which only a forward proxy serves.
    ConnectMethod,
    /// A bare CR or LF in the head of a request (RFC 9112, 2.2).
    LineEndInvalid,
    /// A first line that is no request line (RFC 9112, 3).
    RequestLineInvalid,
    /// A version besides HTTP/1.0 and HTTP/1.1.
    VersionUnsupported,
    /// A header line that is no field (RFC 9112, 5).
    FieldInvalid,
    /// A `Content-Length` that is no number (RFC 9110, 8.6).
    LengthInvalid,
    /// More than one `Content-Length`.
    LengthRepeated,
    /// `Content-Length` beside `Transfer-Encoding` (RFC 9112, 6.1).
    LengthAndCoding,
    /// A transfer coding in HTTP/1.0 (RFC 9112, 6.1).
    CodingUnexpected,
    /// A pseudo-header of HTTP/2 that is missing, repeated, unknown or invalid (RFC 9113, 8.3).
    PseudoHeaderInvalid,
    /// A field about the connection, which HTTP/2 does not have (RFC 9113, 8.2.2).
    ConnectionField,
    /// `TRACE`, which shows a client's secrets to its scripts.
    TraceMethod,
    /// A target with another host or scheme than the rest of the request.
    HostMismatch,
    /// A request line longer than `server.max_request_line`.
    RequestLineTooLong,
    /// A header longer than `server.max_header`.
    HeaderTooLong,
    /// A head longer than `server.max_head`.
    HeadersTooLong,
    /// More headers than `server.max_headers`.
    TooManyHeaders,
    /// The client's body broke off or was malformed.
    ClientBody,
    /// The client's body stood still for `server.body_timeout`.
    ClientBodyTimeout,
    /// The client's body came more slowly than `server.min_body_rate`.
    ClientBodySlow,
    /// The request's head was not complete within `server.header_timeout`.
    ClientHeadTimeout,
    /// The client left before its answer was complete.
    ClientGone,
    /// A path under a static prefix that does not decode.
    PathInvalid,
    /// A file that could not be read.
    FileUnreadable,
    /// A file that this process may not read.
    FileForbidden,
    /// A file that became shorter while it was sent.
    FileTruncated,
    /// A file that changed while it was sent.
    FileChanged,
    /// No descriptor was left for a connection to the application.
    DescriptorsExhausted,
    /// The application's name has no address.
    UpstreamUnresolved,
    /// Nothing accepted the connection.
    UpstreamRefused,
    /// This process may not connect to the application's unix socket.
    UpstreamForbidden,
    /// No connection within `upstream.connect_timeout`.
    UpstreamConnectTimeout,
    /// No bytes moved within `upstream.read_timeout`.
    UpstreamReadTimeout,
    /// The connection ended before the head of the answer.
    UpstreamClosed,
    /// The answer was no HTTP.
    UpstreamGarbage,
    /// The head of the answer was larger than any sensible one.
    UpstreamHeadTooLarge,
    /// The answer ended before its length.
    UpstreamTruncated,
    /// The answer named a file to be sent that lies outside of everything that may be
    /// (X-Accel-Redirect, X-Sendfile).
    AccelRefused,
    /// The body is longer than `server.max_body`.
    BodyTooLarge,
    /// The body is longer than `buffers.memory` and `buffers.disk` can ever hold.
    BodyBeyondBuffers,
    /// The host is not among `server.allowed_hosts`.
    HostNotAllowed,
    /// The head is larger than the application takes (`upstream.uwsgi_buffer_size`).
    HeadTooLarge,
    /// Bodies that wait have taken all of `buffers.memory` and `buffers.disk`.
    BuffersFull,
    /// The disk behind `buffers.directory` is full.
    DiskFull,
    /// A buffered body could not be written or read, for another reason than a full disk.
    BufferFailed,
    /// The request came back to the process that had passed it on.
    LoopDetected,
    /// The maintenance file exists.
    Maintenance,
    /// As many requests as `upstream.queue` wait already.
    QueueFull,
    /// No place at the application within `upstream.queue_timeout`.
    QueueTimeout,
    /// No complete answer within `upstream.total_timeout`.
    UpstreamTotalTimeout,
}

/// Whose side a failure lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Us,
    Upstream,
}

// === impl Error ===

impl Error {
    /// A failure without an underlying I/O error.
    pub fn new(kind: Kind) -> Self {
        Self { kind, unsent: false, byte: None, cause: None }
    }

    /// A failure with the I/O error behind it.
    pub fn io(kind: Kind, cause: io::Error) -> Self {
        Self { kind, unsent: false, byte: None, cause: Some(cause) }
    }

    /// Marks that the application cannot have acted on the request.
    #[must_use]
    pub fn unsent(mut self) -> Self {
        self.unsent = true;
        self
    }

    /// Names the byte that is wrong, and how many are before it.
    #[must_use]
    pub fn at(mut self, byte: u8, at: usize) -> Self {
        self.byte = Some((byte, at));
        self
    }

    /// The byte that is wrong, and how many are before it.
    pub fn byte(&self) -> Option<(u8, usize)> {
        self.byte
    }

    /// The I/O error behind it.
    pub fn cause(&self) -> Option<&io::Error> {
        self.cause.as_ref()
    }

    /// What happened.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the application cannot have acted on the request.
    pub fn is_unsent(&self) -> bool {
        self.unsent
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if let Some((byte, at)) = self.byte {
            write!(f, ": 0x{byte:02X} is byte {}", at + 1)?;
        }
        self.cause.as_ref().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

// === impl Kind ===

impl Kind {
    pub const ALL: [Self; 55] = [
        Self::HostMissing,
        Self::HostRepeated,
        Self::HostInvalid,
        Self::CodingUnknown,
        Self::TargetInvalid,
        Self::ConnectMethod,
        Self::LineEndInvalid,
        Self::RequestLineInvalid,
        Self::VersionUnsupported,
        Self::FieldInvalid,
        Self::LengthInvalid,
        Self::LengthRepeated,
        Self::LengthAndCoding,
        Self::CodingUnexpected,
        Self::PseudoHeaderInvalid,
        Self::ConnectionField,
        Self::TraceMethod,
        Self::HostMismatch,
        Self::RequestLineTooLong,
        Self::HeaderTooLong,
        Self::HeadersTooLong,
        Self::TooManyHeaders,
        Self::ClientBody,
        Self::ClientBodyTimeout,
        Self::ClientBodySlow,
        Self::ClientHeadTimeout,
        Self::ClientGone,
        Self::PathInvalid,
        Self::FileUnreadable,
        Self::FileForbidden,
        Self::FileTruncated,
        Self::FileChanged,
        Self::DescriptorsExhausted,
        Self::UpstreamUnresolved,
        Self::UpstreamRefused,
        Self::UpstreamForbidden,
        Self::UpstreamConnectTimeout,
        Self::UpstreamReadTimeout,
        Self::UpstreamClosed,
        Self::UpstreamGarbage,
        Self::UpstreamHeadTooLarge,
        Self::UpstreamTruncated,
        Self::AccelRefused,
        Self::BodyTooLarge,
        Self::BodyBeyondBuffers,
        Self::HostNotAllowed,
        Self::HeadTooLarge,
        Self::BuffersFull,
        Self::DiskFull,
        Self::BufferFailed,
        Self::LoopDetected,
        Self::Maintenance,
        Self::QueueFull,
        Self::QueueTimeout,
        Self::UpstreamTotalTimeout,
    ];

    /// The short name in the access log's `error` field.
    pub fn name(self) -> &'static str {
        match self {
            Self::HostMissing => "host_missing",
            Self::HostRepeated => "host_repeated",
            Self::HostInvalid => "host_invalid",
            Self::CodingUnknown => "coding_unknown",
            Self::TargetInvalid => "target_invalid",
            Self::ConnectMethod => "connect_method",
            Self::LineEndInvalid => "line_end_invalid",
            Self::RequestLineInvalid => "request_line_invalid",
            Self::VersionUnsupported => "version_unsupported",
            Self::FieldInvalid => "field_invalid",
            Self::LengthInvalid => "length_invalid",
            Self::LengthRepeated => "length_repeated",
            Self::LengthAndCoding => "length_and_coding",
            Self::CodingUnexpected => "coding_unexpected",
            Self::PseudoHeaderInvalid => "pseudo_header_invalid",
            Self::ConnectionField => "connection_field",
            Self::TraceMethod => "trace_method",
            Self::HostMismatch => "host_mismatch",
            Self::RequestLineTooLong => "request_line_too_long",
            Self::HeaderTooLong => "header_too_long",
            Self::HeadersTooLong => "headers_too_long",
            Self::TooManyHeaders => "too_many_headers",
            Self::ClientBody => "client_body",
            Self::ClientBodyTimeout => "client_body_timeout",
            Self::ClientBodySlow => "client_body_slow",
            Self::ClientHeadTimeout => "client_head_timeout",
            Self::ClientGone => "client_gone",
            Self::PathInvalid => "path_invalid",
            Self::FileUnreadable => "file_unreadable",
            Self::FileForbidden => "file_forbidden",
            Self::FileTruncated => "file_truncated",
            Self::FileChanged => "file_changed",
            Self::DescriptorsExhausted => "descriptors_exhausted",
            Self::UpstreamUnresolved => "upstream_unresolved",
            Self::UpstreamRefused => "upstream_refused",
            Self::UpstreamForbidden => "upstream_forbidden",
            Self::UpstreamConnectTimeout => "upstream_connect_timeout",
            Self::UpstreamReadTimeout => "upstream_read_timeout",
            Self::UpstreamClosed => "upstream_closed",
            Self::UpstreamGarbage => "upstream_garbage",
            Self::UpstreamHeadTooLarge => "upstream_head_too_large",
            Self::UpstreamTruncated => "upstream_truncated",
            Self::AccelRefused => "accel_refused",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyBeyondBuffers => "body_beyond_buffers",
            Self::HostNotAllowed => "host_not_allowed",
            Self::HeadTooLarge => "head_too_large",
            Self::BuffersFull => "buffers_full",
            Self::DiskFull => "disk_full",
            Self::BufferFailed => "buffer_failed",
            Self::LoopDetected => "loop_detected",
            Self::Maintenance => "maintenance",
            Self::QueueFull => "queue_full",
            Self::QueueTimeout => "queue_timeout",
            Self::UpstreamTotalTimeout => "upstream_total_timeout",
        }
    }

    /// Whose side it lies on.
    pub fn side(self) -> Side {
        match self {
            Self::HostMissing
            | Self::HostRepeated
            | Self::HostInvalid
            | Self::CodingUnknown
            | Self::TargetInvalid
            | Self::ConnectMethod
            | Self::LineEndInvalid
            | Self::RequestLineInvalid
            | Self::VersionUnsupported
            | Self::FieldInvalid
            | Self::LengthInvalid
            | Self::LengthRepeated
            | Self::LengthAndCoding
            | Self::CodingUnexpected
            | Self::PseudoHeaderInvalid
            | Self::ConnectionField
            | Self::TraceMethod
            | Self::HostMismatch
            | Self::RequestLineTooLong
            | Self::HeaderTooLong
            | Self::HeadersTooLong
            | Self::TooManyHeaders
            | Self::ClientBody
            | Self::ClientBodyTimeout
            | Self::ClientBodySlow
            | Self::ClientHeadTimeout
            | Self::ClientGone
            | Self::PathInvalid
            | Self::BodyTooLarge
            | Self::BodyBeyondBuffers
            | Self::HostNotAllowed
            | Self::HeadTooLarge => Side::Client,
            Self::FileUnreadable
            | Self::FileForbidden
            | Self::FileTruncated
            | Self::FileChanged
            | Self::DescriptorsExhausted
            | Self::BuffersFull
            | Self::DiskFull
            | Self::BufferFailed
            | Self::LoopDetected
            | Self::Maintenance
            | Self::QueueFull
            | Self::QueueTimeout => Side::Us,
            Self::UpstreamUnresolved
            | Self::UpstreamRefused
            | Self::UpstreamForbidden
            | Self::UpstreamConnectTimeout
            | Self::UpstreamReadTimeout
            | Self::UpstreamClosed
            | Self::UpstreamGarbage
            | Self::UpstreamHeadTooLarge
            | Self::UpstreamTruncated
            | Self::UpstreamTotalTimeout
            | Self::AccelRefused => Side::Upstream,
        }
    }
}
