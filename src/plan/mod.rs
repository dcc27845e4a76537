//! The validated, immutable settings that the rest of the program reads: data only.
//!
//! `config` makes a [`Plan`] out of text; nothing here parses, reads a file or logs. Every duration
//! and size is already within its bounds. `Default` is blank here, and `config` fills it in; the defaults
//! of settings are in `config/keys`.

mod buffers;
mod client_network;
mod files;
mod listen;
mod log;
mod memory;
mod routes;
mod tls;
mod upstream;

pub use self::{
    buffers::{Buffers, Spill},
    client_network::ClientNetwork,
    files::{
        CacheRule, Cors, Fallback, Files, Lifetime, Missing, Pattern, Purpose, Root, Symlinks,
    },
    listen::Listen,
    log::{
        AccessLog, Level, Log, LogField, LogFields, NamePattern, Redact, SECRET_NAMES, WhenSlow,
    },
    memory::Memory,
    routes::{FieldEdit, FieldRule, Pages, Route, Streaming, Unbuffered},
    tls::{CertificateFiles, Certificates, Tls, TlsVersion},
    upstream::{Admission, Flavour, Probe, Protocol, Target, Upstream, Uwsgi},
};

use std::{net::SocketAddr, num::NonZeroU64, time::Duration};

use ipnet::IpNet;

use crate::rfc::request_head::Limits;

/// Everything `run` needs to know.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub server: Server,
    /// `None` is no listener that speaks TLS.
    pub tls: Option<Tls>,
    /// The application that answers what no route names another for.
    pub upstream: Upstream,
    /// Other applications, by path.
    pub routes: Vec<Route>,
    pub unbuffered: Vec<Unbuffered>,
    pub fields: Vec<FieldRule>,
    pub memory: Memory,
    pub buffers: Buffers,
    pub pages: Pages,
    /// The site's own files.
    pub files: Files,
    /// What users uploaded, and what the application alone may send.
    pub media: Files,
    /// What is done about static files that are missing.
    pub missing: Missing,
    pub health: Health,
    pub admin: Admin,
    pub log: Log,
    pub shutdown: Shutdown,
}

/// The client side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Server {
    /// Where plain HTTP is spoken; at least one, unless TLS is spoken somewhere.
    pub listen: Vec<Listen>,
    /// Worker threads; `None` is one per usable core.
    pub workers: Option<usize>,
    /// Peers whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Headers that are believed of these peers alone, in lower case.
    pub trusted_headers: Vec<String>,
    /// How long a kept-alive client connection may wait for its next request.
    pub idle_timeout: Duration,
    /// How long a client may take from the first byte of a request's head to its last, and from its
    /// connection to the first byte.
    pub header_timeout: Duration,
    /// What a request's head may have.
    pub head: Limits,
    /// How long a client may pause while it sends a body.
    pub body_timeout: Duration,
    /// Bytes a second that a client must send of a body; `None` is no limit.
    pub min_body_rate: Option<NonZeroU64>,
    /// How long a client may take nothing of an answer.
    pub write_timeout: Duration,
    /// Requests of one client connection.
    pub max_requests: u64,
    /// Open client connections; `None` is what the descriptors allow.
    pub max_connections: Option<usize>,
    /// Bytes of a request's body; `None` is no limit.
    pub max_body: Option<u64>,
    /// Hosts that requests may be for, lower case; one that begins with a dot stands for every name
    /// that ends with it. None at all stands for every host.
    pub allowed_hosts: Vec<String>,
    /// Whether a client that came to a trusted proxy by plain http is sent to https.
    pub redirect_https: bool,
}

/// The answers for load balancers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether this process is in service.
    pub path: String,
    /// Whether the application accepts connections now.
    pub ready_path: String,
    /// Whether `path` answers 503 until the application accepted its first connection.
    pub wait_for_application: bool,
}

/// The listener for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admin {
    /// `None` switches it off.
    pub listen: Option<SocketAddr>,
}

/// Leaving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shutdown {
    /// From the signal: how long new connections are still accepted.
    pub delay: Duration,
    /// From the signal: when the requests still running are cut. Never shorter than `delay`.
    pub timeout: Duration,
    /// From the signal: when upgraded connections are closed. Never longer than `timeout`.
    pub tunnels: Duration,
}
