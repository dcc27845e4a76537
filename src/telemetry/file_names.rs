//! The metrics about files, a part of `names`.

use super::metric_name::{MetricName, counter, gauge};

pub const FILE_STORE_HITS: MetricName = counter(
    "sideman_file_store_hits",
    "Lookups of files answered from memory, for files found and files known to be missing",
);
pub const FILE_STORE_MISSES: MetricName =
    counter("sideman_file_store_misses", "Lookups of files that needed the disk");
pub const FILE_STORE_BYTES: MetricName = gauge(
    "sideman_file_store_bytes",
    "Bytes of files kept in memory, by store (static.memory, media.memory)",
)
.by(&["store"]);
pub const FILE_STORE_ENTRIES: MetricName = gauge(
    "sideman_file_store_entries",
    "Files kept in memory or open, by store (static.entries, media.entries)",
)
.by(&["store"]);
pub const FILE_STORE_EVICTED: MetricName = counter(
    "sideman_file_store_evicted",
    "Files evicted from memory, or not admitted to it, because it was full, by store",
)
.by(&["store"]);
pub const FILE_STORE_COMPRESSED: MetricName = counter(
    "sideman_file_store_compressed",
    "Compressed variants made in the background, by store",
)
.by(&["store"]);
pub const FILE_STORE_POSTPONED: MetricName = counter(
    "sideman_file_store_postponed",
    "Jobs of compressing, hashing or verifying postponed because 1024 were queued, by store",
)
.by(&["store"]);
pub const FILE_STORE_STREAMED: MetricName = counter(
    "sideman_file_store_streamed",
    "Files not read into memory because responses held a quarter more than static.memory or media.memory, by store",
)
.by(&["store"]);
pub const FILE_STORE_UNHASHED: MetricName = counter(
    "sideman_file_store_unhashed",
    "Files sent without an ETag because static.hash_rate was used up, by store",
)
.by(&["store"]);
pub const MANIFEST_FAULTS: MetricName = counter(
    "sideman_manifest_faults",
    "Files listed in a staticfiles.json that are missing, or whose contents do not match the hash in the name \
     (mismatched, by sample)",
)
.by(&["fault"]);
pub const STATIC_FALLBACK: MetricName = counter(
    "sideman_static_fallback",
    "Requests for files with a content hash that the first directory lacks, by where they were found: directory, \
     fallback, current, or failed (the fallback did not respond)").by(&["found"]);
pub const ACCEL: MetricName = counter(
    "sideman_accel",
    "Files that the application named (X-Accel-Redirect, X-Sendfile), by result: sent, missing or refused",
)
.by(&["result"]);
pub const BUCKET_REQUESTS: MetricName = counter(
    "sideman_bucket_requests",
    "Requests for objects of buckets and files of file servers, by result: sent, missing, denied (403, which S3 also says \
     about missing objects), credentials (no valid keys), refused (the event says why), unavailable (no response, or a \
     temporary error), or limited (256 requests at once for each worker and bucket)",
)
.by(&["result"]);
pub const BUCKET_RETRIES: MetricName = counter(
    "sideman_bucket_retries",
    "Requests to buckets and file servers that were sent again after a temporary error, or with new keys after S3 refused those of a role",
);
