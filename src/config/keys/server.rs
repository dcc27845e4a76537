//! The settings of the side of the clients.

use std::num::NonZeroU64;

use super::{
    key::{SettingKey, flag},
    kind::{ListValue, SingleValue},
};
use crate::config::{
    address,
    format::{
        BoolFormat, GIB, HOUR, KIB, MILLISECOND, MINUTE, NumberFormat, NumberOrAuto, SECOND,
        SizeFormat, TIB, TimeFormat, size_or,
    },
    header_name, host,
};

/// The side of the clients.
pub(super) const SERVER: &[SettingKey] = &[
    SettingKey {
        name: "server.listen",
        default: Some(&["0.0.0.0:8080"]),
        kind: &ListValue::or_none(address::ENDPOINT, |to, listen| to.plan.server.listen = listen),
        doc: "Addresses to serve on by plain HTTP; a port alone means every IPv4 address, unix:/PATH a \
              socket in the file system. A peer there is believed as a trusted proxy; none is for \
              those who have tls.listen alone.",
        short_env: Some("SIDEMAN_LISTEN"),
        flag: flag("--listen", "ADDR", "Address to serve on, once or more"),
    },
    SettingKey {
        name: "server.workers",
        default: Some(&["auto"]),
        kind: &SingleValue(NumberOrAuto(256), |to, count| to.plan.server.workers = count),
        doc: "Worker threads; auto is one for each core that the container may use.",
        flag: flag(
            "--workers",
            "N",
            "Worker threads [default: one for each core that may be used]",
        ),
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.trusted_proxies",
        default: Some(&[]),
        kind: &ListValue::or_none(address::NETWORKS, |to, networks| {
            to.plan.server.trusted_proxies = networks.concat()
        }),
        doc: "Peers whose X-Forwarded-* headers are believed, such as the load balancer's subnets; alb \
              is every private network (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, \
              fc00::/7), whoever is in it: a VPC may have public ranges and IPv6 networks of Amazon \
              too, which have to be named. private is larger: those, loopback and link-local.",
        short_env: Some("SIDEMAN_TRUSTED_PROXIES"),
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.trusted_headers",
        default: Some(&[]),
        kind: &ListValue::or_none(header_name::TRUSTED, |to, names| {
            to.plan.server.trusted_headers = names
        }),
        doc: "Headers that the application gets from trusted proxies, and from nobody else, such as \
              Remote-User, X-Forwarded-User or X-Forwarded-Host. Headers that tell who the client is, and all \
              X-Forwarded-*, are dropped unless they are named here.",
        short_env: Some("SIDEMAN_TRUSTED_HEADERS"),
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.idle_timeout",
        default: Some(&["75s"]),
        kind: &SingleValue(TimeFormat(SECOND, HOUR), |to, time| to.plan.server.idle_timeout = time),
        doc: "How long a kept-alive client connection may wait for its next request, and up to a tenth \
              longer; keep it above the load balancer's idle timeout.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.header_timeout",
        default: Some(&["10s"]),
        kind: &SingleValue(TimeFormat(SECOND, MINUTE.saturating_mul(10)), |to, time| {
            to.plan.server.header_timeout = time
        }),
        doc: "How long a client may take to send the head of a request, from its first byte to its last \
              (408), and to begin with the first one on a new connection.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.body_timeout",
        default: Some(&["60s"]),
        kind: &SingleValue(TimeFormat(MILLISECOND.saturating_mul(100), HOUR), |to, time| {
            to.plan.server.body_timeout = time
        }),
        doc: "How long a client may pause while it sends the body of a request; then it is answered with \
              408.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.min_body_rate",
        default: Some(&["240B"]),
        kind: &SingleValue(size_or(1, GIB, "off"), |to, rate| {
            to.plan.server.min_body_rate = rate.and_then(NonZeroU64::new)
        }),
        doc: "Bytes a second that a client must send of a request's body beyond the first 20 s; \
              a slower one is answered with 408; off sets no limit.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.write_timeout",
        default: Some(&["60s"]),
        kind: &SingleValue(TimeFormat(MILLISECOND.saturating_mul(100), HOUR), |to, time| {
            to.plan.server.write_timeout = time
        }),
        doc: "How long a client may take nothing of an answer; then its connection is cut.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.max_requests",
        default: Some(&["10000"]),
        kind: &SingleValue(NumberFormat(1, 1_000_000_000), |to, count| {
            to.plan.server.max_requests = count as u64
        }),
        doc: "Requests of one client connection; it is closed after the last of them.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.max_connections",
        default: Some(&["auto"]),
        kind: &SingleValue(NumberOrAuto(1_000_000), |to, count| {
            to.plan.server.max_connections = count
        }),
        doc: "Open client connections; beyond it each new one replaces one that is idle or has not asked \
              anything, and waits if there is none. auto is half of the open files (ulimits.nofile) that are left for \
              clients and the application, 10000 at the most, and no more than half of memory.limit is enough for.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.max_request_line",
        default: Some(&["16KiB"]),
        kind: &SingleValue(SizeFormat(KIB, 32 * KIB), |to, bytes| {
            to.plan.server.head.line = bytes as usize
        }),
        doc: "Bytes of a request's first line, at the most; a longer one is answered with 414.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.max_header",
        default: Some(&["16KiB"]),
        kind: &SingleValue(SizeFormat(KIB, 256 * KIB), |to, bytes| {
            to.plan.server.head.field = bytes as usize
        }),
        doc: "Bytes of one header's name and value, at the most; a longer one is answered with 431.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.max_head",
        default: Some(&["96KiB"]),
        kind: &SingleValue(SizeFormat(4 * KIB, 512 * KIB), |to, bytes| {
            to.plan.server.head.head = bytes as usize
        }),
        doc: "Bytes of a request's first line and all headers, at the most; more are answered with 431. A \
              load balancer of AWS takes 16 KiB and 64 KiB, and adds some of its own.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.max_headers",
        default: Some(&["200"]),
        kind: &SingleValue(NumberFormat(10, 1000), |to, count| to.plan.server.head.fields = count),
        doc: "Headers of a request, at the most; more are answered with 431.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.max_body",
        default: Some(&["100MiB"]),
        kind: &SingleValue(size_or(1, TIB, "off"), |to, bytes| to.plan.server.max_body = bytes),
        doc: "Bytes of a request's body, at the most; a longer one is answered with 413; off sets no limit.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.allowed_hosts",
        default: Some(&[]),
        kind: &ListValue::or_none(host::ALLOWED, |to, hosts| to.plan.server.allowed_hosts = hosts),
        doc: "Hosts that requests may be for, without their port; .example.org is example.org and every \
              name below it. All others are answered with 421, health checks excepted; none allows \
              every host.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.redirect_https",
        default: Some(&["false"]),
        kind: &SingleValue(BoolFormat, |to, on| to.plan.server.redirect_https = on),
        doc: "Whether a client that came to a trusted proxy by plain http (X-Forwarded-Proto) is sent to \
              https; health checks are not.",
        ..SettingKey::BLANK
    },
];
