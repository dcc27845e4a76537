//! The settings of the side of the clients.

use super::{
    key::Key,
    kind::{GIB, HOUR, KIB, Kind, MILLISECOND, MINUTE, SECOND, TIB},
};

/// The side of the clients.
pub(super) const SERVER: &[Key] = &[
    Key {
        name: "server.listen",
        default: Some(&["0.0.0.0:8080"]),
        kind: Kind::Listen,
        doc: "Addresses to serve on by plain HTTP; a port alone means every IPv4 address, unix:/PATH a \
              socket in the file system. A peer there is believed as a trusted proxy; none is for \
              those who have tls.listen alone.",
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
        doc: "Peers whose X-Forwarded-* headers are believed, such as the load balancer's subnets; alb \
              is every private network (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, \
              fc00::/7), whoever is in it: a VPC may have public ranges and IPv6 networks of Amazon \
              too, which have to be named. private is larger: those, loopback and link-local.",
        short_env: Some("SIDEMAN_TRUSTED_PROXIES"),
        flag: None,
    },
    Key {
        name: "server.trusted_headers",
        default: Some(&[]),
        kind: Kind::HeaderNames,
        doc: "Headers that the application gets from trusted proxies, and from nobody else, such as \
              Remote-User, X-Forwarded-User or X-Forwarded-Host. Headers that tell who the client is, and all \
              X-Forwarded-*, are dropped unless they are named here.",
        short_env: Some("SIDEMAN_TRUSTED_HEADERS"),
        flag: None,
    },
    Key {
        name: "server.idle_timeout",
        default: Some(&["75s"]),
        kind: Kind::Duration { least: SECOND, most: HOUR },
        doc: "How long a kept-alive client connection may wait for its next request, and up to a tenth \
              longer; keep it above the load balancer's idle timeout.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "server.header_timeout",
        default: Some(&["10s"]),
        kind: Kind::Duration { least: SECOND, most: MINUTE.saturating_mul(10) },
        doc: "How long a client may take to send the head of a request, from its first byte to its last \
              (408), and to begin with the first one on a new connection.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "server.body_timeout",
        default: Some(&["60s"]),
        kind: Kind::Duration { least: MILLISECOND.saturating_mul(100), most: HOUR },
        doc: "How long a client may pause while it sends the body of a request; then it is answered with \
              408.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "server.min_body_rate",
        default: Some(&["240B"]),
        kind: Kind::SizeOrWord { least: 1, most: GIB, word: "off" },
        doc: "Bytes a second that a client must send of a request's body beyond the first 20 s; \
              a slower one is answered with 408; off sets no limit.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "server.write_timeout",
        default: Some(&["60s"]),
        kind: Kind::Duration { least: MILLISECOND.saturating_mul(100), most: HOUR },
        doc: "How long a client may take nothing of an answer; then its connection is cut.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "server.max_requests",
        default: Some(&["10000"]),
        kind: Kind::Integer { least: 1, most: 1_000_000_000 },
        doc: "Requests of one client connection; it is closed after the last of them.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "server.max_connections",
        default: Some(&["auto"]),
        kind: Kind::Workers { most: 1_000_000 },
        doc: "Open client connections; beyond it those that are idle or have not asked anything are closed, the \
              oldest first, and new ones wait. auto is half of the open files (ulimits.nofile) that are left for \
              clients and the application, and 10000 at the most.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "server.max_request_line",
        default: Some(&["16KiB"]),
        kind: Kind::Size { least: KIB, most: 32 * KIB },
        doc: "Bytes of a request's first line, at the most; a longer one is answered with 414.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "server.max_header",
        default: Some(&["16KiB"]),
        kind: Kind::Size { least: KIB, most: 256 * KIB },
        doc: "Bytes of one header's name and value, at the most; a longer one is answered with 431.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "server.max_head",
        default: Some(&["96KiB"]),
        kind: Kind::Size { least: 4 * KIB, most: 512 * KIB },
        doc: "Bytes of a request's first line and all headers, at the most; more are answered with 431. A \
              load balancer of AWS takes 16 KiB and 64 KiB, and adds some of its own.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "server.max_headers",
        default: Some(&["200"]),
        kind: Kind::Integer { least: 10, most: 1000 },
        doc: "Headers of a request, at the most; more are answered with 431.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "server.max_body",
        default: Some(&["100MiB"]),
        kind: Kind::SizeOrWord { least: 1, most: TIB, word: "off" },
        doc: "Bytes of a request's body, at the most; a longer one is answered with 413; off sets no limit.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "server.allowed_hosts",
        default: Some(&[]),
        kind: Kind::Hosts,
        doc: "Hosts that requests may be for, without their port; .example.org is example.org and every \
              name below it. All others are answered with 421, health checks excepted; none allows \
              every host.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "server.redirect_https",
        default: Some(&["false"]),
        kind: Kind::Bool,
        doc: "Whether a client that came to a trusted proxy by plain http (X-Forwarded-Proto) is sent to \
              https; health checks are not.",
        short_env: None,
        flag: None,
    },
];
