//! Settings of the access log and of events.

use std::{fmt, time::Duration};

use super::name_pattern::NamePattern;

/// The default names of query parameters whose values are redacted, separated by spaces. Names are compared without
/// punctuation, so `*privatekey*` matches `private_key` and `private-key` too.
pub const SECRET_NAMES: &str = "\
    *token* *secret* *password* *passwd* *passphrase* *passcode* *pass *pwd pw *key \
    *accesskeyid *privatekey* *signature* sig *hmac *credential* *authorization *auth *bearer* \
    jwt *csrf* *xsrf* code *authcode *authorizationcode *accesscode *verificationcode \
    *confirmationcode *securitycode *recoverycode *verifier *otp otp* mfa* 2fa* pin *_pin \
    *-pin *pincode cvv cvc ssn *assertion samlresponse *session* *sessid sid ticket *cookie \
    *connectionstring";

/// The access log (stdout) and events (stderr).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogSettings {
    pub access: AccessLog,
    /// The fields of a line, in this order.
    pub fields: LogFields,
    /// Query parameters whose values are redacted.
    pub redact: Redact,
    /// One of this many successful responses with static files is logged; 0 logs none.
    pub static_sample: u32,
    /// Responses that take at least this long are always logged.
    pub slow: Duration,
    /// Whether successful health checks are logged too.
    pub health: bool,
    pub level: Level,
    /// Bytes of access-log lines that may wait for stdout.
    pub buffer: usize,
    pub when_slow: WhenSlow,
}

/// The format of the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLog {
    #[default]
    Json,
    Combined,
    Off,
}

/// Which requests of a route have a line. Successful files and health checks have one only if the settings above say
/// so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteLog {
    #[default]
    All,
    /// Those that fail, or take at least `slow`.
    Failing,
    Off,
}

/// The handling of lines beyond `buffer`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenSlow {
    /// Lines are dropped and counted.
    #[default]
    Drop,
    /// Requests wait before they are processed, except health checks.
    Block,
}

/// The lowest level of events that are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// Makes the enum, the list of all named fields, and their names, from one row for each field.
macro_rules! log_fields {
    ($($field:ident: $name:literal,)+) => {
        /// A field of a line.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum LogField {
            $($field,)+
            /// All fields of Apache's combined format, in that format.
            Combined,
        }

        impl LogField {
            /// All fields with a name of their own.
            pub const ALL: [Self; [$(LogField::$field),+].len()] = [$(Self::$field),+];

            /// Returns its name in settings and lines.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$field => $name,)+
                    Self::Combined => "combined",
                }
            }
        }
    };
}

log_fields! {
    Time: "time",
    Client: "client",
    Method: "method",
    Host: "host",
    Path: "path",
    Query: "query",
    Protocol: "protocol",
    Tls: "tls",
    Status: "status",
    Bytes: "bytes",
    BytesIn: "bytes_in",
    Duration: "duration_ms",
    Queue: "queue_ms",
    UpstreamTime: "upstream_ms",
    Upstream: "upstream",
    Route: "route",
    Cache: "cache",
    RequestId: "request_id",
    TraceId: "trace_id",
    UserAgent: "user_agent",
    Referer: "referer",
    Error: "error",
}

/// The fields of a line, in order, without duplicates.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LogFields(pub Vec<LogField>);

/// Names of query parameters, in lower case.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Redact(pub Vec<NamePattern>);

// === impl LogSettings ===

impl LogSettings {
    /// Returns the maximum bytes of lines that wait for stdout. Requests that began before it was full are logged too.
    pub fn limit(&self) -> usize {
        match self.when_slow {
            WhenSlow::Drop => self.buffer,
            WhenSlow::Block => self.buffer.saturating_mul(2),
        }
    }

    /// Returns the bytes of waiting lines at which new requests wait, if they do.
    pub fn full_at(&self) -> Option<usize> {
        (self.when_slow == WhenSlow::Block).then_some(self.buffer)
    }
}

// === impl LogField ===

impl LogField {
    /// Returns whether a JSON line contains the field by default.
    pub fn is_default(self) -> bool {
        !matches!(self, Self::Protocol | Self::Tls | Self::Upstream | Self::Combined)
    }
}

// === impl LogFields ===

impl fmt::Debug for LogFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|field| field.name()).collect();
        write!(f, "LogFields({})", names.join(", "))
    }
}

// === impl Redact ===

impl fmt::Debug for Redact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "Redact({})", names.join(", "))
    }
}
