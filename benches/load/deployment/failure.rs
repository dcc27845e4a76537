//! Why a request had no complete response: kinds that are counted, each with what to do.

use std::{fmt, io};

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FailureKind {
    Refused,
    Unreachable,
    Tls,
    ClosedBefore,
    ClosedWithin,
    TimedOut,
    Invalid,
    NotSent,
}

/// One failure.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    /// What exactly happened, in the words of the system.
    pub(crate) detail: String,
}

// === impl FailureKind ===

impl FailureKind {
    /// A short name: the key of the saved file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Refused => "connection refused",
            Self::Unreachable => "connection failed",
            Self::Tls => "TLS handshake failed",
            Self::ClosedBefore => "closed before the response",
            Self::ClosedWithin => "closed within the response",
            Self::TimedOut => "timed out",
            Self::Invalid => "invalid response",
            Self::NotSent => "not sent",
        }
    }

    /// What to do about it.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::Refused => "start the server, or correct host and port",
            Self::Unreachable => {
                "check the route, the firewall, and `ulimit -n` here; try fewer connections"
            }
            Self::Tls => {
                "name the CA's certificates with --ca, or do not verify at all with --insecure; a plain port needs http://"
            }
            Self::ClosedBefore => {
                "look for the reason in the server's log: a limit of connections, a restart, a TLS port asked over http://"
            }
            Self::ClosedWithin => {
                "look for the reason in the server's log: the application failed, or a time limit was reached"
            }
            Self::TimedOut => {
                "the server is overloaded or hangs: lower the load, or raise --timeout"
            }
            Self::Invalid => "check that host and port are those of an HTTP/1.1 server",
            Self::NotSent => {
                "all connections were busy until the end: lower --rate, or raise --connections"
            }
        }
    }
}

// === impl Failure ===

impl Failure {
    /// A failure of this kind.
    pub(crate) fn new(kind: FailureKind, detail: impl fmt::Display) -> Self {
        Self { kind, detail: detail.to_string() }
    }

    /// What an error of connecting means.
    pub(crate) fn connecting(error: &io::Error) -> Self {
        let kind = if error.kind() == io::ErrorKind::ConnectionRefused {
            FailureKind::Refused
        } else {
            FailureKind::Unreachable
        };
        Self::new(kind, error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.kind.name(), self.detail, self.kind.remedy())
    }
}
