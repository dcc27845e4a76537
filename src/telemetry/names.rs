//! Every metric with its name, type, labels and help text. To add one, add a constant here and in [`SECTIONS`], a field
//! in `metrics`, and a line in `exposition`; a new label needs a row in `labels`. Then `UPDATE_EXPECT=1 cargo test
//! --lib reference` rewrites docs/metrics.md.

use super::metric_name::{counter, gauge, histogram, info};
pub use super::{
    cache_names::{
        CACHE_BYTES, CACHE_COMPRESSED, CACHE_DISK_BYTES, CACHE_ENTRIES, CACHE_EVICTIONS,
        CACHE_FILES, CACHE_NOT_STORED, CACHE_POSTPONED, CACHE_PURGE_LAG, CACHE_PURGED,
        CACHE_PURGES, CACHE_PURGES_LOST, CACHE_PURGES_RECEIVED, CACHE_PURGES_SENT, CACHE_REFUSED,
        CACHE_RESETS, CACHE_RESPONSES, CACHE_STALE, RATE_LIMIT_GLOBAL, REDIS_UNAVAILABLE,
    },
    compression_names::{
        COMPRESSED, COMPRESSION_READ, COMPRESSION_TIME, COMPRESSION_WRITTEN, UNCOMPRESSED,
    },
    file_names::{
        ACCEL, BUCKET_REQUESTS, BUCKET_RETRIES, FILE_STORE_BYTES, FILE_STORE_COMPRESSED,
        FILE_STORE_ENTRIES, FILE_STORE_EVICTED, FILE_STORE_HITS, FILE_STORE_MISSES,
        FILE_STORE_POSTPONED, FILE_STORE_STREAMED, FILE_STORE_UNHASHED, MANIFEST_FAULTS,
        STATIC_FALLBACK,
    },
    metric_name::{MetricKind, MetricName},
};

pub const REQUESTS: MetricName =
    counter("sideman_requests", "Responses sent, by route, method and class of status")
        .by(&["route", "method", "status"]);
pub const REQUEST_DURATION: MetricName = histogram(
    "sideman_request_duration_seconds",
    "From the end of a request's head to the end of its response, by route",
)
.by(&["route"]);
pub const REQUESTS_IN_FLIGHT: MetricName =
    gauge("sideman_requests_in_flight", "Requests whose response is not complete");
pub const ERRORS: MetricName =
    counter("sideman_errors", "Failed requests, by the access log's error").by(&["error"]);
pub const HEADERS_DROPPED: MetricName = counter(
    "sideman_request_headers_dropped",
    "Request headers not passed to the application: forged forwarding headers, names with underscores",
);
pub const FORWARD_AUTH: MetricName = counter(
    "sideman_forward_auth",
    "Requests that an auth server was asked about (auth of a route), by result: allowed, denied (its response went to \
     the client), or failed (no verdict)",
)
.by(&["result"]);
pub const FORWARD_AUTH_DURATION: MetricName = histogram(
    "sideman_forward_auth_duration_seconds",
    "How long requests waited for the verdict of an auth server",
);
pub const RATE_LIMIT_DRY_RUNS: MetricName = counter(
    "sideman_rate_limit_dry_runs",
    "Requests over the rate_limit of their route that were allowed (rate_limit_dry_run)",
);
pub const RATE_LIMIT_EVICTIONS: MetricName = counter(
    "sideman_rate_limit_evictions",
    "Clients (or other keys) that may send a whole burst again, because a rate limit had too many of them at once",
);
pub const PASSWORD_CHECKS: MetricName = counter(
    "sideman_password_checks",
    "Passwords compared with a hash (auth = basic); results that are remembered are not counted",
);
pub const RECEIVED_BYTES: MetricName =
    counter("sideman_received_bytes", "Bytes read from clients, heads included");
pub const SENT_BYTES: MetricName =
    counter("sideman_sent_bytes", "Bytes written to clients, heads included");

pub const CLIENT_CONNECTIONS: MetricName =
    gauge("sideman_client_connections", "Open client connections");
pub const CLIENT_CONNECTIONS_ACCEPTED: MetricName =
    counter("sideman_client_connections_accepted", "Client connections accepted");
