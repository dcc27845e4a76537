//! The settings of the application: where it is, how it is spoken to, and how it is protected.

use std::time::Duration;

use super::{
    key::{SettingKey, flag},
    kind::{ListValue, SingleValue},
};
use crate::{
    config::{
        format::{
            BoolFormat, ChoiceFormat, DAY, HOUR, KIB, MILLISECOND, MINUTE, NumberFormat, OrNone,
            SECOND, TimeFormat, size_or, time_or_off,
        },
        path, servers,
    },
    plan::UwsgiFlavour,
};

/// The application.
pub(super) const UPSTREAM: &[SettingKey] = &[
    SettingKey {
        name: "upstream.url",
        default: None,
        kind: &ListValue::at_least_one(servers::SERVER, |to, servers| to.servers = servers),
        doc: "Where the application listens; several are servers of one application, all of one \
              protocol: each request goes to the one that has the fewest.",
        short_env: Some("SIDEMAN_UPSTREAM"),
        flag: flag(
            "--upstream",
            "URL",
            "Where the application listens, once or more: http://HOST:PORT, \
              http+unix:/PATH, uwsgi://HOST:PORT or uwsgi+unix:/PATH",
        ),
    },
    SettingKey {
        name: "upstream.max_in_flight",
        default: Some(&["100"]),
        kind: &SingleValue(NumberFormat(1, 1 << 16), |to, count| {
            to.plan.upstream.admission.max_in_flight = count
        }),
        doc: "Requests at each server at the same time, over all workers: set it to the \
              application's workers x threads; what comes beyond waits here.",
        short_env: Some("SIDEMAN_MAX_IN_FLIGHT"),
        flag: flag(
            "--max-in-flight",
            "N",
            "Requests at the application at the same time: its workers x \
              threads; others wait here",
        ),
    },
    SettingKey {
        name: "upstream.queue",
        default: Some(&["1024"]),
        kind: &SingleValue(NumberFormat(0, 1 << 16), |to, count| {
            to.plan.upstream.admission.queue = count
        }),
        doc: "Requests that may wait for a place at the application, or for it to be back; what \
              comes beyond is answered with 503 at once.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.queue_timeout",
        default: Some(&["10s"]),
        kind: &SingleValue(TimeFormat(MILLISECOND, HOUR), |to, time| {
            to.plan.upstream.admission.queue_timeout = time
        }),
        doc: "How long a request may wait for a place at the application; then 503.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.wait",
        default: Some(&["10s"]),
        kind: &SingleValue(TimeFormat(Duration::ZERO, HOUR), |to, time| {
            to.plan.upstream.admission.wait = time
        }),
        doc: "How long a request may wait for an application that is away, such as while it \
              restarts; then 502, or 504 if nothing answers at its address. 0s does not wait.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.abort",
        default: Some(&["false"]),
        kind: &SingleValue(BoolFormat, |to, on| to.plan.upstream.abort = on),
        doc: "Whether a request is cut off at the application when its client leaves before there \
              is an answer; otherwise it runs to its end, and keeps its place.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.connect_timeout",
        default: Some(&["1s"]),
        kind: &SingleValue(TimeFormat(MILLISECOND, MINUTE), |to, time| {
            to.plan.upstream.connect_timeout = time
        }),
        doc: "How long one attempt to connect to a server of the application may take; further \
              ones follow within upstream.wait.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.read_timeout",
        default: Some(&["60s"]),
        kind: &SingleValue(TimeFormat(MILLISECOND, DAY), |to, time| {
            to.plan.upstream.read_timeout = time
        }),
        doc: "How long the application may take to begin its answer, then 504; and to pause \
              within it, then the answer breaks off.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.total_timeout",
        default: Some(&["off"]),
        kind: &SingleValue(time_or_off(MILLISECOND, DAY), |to, time| {
            to.plan.upstream.total_timeout = time
        }),
        doc: "How long a request may take at the application, from the first byte sent to the \
              last of the answer; then 504. The time in the queue does not count.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.tunnel_timeout",
        default: Some(&["1h"]),
        kind: &SingleValue(TimeFormat(MILLISECOND, DAY), |to, time| {
            to.plan.upstream.tunnel_timeout = time
        }),
        doc: "How long an upgraded connection (WebSocket) may be silent in both directions.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.idle_timeout",
        default: Some(&["1500ms"]),
        kind: &SingleValue(TimeFormat(Duration::ZERO, MINUTE.saturating_mul(10)), |to, time| {
            to.plan.upstream.idle_timeout = time
        }),
        doc: "How long an unused connection to the application is kept, unless it says how long \
              it does (Keep-Alive: timeout=); below gunicorn's --keep-alive (2s by default); 0s \
              never reuses one.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.max_idle",
        default: Some(&["32"]),
        kind: &SingleValue(NumberFormat(0, 4096), |to, count| to.plan.upstream.max_idle = count),
        doc: "Unused connections that each worker thread keeps to each server.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.max_age",
        default: Some(&["10m"]),
        kind: &SingleValue(TimeFormat(MILLISECOND, DAY), |to, time| {
            to.plan.upstream.max_age = time
        }),
        doc: "How long a connection to the application is used at all, so that a balancer behind \
              its address gets to choose again.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.probe",
        default: Some(&["off"]),
        kind: &SingleValue(time_or_off(SECOND, HOUR), |to, time| to.probe = time),
        doc: "How often each server is asked whether it is well while nobody needs it; off learns \
              it from requests alone.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.probe_path",
        default: Some(&["none"]),
        kind: &SingleValue(OrNone(path::PROBE), |to, path| to.probe_path = path),
        doc: "What is asked for by GET, and well with a status below 500; none is a connection \
              alone.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.uwsgi_flavour",
        default: Some(&["uwsgi"]),
        kind: &SingleValue(
            ChoiceFormat(&[("uwsgi", UwsgiFlavour::Uwsgi), ("gunicorn", UwsgiFlavour::Gunicorn)]),
            |to, flavour| to.uwsgi_flavour = flavour,
        ),
        doc: "Who speaks the uwsgi protocol behind uwsgi:// and uwsgi+unix: uWSGI, or gunicorn \
              --protocol uwsgi. They differ in who decodes PATH_INFO, and gunicorn keeps \
              connections.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.uwsgi_buffer_size",
        default: Some(&["auto"]),
        kind: &SingleValue(size_or(KIB, u16::MAX as u64, "auto"), |to, bytes| {
            to.uwsgi_buffer = bytes
        }),
        doc: "Bytes of a request's variables in the uwsgi protocol, at the most: uWSGI's \
              buffer-size; a larger head is answered with 431. auto is 4KiB, as uWSGI has it, and \
              65535B for gunicorn.",
        ..SettingKey::BLANK
    },
];
