//! The settings of the application: its address, limits and timeouts.

use std::time::Duration;

use super::{
    key::{SettingKey, flag},
    kind::{ListValue, SingleValue},
};
use crate::{
    config::{
        certificates,
        format::{
            BoolFormat, ChoiceFormat, DAY, HOUR, KIB, MILLISECOND, MINUTE, NumberFormat,
            NumberOrAuto, OrNone, OrWord, PERCENT_OR_OFF, SECOND, TimeFormat, size_or, time_or_off,
        },
        path, servers, upstream_tls,
    },
    plan::{EjectionSettings, UwsgiFlavour},
};

pub(super) const READ_TIMEOUT: TimeFormat = TimeFormat(MILLISECOND, DAY);
pub(super) const TOTAL_TIMEOUT: OrWord<TimeFormat> = time_or_off(MILLISECOND, DAY);
/// The upper bound of what `auto` finds.
const MOST_IN_FLIGHT: usize = 100;
/// Counts a failure of requests for ejections.
type CountFailure = fn(&mut EjectionSettings);
/// The failures that may eject a server.
const EJECT_ON: &[(&str, CountFailure)] = &[
    ("closed", |ejection| ejection.closed = true),
    ("timeout", |ejection| ejection.timeout = true),
    ("502", |ejection| ejection.bad_gateway = true),
    ("503", |ejection| ejection.unavailable = true),
    ("504", |ejection| ejection.gateway_timeout = true),
];
pub(super) const MAX_IN_FLIGHT: NumberFormat = NumberFormat(1, 1 << 16);