pub const CLIENT_TIMEOUTS: MetricName = counter(
    "sideman_client_timeouts",
    "Client connections closed by a timer: idle (server.idle_timeout), header \
     (server.header_timeout) or write (server.write_timeout)",
)
.by(&["timer"]);
pub const CLIENT_LIMITS: MetricName = counter(
    "sideman_client_limits",
    "Times that a limit of client connections was reached: max_requests (server.max_requests), max_connections \
     (server.max_connections), descriptors (ulimits.nofile), memory (memory.limit), idle_memory (an idle HTTP/2 \
     connection was closed because it had many requests at once before), connection_share, buffer_share or \
     upstream_share (one client exceeded its share of server.max_connections, of buffers.memory or of \
     upstream.max_in_flight)",
)
.by(&["limit"]);
pub const CONNECTIONS_SHED: MetricName = counter(
    "sideman_client_connections_shed",
    "Client connections that were idle or had sent no request, closed to make way for new ones",
);
pub const PROXY_PROTOCOL_REFUSED: MetricName = counter(
    "sideman_proxy_protocol_refused",
    "Connections closed at a listener of server.proxy_protocol: network (the peer is not in \
     server.proxy_protocol_from), missing, malformed or too_long (the PROXY header), timeout \
     (server.header_timeout), disconnected (within the header)",
)
.by(&["cause"]);
pub const ACCEPT_ERRORS: MetricName = counter(
    "sideman_accept_errors",
    "Connections that could not be accepted, for example because no descriptor was left",
);
pub const STALLED_STREAMS: MetricName = counter(
    "sideman_client_stalled_streams",
    "HTTP/2 requests aborted because the client read nothing of the response (server.write_timeout)",
);
pub const FLOODS: MetricName = counter(
    "sideman_client_floods",
    "HTTP/2 connections closed with ENHANCE_YOUR_CALM, by the kind of flood",
)
.by(&["flood"]);
pub const TUNNELS: MetricName = gauge("sideman_tunnels", "Open upgraded connections (WebSocket)");
pub const TUNNELS_OPENED: MetricName =
    counter("sideman_tunnels_opened", "Upgraded connections opened (WebSocket)");

pub const TLS_HANDSHAKES: MetricName = counter(
    "sideman_tls_handshakes",
    "TLS handshakes, by result: full, resumed, or the reason of the failure: timeout (tls.handshake_timeout), \
     disconnected, not_tls, incompatible, refused (by the client), broken",
)
.by(&["result"]);
pub const TLS_HANDSHAKING: MetricName =
    gauge("sideman_tls_handshakes_in_flight", "TLS handshakes in progress (tls.handshakes)");
pub const TLS_POSTPONED: MetricName = counter(
    "sideman_tls_handshakes_postponed",
    "TLS handshakes that waited because tls.handshakes were in progress",
);
pub const TLS_CONNECTIONS: MetricName = gauge(
    "sideman_tls_connections",
    "Open client connections that use TLS, without those still in the handshake",
);
pub const TLS_CERTIFICATE_CHANGES: MetricName = counter(
    "sideman_tls_certificate_changes",
    "Changes of the files of certificates, by result: used, or rejected (the current certificate stays in use)",
)
.by(&["result"]);
pub const ACME_ATTEMPTS: MetricName = counter(
    "sideman_acme_attempts",
    "Attempts to obtain or renew the certificate for acme.domains, by result: ok, or failed (the event names the \
     reason)",
)
.by(&["result"]);
pub const TLS_CERTIFICATE_EXPIRY: MetricName = gauge(
    "sideman_tls_certificate_expiry_seconds",
    "When each certificate in use expires, in seconds since 1970",
)
.by(&["certificate"]);

pub const UPSTREAM_IN_FLIGHT: MetricName = gauge(
    "sideman_upstream_in_flight",
    "Requests in flight at the application (upstream.max_in_flight)",
);
pub const UPSTREAM_UNREAD: MetricName = gauge(
    "sideman_upstream_unread_requests",
    "Requests in flight that the application has not begun, when they were last looked at while requests were queued",
);
pub const LIMIT_SOURCE: MetricName = gauge(
    "sideman_upstream_limit_source",
    "Where the upstream.max_in_flight in force comes from, 1 for one of: set (by a number), unread (the requests that the \
     application has not begun), throughput (they cannot be seen), unknown (auto, and no request had to wait yet)",
)
.by(&["source"]);
pub const QUEUE_LENGTH: MetricName =
    gauge("sideman_queue_length", "Requests queued for the application");
