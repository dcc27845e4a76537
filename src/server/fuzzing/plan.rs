//! The settings of the server: small limits and short timeouts, so that short scripts reach them.

use std::{path::PathBuf, time::Duration};

use crate::{
    plan::{
        AdmissionSettings, BufferSettings, HealthSettings, LogField, LogFields, LogSettings,
        MemorySettings, PathPattern, Plan, Route, RouteMatcher, RoutePolicies, ServerSettings,
        SpillDirectory, Streaming, UpstreamSettings, UpstreamTarget,
    },
    rfc::request_head::HeadLimits,
};

/// Settings for an application that listens under this abstract name.
pub(super) fn plan(name: &str) -> Plan {
    let seconds = Duration::from_secs;
    Plan {
        server: ServerSettings {
            idle_timeout: seconds(10),
            header_timeout: seconds(5),
            head: HeadLimits { line: 120, field: 160, head: 600, fields: 12 },
            body_timeout: seconds(5),
            write_timeout: seconds(8),
            max_requests: 8,
            max_body: Some(100_000),
            ..ServerSettings::default()
        },
        upstream: UpstreamSettings {
            targets: vec![UpstreamTarget::Unix(PathBuf::from(format!("\0{name}")))],
            connect_timeout: seconds(2),
            read_timeout: seconds(6),
            idle_timeout: seconds(30),
            max_idle: 4,
            max_age: seconds(3600),
            admission: AdmissionSettings {
                max_in_flight: 4,
                tunes: false,
                queue: 4,
                queue_timeout: seconds(10),
                wait: Duration::ZERO,
                client_share: Some(50),
            },
            trusts_protocol: true,
            tunnel_timeout: seconds(20),
            ..UpstreamSettings::default()
        },
        routes: vec![Route {
            name: "unbuffered".to_owned(),
            matcher: RouteMatcher {
                paths: vec![PathPattern::Prefix("/u".to_owned())],
                ..RouteMatcher::default()
            },
            policies: RoutePolicies {
                streaming: Some(Streaming { request: true, response: true }),
                ..RoutePolicies::default()
            },
            action: None,
        }],
        memory: MemorySettings { heads: 1 << 20, ..MemorySettings::default() },
        buffers: BufferSettings {
            memory: 512 * 1024,
            memory_per_body: 32 * 1024,
            spill: SpillDirectory::Memory,
            disk: 1024 * 1024,
            max_response: 64 * 1024,
        },
        health: HealthSettings {
            path: "/h".to_owned(),
            ready_path: "/ready".to_owned(),
            wait_for_application: false,
            ..HealthSettings::default()
        },
        log: LogSettings {
            fields: LogFields(vec![
                LogField::Method,
                LogField::Path,
                LogField::Status,
                LogField::Bytes,
                LogField::Error,
            ]),
            static_sample: 1,
            health: true,
            buffer: 1024 * 1024,
            ..LogSettings::default()
        },
        ..Plan::default()
    }
}
