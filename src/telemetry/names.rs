//! Every metric: its name and its help text. To add one: a constant here, a field in `metrics`, a
//! line in `exposition`, a row in the README's table (a test compares them).

/// A metric's name, without the `_total` that counters get, and what it means.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    pub name: &'static str,
    pub help: &'static str,
}

const fn name(name: &'static str, help: &'static str) -> Name {
    Name { name, help }
}

pub const REQUESTS: Name =
    name("sideman_requests", "Requests answered, by route, method and class of status");
pub const REQUEST_DURATION: Name = name(
    "sideman_request_duration_seconds",
    "From the end of a request's head to the end of its answer, by route",
);
pub const UPSTREAM_FIRST_BYTE: Name = name(
    "sideman_upstream_first_byte_seconds",
    "From handing a request to the application to the head of its answer",
);
pub const RECEIVED_BYTES: Name =
    name("sideman_received_bytes", "Bytes read from clients, heads included");
pub const SENT_BYTES: Name = name("sideman_sent_bytes", "Bytes written to clients, heads included");
pub const CLIENT_CONNECTIONS: Name = name("sideman_client_connections", "Open client connections");
pub const CLIENT_CONNECTIONS_ACCEPTED: Name =
    name("sideman_client_connections_accepted", "Client connections accepted");
pub const CLIENT_TIMEOUTS: Name = name(
    "sideman_client_timeouts",
    "Client connections closed by a timer: idle (server.idle_timeout) or header \
     (server.header_timeout)",
);
pub const STALLED_STREAMS: Name = name(
    "sideman_client_stalled_streams",
    "HTTP/2 requests cut off because the client took nothing of the answer (server.idle_timeout)",
);
pub const FLOODS: Name = name(
    "sideman_client_floods",
    "HTTP/2 connections closed because most of their requests were taken back at once",
);
pub const ACCEPT_ERRORS: Name = name(
    "sideman_accept_errors",
    "Connections that could not be accepted, for example for lack of descriptors",
);
pub const TLS_HANDSHAKES: Name = name(
    "sideman_tls_handshakes",
    "TLS handshakes, by result: full or resumed, or why there is no connection: timeout \
     (tls.handshake_timeout), left, not_tls, incompatible, refused (by the client), broken",
);
pub const TLS_HANDSHAKING: Name =
    name("sideman_tls_handshakes_in_flight", "TLS handshakes that have not ended (tls.handshakes)");
pub const TLS_POSTPONED: Name = name(
    "sideman_tls_handshakes_postponed",
    "Times that new TLS connections were left to wait because tls.handshakes were in flight",
);
pub const TLS_CONNECTIONS: Name =
    name("sideman_tls_connections", "Open client connections that speak TLS, handshakes apart");
pub const TLS_CERTIFICATE_CHANGES: Name = name(
    "sideman_tls_certificate_changes",
    "Changes of the files of tls.certificates, by result: used, or rejected (the old one stays in use)",
);
pub const TLS_CERTIFICATE_EXPIRY: Name = name(
    "sideman_tls_certificate_expiry_seconds",
    "When each certificate in use ends, in seconds since 1970",
);
pub const REQUESTS_IN_FLIGHT: Name =
    name("sideman_requests_in_flight", "Requests whose answer is not complete");
pub const UPSTREAM_OPENED: Name =
    name("sideman_upstream_connections_opened", "Connections opened to the application");
pub const UPSTREAM_REUSED: Name =
    name("sideman_upstream_connections_reused", "Requests sent on a kept connection");
pub const UPSTREAM_FAILED: Name = name(
    "sideman_upstream_connections_failed",
    "Connection attempts that the application refused or let time out",
);
pub const UPSTREAM_RETRIES: Name = name(
    "sideman_upstream_retries",
    "Requests sent again because their connection ended before a byte of an answer",
);
pub const HEADERS_DROPPED: Name = name(
    "sideman_request_headers_dropped",
    "Request headers kept from the application: forged forwarding headers, names with underscores",
);
pub const FILE_STORE_HITS: Name =
    name("sideman_file_store_hits", "Files found in memory, or known to be missing, still fresh");
pub const FILE_STORE_MISSES: Name =
    name("sideman_file_store_misses", "Files that had to be looked for on disk");
pub const FILE_STORE_BYTES: Name = name(
    "sideman_file_store_bytes",
    "Bytes of files kept in memory, by store (static.memory, media.memory)",
);
pub const FILE_STORE_ENTRIES: Name = name(
    "sideman_file_store_entries",
    "Files kept in memory or open, by store (static.entries, media.entries)",
);
pub const FILE_STORE_EVICTED: Name =
    name("sideman_file_store_evicted", "Files thrown out of memory to make room, by store");
