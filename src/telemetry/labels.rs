//! The values of metric labels. They are few and fixed, whatever clients send.

use http::{Method, StatusCode};

/// The handler of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteLabel {
    /// Refused before routing.
    #[default]
    None,
    Health,
    Static,
    Media,
    Proxy,
    /// A file that the application named.
    Accel,
    /// A redirect or a fixed response of a route.
    Respond,
}

/// A request method; all unusual ones are one value.
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

/// The result of a client's handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeResult {
    /// A full handshake.
    Full,
    /// Resumed with a session ticket.
    Resumed,
    /// It took longer than `tls.handshake_timeout`.
    Timeout,
    /// The client disconnected during the handshake.
    Disconnected,
    /// The client did not send TLS, but for example plain HTTP.
    NotTls,
    /// Client and server have no version, cipher or protocol in common.
    Incompatible,
    /// The client refused the connection, usually because of the certificate.
    Refused,
    /// The client violated the protocol.
    Broken,
}

/// The reason why a connection was refused that must begin with a header of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeaderRefusal {
    /// The peer is not in `server.proxy_protocol_from`.
    Network,
    /// The connection begins with something else.
    Missing,
    Malformed,
    TooLong,
    /// The header was not complete within `server.header_timeout`.
    Timeout,
    /// The peer disconnected within the header.
    Disconnected,
}

/// The kind of a client's HTTP/2 flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloodLabel {
    /// Frames that advance no request, such as PING and SETTINGS.
    ControlFrames,
    /// Frames of one head.
    HeadFrames,
    /// Requests that it reset at once.
    Resets,
    /// Malformed requests.
    Malformed,
    /// Other limits of h2.
    Other,
}

/// Where the `upstream.max_in_flight` in force comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitSource {
    /// A number is set.
    Set,
    /// The requests that the application has not begun.
    Unread,
    /// The throughput with different limits.
    Throughput,
    /// No request had to wait yet, or not long enough.
    Unknown,
}

/// A label of the metrics.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    pub name: &'static str,
    pub meaning: &'static str,
    /// All values, or none if there are too many to list.
    pub values: &'static [&'static str],
}

/// Every label of every metric, in alphabetical order.
pub const LABELS: &[Label] = &[
    label("body", "Whether it is the body of a request or of a response", &["request", "response"]),
    label(
        "cache",
        "What the cache did: `hit` (a stored response), `stale` (a stored one that was stale), `revalidated` (a stored one \
         that the application confirmed), `miss` (nothing was stored), `expired` (a new response in place of a stale \
         one), `bypass` (the request is not for the cache), `pass` (the last response to this URL could not be stored), \
         `collapsed` (the response that another request fetched)",
        &["hit", "stale", "revalidated", "miss", "expired", "bypass", "pass", "collapsed"],
    ),
    label(
        "cause",
        "Reason of the refusal: at the admin listener, of a connection that must begin with a PROXY header \
         (from `network`), why a server of the application is not used (from `refused`), or why a span was lost (from \
         `full`, and `refused`)",
        &[
            "slow",
            "crowded",
            "reload",
            "purge",
            "network",
            "missing",
            "malformed",
            "too_long",
            "timeout",
            "disconnected",
            "refused",
            "closed",
            "status",
            "probe",
            "protocol",
            "full",
            "failed",
        ],
    ),
    label("certificate", "The file of the certificate, or `self-signed`", &[]),
    label("coding", "Content coding of the response", &["gzip", "br", "zstd"]),
    label(
        "decision",
        "What decided about the request: Redis, or this process alone",
        &["redis", "timeout", "unavailable"],
    ),
    label(
        "error",
        "The `error` of the access log: [all of them](errors.md), each with what to do",
        &[],
    ),
    label("fault", "The fault of the file", &["missing", "mismatched"]),
    label(
        "flood",
        "Kind of the flood: frames that advance no request (PING, SETTINGS, WINDOW_UPDATE, PRIORITY, \
         RST_STREAM, unknown ones), frames of one head, requests that were reset at once, malformed requests, others (such \
         as DATA without bytes)",
        &["control_frames", "head_frames", "resets", "malformed", "other"],
    ),
    label("found", "Where the file was found", &["directory", "fallback", "current", "failed"]),
    label(
        "kind",
        "Where bodies are buffered, or `heads` for long request heads",
        &["memory", "disk", "heads"],
    ),
    label(
        "limit",
        "The limit that was reached",
        &[
            "max_requests",
            "max_connections",
            "descriptors",
            "memory",
            "idle_memory",
            "connection_share",
            "buffer_share",
            "upstream_share",
        ],
    ),
    label(
        "method",
        "The request's method; all others are `other`",
        &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"],
    ),
    label("phase", "Phase of the process", &["starting", "ready", "draining", "stopped"]),
    label("purge", "What the purge named", &["url", "prefix", "tag", "all"]),
    label(
        "reason",
        "Why the response was not compressed: compression.max_cpu, the memory for responses, or a request from another \
         site with a session; why a stale response was used (`revalidating` to `busy`); why a response was not stored \
         (from `no-store`)",
        &[
            "cpu",
            "memory",
            "cross_site",
            "revalidating",
            "error",
            "unavailable",
            "busy",
            "no-store",
            "private",
            "set-cookie",
            "authorization",
            "vary",
            "no-lifetime",
            "status",
            "partial",
            "request-no-store",
            "varies",
            "disguised",
            "special",
            "too-long",
        ],
    ),
    label(
        "result",
        "Result of the action",
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
            "allowed",
            "denied",
            "passed",
            "status",
            "invalid",
            "credentials",
            "unavailable",
            "limited",
        ],
    ),
    label(
        "route",
        "The handler of the request: `accel` is a file that the application named, `none` a request that was \
         refused before routing",
        &["none", "health", "static", "media", "proxy", "accel", "respond"],
    ),
    label("setting", "The [setting](settings.md) with this value", &[]),
    label("source", "Where the limit comes from", &["set", "unread", "throughput", "unknown"]),
    label("state", "Whether the server gets requests", &["available", "unavailable"]),
    label("status", "The class of the status", &["1xx", "2xx", "3xx", "4xx", "5xx"]),
    label(
        "store",
        "The cache: `media` includes files that the application named",
        &["static", "media"],
    ),
    label("timer", "The timer that expired", &["idle", "header", "write"]),
    label("version", "The version of the binary", &[]),
    label("where", "Where the request was at that time", &["queue", "application"]),
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
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Health,
        Self::Static,
        Self::Media,
        Self::Proxy,
        Self::Accel,
        Self::Respond,
    ];

    /// The label's value, also in the access log.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Health => "health",
            Self::Static => "static",
            Self::Media => "media",
            Self::Proxy => "proxy",
            Self::Accel => "accel",
            Self::Respond => "respond",
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

// === impl LimitSource ===

impl LimitSource {
    pub const ALL: [Self; 4] = [Self::Set, Self::Unread, Self::Throughput, Self::Unknown];

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Unread => "unread",
            Self::Throughput => "throughput",
            Self::Unknown => "unknown",
        }
    }
}

// === impl ProxyHeaderRefusal ===

impl ProxyHeaderRefusal {
    pub const ALL: [Self; 6] = [
        Self::Network,
        Self::Missing,
        Self::Malformed,
        Self::TooLong,
        Self::Timeout,
        Self::Disconnected,
    ];

    /// The label's value, also in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::TooLong => "too_long",
            Self::Timeout => "timeout",
            Self::Disconnected => "disconnected",
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
