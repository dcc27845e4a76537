//! What is counted: one shard for each worker, written by it alone, and a few numbers of the
//! whole process.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    counter::Counter,
    histogram::{Histogram, QueueBuckets, ResponseBuckets},
    labels::{FloodLabel, HandshakeResult, MethodLabel, RouteLabel, StatusClass},
    limits::LimitGauges,
    usage,
};
use crate::{error::FailureKind, sync::AtomicU64 as SharedBytes};

const KINDS: usize = FailureKind::ALL.len();
const ROUTES: usize = RouteLabel::ALL.len();
const METHODS: usize = MethodLabel::ALL.len();
const CLASSES: usize = StatusClass::ALL.len();
const HANDSHAKES: usize = HandshakeResult::ALL.len();
const FLOODS: usize = FloodLabel::ALL.len();

/// All numbers of the process.
#[derive(Debug)]
pub struct Metrics {
    shards: Vec<Arc<WorkerMetrics>>,
    process: Arc<ProcessMetrics>,
    began: SystemTime,
}

/// One worker's numbers. Only that worker writes them. Aligned so that no two workers share a
/// cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkerMetrics {
    /// The worker, as the kernel knows it; 0 until it runs.
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
    pub tunnels: Counter,
    pub tunnels_opened: Counter,
    pub headers_dropped: Counter,
    pub file_store_hits: Counter,
    pub file_store_misses: Counter,
    pub found_in_directory: Counter,
    pub found_by_fallback: Counter,
    pub found_current: Counter,
    pub fallback_failed: Counter,
    pub accel_sent: Counter,
    pub accel_missing: Counter,
    pub accel_refused: Counter,
    pub log_sampled_out: Counter,
    pub log_waits: Counter,
    pub panics: Counter,
}

/// Bytes of bodies that wait, over all workers.
#[derive(Debug, Default)]
pub struct BufferCounts {
    pub memory: Arc<SharedBytes>,
    pub disk: Arc<SharedBytes>,
    /// Of these, bytes of answers.
    pub response_memory: Arc<SharedBytes>,
    pub response_disk: Arc<SharedBytes>,
    /// Heads of requests that are longer than usual.
    pub heads: Arc<SharedBytes>,
    /// Times that a client was refused memory for bodies that others may need.
    pub share_exceeded: Arc<SharedBytes>,
}

/// The servers of the applications.
#[derive(Debug, Default)]
pub struct ServerCounts {
    pub available: AtomicU64,
    pub unavailable: AtomicU64,
    pub ejections: AtomicU64,
}

/// What the admin listener has refused.
#[derive(Debug, Default)]
pub struct AdminCounts {
    /// Connections that took too long.
    pub slow: AtomicU64,
    /// Connections that were closed for others.
    pub crowded: AtomicU64,
    /// Requests for a reload that a browser could have been made to send.
    pub reload: AtomicU64,
}

/// How reading the settings again went.
#[derive(Debug, Default)]
pub struct ReloadCounts {
    pub ok: AtomicU64,
    pub failed: AtomicU64,
    /// 1 if the last one failed.
    pub has_failed: AtomicU64,
    /// When the settings in use were taken up, in seconds since 1970.
    pub loaded: AtomicU64,
}

// === impl ReloadCounts ===

impl ReloadCounts {
    /// Settings were taken up at this moment: at the start, or by a reload.
    pub fn set_loaded(&self, now: SystemTime) {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.loaded.store(seconds, Ordering::Relaxed);
        self.has_failed.store(0, Ordering::Relaxed);
    }

    /// A reload has failed.
    pub fn on_failure(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.has_failed.store(1, Ordering::Relaxed);
    }
}

/// What TLS towards clients counts, apart from the handshakes' ends.
#[derive(Debug, Default)]
pub struct TlsCounts {
    /// Certificates that were taken up after their files changed.
    pub swapped: AtomicU64,
    /// Files that changed and could not be used.
    pub rejected: AtomicU64,
    /// Each certificate in use, with its end in seconds since 1970.
    expiries: Mutex<Vec<(String, i64)>>,
}

// === impl TlsCounts ===

impl TlsCounts {
    /// Notes when the certificates in use end.
    pub fn set_expiries(&self, expiries: Vec<(String, i64)>) {
        *self.expiries.lock().unwrap_or_else(PoisonError::into_inner) = expiries;
    }

