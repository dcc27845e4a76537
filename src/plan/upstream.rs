//! An application: its addresses, protocol, limits and timeouts.

use std::{fmt, net::IpAddr, path::PathBuf, time::Duration};

use http::StatusCode;

use super::upstream_tls::UpstreamTls;

/// One application, with one or more equivalent servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamSettings {
    pub protocol: Protocol,
    /// At least one, unless routes respond to everything. A name with several addresses is several servers.
    pub targets: Vec<UpstreamTarget>,
    /// TLS to the servers; `None` if their addresses begin with `http:` or `uwsgi:`.
    pub tls: Option<UpstreamTls>,
    /// Timeout of one connection attempt, with its TLS handshake.
    pub connect_timeout: Duration,
    /// Timeout for the head of the response, and for each pause between two reads or two writes.
    pub read_timeout: Duration,
    /// Timeout from the first byte sent to the application to the last byte of its response; `None` is no limit.
    pub total_timeout: Option<Duration>,
    /// How long an idle connection to the application stays open, unless the application names a time.
    pub idle_timeout: Duration,
    /// Maximum number of idle connections, for each worker and server.
    pub max_idle: usize,
    /// How long a connection is reused.
    pub max_age: Duration,
    pub admission: AdmissionSettings,
    /// Probes of servers without requests; `None` disables them.
    pub probe: Option<ProbeSettings>,
    /// The `Host` of all probes; `None` is the server's address.
    pub probe_host: Option<String>,
    /// When one of several servers gets no requests.
    pub ejection: EjectionSettings,
    /// Whether a request is aborted at the application when its client disconnects before the response begins.
    /// Otherwise it runs to its end, and counts in `max_in_flight` until then.
    pub abort: bool,
    /// Whether servers are never probed for the other protocol after a failure.
    pub trusts_protocol: bool,
    /// How long an upgraded connection may be idle in both directions.
    pub tunnel_timeout: Duration,
}

/// The limit of requests in flight, and the queue for others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdmissionSettings {
    /// Maximum number of requests in flight at each server: its workers x threads. The upper bound of what is found, if
    /// `tunes`.
    pub max_in_flight: usize,
    /// Whether the number of requests that a server can work on is found: by looking which ones it has begun, or by its
    /// throughput.
    pub tunes: bool,
    /// Maximum number of queued requests; more are shed.
    pub queue: usize,
    /// How long a request may be queued.
    pub queue_timeout: Duration,
    /// How long a request may wait for an unavailable application.
    pub wait: Duration,
    /// The part of all permits, in percent, that one client may hold while requests of others are queued. `None` is no
    /// limit.
    pub client_share: Option<u8>,
}

/// Which failed requests eject a server, and how it returns. Nothing applies to a single server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EjectionSettings {
    /// A connection that ends without a response.
    pub closed: bool,
    /// No response in time.
    pub timeout: bool,
    /// The application's own status 502.
    pub bad_gateway: bool,
    /// Its status 503.
    pub unavailable: bool,
    /// Its status 504.
    pub gateway_timeout: bool,
    /// The time in which the share of a server grows that returns; `None` gives it its whole share at once.
    pub slow_start: Option<Duration>,
}

/// A probe of a server's health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeSettings {
    pub interval: Duration,
    /// The path to request with GET. `None` only opens a connection.
    pub path: Option<String>,
    pub purpose: ProbePurpose,
}

/// What a probe shows, which decides how it asks and what it expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbePurpose {
    /// Whether a server works: any status below 500.
    Server,
    /// Whether the application is ready: status 2xx. The request looks like one that was forwarded.
    Readiness {
        /// The scheme in `X-Forwarded-Proto`.
        scheme: &'static str,
    },
}

/// The application's protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    #[default]
    Http1,
    Uwsgi(UwsgiSettings),
}

/// Differences between servers of the uwsgi protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UwsgiSettings {
    pub flavour: UwsgiFlavour,
    /// Maximum bytes of a request's variables: uWSGI's `buffer-size`.
    pub buffer_size: usize,
}

/// The server that uses the uwsgi protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UwsgiFlavour {
    /// uWSGI: it gets `PATH_INFO` decoded, and accepts one request on each connection.
    #[default]
    Uwsgi,
    /// gunicorn: it decodes `PATH_INFO` itself, and keeps connections open.
    Gunicorn,
}

/// A server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamTarget {
    /// `host` is a name or an address, without brackets.
    Tcp { host: String, port: u16 },
    /// A Unix socket; it may be created after the start.
    Unix(PathBuf),
}

// === impl UpstreamSettings ===

impl UpstreamSettings {
    /// Returns whether connections are kept open for the next request.
    pub fn keeps_connections(&self) -> bool {
        let is_on = self.max_idle > 0 && !self.idle_timeout.is_zero();
        is_on
            && !matches!(
                self.protocol,
                Protocol::Uwsgi(UwsgiSettings { flavour: UwsgiFlavour::Uwsgi, .. })
            )
    }

    /// Returns how `upstream.max_in_flight` is found, for messages; `None` if it is set.
    pub fn found_by(&self) -> Option<&'static str> {
        let is_visible = self.targets.iter().all(UpstreamTarget::is_local);
        self.admission.tunes.then_some(match is_visible {
            _ if self.tls.is_some() => "by throughput",
            true => "by unread requests, or by throughput if the application reads them eagerly",
            false => "by throughput, or by unread requests if the application is in this network namespace",
        })
    }

    /// Returns the names of all servers, for messages.
    pub fn names(&self) -> String {
        self.targets.iter().map(UpstreamTarget::to_string).collect::<Vec<_>>().join(", ")
    }
}

// === impl EjectionSettings ===

impl EjectionSettings {
    /// Nothing ejects a server.
    pub const NEVER: Self = Self {
        closed: false,
        timeout: false,
        bad_gateway: false,
        unavailable: false,
        gateway_timeout: false,
        slow_start: None,
    };

    /// Whether a response with this status counts as a failure of its server.
    pub fn counts_status(&self, status: StatusCode) -> bool {
        match status {
            StatusCode::BAD_GATEWAY => self.bad_gateway,
            StatusCode::SERVICE_UNAVAILABLE => self.unavailable,
            StatusCode::GATEWAY_TIMEOUT => self.gateway_timeout,
            _ => false,
        }
    }
}

impl Default for EjectionSettings {
    fn default() -> Self {
        Self { closed: true, timeout: true, ..Self::NEVER }
    }
}

// === impl UpstreamTarget ===

impl UpstreamTarget {
    /// Whether it certainly is in the network namespace of this process.
    fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp { host, .. } => {
                let address = host.parse::<IpAddr>();
                host == "localhost" || address.is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

impl fmt::Display for UpstreamTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
impl UpstreamSettings {
    /// One for tests, which take what matters to them from elsewhere: everything else is short and off.
    pub fn of_tests(targets: Vec<UpstreamTarget>) -> Self {
        let second = Duration::from_secs(1);
        Self {
            protocol: Protocol::Http1,
            targets,
            tls: None,
            connect_timeout: second,
            read_timeout: second,
            total_timeout: None,
            idle_timeout: second,
            max_idle: 1,
            max_age: second,
            admission: AdmissionSettings {
                max_in_flight: 1,
                tunes: false,
                queue: 1,
                queue_timeout: second,
                wait: second,
                client_share: None,
            },
            probe: None,
            probe_host: None,
            ejection: EjectionSettings::default(),
            abort: false,
            trusts_protocol: false,
            tunnel_timeout: second,
        }
    }
}
