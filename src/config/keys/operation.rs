//! The settings of health checks, the admin listener and shutdown.

use std::time::Duration;

use super::{
    key::{SettingKey, flag},
    kind::SingleValue,
};
use crate::config::{
    address,
    format::{BoolFormat, ChoiceFormat, HOUR, MINUTE, OrNone, SECOND, TimeFormat},
    host, path,
};

/// Health checks of load balancers and containers.
pub(super) const HEALTH: &[SettingKey] = &[
    SettingKey {
        name: "health.path",
        default: Some(&["/healthz"]),
        kind: &SingleValue(path::HEALTH, |to, path| to.plan.health.path = path),
        doc: "Path that gets 200 while this process serves requests, and 503 while it starts or drains.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "health.ready_path",
        default: Some(&["/readyz"]),
        kind: &SingleValue(path::HEALTH, |to, path| to.plan.health.ready_path = path),
        doc: "Path that gets 200 if the application accepts connections now, else 503.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "health.wait_for_application",
        default: Some(&["true"]),
        kind: &SingleValue(BoolFormat, |to, on| to.plan.health.wait_for_application = on),
        doc: "Whether health.path gets 503 until the application has accepted its first connection.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "health.application",
        default: Some(&["none"]),
        kind: &SingleValue(OrNone(path::READINESS), |to, path| to.plan.health.application = path),
        doc: "Path of the application that shows whether it is ready. It is requested at the start and then at every \
              health.application_interval. health.ready_path gets 503 unless the status is 2xx. none requests nothing.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "health.application_host",
        default: Some(&["none"]),
        kind: &SingleValue(OrNone(host::CANONICAL), |to, host| {
            to.plan.health.application_host = host;
        }),
        doc: "Host of these requests and of all other probes, one of Django's ALLOWED_HOSTS. none is server.canonical_host, or else the first \
              of server.allowed_hosts, or else the server's address.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "health.application_interval",
        default: Some(&["5s"]),
        kind: &SingleValue(TimeFormat(SECOND, HOUR), |to, time| {
            to.plan.health.application_interval = time;
        }),
        doc: "How often health.application is requested; every second while the application is not ready.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "health.application_in_path",
        default: Some(&["false"]),
        kind: &SingleValue(BoolFormat, |to, on| to.plan.health.application_in_path = on),
        doc: "Whether health.path too gets 503 while the application is not ready. If all tasks share the cause, such \
              as a database, the load balancer then has none left.",
        ..SettingKey::BLANK
    },
];

/// The admin listener, for metrics and reloads.
pub(super) const ADMIN: &[SettingKey] = &[SettingKey {
    name: "admin.listen",
    default: Some(&["127.0.0.1:9180"]),
    kind: &SingleValue(address::LISTEN_OR_OFF, |to, listen| to.plan.admin.listen = listen),
    doc: "Address of the admin listener, for /metrics and POST /-/reload; off disables it. Do not expose it to \
          clients.",
    short_env: Some("SIDEMAN_ADMIN"),
    flag: flag("--admin", "ADDR", "Address of the admin listener, or off"),
}];

/// Metrics on stdout.
pub(super) const METRICS: &[SettingKey] = &[SettingKey {
    name: "metrics.emf",
    default: Some(&["off"]),
    kind: &SingleValue(ChoiceFormat(&[("on", true), ("off", false)]), |to, on| {
        to.plan.metrics.emf = on;
    }),
    doc: "Whether a line in CloudWatch's embedded metric format is written to stdout once a minute and at the end: saturation, queue, \
          requests, errors and durations of this task, by the names of its ECS cluster and service.",
    ..SettingKey::BLANK
}];

/// Graceful shutdown.
pub(super) const SHUTDOWN: &[SettingKey] = &[
    SettingKey {
        name: "shutdown.delay",
        default: Some(&["5s"]),
        kind: &SingleValue(TimeFormat(Duration::ZERO, MINUTE.saturating_mul(10)), |to, time| {
            to.plan.shutdown.delay = time
        }),
        doc: "How long new connections are still accepted after the signal, until the load balancer has taken this \
              process out of service. The default is 0s if stdin is a terminal.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "shutdown.timeout",
        default: Some(&["28s"]),
        kind: &SingleValue(TimeFormat(Duration::ZERO, HOUR), |to, time| {
            to.plan.shutdown.timeout = time
        }),
        doc: "How long after the signal requests may run; then they are aborted. Must be at least shutdown.delay; \
              keep it below the orchestrator's stop timeout (30s on ECS).",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "shutdown.tunnels",
        default: Some(&["5s"]),
        kind: &SingleValue(TimeFormat(Duration::ZERO, HOUR), |to, time| {
            to.plan.shutdown.tunnels = time
        }),
        doc: "How long after the signal upgraded connections (WebSocket) stay open. Must not exceed \
              shutdown.timeout; if that is below the default, it is used instead.",
        ..SettingKey::BLANK
    },
];
