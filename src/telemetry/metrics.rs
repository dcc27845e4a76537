//! All counters: one shard for each worker, written only by that worker, and a few values of the whole process.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    bucket_result::BucketResult,
    cache_counts::CacheCounts,
    cache_labels::{CacheOutcome, NotStoredLabel, StaleLabel},
    compression_labels::{CodingLabel, CompressionSkip},
    counter::Counter,
    health_labels::{EjectionCause, ReadinessResult},
    histogram::{Histogram, QueueBuckets, ResponseBuckets},
    labels::{
        FloodLabel, HandshakeResult, MethodLabel, ProxyHeaderRefusal, RouteLabel, StatusClass,
    },
    limits::{LimitGauges, LimitSourceGauge},
    redis_counts::RedisCounts,
    traces::TraceCounts,
    usage,
};
use crate::{error::FailureKind, sync::AtomicU64 as SharedBytes};

const KINDS: usize = FailureKind::ALL.len();
const ROUTES: usize = RouteLabel::ALL.len();
const METHODS: usize = MethodLabel::ALL.len();
const CLASSES: usize = StatusClass::ALL.len();
const HANDSHAKES: usize = HandshakeResult::ALL.len();
const PROXY_HEADER_REFUSALS: usize = ProxyHeaderRefusal::ALL.len();
const FLOODS: usize = FloodLabel::ALL.len();
const EJECTION_CAUSES: usize = EjectionCause::ALL.len();
const READINESS_RESULTS: usize = ReadinessResult::ALL.len();
const CODINGS: usize = CodingLabel::ALL.len();
const CACHE_OUTCOMES: usize = CacheOutcome::ALL.len();
const STALE: usize = StaleLabel::ALL.len();
const COMPRESSION_SKIPS: usize = CompressionSkip::ALL.len();

/// All values of the process.
#[derive(Debug)]
pub struct Metrics {
    shards: Vec<Arc<WorkerMetrics>>,
    process: Arc<ProcessMetrics>,
    began: SystemTime,
}

/// The values of one worker, written only by that worker. Aligned so that no two workers share a cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkerMetrics {
    /// The kernel's thread number of the worker; 0 until it runs.
    thread: AtomicU32,
    requests: [[[Counter; CLASSES]; METHODS]; ROUTES],
    durations: [Histogram<ResponseBuckets>; ROUTES],
    pub upstream_first_byte: Histogram<ResponseBuckets>,
    pub in_flight: Counter,
    pub received_bytes: Counter,
    pub sent_bytes: Counter,
    pub connections: Counter,
    pub connections_accepted: Counter,
    pub idle_timeouts: Counter,
    pub header_timeouts: Counter,
    pub write_timeouts: Counter,
    pub used_up: Counter,
    pub shed: Counter,
    pub grown: Counter,
    proxy_header_refusals: [Counter; PROXY_HEADER_REFUSALS],
    handshakes: [Counter; HANDSHAKES],
    pub handshaking: Counter,
    pub handshakes_postponed: Counter,
    pub tls_connections: Counter,
    pub stalled_streams: Counter,
    floods: [Counter; FLOODS],
    pub upstream_opened: Counter,
    pub upstream_reused: Counter,
    pub upstream_failed: Counter,
    pub upstream_retries: Counter,
    errors: ErrorCounts,
    pub upstream_in_flight: Counter,
    pub queued: Counter,
    pub queue_wait: Histogram<QueueBuckets>,
    pub abandoned_queued: Counter,
    pub abandoned_running: Counter,
    pub spilled_requests: Counter,
    pub spilled_responses: Counter,
    pub paused_responses: Counter,
    compressed: [Counter; CODINGS],
    uncompressed: [Counter; COMPRESSION_SKIPS],
    pub compression_nanos: Counter,
    pub compression_read: Counter,
    pub compression_written: Counter,
    cache_responses: [Counter; CACHE_OUTCOMES],
    cache_not_stored: [Counter; NotStoredLabel::ALL.len()],
    cache_stale: [Counter; STALE],
    pub tunnels: Counter,
    pub tunnels_opened: Counter,
    pub headers_dropped: Counter,
    pub forward_auth_allowed: Counter,
    pub forward_auth_denied: Counter,
    pub forward_auth_failed: Counter,
    pub forward_auth_duration: Histogram<ResponseBuckets>,
    pub rate_limit_dry_runs: Counter,
    pub rate_limit_evictions: Counter,
    pub password_checks: Counter,
    pub file_store_hits: Counter,
    pub file_store_misses: Counter,
    pub found_in_directory: Counter,
    pub found_by_fallback: Counter,
    pub found_current: Counter,
    pub fallback_failed: Counter,
    pub accel_sent: Counter,
    pub accel_missing: Counter,
    pub accel_refused: Counter,
    bucket_requests: [Counter; BucketResult::ALL.len()],
    pub bucket_retries: Counter,
    pub log_sampled_out: Counter,
    pub log_waits: Counter,
    pub panics: Counter,
}

