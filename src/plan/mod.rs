//! The validated, immutable settings of the program, as data only.
//!
//! `config` makes a [`Plan`] from text. Modules here must not parse, read files or log. Every duration and size is
//! already within its limits. `Default` gives blank values, which `config` replaces; the defaults of settings are in
//! `config/keys`.

mod acme;
mod auth;
mod buckets;
mod buffers;
mod cache;
mod certificate_files;
mod client_network;
mod compression;
mod files;
mod forward_auth;
mod listen;
mod log;
mod memory;
mod name_pattern;
mod rate_limit;
mod redis;
mod routes;
mod signed_urls;
mod status;
mod tls;
mod traces;
mod upstream;
mod upstream_tls;

pub use self::{
    acme::{AcmeChallenge, AcmeSettings},
    auth::{Auth, AuthPolicy, BasicAuth, HashKind, PasswordHash, User, UserList, UserSource},
    buckets::{
        AwsCredentials, AwsKeys, BucketObjects, BucketProtocol, BucketSettings,
        CredentialsEndpoint, EndpointAuthorization,
    },
    buffers::{BufferSettings, SpillDirectory},
    cache::{CacheSettings, IGNORED_COOKIES, IGNORED_QUERY, RouteCache},
    certificate_files::CertificateFiles,
    client_network::ClientNetwork,
    compression::CompressionSettings,
    files::{
        CacheRule, Cors, FallbackSettings, FileSettings, Lifetime, MissingFileSettings,
        NamePatternRule, Purpose, Root, Symlinks,
    },
    forward_auth::ForwardAuth,
    listen::ListenAddress,
    log::{
        AccessLog, Level, LogField, LogFields, LogSettings, Redact, RouteLog, SECRET_NAMES,
        WhenSlow,
    },
    memory::MemorySettings,
    name_pattern::{NamePattern, NamePatterns},
    rate_limit::{RateLimit, RateLimitKey, RateLimitPolicy, RateLimitSetting},
    redis::RedisSettings,
    routes::{
        AccessRules, DenyResponse, FixedResponse, HeaderEdit, HeaderText, HostHeader, MissingFile,
        PageSettings, PathExpression, PathPattern, Placeholder, Route, RouteAction, RouteMatcher,
        RoutePolicies, RouteRedirect, RouteResponse, Streaming, TemplatePart,
    },
    signed_urls::{SignatureKeys, SignedUrls},
    status::{ErrorPage, PageContent, PageSource, StatusPattern},
    tls::{CertificateSettings, TlsSettings, TlsVersion},
    traces::{
        RootSampling, TraceBatches, TraceEncoding, TracePropagation, TraceSampler, TraceSettings,
        Traces,
    },
    upstream::{
        AdmissionSettings, EjectionSettings, ProbePurpose, ProbeSettings, Protocol,
        UpstreamSettings, UpstreamTarget, UwsgiFlavour, UwsgiSettings,
    },
    upstream_tls::{ClientCertificate, ClientIdentity, TlsTrust, UpstreamTls},
};

use std::{net::SocketAddr, num::NonZeroU64, time::Duration};

use ipnet::IpNet;

use crate::rfc::request_head::HeadLimits;

/// All settings that `run` needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub server: ServerSettings,
    /// `None` means no TLS listener.
    pub tls: Option<TlsSettings>,
    /// The application for requests that no route responds to. It has no servers if routes respond to everything.
    pub upstream: UpstreamSettings,
    /// The applications of routes.
    pub routed: Vec<UpstreamSettings>,
    /// The auth servers of routes, each once.
    pub auth_servers: Vec<UpstreamSettings>,
    /// In alphabetical order.
    pub routes: Vec<Route>,
    pub memory: MemorySettings,
    pub buffers: BufferSettings,
    pub compression: CompressionSettings,
    pub cache: CacheSettings,
    pub pages: PageSettings,
    /// The site's own files.
    pub files: FileSettings,
    /// Files that users uploaded, and files that only the application may send.
    pub media: FileSettings,
    /// The buckets of all prefixes, each once.
    pub buckets: Vec<BucketSettings>,
    /// The keys for requests to buckets.
    pub aws: AwsCredentials,
    /// Alternatives for missing static files.
    pub missing: MissingFileSettings,
    pub health: HealthSettings,
    pub admin: AdminSettings,
    pub metrics: MetricsSettings,
    pub log: LogSettings,
    /// From the environment alone, so that a reload does not change it.
    pub traces: Traces,
    pub shutdown: ShutdownSettings,
}