pub const QUEUE_WAIT: MetricName = histogram(
    "sideman_queue_wait_seconds",
    "How long requests were queued, or waited for an unavailable application",
);
pub const UPSTREAM_FIRST_BYTE: MetricName = histogram(
    "sideman_upstream_first_byte_seconds",
    "From sending a request to the application to the head of its response",
);
pub const ABANDONED: MetricName = counter(
    "sideman_abandoned",
    "Requests whose client disconnected while they were queued (queue) or in flight at the application \
     (application)",
)
.by(&["where"]);
pub const UPSTREAM_RETRIES: MetricName = counter(
    "sideman_upstream_retries",
    "Requests retried because their connection closed before the first byte of a response",
);

pub const UPSTREAM_SERVERS: MetricName = gauge(
    "sideman_upstream_servers",
    "Known servers of the applications, by state: available or unavailable",
)
.by(&["state"]);
pub const UPSTREAM_EJECTIONS: MetricName = counter(
    "sideman_upstream_ejections",
    "Servers taken out of use, by cause: refused (connections), closed (connections without a response), timeout or \
     status (upstream.eject_on), probe (upstream.probe, health.application) or protocol (they speak another)",
)
.by(&["cause"]);
pub const UPSTREAM_EJECTIONS_PREVENTED: MetricName = counter(
    "sideman_upstream_ejections_prevented",
    "Servers that were not ejected, or used again, because no other was available",
);
pub const UPSTREAM_SLOW_STARTS: MetricName = counter(
    "sideman_upstream_slow_starts",
    "Servers that returned beside others and got a growing share of the requests (upstream.slow_start)",
);
pub const APPLICATION_READY: MetricName = gauge(
    "sideman_application_ready",
    "1 if the last check of health.application has passed, 0 if it has failed; missing without this setting",
);
pub const READINESS_CHECKS: MetricName = counter(
    "sideman_readiness_checks",
    "Checks of health.application, by result: passed, status (not 2xx), timeout, refused (no connection) or invalid",
)
.by(&["result"]);
pub const UPSTREAM_OPENED: MetricName =
    counter("sideman_upstream_connections_opened", "Connections opened to the application");
pub const UPSTREAM_REUSED: MetricName = counter(
    "sideman_upstream_connections_reused",
    "Requests sent on a connection that was idle in the pool",
);
pub const UPSTREAM_FAILED: MetricName = counter(
    "sideman_upstream_connections_failed",
    "Connection attempts to the application that were refused or timed out",
);

pub const BUFFER_BYTES: MetricName = gauge(
    "sideman_buffer_bytes",
    "Buffered bytes, by kind: bodies in memory or on disk, and long request heads (heads)",
)
.by(&["kind"]);
pub const BUFFER_RESPONSE_BYTES: MetricName = gauge(
    "sideman_buffer_response_bytes",
    "The part of sideman_buffer_bytes that responses use, by kind: memory or disk. At most half of buffers.memory \
     and buffers.disk; the other half is for requests",
)
.by(&["kind"]);
pub const BUFFER_SPILLED: MetricName = counter(
    "sideman_buffer_spilled",
    "Bodies written to a spill file, on disk or in memory: request or response",
)
.by(&["body"]);
pub const BUFFER_PAUSED: MetricName = counter(
    "sideman_buffer_paused",
    "Responses whose reading from the application paused until the client had read some, because \
     buffers.max_response or the half of buffers.memory and buffers.disk that responses may use was exhausted",
);

pub const WORKER_CONNECTIONS: MetricName =
    gauge("sideman_worker_connections", "Open client connections, by worker thread")
        .by(&["worker"]);
pub const WORKER_IN_FLIGHT: MetricName = gauge(
    "sideman_worker_requests_in_flight",
    "Requests whose response is not complete, by worker thread",
)
.by(&["worker"]);
pub const WORKER_CPU: MetricName = counter(
    "sideman_worker_cpu_seconds",
    "CPU time of each worker thread; a worker that uses one second a second is at its limit",
)
.by(&["worker"]);
pub const LIMIT: MetricName =
    gauge("sideman_limit", "Limits set for values that other metrics count, by setting")
        .by(&["setting"]);