/// The application.
pub(super) const UPSTREAM: &[SettingKey] = &[
    SettingKey {
        name: "upstream.url",
        default: None,
        kind: &ListValue::at_least_one(servers::SERVER, |to, servers| to.servers = servers),
        doc: "Where the application listens. Several addresses are servers of one application and must use one \
              protocol; each request goes to the server with the fewest requests in flight.",
        short_env: Some("SIDEMAN_UPSTREAM"),
        flag: flag(
            "--upstream",
            "URL",
            "Where the application listens; may be repeated: http://HOST:PORT, https://HOST:PORT, http+unix:/PATH, \
            uwsgi://HOST:PORT or uwsgi+unix:/PATH",
        ),
    },
    SettingKey {
        name: "upstream.max_in_flight",
        default: Some(&["auto"]),
        kind: &SingleValue(NumberOrAuto(1 << 16), |to, count| {
            let admission = &mut to.plan.upstream.admission;
            admission.tunes = count.is_none();
            admission.max_in_flight = count.unwrap_or(MOST_IN_FLIGHT);
        }),
        doc: "Maximum number of requests in flight at each server, over all worker threads; more are queued. auto \
              finds the application's workers x threads, at most 100, by looking which requests it has begun, or by \
              its throughput where that cannot be seen.",
        short_env: Some("SIDEMAN_MAX_IN_FLIGHT"),
        flag: flag(
            "--max-in-flight",
            "N",
            "Maximum number of requests in flight at the application: its workers x threads; more are queued",
        ),
    },
    SettingKey {
        name: "upstream.client_share",
        default: Some(&["50%"]),
        kind: &SingleValue(PERCENT_OR_OFF, |to, share| {
            to.plan.upstream.admission.client_share = share;
        }),
        doc: "The part of all permits (upstream.max_in_flight x servers) that one client may hold while requests of \
              other clients are queued: theirs go first. A client that is alone may hold all. off disables the limit.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.queue",
        default: Some(&["1024"]),
        kind: &SingleValue(NumberFormat(0, 1 << 16), |to, count| {
            to.plan.upstream.admission.queue = count
        }),
        doc: "Maximum number of requests that wait for the application, because it is busy or unavailable; more get \
              503 at once.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.queue_timeout",
        default: Some(&["10s"]),
        kind: &SingleValue(TimeFormat(MILLISECOND, HOUR), |to, time| {
            to.plan.upstream.admission.queue_timeout = time
        }),
        doc: "How long a request may be queued; then 503.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.wait",
        default: Some(&["10s"]),
        kind: &SingleValue(TimeFormat(Duration::ZERO, HOUR), |to, time| {
            to.plan.upstream.admission.wait = time
        }),
        doc: "How long a request may wait for an application that is unavailable, such as during a restart; then \
              502, or 504 if nothing responds at its address. 0s disables waiting.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.abort",
        default: Some(&["false"]),
        kind: &SingleValue(BoolFormat, |to, on| to.plan.upstream.abort = on),
        doc: "Whether a request is aborted at the application when its client disconnects before the response \
              begins. Otherwise the request runs to its end, and counts as in flight until then.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.connect_timeout",
        default: Some(&["1s"]),
        kind: &SingleValue(TimeFormat(MILLISECOND, MINUTE), |to, time| {
            to.plan.upstream.connect_timeout = time
        }),
        doc: "How long one attempt to connect to a server may take, with its TLS handshake; it is retried within \
              upstream.wait.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.read_timeout",
        default: Some(&["60s"]),
        kind: &SingleValue(READ_TIMEOUT, |to, time| to.plan.upstream.read_timeout = time),
        doc: "How long the application may take to begin its response; then 504. It is also the longest pause \
              within a response; then the response is aborted.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.total_timeout",
        default: Some(&["off"]),
        kind: &SingleValue(TOTAL_TIMEOUT, |to, time| to.plan.upstream.total_timeout = time),
        doc: "How long a request may take at the application, from the first byte sent to the last byte of the \
              response; then 504. The time in the queue does not count.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.tunnel_timeout",
        default: Some(&["1h"]),
        kind: &SingleValue(TimeFormat(MILLISECOND, DAY), |to, time| {
            to.plan.upstream.tunnel_timeout = time
        }),
        doc: "How long an upgraded connection (WebSocket) may be idle in both directions.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.idle_timeout",
        default: Some(&["1500ms"]),
        kind: &SingleValue(TimeFormat(Duration::ZERO, MINUTE.saturating_mul(10)), |to, time| {
            to.plan.upstream.idle_timeout = time
        }),
        doc: "How long an idle connection to the application is kept open, unless the application names a time \
              (Keep-Alive: timeout=). Keep it below gunicorn's --keep-alive (2s by default); 0s disables reuse.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.max_idle",
        default: Some(&["32"]),
        kind: &SingleValue(NumberFormat(0, 4096), |to, count| to.plan.upstream.max_idle = count),
        doc: "Maximum number of idle connections that each worker thread keeps to each server.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.max_age",
        default: Some(&["10m"]),
        kind: &SingleValue(TimeFormat(MILLISECOND, DAY), |to, time| {
            to.plan.upstream.max_age = time
        }),
        doc: "How long a connection to the application is reused. A balancer at the application's address chooses a \
              server again for the next connection.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.probe",
        default: Some(&["off"]),
        kind: &SingleValue(time_or_off(SECOND, HOUR), |to, time| to.probe = time),
        doc: "How often each server without requests is probed; off learns a server's state from requests alone.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.probe_path",
        default: Some(&["none"]),
        kind: &SingleValue(OrNone(path::PROBE), |to, path| to.probe_path = path),
        doc: "The path that a probe requests with GET; a status below 500 is healthy. none only opens a connection.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.eject_on",
        default: Some(&["closed", "timeout"]),
        kind: &ListValue::or_none(ChoiceFormat(EJECT_ON), |to, failures| {
            let ejection = &mut to.plan.upstream.ejection;
            *ejection =
                EjectionSettings { slow_start: ejection.slow_start, ..EjectionSettings::NEVER };
            failures.into_iter().for_each(|set| set(ejection));
        }),
        doc: "The failures that eject one of several servers, after three in a row within 5m: closed (the \
              connection ended without a response), timeout (upstream.read_timeout, upstream.total_timeout), and the \
              application's own status 502, 503 or 504. The last available server is never ejected.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.slow_start",
        default: Some(&["10s"]),
        kind: &SingleValue(time_or_off(SECOND, MINUTE.saturating_mul(10)), |to, time| {
            to.plan.upstream.ejection.slow_start = time;
        }),
        doc: "The time in which the share of one of several servers that returns grows from a tenth of the requests \
              that it would get to all of them; off gives it all at once.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.tls_ca",
        default: Some(&["public"]),
        kind: &ListValue::at_least_one(upstream_tls::CA, |to, authorities| {
            to.upstream_tls.set_trust(authorities, "upstream.tls_ca".into());
        }),
        doc: "Whose certificates are trusted at https:// addresses, also of auth servers and of static.fallback: PEM \
              files with the certificates of authorities, or with the self-signed one of a server. public is the \
              authorities that browsers trust. Read at the start and at each reload.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.tls_server_name",
        default: Some(&["auto"]),
        kind: &SingleValue(upstream_tls::SERVER_NAME, |to, name| {
            to.upstream_tls.server_name = Some(name);
        }),
        doc: "The name that is asked for (SNI) at https:// addresses, and that the certificate must have. auto is the \
              host in the address.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.tls_client_certificate",
        default: Some(&["none"]),
        kind: &SingleValue(OrNone(certificates::PAIR), |to, files| {
            let key = "upstream.tls_client_certificate".into();
            to.upstream_tls.set_client_certificate(files, key);
        }),
        doc: "The certificate with its chain, and its key, in PEM, for servers at https:// addresses that demand one. \
              Read at the start and at each reload.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.tls_verify",
        default: Some(&["full"]),
        kind: &SingleValue(upstream_tls::VERIFY, |to, is_verified| {
            to.upstream_tls.is_verified = Some(is_verified);
        }),
        doc: "Whether the certificates at https:// addresses are verified: authority, name and dates. insecure \
              accepts any certificate, so that anybody on the way can read and change everything.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.uwsgi_flavour",
        default: Some(&["uwsgi"]),
        kind: &SingleValue(
            ChoiceFormat(&[("uwsgi", UwsgiFlavour::Uwsgi), ("gunicorn", UwsgiFlavour::Gunicorn)]),
            |to, flavour| to.uwsgi_flavour = flavour,
        ),
        doc: "The server behind uwsgi:// and uwsgi+unix: URLs: uWSGI, or gunicorn --protocol uwsgi. They decode \
              PATH_INFO differently, and only gunicorn keeps connections open.",
        ..SettingKey::BLANK
    },
    SettingKey {
        name: "upstream.uwsgi_buffer_size",
        default: Some(&["auto"]),
        kind: &SingleValue(size_or(KIB, u16::MAX as u64, "auto"), |to, bytes| {
            to.uwsgi_buffer = bytes
        }),
        doc: "Maximum size of a request's variables in the uwsgi protocol: uWSGI's buffer-size. A larger request \
              head gets 431. auto is uWSGI's default of 4KiB, and 65535B for gunicorn.",
        ..SettingKey::BLANK
    },
];
