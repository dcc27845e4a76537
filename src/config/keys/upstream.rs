//! The settings of the application: where it is, how it is spoken to, and how it is protected.

use std::time::Duration;

use super::{
    key::Key,
    kind::{DAY, HOUR, Kind, MILLISECOND, MINUTE, SECOND},
};

/// The application.
pub(super) const UPSTREAM: &[Key] = &[
    Key {
        name: "upstream.url",
        default: None,
        kind: Kind::Urls,
        doc: "Where the application listens; several are servers of one application, all of one \
              protocol: each request goes to the one that has the fewest.",
        short_env: Some("SIDEMAN_UPSTREAM"),
        flag: Some("--upstream"),
    },
    Key {
        name: "upstream.max_in_flight",
        default: Some(&["100"]),
        kind: Kind::Integer { least: 1, most: 1 << 16 },
        doc: "Requests at each server at the same time, over all workers: set it to the \
              application's workers x threads; what comes beyond waits here.",
        short_env: Some("SIDEMAN_MAX_IN_FLIGHT"),
        flag: Some("--max-in-flight"),
    },
    Key {
        name: "upstream.queue",
        default: Some(&["1024"]),
        kind: Kind::Integer { least: 0, most: 1 << 16 },
        doc: "Requests that may wait for a place at the application, or for it to be back; what \
              comes beyond is answered with 503 at once.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "upstream.queue_timeout",
        default: Some(&["10s"]),
        kind: Kind::Duration { least: MILLISECOND, most: HOUR },
        doc: "How long a request may wait for a place at the application; then 503.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "upstream.wait",
        default: Some(&["10s"]),
        kind: Kind::Duration { least: Duration::ZERO, most: HOUR },
        doc: "How long a request may wait for an application that is away, such as while it \
              restarts; then 502, or 504 if nothing answers at its address. 0s does not wait.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "upstream.abort",
        default: Some(&["false"]),
        kind: Kind::Bool,
        doc: "Whether a request is cut off at the application when its client leaves before there \
              is an answer; otherwise it runs to its end, and keeps its place.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "upstream.connect_timeout",
        default: Some(&["1s"]),
        kind: Kind::Duration { least: MILLISECOND, most: MINUTE },
        doc: "How long one attempt to connect to a server of the application may take; further \
              ones follow within upstream.wait.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "upstream.read_timeout",
        default: Some(&["60s"]),
        kind: Kind::Duration { least: MILLISECOND, most: DAY },
        doc: "How long the application may take to begin its answer, then 504; and to pause \
              within it, then the answer breaks off.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "upstream.total_timeout",
        default: Some(&["off"]),
        kind: Kind::DurationOrWord { least: MILLISECOND, most: DAY, word: "off" },
        doc: "How long a request may take at the application, from the first byte sent to the \
              last of the answer; then 504. The time in the queue does not count.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "upstream.tunnel_timeout",
        default: Some(&["1h"]),
        kind: Kind::Duration { least: MILLISECOND, most: DAY },
        doc: "How long an upgraded connection (WebSocket) may be silent in both directions.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "upstream.idle_timeout",
        default: Some(&["1500ms"]),
        kind: Kind::Duration { least: Duration::ZERO, most: MINUTE.saturating_mul(10) },
        doc: "How long an unused connection to the application is kept, unless it says how long \
              it does (Keep-Alive: timeout=); below gunicorn's --keep-alive (2s by default); 0s \
              never reuses one.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "upstream.max_idle",
        default: Some(&["32"]),
        kind: Kind::Integer { least: 0, most: 4096 },
        doc: "Unused connections that each worker thread keeps to each server.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "upstream.max_age",
        default: Some(&["10m"]),
        kind: Kind::Duration { least: MILLISECOND, most: DAY },
        doc: "How long a connection to the application is used at all, so that a balancer behind \
              its address gets to choose again.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "upstream.probe",
        default: Some(&["off"]),
        kind: Kind::DurationOrWord { least: SECOND, most: HOUR, word: "off" },
        doc: "How often each server is asked whether it is well while nobody needs it; off learns \
              it from requests alone.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "upstream.probe_path",
        default: Some(&["none"]),
        kind: Kind::PathOrNone,
        doc: "What is asked for by GET, and well with a status below 500; none is a connection \
              alone.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "upstream.uwsgi_flavour",
        default: Some(&["uwsgi"]),
        kind: Kind::Choice(&["uwsgi", "gunicorn"]),
        doc: "Who speaks the uwsgi protocol behind uwsgi:// and uwsgi+unix: uWSGI, or gunicorn \
              --protocol uwsgi. They differ in who decodes PATH_INFO, and gunicorn keeps \
              connections.",
        short_env: None,
        flag: None,
    },
    Key {
        name: "upstream.uwsgi_buffer_size",
        default: Some(&["auto"]),
        kind: Kind::SizeOrWord { least: 1 << 10, most: u16::MAX as u64, word: "auto" },
        doc: "Bytes of a request's variables in the uwsgi protocol, at the most: uWSGI's \
              buffer-size; a larger head is answered with 431. auto is 4KiB, as uWSGI has it, and \
              65535B for gunicorn.",
        short_env: None,
        flag: None,
    },
];
