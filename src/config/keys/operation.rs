//! The settings of running: health, metrics, leaving.

use std::time::Duration;

use super::{
    key::Key,
    kind::{HOUR, Kind, MINUTE},
};

/// The answers for load balancers.
pub(super) const HEALTH: &[Key] = &[
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
];

/// The listener for metrics and for whoever runs the site.
pub(super) const ADMIN: &[Key] = &[Key {
    name: "admin.listen",
    default: Some(&["127.0.0.1:9180"]),
    kind: Kind::ListenOrOff,
    doc: "The address that /metrics is served on, and POST /-/reload; off serves none. Not for strangers.",
    short_env: Some("SIDEMAN_ADMIN"),
    flag: Some("--admin"),
}];

/// Leaving.
pub(super) const SHUTDOWN: &[Key] = &[
    Key {
        name: "shutdown.delay",
        default: Some(&["5s"]),
        kind: Kind::Duration { least: Duration::ZERO, most: MINUTE.saturating_mul(10) },
        doc: "After the signal: how long new connections are still served, so that the load balancer \
              can look away first. The default is 0s when stdin is a terminal.",
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
    Key {
        name: "shutdown.tunnels",
        default: Some(&["5s"]),
        kind: Kind::Duration { least: Duration::ZERO, most: HOUR },
        doc: "After the signal: when upgraded connections (WebSocket) are closed; not above \
              shutdown.timeout. Where that is below the default, it holds instead.",
        short_env: None,
        flag: None,
    },
];
