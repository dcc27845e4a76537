//! Metrics, access log and events. The request path writes only to its own worker's shard; other threads sum and write
//! the output.

pub mod access_log;
mod bucket_counts;
mod bucket_result;
mod cache_counts;
mod cache_labels;
pub mod cache_names;
pub mod clock;
mod compression_labels;
pub mod compression_names;
mod counter;
pub mod denied;
pub mod emf;
pub mod escape;
pub mod events;
pub mod exposition;
mod families;
pub mod file_names;
mod health_labels;
pub mod histogram;
pub mod labels;
pub mod limits;
pub mod log_buffer;
pub mod log_throttle;
pub mod log_writer;
mod metric_name;
pub mod metrics;
pub mod names;
pub mod plain;
mod redis_counts;
#[cfg(test)]
mod reference;
pub mod shared_output;
pub mod status;
pub mod traces;
pub mod usage;

pub use self::{
    bucket_result::BucketResult,
    cache_counts::CacheCounts,
    cache_labels::{CacheOutcome, NotStoredLabel, PurgeLabel, StaleLabel},
    compression_labels::{CodingLabel, CompressionSkip},
    health_labels::{EjectionCause, ReadinessResult},
    labels::{
        FloodLabel, HandshakeResult, LimitSource, MethodLabel, ProxyHeaderRefusal, RouteLabel,
        StatusClass,
    },
    log_buffer::LogBuffer,
    log_throttle::LogThrottle,
    log_writer::LogSink,
    metrics::{BufferCounts, Metrics, ServerCounts, StoreCounts, TlsCounts, WorkerMetrics},
    redis_counts::{LimitDecisionSource, RedisCounts},
};