pub const FILE_STORE_COMPRESSED: Name = name(
    "sideman_file_store_compressed",
    "Representations made by compressing in the background, by store",
);
pub const FILE_STORE_POSTPONED: Name = name(
    "sideman_file_store_postponed",
    "Compressing, hashing or verifying put off because 1024 such jobs were waiting, by store",
);
pub const MANIFEST_FAULTS: Name = name(
    "sideman_manifest_faults",
    "Files that a staticfiles.json lists and that are missing, or whose contents are not what the \
     name says (mismatched, by sample)",
);
pub const RESCUED_FILES: Name = name(
    "sideman_rescued_files",
    "Requests for files with a content hash that the first directory lacks, by where they were found: \
     directory, fallback, current, or failed (the fallback gave no answer)",
);
pub const ACCEL: Name = name(
    "sideman_accel",
    "Files that the application had sent (X-Accel-Redirect, X-Sendfile), by result: sent, missing or \
     refused",
);
pub const ACCESS_LOG_DROPPED: Name = name(
    "sideman_access_log_dropped",
    "Access-log lines lost because stdout was slow (log.buffer) or failed",
);
pub const ACCESS_LOG_SAMPLED: Name = name(
    "sideman_access_log_left_out",
    "Successful answers with static files that have no access-log line (log.static_sample)",
);
pub const ACCESS_LOG_WAITS: Name = name(
    "sideman_access_log_waits",
    "Requests that waited for a slow stdout (log.when_slow = \"block\", log.buffer)",
);
pub const EVENTS_DROPPED: Name =
    name("sideman_events_dropped", "Events lost because stderr was slow or failed");
pub const PANICS: Name = name("sideman_panics", "Connections ended by a bug in Sideman");
pub const PHASE: Name = name("sideman_phase", "1 for the phase the process is in, 0 for others");
pub const BUILD_INFO: Name = name("sideman_build", "The version of the running binary");

pub const UPSTREAM_IN_FLIGHT: Name = name(
    "sideman_upstream_in_flight",
    "Requests that have a place at the application (upstream.max_in_flight)",
);
pub const UPSTREAM_SERVERS: Name = name(
    "sideman_upstream_servers",
    "Known servers of the applications, by state: available or away",
);
pub const UPSTREAM_EJECTIONS: Name = name(
    "sideman_upstream_ejections",
    "Servers taken out of use because they refused connections or failed requests",
);
pub const QUEUE_LENGTH: Name =
    name("sideman_queue_length", "Requests that wait for a place at the application");
pub const QUEUE_WAIT: Name = name(
    "sideman_queue_wait_seconds",
    "How long requests waited for a place at the application, or until it was back",
);
pub const ABANDONED: Name = name(
    "sideman_abandoned",
    "Requests whose client left while they waited (queue) or while the application worked on them \
     (application)",
);
pub const ERRORS: Name = name("sideman_errors", "Requests that failed, by the log's error");
pub const BUFFER_BYTES: Name =
    name("sideman_buffer_bytes", "Bytes of bodies that wait, by kind: memory or disk");
pub const BUFFER_SPILLED: Name = name(
    "sideman_buffer_spilled",
    "Bodies that went to a file, or were kept as one in memory: request or answer",
);
pub const TUNNELS: Name = name("sideman_tunnels", "Open upgraded connections (WebSocket)");
pub const TUNNELS_OPENED: Name =
    name("sideman_tunnels_opened", "Connections that were upgraded (WebSocket)");

/// All of them, in the order of the exposition.
pub const ALL: [Name; 50] = [
    REQUESTS,
    REQUEST_DURATION,
    UPSTREAM_FIRST_BYTE,
    REQUESTS_IN_FLIGHT,
    RECEIVED_BYTES,
    SENT_BYTES,
    CLIENT_CONNECTIONS,
    CLIENT_CONNECTIONS_ACCEPTED,
    CLIENT_TIMEOUTS,
    ACCEPT_ERRORS,
    STALLED_STREAMS,
    FLOODS,
    TLS_HANDSHAKES,
    TLS_HANDSHAKING,
    TLS_POSTPONED,
    TLS_CONNECTIONS,
    TLS_CERTIFICATE_CHANGES,
    TLS_CERTIFICATE_EXPIRY,
    UPSTREAM_OPENED,
    UPSTREAM_REUSED,
    UPSTREAM_FAILED,
    UPSTREAM_RETRIES,
    UPSTREAM_IN_FLIGHT,
    UPSTREAM_SERVERS,
    UPSTREAM_EJECTIONS,
    QUEUE_LENGTH,
    QUEUE_WAIT,
    ABANDONED,
    ERRORS,
    BUFFER_BYTES,
    BUFFER_SPILLED,
    TUNNELS,
    TUNNELS_OPENED,
    HEADERS_DROPPED,
    FILE_STORE_HITS,
    FILE_STORE_MISSES,
    FILE_STORE_BYTES,
    FILE_STORE_ENTRIES,
    FILE_STORE_EVICTED,
    FILE_STORE_COMPRESSED,
    FILE_STORE_POSTPONED,
    MANIFEST_FAULTS,
    RESCUED_FILES,
    ACCEL,
    ACCESS_LOG_DROPPED,
    ACCESS_LOG_SAMPLED,
    ACCESS_LOG_WAITS,
    EVENTS_DROPPED,
    PANICS,
    PHASE,
];