/// Bytes of buffered bodies, over all workers.
#[derive(Debug, Default)]
pub struct BufferCounts {
    pub memory: Arc<SharedBytes>,
    pub disk: Arc<SharedBytes>,
    /// The part of these bytes that belongs to responses.
    pub response_memory: Arc<SharedBytes>,
    pub response_disk: Arc<SharedBytes>,
    /// Bytes of long request heads.
    pub heads: Arc<SharedBytes>,
    /// Times that a client was refused memory for bodies because it exceeded its share.
    pub share_exceeded: Arc<SharedBytes>,
}

/// The servers of the applications.
#[derive(Debug, Default)]
pub struct ServerCounts {
    pub available: AtomicU64,
    pub unavailable: AtomicU64,
    ejections: [AtomicU64; EJECTION_CAUSES],
    /// Ejections that did not happen or ended early because no other server was available.
    pub ejections_prevented: AtomicU64,
    /// Servers that got a growing share of the requests.
    pub slow_starts: AtomicU64,
    /// Requests that waited longer because their client held its share of the permits.
    pub share_exceeded: AtomicU64,
    /// Requests that the application has not begun, when they were last looked at.
    pub unread: AtomicU64,
    /// `upstream.max_in_flight` as it is in force: set, or found.
    pub limit: AtomicU64,
    /// How it is found.
    pub limit_source: LimitSourceGauge,
    /// Whether the application is ready: one of the constants below.
    pub readiness: AtomicU64,
    checks: [AtomicU64; READINESS_RESULTS],
}

/// Requests and connections that the admin listener refused.
#[derive(Debug, Default)]
pub struct AdminCounts {
    /// Connections that took too long.
    pub slow: AtomicU64,
    /// Connections that were closed for others.
    pub crowded: AtomicU64,
    /// Requests for a reload without the protection against forged requests of browsers.
    pub reload: AtomicU64,
    /// Purges of all sites that a page of another site may have made a browser send.
    pub purge: AtomicU64,
}

/// Results of reloads.
#[derive(Debug, Default)]
pub struct ReloadCounts {
    pub ok: AtomicU64,
    pub failed: AtomicU64,
    /// 1 if the last one failed.
    pub has_failed: AtomicU64,
    /// When the last one that failed was tried, in seconds since 1970.
    pub failed_at: AtomicU64,
    /// When the settings in use were loaded, in seconds since 1970.
    pub loaded: AtomicU64,
}

// === impl ServerCounts ===

impl ServerCounts {
    /// `health.application` is none, or was not asked yet.
    pub const UNCHECKED: u64 = 0;
    pub const NOT_READY: u64 = 1;
    pub const READY: u64 = 2;

    /// Returns the counter of ejections for this reason.
    pub fn ejections(&self, cause: EjectionCause) -> &AtomicU64 {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.ejections[cause as usize]
    }

    /// Returns the counter of checks with this result.
    pub fn checks(&self, result: ReadinessResult) -> &AtomicU64 {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.checks[result as usize]
    }
}

// === impl ReloadCounts ===

impl ReloadCounts {
    /// Records that settings were loaded now, at the start or by a reload.
    pub fn set_loaded(&self, now: SystemTime) {
        self.loaded.store(seconds(now), Ordering::Relaxed);
        self.has_failed.store(0, Ordering::Relaxed);
    }

