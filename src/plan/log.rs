//! What is written of requests and events.

use std::{fmt, time::Duration};

/// The names of query parameters whose values are hidden unless other names are set. Punctuation in a
/// name is left out where it is compared, so that `*privatekey*` is `private_key` and `private-key` too. Spaces part
/// them.
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
    /// What a line tells, in this order.
    pub fields: LogFields,
    /// Query parameters whose values are hidden.
    pub redact: Redact,
    /// One of so many successful answers with static files has a line; 0 is none of them.
    pub static_sample: u32,
    /// What takes this long always has its line.
    pub slow: Duration,
    /// Whether health checks that went well have lines too.
    pub health: bool,
    pub level: Level,
    /// Bytes of access-log lines that may wait for stdout.
    pub buffer: usize,
    pub when_slow: WhenSlow,
}

/// The form of the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLog {
    #[default]
    Json,
    Combined,
    Off,
}

/// What is done about lines beyond `buffer`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenSlow {
    /// They are dropped and counted.
    #[default]
    Drop,
    /// Requests wait before anything is done about them, health checks apart.
    Block,
}

/// The least important events that are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// Makes the enum, the list of all fields with a name of their own, and the names from one row a field.
macro_rules! log_fields {
    ($($field:ident: $name:literal,)+) => {
        /// Something that a line can tell.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum LogField {
            $($field,)+
            /// All that Apache's combined form has, in that form.
            Combined,
        }

        impl LogField {
            /// All that have a name of their own.
            pub const ALL: [Self; [$(LogField::$field),+].len()] = [$(Self::$field),+];

            /// Its name in settings and lines.
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
    RequestId: "request_id",
    TraceId: "trace_id",
    UserAgent: "user_agent",
    Referer: "referer",
    Error: "error",
}

/// What a line tells, in order; nothing twice.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LogFields(pub Vec<LogField>);

/// Names of query parameters, in lower case.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Redact(pub Vec<NamePattern>);

/// A name in lower case, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    Exact(String),
    /// Names that begin with it.
    Begin(String),
    /// Names that end with it.
    End(String),
    /// Names that have it in them.
    Within(String),
}

// === impl LogSettings ===

impl LogSettings {
    /// Bytes of lines that wait for stdout, at the most. Requests that had begun when it was full have
    /// lines too.
    pub fn limit(&self) -> usize {
        match self.when_slow {
            WhenSlow::Drop => self.buffer,
            WhenSlow::Block => self.buffer.saturating_mul(2),
        }
    }

    /// Bytes of lines at which requests begin to wait, if they do.
    pub fn full_at(&self) -> Option<usize> {
        (self.when_slow == WhenSlow::Block).then_some(self.buffer)
    }
}

// === impl LogField ===

impl LogField {
    /// Whether a JSON line tells it unless something else is asked for.
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

// === impl NamePattern ===

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Begin(part) => write!(f, "{part}*"),
            Self::End(part) => write!(f, "*{part}"),
            Self::Within(part) => write!(f, "*{part}*"),
        }
    }
}