pub const ACCESS_LOG_DROPPED: MetricName = counter(
    "sideman_access_log_dropped",
    "Access-log lines lost because stdout was slow (log.buffer) or failed",
);
pub const ACCESS_LOG_SAMPLED: MetricName = counter(
    "sideman_access_log_sampled_out",
    "Successful responses with static files that were not logged (log.static_sample)",
);
pub const ACCESS_LOG_WAITS: MetricName = counter(
    "sideman_access_log_waits",
    "Requests that waited for a slow stdout (log.when_slow, log.buffer)",
);
pub const EVENTS_DROPPED: MetricName =
    counter("sideman_events_dropped", "Events lost because stderr was slow or failed");
pub const SPANS_SENT: MetricName = counter(
    "sideman_trace_spans_sent",
    "Spans that the collector has accepted (OTEL_EXPORTER_OTLP_ENDPOINT)",
);
pub const SPANS_LOST: MetricName = counter(
    "sideman_trace_spans_lost",
    "Spans that the collector has not got, by cause: full (OTEL_BSP_MAX_QUEUE_SIZE), failed (it did not respond in \
     time) or refused (it has refused them)",
)
.by(&["cause"]);
pub const PANICS: MetricName =
    counter("sideman_panics", "Internal errors (panics); should always be 0");
pub const RELOADS: MetricName =
    counter("sideman_reloads", "Reloads of the settings, by result: ok or failed").by(&["result"]);
pub const APPLICATION_STARTS: MetricName = counter(
    "sideman_application_starts",
    "Starts of the application by sideman exec; each beyond the first follows an end that nobody asked for",
);
pub const RELOAD_FAILED: MetricName = gauge(
    "sideman_last_reload_failed",
    "1 if the last reload failed and the previous settings are in use, else 0",
);
pub const ADMIN_REFUSED: MetricName = counter(
    "sideman_admin_refused",
    "Connections and requests that the admin listener refused, by cause: slow connections (15 s), crowded ones \
     (closed for others: 16 of one client, 64 in total), or a reload without the header Sideman-Reload or for \
     another Host",
)
.by(&["cause"]);
pub const SETTINGS_LOADED: MetricName = gauge(
    "sideman_settings_loaded_timestamp_seconds",
    "When the settings in use were loaded, at the start or by a reload, in seconds since 1970",
);
pub const PHASE: MetricName =
    gauge("sideman_phase", "1 for the phase that the process is in, 0 for others").by(&["phase"]);
pub const BUILD_INFO: MetricName =
    info("sideman_build", "The version of the running binary").by(&["version"]);

pub const MEMORY: MetricName = gauge(
    "sideman_memory_bytes",
    "Memory that memory.limit applies to: the container's without the page cache, or the process's own where no \
     container has a limit",
);
pub const PROCESS_CPU: MetricName =
    counter("process_cpu_seconds", "CPU time of the process, in user and kernel mode");
pub const PROCESS_RESIDENT: MetricName =
    gauge("process_resident_memory_bytes", "Memory of the process in RAM");
pub const PROCESS_VIRTUAL: MetricName =
    gauge("process_virtual_memory_bytes", "Reserved address space of the process");
pub const PROCESS_OPEN_FDS: MetricName = gauge("process_open_fds", "Open file descriptors");
pub const PROCESS_MAX_FDS: MetricName =
    gauge("process_max_fds", "Maximum number of open file descriptors (ulimits.nofile)");
pub const PROCESS_THREADS: MetricName =
    gauge("process_threads", "Threads, including those that wait for the disk");
pub const PROCESS_START: MetricName =
    gauge("process_start_time_seconds", "When the process started, in seconds since 1970");

