//! Where the application is and how it is spoken to.

use std::{fmt, path::PathBuf, time::Duration};

/// The application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    pub protocol: Protocol,
    pub target: Target,
    /// For one connection attempt, name resolution included.
    pub connect_timeout: Duration,
    /// For the head of the response, and for each pause between two reads or two writes.
    pub read_timeout: Duration,
    /// How long an unused connection to the application is kept.
    pub idle_timeout: Duration,
    /// Unused connections kept, for each worker.
    pub max_idle: usize,
}

/// The protocol spoken to the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
}

/// The application's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `host` is a name or an address, without brackets.
    Tcp { host: String, port: u16 },
    /// A unix socket; it may appear after the start.
    Unix(PathBuf),
}

// === impl Target ===

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
