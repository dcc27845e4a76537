//! The table of everything that can be set. It drives the names in the environment, the suggestions
//! for misspelt names, the bounds that `reader` enforces, and `config/sideman.toml`.

use std::time::Duration;

use super::value::{show_duration, show_size};

/// One setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// `section.key`, as in the TOML file.
    pub name: &'static str,
    /// The default as text, one item unless the kind is a list; `None` when the key must be set.
    pub default: Option<&'static [&'static str]>,
    /// What its values look like.
    pub kind: Kind,
    /// One sentence on what it does.
    pub doc: &'static str,
    /// A shorter name in the environment, beside [`Key::env_name`].
    pub short_env: Option<&'static str>,
    /// The command line flag, with its dashes.
    pub flag: Option<&'static str>,
}

/// The form of a setting's value, with its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A list of addresses to listen on.
    Listen,
    /// One address to listen on, or `off`.
    ListenOrOff,
    /// A number of threads, or `auto`.
    Workers { most: usize },
    /// A list of networks.
    Networks,
    /// A list of `PREFIX=DIR`.
    Roots,
    /// The application's address.
    Url,
    /// A URL path.
    Path,
    /// A time span.
    Duration { least: Duration, most: Duration },
    /// A number of bytes.
    Size { least: u64, most: u64 },
    /// A whole number.
    Integer { least: usize, most: usize },
    /// `true` or `false`.
    Bool,
    /// One of a few words.
    Choice(&'static [&'static str]),
}

/// The sections of the settings file, in order, with one sentence on each.
pub const SECTIONS: &[(&str, &str)] = &[
    ("server", "The side of the clients."),
    ("upstream", "The application: gunicorn, or uWSGI with --http-socket."),
    ("static", "Files that are served without asking the application."),
    ("health", "The answers for load balancers and container health checks."),
    ("admin", "The listener for metrics, apart from the one for clients."),
    ("log", "The access log goes to stdout, events go to stderr."),
    ("shutdown", "What happens after SIGTERM."),
];

/// Every setting, in the order of [`SECTIONS`].
pub const KEYS: &[Key] = &[
    Key {
        name: "server.listen",
        default: Some(&["0.0.0.0:8080"]),
        kind: Kind::Listen,
        doc: "Addresses to serve on; a port alone means every IPv4 address.",
        short_env: Some("SIDEMAN_LISTEN"),
        flag: Some("--listen"),
    },
    Key {
        name: "server.workers",
        default: Some(&["auto"]),
        kind: Kind::Workers { most: 256 },
        doc: "Worker threads; auto is one for each core that the container may use.",
        short_env: None,
        flag: Some("--workers"),
    },
    Key {
        name: "server.trusted_proxies",
        default: Some(&[]),
        kind: Kind::Networks,
        doc: "Peers whose X-Forwarded-* headers are believed, such as the load balancer's subnets; \
              private is every loopback, private-use, carrier (100.64.0.0/10) and link-local network.",
        short_env: Some("SIDEMAN_TRUSTED_PROXIES"),
        flag: None,
    },
    Key {
        name: "server.idle_timeout",
        default: Some(&["75s"]),
        kind: Kind::Duration { least: SECOND, most: HOUR },
        doc: "How long a kept-alive client connection may wait for its next request; \
              keep it above the load balancer's idle timeout.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "server.header_timeout",
        default: Some(&["10s"]),
        kind: Kind::Duration { least: SECOND, most: MINUTE.saturating_mul(10) },
        doc: "How long a client may take to send the head of a request.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "upstream.url",
        default: None,
        kind: Kind::Url,
        doc: "Where the application listens.",
        short_env: Some("SIDEMAN_UPSTREAM"),
        flag: Some("--upstream"),
    },
    Key {
        name: "upstream.connect_timeout",
        default: Some(&["1s"]),
        kind: Kind::Duration { least: MILLISECOND, most: MINUTE },
        doc: "How long one attempt to connect to the application may take, name resolution included.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "upstream.read_timeout",
        default: Some(&["60s"]),
        kind: Kind::Duration { least: MILLISECOND, most: DAY },
        doc: "How long the application may take to begin its answer, and to pause within it; then 504. \
              A client's body may pause as long; then 408.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "upstream.idle_timeout",
        default: Some(&["1500ms"]),
        kind: Kind::Duration { least: Duration::ZERO, most: MINUTE.saturating_mul(10) },
        doc: "How long an unused connection to the application is kept; below gunicorn's --keep-alive \
              (2s by default); 0s never reuses one.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "upstream.max_idle",
        default: Some(&["32"]),
        kind: Kind::Integer { least: 0, most: 4096 },
        doc: "Unused connections to the application that each worker thread keeps.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "static.roots",
        default: Some(&[]),
        kind: Kind::Roots,
        doc: "URL prefixes and the directories that their files are in, as STATIC_URL and STATIC_ROOT.",
        short_env: Some("SIDEMAN_STATIC"),
        flag: Some("--static"),
    },
    Key {
        name: "static.memory",
        default: Some(&["64MiB"]),
        kind: Kind::Size { least: 0, most: 64 << 30 },
        doc: "File contents kept in memory, at the most.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "static.check_interval",
        default: Some(&["1s"]),
        kind: Kind::Duration { least: Duration::ZERO, most: HOUR },
        doc: "How long a file is believed unchanged before the disk is asked again.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "static.max_age",
        default: Some(&["60s"]),
        kind: Kind::Duration { least: Duration::ZERO, most: DAY.saturating_mul(365) },
        doc: "Cache-Control max-age of files whose name holds no content hash; \
              those with one are immutable for a year.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "health.path",
        default: Some(&["/healthz"]),
        kind: Kind::Path,
        doc: "Answers 200 while this process is in service, 503 while it starts or drains.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "health.ready_path",
        default: Some(&["/readyz"]),
        kind: Kind::Path,
        doc: "Answers 200 if the application accepts connections now, else 503.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "health.wait_for_application",
        default: Some(&["true"]),
        kind: Kind::Bool,
        doc: "Whether health.path stays 503 until the application accepted its first connection.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "admin.listen",
        default: Some(&["127.0.0.1:9180"]),
        kind: Kind::ListenOrOff,
        doc: "The address that /metrics is served on; off serves none.",
        short_env: Some("SIDEMAN_ADMIN"),
        flag: Some("--admin"),
    },
    Key {
        name: "log.access",
        default: Some(&["json"]),
        kind: Kind::Choice(&["json", "combined", "off"]),
        doc: "The form of the access log: one JSON object a line, Apache's combined form, or none.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "log.level",
        default: Some(&["info"]),
        kind: Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
        doc: "The least important events that are shown.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "log.buffer",
        default: Some(&["8MiB"]),
        kind: Kind::Size { least: 64 << 10, most: 1 << 30 },
        doc: "Access-log lines that may wait for a slow stdout; what comes beyond is dropped and counted.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "shutdown.delay",
        default: Some(&["5s"]),
        kind: Kind::Duration { least: Duration::ZERO, most: MINUTE.saturating_mul(10) },
        doc: "After the signal: how long new connections are still served, so that the load balancer \
              can look away first.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "shutdown.timeout",
        default: Some(&["28s"]),
        kind: Kind::Duration { least: Duration::ZERO, most: HOUR },
        doc: "After the signal: when the requests still running are cut; not below shutdown.delay, and \
              below the orchestrator's stop timeout (30s on ECS).",
        short_env: None,
        flag: None,
    },
];

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The key called `name`, if there is one.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