    /// Records a failed reload.
    pub fn on_failure(&self, now: SystemTime) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.failed_at.store(seconds(now), Ordering::Relaxed);
        self.has_failed.store(1, Ordering::Relaxed);
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Values of TLS for clients, except the results of handshakes.
#[derive(Debug, Default)]
pub struct TlsCounts {
    /// Certificates that were reloaded after their files changed.
    pub swapped: AtomicU64,
    /// Changed files that could not be used.
    pub rejected: AtomicU64,
    /// Certificates that an authority has issued.
    pub acme_ok: AtomicU64,
    /// Attempts to obtain one that failed.
    pub acme_failed: AtomicU64,
    /// Each certificate in use, with its expiry in seconds since 1970.
    expiries: Mutex<Vec<(String, i64)>>,
}

// === impl TlsCounts ===

impl TlsCounts {
    /// Records when the certificates in use expire.
    pub fn set_expiries(&self, expiries: Vec<(String, i64)>) {
        *self.expiries.lock().unwrap_or_else(PoisonError::into_inner) = expiries;
    }

    /// Returns each certificate in use, with its expiry in seconds since 1970.
    pub fn expiries(&self) -> Vec<(String, i64)> {
        self.expiries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A counter for each kind of failure.
#[derive(Debug)]
struct ErrorCounts([Counter; KINDS]);

// === impl ErrorCounts ===

impl Default for ErrorCounts {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

/// Values that any thread may write, outside the request path.
#[derive(Debug, Default)]
pub struct ProcessMetrics {
    pub accept_errors: AtomicU64,
    /// Times that new connections had to wait because of `server.max_connections`.
    pub connections_full: AtomicU64,
    /// New connections of clients that used most of `server.max_connections`.
    pub connection_share_exceeded: Arc<SharedBytes>,
    /// Times that the process exceeded `memory.limit`.
    pub memory_exceeded: AtomicU64,
    /// Bytes in use, as the kernel counts them.
    pub memory_used: AtomicU64,
    /// Times that no descriptor was left for a connection.
    pub descriptors_exhausted: AtomicU64,
    pub access_log_dropped: Arc<AtomicU64>,
    pub events_dropped: Arc<AtomicU64>,
    pub buffers: Arc<BufferCounts>,
    pub servers: Arc<ServerCounts>,
    pub reloads: ReloadCounts,
    /// Starts of the application by Sideman.
    pub application_starts: AtomicU64,
    pub admin: AdminCounts,
    pub limits: LimitGauges,
    pub tls: Arc<TlsCounts>,
    /// The site's own files.
    pub static_store: Arc<StoreCounts>,
    /// Files that users uploaded.
    pub media_store: Arc<StoreCounts>,
    /// Responses of the application.
    pub cache: Arc<CacheCounts>,
    /// The link to the caches of other processes.
    pub redis: Arc<RedisCounts>,
    /// Spans of requests.
    pub traces: Arc<TraceCounts>,
}

/// Values of a file store, outside the request path.
#[derive(Debug, Default)]
pub struct StoreCounts {
    /// Bytes of cached files.
    pub bytes: AtomicU64,
    /// Number of cached files.
    pub entries: AtomicU64,
    /// Files that were evicted, and files that were not admitted because the cache was full.
    pub evicted: AtomicU64,
    /// Compressed variants that were made.
    pub compressed: AtomicU64,
    /// Jobs that were postponed because too many were queued.
    pub postponed: AtomicU64,
    /// Files that were not read into memory, because responses held too much of others.
    pub streamed: AtomicU64,
    /// Files without an ETag for now, because too much was read for the ETags of others.
    pub unhashed: AtomicU64,
    /// Files of a manifest that do not exist.
    pub manifest_missing: AtomicU64,
    /// Files whose contents do not match the hash in their names.
    pub manifest_mismatched: AtomicU64,
}

// === impl Metrics ===

impl Metrics {
    /// Creates the values for this number of workers.
    pub fn new(workers: usize) -> Self {
        let shards = (0..workers).map(|_| Arc::default()).collect();
        Self { shards, process: Arc::default(), began: SystemTime::now() }
    }

    /// Returns each worker's shard.
    pub fn shards(&self) -> &[Arc<WorkerMetrics>] {
        &self.shards
    }

    /// Returns the values of the whole process.
    pub fn process(&self) -> &Arc<ProcessMetrics> {
        &self.process
    }

    /// Returns when the process started; the metrics are among its first objects.
    pub fn began(&self) -> SystemTime {
        self.began
    }

    /// Returns the number of requests whose response is not complete, over all workers.
    pub fn in_flight(&self) -> u64 {
        self.sum(|shard| &shard.in_flight)
    }

    /// Returns the number of requests for the application, and of forwarding headers that were dropped from them.
    pub fn forwarding(&self) -> (u64, u64) {
        let classes = StatusClass::ALL.into_iter();
        let labels = classes.flat_map(|class| MethodLabel::ALL.map(|method| (method, class)));
        let requests = labels.map(|(method, class)| {
            self.sum(|shard| shard.requests(RouteLabel::Proxy, method, class))
        });
        (requests.fold(0, u64::wrapping_add), self.sum(|shard| &shard.headers_dropped))
    }

    pub(super) fn sum(&self, counter: impl Fn(&WorkerMetrics) -> &Counter) -> u64 {
        self.shards.iter().fold(0, |sum, shard| sum.wrapping_add(counter(shard).value()))
    }
}

// === impl WorkerMetrics ===

impl WorkerMetrics {
    /// Records that the calling thread is the worker.
    pub fn is_mine(&self) {
        self.thread.store(usage::this_thread(), Ordering::Relaxed);
    }

    /// Returns the worker's CPU time in seconds, if it runs.
    pub fn cpu_seconds(&self) -> Option<f64> {
        usage::thread_cpu_seconds(self.thread.load(Ordering::Relaxed))
    }

    /// Returns the counter of requests with these labels.
    pub fn requests(&self, route: RouteLabel, method: MethodLabel, class: StatusClass) -> &Counter {
        #[expect(clippy::indexing_slicing, reason = "each index is an enum's discriminant")]
        &self.requests[route as usize][method as usize][class as usize]
    }

    /// Returns the counter of requests with this failure.
    pub fn errors(&self, kind: FailureKind) -> &Counter {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.errors.0[kind as usize]
    }

    /// Returns the counter of responses that were compressed in this coding.
    pub fn compressed(&self, coding: CodingLabel) -> &Counter {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.compressed[coding as usize]
    }

    /// Returns the counter of requests to buckets with this result.
    pub fn bucket_requests(&self, result: BucketResult) -> &Counter {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.bucket_requests[result as usize]
    }

    /// Returns the counter of responses that were not compressed for this reason.
    pub fn uncompressed(&self, reason: CompressionSkip) -> &Counter {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.uncompressed[reason as usize]
    }

    /// Returns the counter of requests with this outcome.
    pub fn cache_responses(&self, outcome: CacheOutcome) -> &Counter {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.cache_responses[outcome as usize]
    }

    /// Returns the counter of responses that were not stored for this reason.
    pub fn cache_not_stored(&self, reason: NotStoredLabel) -> &Counter {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.cache_not_stored[reason as usize]
    }

    /// Returns the counter of stale responses that were used for this reason.
    pub fn cache_stale(&self, reason: StaleLabel) -> &Counter {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.cache_stale[reason as usize]
    }

    /// Returns the counter of connections closed because of this flood.
    pub fn floods(&self, flood: FloodLabel) -> &Counter {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.floods[flood as usize]
    }

    /// Returns the counter of connections that were refused for this reason.
    pub fn proxy_header_refusals(&self, refusal: ProxyHeaderRefusal) -> &Counter {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.proxy_header_refusals[refusal as usize]
    }

    /// Returns the counter of handshakes with this result.
    pub fn handshakes(&self, end: HandshakeResult) -> &Counter {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.handshakes[end as usize]
    }

    /// Returns the histogram of a route's durations.
    pub fn duration(&self, route: RouteLabel) -> &Histogram<ResponseBuckets> {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.durations[route as usize]
    }
}

// === impl ProcessMetrics ===

impl ProcessMetrics {
    /// Reads one of the process's values.
    pub fn read(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}
