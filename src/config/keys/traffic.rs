//! The settings of both sides of the traffic: the clients and the application.

use std::time::Duration;

use super::{
    key::Key,
    kind::{DAY, HOUR, Kind, MILLISECOND, MINUTE, SECOND},
};

/// The side of the clients.
pub(super) const SERVER: &[Key] = &[
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
        doc: "How long a kept-alive client connection may wait for its next request, or take nothing of \
              an answer; keep it above the load balancer's idle timeout.",
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
];

/// The application.
pub(super) const UPSTREAM: &[Key] = &[
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
];
