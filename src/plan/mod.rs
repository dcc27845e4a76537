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
    buffers::{BufferSettings, SpillDirectory},
    client_network::ClientNetwork,
    files::{
        CacheRule, Cors, FallbackSettings, FileSettings, Lifetime, MissingFileSettings,
        NamePatternRule, Purpose, Root, Symlinks,
    },
    listen::ListenAddress,
    log::{
        AccessLog, Level, LogField, LogFields, LogSettings, NamePattern, Redact, SECRET_NAMES,
        WhenSlow,
    },
    memory::MemorySettings,
    routes::{FieldEdit, FieldRule, PageSettings, Streaming, UnbufferedPrefix, UpstreamRoute},
    tls::{CertificateFiles, CertificateSettings, TlsSettings, TlsVersion},
    upstream::{
        AdmissionSettings, ProbeSettings, Protocol, UpstreamSettings, UpstreamTarget, UwsgiFlavour,
        UwsgiSettings,
    },
};

use std::{net::SocketAddr, num::NonZeroU64, time::Duration};

use ipnet::IpNet;

use crate::rfc::request_head::HeadLimits;

/// Everything `run` needs to know.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub server: ServerSettings,
    /// `None` is no listener that speaks TLS.
    pub tls: Option<TlsSettings>,
    /// The application that answers what no route names another for.
    pub upstream: UpstreamSettings,
    /// Other applications, by path.
    pub routes: Vec<UpstreamRoute>,
    pub unbuffered: Vec<UnbufferedPrefix>,
    pub fields: Vec<FieldRule>,
    pub memory: MemorySettings,
    pub buffers: BufferSettings,
    pub pages: PageSettings,
    /// The site's own files.
    pub files: FileSettings,
    /// What users uploaded, and what the application alone may send.
    pub media: FileSettings,
    /// What is done about static files that are missing.
    pub missing: MissingFileSettings,
    pub health: HealthSettings,
    pub admin: AdminSettings,
    pub log: LogSettings,
    pub shutdown: ShutdownSettings,
}

/// The client side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerSettings {
    /// Where plain HTTP is spoken; at least one, unless TLS is spoken somewhere.
    pub listen: Vec<ListenAddress>,
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
    pub head: HeadLimits,
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
pub struct HealthSettings {
    /// Whether this process is in service.
    pub path: String,
    /// Whether the application accepts connections now.
    pub ready_path: String,
    /// Whether `path` answers 503 until the application accepted its first connection.
    pub wait_for_application: bool,
}

/// The listener for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminSettings {
    /// `None` switches it off.
    pub listen: Option<SocketAddr>,
}

/// Leaving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownSettings {
    /// From the signal: how long new connections are still accepted.
    pub delay: Duration,
    /// From the signal: when the requests still running are cut. Never shorter than `delay`.
    pub timeout: Duration,
    /// From the signal: when upgraded connections are closed. Never longer than `timeout`.
    pub tunnels: Duration,
}
