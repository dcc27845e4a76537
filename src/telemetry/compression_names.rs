//! The metrics about compression, a part of `names`.

use super::metric_name::{MetricName, counter};

pub const COMPRESSED: MetricName = counter(
    "sideman_compressed_responses",
    "Responses of the application that were compressed, by coding",
)
.by(&["coding"]);
pub const UNCOMPRESSED: MetricName = counter(
    "sideman_uncompressed_responses",
    "Responses that were not compressed although the client accepts it, by reason: cpu (compression.max_cpu), memory \
     (the half of buffers.memory that responses may use), or cross_site (a request from another site with a session)",
)
.by(&["reason"]);
pub const COMPRESSION_READ: MetricName =
    counter("sideman_compression_read_bytes", "Bytes of responses before compression");
pub const COMPRESSION_WRITTEN: MetricName =
    counter("sideman_compression_written_bytes", "Bytes of responses after compression");
pub const COMPRESSION_TIME: MetricName =
    counter("sideman_compression_cpu_seconds", "Time of the workers that went into compression");