// === impl Key ===

impl Key {
    /// The name in the environment that every key has: `SIDEMAN_SECTION__KEY`.
    pub fn env_name(&self) -> String {
        format!("SIDEMAN_{}", self.name.replace('.', "__").to_ascii_uppercase())
    }

    /// The part before the dot.
    pub fn section(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(section, _)| section)
    }

    /// The part behind the dot.
    pub fn leaf(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, leaf)| leaf)
    }
}

// === impl Kind ===

impl Kind {
    /// Whether a value is a list: an array in the file, comma separated in the environment, a
    /// repeated flag.
    pub fn is_list(self) -> bool {
        matches!(self, Self::Listen | Self::Networks | Self::Roots)
    }

    /// Whether the word `none` stands for the empty list.
    pub fn may_be_none(self) -> bool {
        matches!(self, Self::Networks | Self::Roots)
    }

    /// What a value (or an item of a list) must look like, to follow the word "expected".
    pub fn expected(self) -> String {
        match self {
            Self::Listen => "IP:PORT, such as 0.0.0.0:8080 or [::]:8080, or a port alone".into(),
            Self::ListenOrOff => "IP:PORT, such as 127.0.0.1:9180, or off".into(),
            Self::Workers { most } => format!("auto, or a number from 1 to {most}"),
            Self::Networks => {
                "networks or addresses, such as 10.0.0.0/8; or private; or none".into()
            }
            Self::Roots => "PREFIX=DIR, such as /static/=/srv/static; or none".into(),
            Self::Url => {
                "http://HOST:PORT, such as http://127.0.0.1:8000, or http+unix:/PATH".into()
            }
            Self::Path => "a path, such as /healthz".into(),
            Self::Duration { least, most } => {
                let (least, most) = (show_duration(least), show_duration(most));
                format!("a time from {least} to {most}, with its unit: ms, s, m, h or d")
            }
            Self::Size { least, most } => {
                let (least, most) = (show_size(least), show_size(most));
                format!(
                    "a size from {least} to {most}, with its unit: B, KiB, MiB, GiB, KB, MB or GB"
                )
            }
            Self::Integer { least, most } => format!("a whole number from {least} to {most}"),
            Self::Bool => "true or false".into(),
            Self::Choice(words) => words.join(", "),
        }
    }
}
