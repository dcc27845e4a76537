//! The settings of running: health, metrics, leaving.

use std::time::Duration;

use super::{
    key::{SettingKey, flag},
    kind::SingleValue,
};
use crate::config::{
    address,
    format::{BoolFormat, HOUR, MINUTE, TimeFormat},
    path,
};

/// The answers for load balancers.
pub(super) const HEALTH: &[SettingKey] = &[
    SettingKey {
        name: "health.path",
        default: Some(&["/healthz"]),
        kind: &SingleValue(path::HEALTH, |to, path| to.plan.health.path = path),
        doc: "Answers 200 while this process is in service, 503 while it starts or drains.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "health.ready_path",
        default: Some(&["/readyz"]),
        kind: &SingleValue(path::HEALTH, |to, path| to.plan.health.ready_path = path),
        doc: "Answers 200 if the application accepts connections now, else 503.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "health.wait_for_application",
        default: Some(&["true"]),
        kind: &SingleValue(BoolFormat, |to, on| to.plan.health.wait_for_application = on),
        doc: "Whether health.path stays 503 until the application accepted its first connection.",
        ..SettingKey::BLANK
    },
];

/// The listener for metrics and for whoever runs the site.
pub(super) const ADMIN: &[SettingKey] = &[SettingKey {
    name: "admin.listen",
    default: Some(&["127.0.0.1:9180"]),
    kind: &SingleValue(address::LISTEN_OR_OFF, |to, listen| to.plan.admin.listen = listen),
    doc: "The address that /metrics is served on, and POST /-/reload; off serves none. Not for strangers.",
    short_env: Some("SIDEMAN_ADMIN"),
    flag: flag("--admin", "ADDR", "Address of the metrics, or off"),
}];

/// Leaving.
pub(super) const SHUTDOWN: &[SettingKey] = &[
    SettingKey {
        name: "shutdown.delay",
        default: Some(&["5s"]),
        kind: &SingleValue(TimeFormat(Duration::ZERO, MINUTE.saturating_mul(10)), |to, time| {
            to.plan.shutdown.delay = time
        }),
        doc: "After the signal: how long new connections are still served, so that the load balancer \
              can look away first. The default is 0s when stdin is a terminal.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "shutdown.timeout",
        default: Some(&["28s"]),
        kind: &SingleValue(TimeFormat(Duration::ZERO, HOUR), |to, time| {
            to.plan.shutdown.timeout = time
        }),
        doc: "After the signal: when the requests still running are cut; not below shutdown.delay, and \
              below the orchestrator's stop timeout (30s on ECS).",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "shutdown.tunnels",
        default: Some(&["5s"]),
        kind: &SingleValue(TimeFormat(Duration::ZERO, HOUR), |to, time| {
            to.plan.shutdown.tunnels = time
        }),
        doc: "After the signal: when upgraded connections (WebSocket) are closed; not above \
              shutdown.timeout. Where that is below the default, it holds instead.",
        ..SettingKey::BLANK
    },
];
