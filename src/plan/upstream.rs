//! Where an application is, how it is spoken to, and how it is protected.

use std::{fmt, path::PathBuf, time::Duration};

/// One application: a server, or several that do the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamSettings {
    pub protocol: Protocol,
    /// At least one. A name with several addresses is several servers.
    pub targets: Vec<UpstreamTarget>,
    /// For one connection attempt.
    pub connect_timeout: Duration,
    /// For the head of the response, and for each pause between two reads or two writes.
    pub read_timeout: Duration,
    /// From the first byte sent to the application to the last of its answer; `None` is no limit.
    pub total_timeout: Option<Duration>,
    /// How long an unused connection to the application is kept, unless it says how long it does.
    pub idle_timeout: Duration,
    /// Unused connections kept, for each worker and server.
    pub max_idle: usize,
    /// How long a connection is used at all.
    pub max_age: Duration,
    pub admission: AdmissionSettings,
    /// How the servers are asked while nobody needs them; `None` is not at all.
    pub probe: Option<ProbeSettings>,
    /// Whether a request is cut off at the application when its client leaves before there is an
    /// answer. Otherwise it runs to its end, and keeps its place in `max_in_flight`.
    pub abort: bool,
    /// Whether no server is asked in the other protocol, whatever fails.
    pub trusts_protocol: bool,
    /// How long an upgraded connection may be silent in both directions.
    pub tunnel_timeout: Duration,
}

/// How many requests an application gets at the same time, and what becomes of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdmissionSettings {
    /// Requests at each server at the same time: its workers x threads.
    pub max_in_flight: usize,
    /// Requests that may wait for a place; what comes beyond is refused.
    pub queue: usize,
    /// How long one may wait for a place.
    pub queue_timeout: Duration,
    /// How long one may wait for an application that is away.
    pub wait: Duration,
}

/// Asks whether a server is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeSettings {
    pub interval: Duration,
    /// Asked for by GET, and well with a status below 500; `None` is a connection alone.
    pub path: Option<String>,
}

/// The protocol spoken to the application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    #[default]
    Http1,
    Uwsgi(UwsgiSettings),
}

/// What differs between servers of the uwsgi protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UwsgiSettings {
    pub flavour: UwsgiFlavour,
    /// Bytes of a request's variables, at the most: uWSGI's `buffer-size`.
    pub buffer_size: usize,
}

/// Who speaks the uwsgi protocol at the other end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UwsgiFlavour {
    /// uWSGI: `PATH_INFO` is decoded, a connection has one request.
    #[default]
    Uwsgi,
    /// gunicorn: it decodes `PATH_INFO` itself, and keeps connections.
    Gunicorn,
}

/// A server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamTarget {
    /// `host` is a name or an address, without brackets.
    Tcp { host: String, port: u16 },
    /// A unix socket; it may appear after the start.
    Unix(PathBuf),
}

// === impl UpstreamSettings ===

impl UpstreamSettings {
    /// Whether connections are kept for the next request.
    pub fn keeps_connections(&self) -> bool {
        let is_on = self.max_idle > 0 && !self.idle_timeout.is_zero();
        is_on
            && !matches!(
                self.protocol,
                Protocol::Uwsgi(UwsgiSettings { flavour: UwsgiFlavour::Uwsgi, .. })
            )
    }

    /// All servers, for people.
    pub fn names(&self) -> String {
        self.targets.iter().map(UpstreamTarget::to_string).collect::<Vec<_>>().join(", ")
    }
}

// === impl UpstreamTarget ===

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
            connect_timeout: second,
            read_timeout: second,
            total_timeout: None,
            idle_timeout: second,
            max_idle: 1,
            max_age: second,
            admission: AdmissionSettings {
                max_in_flight: 1,
                queue: 1,
                queue_timeout: second,
                wait: second,
            },
            probe: None,
            abort: false,
            trusts_protocol: false,
            tunnel_timeout: second,
        }
    }
}