    /// Each certificate in use, with its end in seconds since 1970.
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

/// Numbers that any thread may write, away from the request path.
#[derive(Debug, Default)]
pub struct ProcessMetrics {
    pub accept_errors: AtomicU64,
    /// Times that new connections were left to wait because of `server.max_connections`.
    pub connections_full: AtomicU64,
    /// New connections of clients that had most of `server.max_connections`.
    pub connection_share_exceeded: Arc<SharedBytes>,
    /// Times that the process began to take more than `memory.limit`.
    pub memory_exceeded: AtomicU64,
    /// Bytes that it takes, as the kernel counts them.
    pub memory_used: AtomicU64,
    /// Times that no descriptor was left for a connection.
    pub descriptors_exhausted: AtomicU64,
    pub access_log_dropped: Arc<AtomicU64>,
    pub events_dropped: Arc<AtomicU64>,
    pub buffers: Arc<BufferCounts>,
    pub servers: Arc<ServerCounts>,
    pub reloads: ReloadCounts,
    pub admin: AdminCounts,
    pub limits: LimitGauges,
    pub tls: Arc<TlsCounts>,
    /// The site's own files.
    pub static_store: Arc<StoreCounts>,
    /// What users uploaded.
    pub media_store: Arc<StoreCounts>,
}

/// What a file store counts, away from the request path.
#[derive(Debug, Default)]
pub struct StoreCounts {
    /// Bytes kept.
    pub bytes: AtomicU64,
    /// Files kept.
    pub entries: AtomicU64,
    /// Files thrown away to make room, and those that were not kept because there was none.
    pub evicted: AtomicU64,
    /// Representations made by compressing.
    pub compressed: AtomicU64,
    /// Jobs that found too many others waiting.
    pub postponed: AtomicU64,
    /// Files that were not read into memory, because responses held too much of others.
    pub streamed: AtomicU64,
    /// Files that have no tag for now, because too much was read for those of others.
    pub unhashed: AtomicU64,
    /// Files that a manifest lists and that are not there.
    pub manifest_missing: AtomicU64,
    /// Files whose contents are not what their names say.
    pub manifest_mismatched: AtomicU64,
}

// === impl Metrics ===

impl Metrics {
    /// Numbers for so many workers.
    pub fn new(workers: usize) -> Self {
        let shards = (0..workers).map(|_| Arc::default()).collect();
        Self { shards, process: Arc::default(), began: SystemTime::now() }
    }

    /// Each worker's share.
    pub fn shards(&self) -> &[Arc<WorkerMetrics>] {
        &self.shards
    }

    /// The numbers of the whole process.
    pub fn process(&self) -> &Arc<ProcessMetrics> {
        &self.process
    }

    /// When the process began; the metrics are among the first that it makes.
    pub fn began(&self) -> SystemTime {
        self.began
    }

    /// Requests whose answer is not complete, over all workers.
    pub fn in_flight(&self) -> u64 {
        self.sum(|shard| &shard.in_flight)
    }

    pub(super) fn sum(&self, counter: impl Fn(&WorkerMetrics) -> &Counter) -> u64 {
        self.shards.iter().fold(0, |sum, shard| sum.wrapping_add(counter(shard).value()))
    }
}

// === impl WorkerMetrics ===

impl WorkerMetrics {
    /// Notes that the calling thread is the worker.
    pub fn is_mine(&self) {
        self.thread.store(usage::this_thread(), Ordering::Relaxed);
    }

    /// The worker's processor time in seconds, if it runs.
    pub fn cpu_seconds(&self) -> Option<f64> {
        usage::thread_cpu_seconds(self.thread.load(Ordering::Relaxed))
    }

    /// The counter of requests with these labels.
    pub fn requests(&self, route: RouteLabel, method: MethodLabel, class: StatusClass) -> &Counter {
        #[expect(clippy::indexing_slicing, reason = "each index is an enum's discriminant")]
        &self.requests[route as usize][method as usize][class as usize]
    }

    /// The counter of requests that failed in this way.
    pub fn errors(&self, kind: FailureKind) -> &Counter {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.errors.0[kind as usize]
    }

    /// The counter of connections that ended with this flood.
    pub fn floods(&self, flood: FloodLabel) -> &Counter {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.floods[flood as usize]
    }

    /// The counter of handshakes that ended in this way.
    pub fn handshakes(&self, end: HandshakeResult) -> &Counter {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.handshakes[end as usize]
    }

    /// The histogram of a route's durations.
    pub fn duration(&self, route: RouteLabel) -> &Histogram<ResponseBuckets> {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.durations[route as usize]
    }
}

// === impl ProcessMetrics ===

impl ProcessMetrics {
    /// Reads one of the process's numbers.
    pub fn read(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}