/// All metrics, in the sections of docs/metrics.md.
pub const SECTIONS: &[(&str, &[MetricName])] = &[
    (
        "Requests",
        &[
            REQUESTS,
            REQUEST_DURATION,
            REQUESTS_IN_FLIGHT,
            ERRORS,
            HEADERS_DROPPED,
            FORWARD_AUTH,
            FORWARD_AUTH_DURATION,
            RATE_LIMIT_DRY_RUNS,
            RATE_LIMIT_EVICTIONS,
            RATE_LIMIT_GLOBAL,
            PASSWORD_CHECKS,
            RECEIVED_BYTES,
            SENT_BYTES,
        ],
    ),
    (
        "Clients",
        &[
            CLIENT_CONNECTIONS,
            CLIENT_CONNECTIONS_ACCEPTED,
            CLIENT_TIMEOUTS,
            CLIENT_LIMITS,
            CONNECTIONS_SHED,
            PROXY_PROTOCOL_REFUSED,
            ACCEPT_ERRORS,
            STALLED_STREAMS,
            FLOODS,
            TUNNELS,
            TUNNELS_OPENED,
        ],
    ),
    (
        "TLS",
        &[
            TLS_HANDSHAKES,
            TLS_HANDSHAKING,
            TLS_POSTPONED,
            TLS_CONNECTIONS,
            TLS_CERTIFICATE_CHANGES,
            ACME_ATTEMPTS,
            TLS_CERTIFICATE_EXPIRY,
        ],
    ),
    (
        "Application and queue",
        &[
            UPSTREAM_IN_FLIGHT,
            UPSTREAM_UNREAD,
            LIMIT_SOURCE,
            QUEUE_LENGTH,
            QUEUE_WAIT,
            UPSTREAM_FIRST_BYTE,
            ABANDONED,
            UPSTREAM_RETRIES,
        ],
    ),
    (
        "Servers of the application",
        &[
            UPSTREAM_SERVERS,
            UPSTREAM_EJECTIONS,
            UPSTREAM_EJECTIONS_PREVENTED,
            UPSTREAM_SLOW_STARTS,
            APPLICATION_READY,
            READINESS_CHECKS,
            UPSTREAM_OPENED,
            UPSTREAM_REUSED,
            UPSTREAM_FAILED,
        ],
    ),
    ("Buffers", &[BUFFER_BYTES, BUFFER_RESPONSE_BYTES, BUFFER_SPILLED, BUFFER_PAUSED]),
    (
        "Compression of responses",
        &[COMPRESSED, UNCOMPRESSED, COMPRESSION_READ, COMPRESSION_WRITTEN, COMPRESSION_TIME],
    ),
    (
        "Cache",
        &[
            CACHE_RESPONSES,
            CACHE_STALE,
            CACHE_NOT_STORED,
            CACHE_BYTES,
            CACHE_DISK_BYTES,
            CACHE_ENTRIES,
            CACHE_EVICTIONS,
            CACHE_FILES,
            CACHE_REFUSED,
            CACHE_COMPRESSED,
            CACHE_POSTPONED,
            CACHE_PURGES,
            CACHE_PURGED,
            CACHE_PURGES_SENT,
            CACHE_PURGES_RECEIVED,
            CACHE_PURGES_LOST,
            CACHE_PURGE_LAG,
            CACHE_RESETS,
            REDIS_UNAVAILABLE,
        ],
    ),
    (
        "Files",
        &[
            FILE_STORE_HITS,
            FILE_STORE_MISSES,
            FILE_STORE_BYTES,
            FILE_STORE_ENTRIES,
            FILE_STORE_EVICTED,
            FILE_STORE_COMPRESSED,
            FILE_STORE_POSTPONED,
            FILE_STORE_STREAMED,
            FILE_STORE_UNHASHED,
            MANIFEST_FAULTS,
            STATIC_FALLBACK,
            ACCEL,
            BUCKET_REQUESTS,
            BUCKET_RETRIES,
        ],
    ),
    ("Workers and limits", &[WORKER_CONNECTIONS, WORKER_IN_FLIGHT, WORKER_CPU, LIMIT]),
    (
        "Logs, bugs and phases",
        &[
            ACCESS_LOG_DROPPED,
            ACCESS_LOG_SAMPLED,
            ACCESS_LOG_WAITS,
            EVENTS_DROPPED,
            SPANS_SENT,
            SPANS_LOST,
            PANICS,
            APPLICATION_STARTS,
            RELOADS,
            RELOAD_FAILED,
            ADMIN_REFUSED,
            SETTINGS_LOADED,
            PHASE,
            BUILD_INFO,
        ],
    ),
    (
        "Process",
        &[
            MEMORY,
            PROCESS_CPU,
            PROCESS_RESIDENT,
            PROCESS_VIRTUAL,
            PROCESS_OPEN_FDS,
            PROCESS_MAX_FDS,
            PROCESS_THREADS,
            PROCESS_START,
        ],
    ),
];

/// Every metric.
pub fn all() -> impl Iterator<Item = &'static MetricName> {
    SECTIONS.iter().flat_map(|(_, names)| *names)
}
