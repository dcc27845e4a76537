//! The settings of listeners and clients.

use std::num::NonZeroU64;

use super::{
    key::{SettingKey, flag},
    kind::{ListValue, SingleValue},
};
use crate::config::{
    address,
    format::{
        BoolFormat, ChoiceFormat, GIB, HOUR, KIB, MILLISECOND, MINUTE, NumberFormat, NumberOrAuto,
        OrNone, OrWord, SECOND, SizeFormat, TIB, TimeFormat, size_or,
    },
    header_name, host,
};

const SCHEMES: &[(&str, Option<&str>)] =
    &[("auto", None), ("https", Some("https")), ("http", Some("http"))];

/// The limit of a body.
pub(super) const MAX_BODY: OrWord<SizeFormat> = size_or(1, TIB, "off");

/// Listeners for clients and limits of requests.
pub(super) const SERVER: &[SettingKey] = &[
    SettingKey {
        name: "server.listen",
        default: Some(&["0.0.0.0:8080"]),
        kind: &ListValue::or_none(address::ENDPOINT, |to, listen| to.plan.server.listen = listen),
        doc: "Addresses for plain HTTP. A port alone means every IPv4 address; unix:/PATH is a Unix socket, whose \
              peers are trusted proxies. none disables plain HTTP, if tls.listen is set.",
        short_env: Some("SIDEMAN_LISTEN"),
        flag: flag("--listen", "ADDR", "Address for plain HTTP; may be repeated"),
    },
    SettingKey {
        name: "server.proxy_protocol",
        default: Some(&[]),
        kind: &ListValue::or_none(address::ENDPOINT, |to, listen| {
            to.plan.server.proxy_protocol = listen
        }),
        doc: "Addresses of server.listen and tls.listen at which every connection must begin with a header of the \
              PROXY protocol, version 1 or 2. The header names the client, and comes before TLS.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.proxy_protocol_from",
        default: Some(&[]),
        kind: &ListValue::or_none(address::NETWORKS, |to, networks| {
            to.plan.server.proxy_protocol_from = networks.concat()
        }),
        doc: "Networks of the load balancers that connect to the addresses of server.proxy_protocol. Connections \
              of other peers are closed there. Peers of Unix sockets need not be listed.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.workers",
        default: Some(&["auto"]),
        kind: &SingleValue(NumberOrAuto(256), |to, count| to.plan.server.workers = count),
        doc: "Number of worker threads; auto is one for each core that the container may use.",
        flag: flag(
            "--workers",
            "N",
            "Number of worker threads [default: one for each core that may be used]",
        ),
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.trusted_proxies",
        default: Some(&[]),
        kind: &ListValue::or_none(address::NETWORKS, |to, networks| {
            to.plan.server.trusted_proxies = networks.concat()
        }),
        doc: "Peers whose X-Forwarded-* headers are trusted, such as the load balancer's subnets. alb is every \
              private network (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, fc00::/7), with every host \
              in it; add the public ranges and Amazon's IPv6 networks if your VPC has any. private is alb, loopback \
              and link-local.",
        short_env: Some("SIDEMAN_TRUSTED_PROXIES"),
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.trusted_headers",
        default: Some(&[]),
        kind: &ListValue::or_none(header_name::TRUSTED, |to, names| {
            to.plan.server.trusted_headers = names
        }),
        doc: "Headers that are passed to the application from trusted proxies only, such as Remote-User, \
              X-Forwarded-User or X-Forwarded-Host. Other headers that identify the client, and other X-Forwarded-* \
              headers, are always dropped.",
        short_env: Some("SIDEMAN_TRUSTED_HEADERS"),
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.idle_timeout",
        default: Some(&["75s"]),
        kind: &SingleValue(TimeFormat(SECOND, HOUR), |to, time| to.plan.server.idle_timeout = time),
        doc: "How long an idle keep-alive connection stays open; the actual time is up to a tenth longer. Keep it \
              above the load balancer's idle timeout.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.header_timeout",
        default: Some(&["10s"]),
        kind: &SingleValue(TimeFormat(SECOND, MINUTE.saturating_mul(10)), |to, time| {
            to.plan.server.header_timeout = time
        }),
        doc: "How long a client may take to send a request's line and headers, from the first byte to the last; \
              then 408. The first request on a new connection must begin within this time too.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.body_timeout",
        default: Some(&["60s"]),
        kind: &SingleValue(TimeFormat(MILLISECOND.saturating_mul(100), HOUR), |to, time| {
            to.plan.server.body_timeout = time
        }),
        doc: "How long a client may pause while it sends a request's body; then 408.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.min_body_rate",
        default: Some(&["240B"]),
        kind: &SingleValue(size_or(1, GIB, "off"), |to, rate| {
            to.plan.server.min_body_rate = rate.and_then(NonZeroU64::new)
        }),
        doc: "Minimum rate of a request's body in bytes a second, enforced after 20 s; below it 408. off disables \
              the limit.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.write_timeout",
        default: Some(&["60s"]),
        kind: &SingleValue(TimeFormat(MILLISECOND.saturating_mul(100), HOUR), |to, time| {
            to.plan.server.write_timeout = time
        }),
        doc: "How long a client may read nothing of a response; then its connection is closed.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.max_requests",
        default: Some(&["10000"]),
        kind: &SingleValue(NumberFormat(1, 1_000_000_000), |to, count| {
            to.plan.server.max_requests = count as u64
        }),
        doc: "Maximum number of requests on one client connection; the connection is closed after the last.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.max_connections",
        default: Some(&["auto"]),
        kind: &SingleValue(NumberOrAuto(1_000_000), |to, count| {
            to.plan.server.max_connections = count
        }),
        doc: "Maximum number of open client connections. At the limit, a new connection replaces one that is idle \
              or has sent no request; if there is none, it waits. auto is half of the open files (ulimits.nofile) \
              that are left for clients and the application, at most 10000, and at most as many as half of \
              memory.limit is enough for.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.max_request_line",
        default: Some(&["16KiB"]),
        kind: &SingleValue(SizeFormat(KIB, 32 * KIB), |to, bytes| {
            to.plan.server.head.line = bytes as usize
        }),
        doc: "Maximum size of the request line; a longer one gets 414.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.max_header",
        default: Some(&["16KiB"]),
        kind: &SingleValue(SizeFormat(KIB, 256 * KIB), |to, bytes| {
            to.plan.server.head.field = bytes as usize
        }),
        doc: "Maximum size of one header, name and value; a longer one gets 431.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.max_head",
        default: Some(&["96KiB"]),
        kind: &SingleValue(SizeFormat(4 * KIB, 512 * KIB), |to, bytes| {
            to.plan.server.head.head = bytes as usize
        }),
        doc: "Maximum size of the request line and all headers; a larger head gets 431. AWS load balancers accept \
              16 KiB and 64 KiB, and add headers of their own.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.max_headers",
        default: Some(&["200"]),
        kind: &SingleValue(NumberFormat(10, 1000), |to, count| to.plan.server.head.fields = count),
        doc: "Maximum number of headers in a request; more get 431.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.max_body",
        default: Some(&["100MiB"]),
        kind: &SingleValue(MAX_BODY, |to, bytes| to.plan.server.max_body = bytes),
        doc: "Maximum size of a request's body; a longer one gets 413. off disables the limit.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.allowed_hosts",
        default: Some(&[]),
        kind: &ListValue::or_none(host::ALLOWED, |to, hosts| to.plan.server.allowed_hosts = hosts),
        doc: "Hosts that requests may name, without the port. .example.org is example.org and every name below it. \
              Requests for other hosts get 421, except health checks; none allows every host.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.redirect_https",
        default: Some(&["false"]),
        kind: &SingleValue(BoolFormat, |to, on| to.plan.server.redirect_https = on),
        doc: "Whether requests by plain HTTP are redirected to https: those that reached a trusted proxy so \
              (X-Forwarded-Proto) and, if tls.listen is set, those of all other clients at server.listen. Health checks \
              are not redirected.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.canonical_host",
        default: Some(&["none"]),
        kind: &SingleValue(OrNone(host::CANONICAL), |to, host| to.canonical_host = host),
        doc: "The host that www. in front of it is redirected to, or, if it begins with www., the host without that: \
              308 to the same path. Other hosts are not redirected; a route can do that.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "server.external_scheme",
        default: Some(&["auto"]),
        kind: &SingleValue(ChoiceFormat(SCHEMES), |to, scheme| {
            to.plan.server.external_scheme = scheme;
        }),
        doc: "The scheme that clients use, for X-Forwarded-Proto and redirects. auto is the one that a trusted proxy \
              reports, or else that of the connection. Set https if a load balancer terminates TLS and cannot report it.",
        ..SettingKey::BLANK
    },
];
