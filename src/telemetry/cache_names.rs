//! The metrics about the cache, a part of `names`.

use super::metric_name::{MetricName, counter, gauge};

pub const CACHE_RESPONSES: MetricName = counter(
    "sideman_cache_responses",
    "Requests to the application while the cache is on, by what the cache did",
)
.by(&["cache"]);
pub const CACHE_STALE: MetricName = counter(
    "sideman_cache_stale",
    "Responses that were used although they were stale, by reason: revalidating (a new one is fetched), error (the \
     application failed), unavailable (it accepts no connection), busy (requests wait for it)",
)
.by(&["reason"]);
pub const CACHE_NOT_STORED: MetricName =
    counter("sideman_cache_not_stored", "Responses that were not stored, by reason")
        .by(&["reason"]);
pub const CACHE_BYTES: MetricName =
    gauge("sideman_cache_bytes", "Stored responses in memory; cache.memory is the limit");
pub const CACHE_DISK_BYTES: MetricName = gauge(
    "sideman_cache_disk_bytes",
    "Bodies of stored responses in files; cache.disk is the limit",
);
pub const CACHE_ENTRIES: MetricName = gauge("sideman_cache_entries", "Stored responses");
pub const CACHE_EVICTIONS: MetricName = counter(
    "sideman_cache_evictions",
    "Stored responses that were removed for others, because the cache was full",
);
pub const CACHE_FILES: MetricName =
    gauge("sideman_cache_files", "Bodies of stored responses in files; each has a descriptor");
pub const CACHE_REFUSED: MetricName = counter(
    "sideman_cache_refused",
    "Responses that were not stored because responses that are being read or sent fill the cache",
);
pub const CACHE_COMPRESSED: MetricName = counter(
    "sideman_cache_compressed",
    "Compressed forms of stored responses that were made in the background",
);
pub const CACHE_POSTPONED: MetricName = counter(
    "sideman_cache_postponed",
    "Stored responses that were not compressed for now, because too many waited for it",
);
pub const CACHE_PURGES: MetricName =
    counter("sideman_cache_purges", "Purges, by what they named").by(&["purge"]);
pub const CACHE_PURGED: MetricName =
    counter("sideman_cache_purged", "Stored responses that purges have removed or made stale");
pub const REDIS_UNAVAILABLE: MetricName = gauge(
    "sideman_redis_unavailable",
    "Whether the Redis of cache.redis is unavailable: 1 or 0; 0 if none is set",
);
pub const CACHE_PURGES_SENT: MetricName =
    counter("sideman_cache_purges_sent", "Purges that Redis has accepted for the other processes");
pub const CACHE_PURGES_RECEIVED: MetricName = counter(
    "sideman_cache_purges_received",
    "Purges of other processes that have come from Redis, and were done",
);
pub const CACHE_PURGES_LOST: MetricName = counter(
    "sideman_cache_purges_lost",
    "Purges that other processes do not get: too many in a second, or too many waited for Redis. Those of PURGE \
     requests are replaced by one of everything",
);
pub const CACHE_RESETS: MetricName = counter(
    "sideman_cache_resets",
    "Times that all stored responses were forgotten, because purges of other processes may have been missed",
);
pub const CACHE_PURGE_LAG: MetricName = gauge(
    "sideman_cache_purge_lag_seconds",
    "Time between the last purge in Redis and the moment when it was done here; 0 while there are none",
);
pub const RATE_LIMIT_GLOBAL: MetricName = counter(
    "sideman_rate_limit_global",
    "Requests with a global rate_limit that this process would allow, by what decided: redis, or this process alone \
     because Redis took longer than 50 ms (timeout) or is unavailable",
)
.by(&["decision"]);
