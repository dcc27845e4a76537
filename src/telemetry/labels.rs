//! The values of the request metrics' labels: few and fixed, whatever clients send.

use http::{Method, StatusCode};

/// Who answered a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteLabel {
    /// Refused before it was routed.
    #[default]
    None,
    Health,
    Static,
    Media,
    Proxy,
    /// A file that the application said to send.
    Accel,
}

/// A request method, all unusual ones taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodLabel {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Other,
}

/// The first digit of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusClass {
    Informational,
    Success,
    Redirect,
    ClientError,
    ServerError,
}

/// How a client's handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeResult {
    /// All of it was done.
    Full,
    /// The client had a ticket.
    Resumed,
    /// It took longer than `tls.handshake_timeout`.
    Timeout,
    /// The client left in its midst.
    Disconnected,
    /// What came was not TLS, such as plain HTTP.
    NotTls,
    /// No version, cipher or protocol that both know.
    Incompatible,
    /// The client wanted no more, mostly because of the certificate.
    Refused,
    /// The client broke the rules.
    Broken,
}

/// What a client of HTTP/2 sent too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloodLabel {
    /// Frames that move no request on, such as PING and SETTINGS.
    ControlFrames,
    /// Frames of one head.
    HeadFrames,
    /// Requests that it took back at once.
    Resets,
    /// Malformed requests.
    Malformed,
    /// What h2 has a limit for.
    Other,
}

/// A label of the metrics.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    pub name: &'static str,
    pub meaning: &'static str,
    /// All that there are, or none where they are too many to be listed here.
    pub values: &'static [&'static str],
}

/// Every label of every metric, in the order of the alphabet.
pub const LABELS: &[Label] = &[
    label("body", "Whose body it is", &["request", "response"]),
    label("cause", "Why it was refused", &["slow", "crowded", "reload"]),
    label("certificate", "The file of the certificate, or `self-signed`", &[]),
    label(
        "error",
        "The word of the access log: [all of them](application.md#what-went-wrong), each with what to \
         do",
        &[],
    ),
    label("fault", "What is wrong with the file", &["missing", "mismatched"]),
    label(
        "flood",
        "What was sent without end: frames that move no request on (PING, SETTINGS, WINDOW_UPDATE, PRIORITY, \
         RST_STREAM, unknown ones), frames of one head, requests that were taken back at once, malformed requests, others (such \
         as DATA without bytes)",
        &["control_frames", "head_frames", "resets", "malformed", "other"],
    ),
    label("found", "Where the file was found", &["directory", "fallback", "current", "failed"]),
    label("kind", "Where the bodies are, or heads", &["memory", "disk", "heads"]),
    label(
        "limit",
        "What there was too much of, or too few of",
        &[
            "max_requests",
            "max_connections",
            "descriptors",
            "memory",
            "idle_memory",
            "connection_share",
            "buffer_share",
        ],
    ),
    label(
        "method",
        "The request's method; unusual ones are `other`",
        &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"],
    ),
    label("phase", "Where the process stands", &["starting", "ready", "draining", "stopped"]),
    label(
        "result",
        "How it ended",
        &[
            "full",
            "resumed",
            "timeout",
            "disconnected",
            "not_tls",
            "incompatible",
            "refused",
            "broken",
            "used",
            "rejected",
            "sent",
            "missing",
            "ok",
            "failed",
        ],
    ),
    label(
        "route",
        "Who answered: `accel` is a file that the application had sent, `none` a request that was refused \
         before it was routed",
        &["none", "health", "static", "media", "proxy", "accel"],
    ),
    label("setting", "The [setting](settings.md) with this value", &[]),
    label("state", "Whether it is asked", &["available", "unavailable"]),
    label("status", "The class of the status", &["1xx", "2xx", "3xx", "4xx", "5xx"]),
    label(
        "store",
        "Whose files: `media` holds those that the application has sent, too",
        &["static", "media"],
    ),
    label("timer", "What ran out", &["idle", "header", "write"]),
    label("version", "The version of the binary", &[]),
    label("where", "Where the request was", &["queue", "application"]),
    label("worker", "The worker thread, counted from 0", &[]),
];

const fn label(
    name: &'static str,
    meaning: &'static str,
    values: &'static [&'static str],
) -> Label {
    Label { name, meaning, values }
}

// === impl RouteLabel ===

impl RouteLabel {
    pub const ALL: [Self; 6] =
        [Self::None, Self::Health, Self::Static, Self::Media, Self::Proxy, Self::Accel];

    /// The label's value, also in the access log.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Health => "health",
            Self::Static => "static",
            Self::Media => "media",
            Self::Proxy => "proxy",
            Self::Accel => "accel",
        }
    }
}

// === impl MethodLabel ===

impl MethodLabel {
    pub const ALL: [Self; 8] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Patch,
        Self::Delete,
        Self::Options,
        Self::Other,
    ];

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other => "other",
        }
    }
}

impl From<&Method> for MethodLabel {
    fn from(method: &Method) -> Self {
        match *method {
            Method::GET => Self::Get,
            Method::HEAD => Self::Head,
            Method::POST => Self::Post,
            Method::PUT => Self::Put,
            Method::PATCH => Self::Patch,
            Method::DELETE => Self::Delete,
            Method::OPTIONS => Self::Options,
            _ => Self::Other,
        }
    }
}

// === impl StatusClass ===

impl StatusClass {
    pub const ALL: [Self; 5] =
        [Self::Informational, Self::Success, Self::Redirect, Self::ClientError, Self::ServerError];

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Informational => "1xx",
            Self::Success => "2xx",
            Self::Redirect => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
        }
    }
}

impl From<StatusCode> for StatusClass {
    fn from(status: StatusCode) -> Self {
        match status.as_u16() {
            100..=199 => Self::Informational,
            200..=299 => Self::Success,
            300..=399 => Self::Redirect,
            400..=499 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

// === impl FloodLabel ===

impl FloodLabel {
    pub const ALL: [Self; 5] =
        [Self::ControlFrames, Self::HeadFrames, Self::Resets, Self::Malformed, Self::Other];

    /// The label's value, also in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::ControlFrames => "control_frames",
            Self::HeadFrames => "head_frames",
            Self::Resets => "resets",
            Self::Malformed => "malformed",
            Self::Other => "other",
        }
    }
}

// === impl HandshakeResult ===

impl HandshakeResult {
    pub const ALL: [Self; 8] = [
        Self::Full,
        Self::Resumed,
        Self::Timeout,
        Self::Disconnected,
        Self::NotTls,
        Self::Incompatible,
        Self::Refused,
        Self::Broken,
    ];

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Resumed => "resumed",
            Self::Timeout => "timeout",
            Self::Disconnected => "disconnected",
            Self::NotTls => "not_tls",
            Self::Incompatible => "incompatible",
            Self::Refused => "refused",
            Self::Broken => "broken",
        }
    }
}