/// Listeners and limits for clients.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerSettings {
    /// Plain HTTP listeners; at least one, unless there is a TLS listener.
    pub listen: Vec<ListenAddress>,
    /// Those listeners, of both kinds, whose connections begin with a header of the PROXY protocol.
    pub proxy_protocol: Vec<ListenAddress>,
    /// Peers that may connect to these listeners.
    pub proxy_protocol_from: Vec<IpNet>,
    /// Number of worker threads; `None` is one for each usable core.
    pub workers: Option<usize>,
    /// Peers whose `X-Forwarded-*` headers are trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// Headers that are trusted from these peers only, in lower case.
    pub trusted_headers: Vec<String>,
    /// How long a keep-alive connection may be idle.
    pub idle_timeout: Duration,
    /// How long a client may take from the first byte of a request's head to the last, and from its connection to the
    /// first byte.
    pub header_timeout: Duration,
    /// The limits of a request's head.
    pub head: HeadLimits,
    /// How long a client may pause while it sends a body.
    pub body_timeout: Duration,
    /// Minimum rate of a body in bytes a second; `None` is no limit.
    pub min_body_rate: Option<NonZeroU64>,
    /// How long a client may read nothing of a response.
    pub write_timeout: Duration,
    /// Maximum number of requests on one client connection.
    pub max_requests: u64,
    /// Maximum number of client connections; `None` is as many as the descriptors allow.
    pub max_connections: Option<usize>,
    /// Maximum bytes of a request's body; `None` is no limit.
    pub max_body: Option<u64>,
    /// Hosts that requests may name, in lower case. A host that begins with a dot matches every name that ends with it.
    /// An empty list allows every host.
    pub allowed_hosts: Vec<String>,
    /// Whether clients that used plain http, at a trusted proxy or at a listener beside one for TLS, are redirected to
    /// https.
    pub redirect_https: bool,
    /// The scheme that clients use; `None` is what a trusted proxy reports, or that of the connection.
    pub external_scheme: Option<&'static str>,
}

/// Paths of health checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthSettings {
    /// Checks whether this process serves requests.
    pub path: String,
    /// Checks whether the application accepts connections now, and is ready.
    pub ready_path: String,
    /// Whether `path` gets 503 until the application has accepted its first connection.
    pub wait_for_application: bool,
    /// The path of the application that shows whether it is ready, with its query. `UpstreamSettings::probe` has the
    /// request for it.
    pub application: Option<String>,
    /// The `Host` of that request; `None` is one of the site's hosts.
    pub application_host: Option<String>,
    pub application_interval: Duration,
    /// Whether `path` gets 503 too while the application is not ready.
    pub application_in_path: bool,
}

/// The admin listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminSettings {
    /// `None` disables it.
    pub listen: Option<SocketAddr>,
}

/// Metrics that are written, in addition to those that the admin listener shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetricsSettings {
    /// Lines for CloudWatch on stdout.
    pub emf: bool,
}

/// Times of the shutdown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownSettings {
    /// How long after the signal new connections are still accepted.
    pub delay: Duration,
    /// How long after the signal running requests are aborted. Never shorter than `delay`.
    pub timeout: Duration,
    /// How long after the signal upgraded connections are closed. Never longer than `timeout`.
    pub tunnels: Duration,
}
