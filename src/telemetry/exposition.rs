//! The metrics as OpenMetrics text, which Prometheus reads.

use std::{
    fmt::{Error, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use super::{
    bucket_result::BucketResult,
    cache_labels::{CacheOutcome, NotStoredLabel, PurgeLabel, StaleLabel},
    compression_labels::{CodingLabel, CompressionSkip},
    counter::Counter,
    families::{self, counters, describe, gauge, gauges, histogram, single},
    health_labels::{EjectionCause, ReadinessResult},
    histogram::HistogramTotals,
    labels::{
        FloodLabel, HandshakeResult, LimitSource, MethodLabel, ProxyHeaderRefusal, RouteLabel,
        StatusClass,
    },
    metrics::{Metrics, ProcessMetrics, ServerCounts, StoreCounts, WorkerMetrics},
    names::{self, MetricName},
};
use crate::error::FailureKind;

/// The media type of [`render`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Sums the shards and writes all metrics; `phase` is the current one of `phases`.
pub fn render(metrics: &Arc<Metrics>, phases: &[&'static str], phase: &'static str) -> String {
    let mut registry = Registry::default();
    let phases = phases.iter().map(|name| (*name, *name == phase)).collect();
    let metrics = Arc::clone(metrics);
    registry.register_collector(Box::new(Scrape { metrics, phases }));
    let mut text = String::with_capacity(32 * 1024);
    if prometheus_client::encoding::text::encode(&mut text, &registry).is_err() {
        // Writing to a String fails only if a name is malformed, which the tests would show.
        let _ = writeln!(text, "# the metrics could not be encoded");
    }
    text
}

#[derive(Debug)]
struct Scrape {
    metrics: Arc<Metrics>,
    phases: Vec<(&'static str, bool)>,
}

// === impl Scrape ===

impl Scrape {
    fn requests(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut family = describe(encoder, names::REQUESTS, MetricType::Counter)?;
        for route in RouteLabel::ALL {
            for method in MethodLabel::ALL {
                for class in StatusClass::ALL {
                    let count = self.metrics.sum(|shard| shard.requests(route, method, class));
                    if count == 0 {
                        continue;
                    }
                    let labels = [
                        ("route", route.name()),
                        ("method", method.name()),
                        ("status", class.name()),
                    ];
                    ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }

    fn durations(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut family = describe(encoder, names::REQUEST_DURATION, MetricType::Histogram)?;
        for route in RouteLabel::ALL {
            let shards = self.metrics.shards().iter();
            let totals = HistogramTotals::sum(shards.map(|shard| shard.duration(route)));
            if totals.count() > 0 {
                histogram(family.encode_family(&[("route", route.name())])?, &totals)?;
            }
        }
        let shards = self.metrics.shards().iter();
        let totals = HistogramTotals::sum(shards.map(|shard| &shard.upstream_first_byte));
        let metric = describe(encoder, names::UPSTREAM_FIRST_BYTE, MetricType::Histogram)?;
        histogram(metric, &totals)
    }

    fn counter(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: MetricName,
        counter: impl Fn(&WorkerMetrics) -> &Counter,
    ) -> Result<(), Error> {
        let metric = describe(encoder, name, MetricType::Counter)?;
        ConstCounter::new(self.metrics.sum(counter)).encode(metric)
    }

    fn gauge(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: MetricName,
        counter: impl Fn(&WorkerMetrics) -> &Counter,
    ) -> Result<(), Error> {
        let value = i64::try_from(self.metrics.sum(counter)).unwrap_or_default();
        ConstGauge::new(value).encode(describe(encoder, name, MetricType::Gauge)?)
    }

    fn stores(&self, e: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let process = self.metrics.process();
        let stores = [("static", &process.static_store), ("media", &process.media_store)];
        for (name, number) in [
            (names::FILE_STORE_BYTES, (|s| &s.bytes) as fn(&StoreCounts) -> &AtomicU64),
            (names::FILE_STORE_ENTRIES, |s| &s.entries),
        ] {
            let mut family = describe(e, name, MetricType::Gauge)?;
            for (store, counts) in stores {
                let value = i64::try_from(ProcessMetrics::read(number(counts))).unwrap_or(i64::MAX);
                ConstGauge::new(value).encode(family.encode_family(&[("store", store)])?)?;
            }
        }
        for (name, number) in [
            (names::FILE_STORE_EVICTED, (|s| &s.evicted) as fn(&StoreCounts) -> &AtomicU64),
            (names::FILE_STORE_COMPRESSED, |s| &s.compressed),
            (names::FILE_STORE_POSTPONED, |s| &s.postponed),
            (names::FILE_STORE_STREAMED, |s| &s.streamed),
            (names::FILE_STORE_UNHASHED, |s| &s.unhashed),
        ] {
            let counts =
                stores.map(|(store, counts)| (store, ProcessMetrics::read(number(counts))));
            counters(e, name, "store", &counts)?;
        }
        let faults = [
            ("missing", ProcessMetrics::read(&process.static_store.manifest_missing)),
            ("mismatched", ProcessMetrics::read(&process.static_store.manifest_mismatched)),
        ];
        counters(e, names::MANIFEST_FAULTS, "fault", &faults)?;
        let static_fallback = [
            ("directory", self.metrics.sum(|shard| &shard.found_in_directory)),
            ("fallback", self.metrics.sum(|shard| &shard.found_by_fallback)),
            ("current", self.metrics.sum(|shard| &shard.found_current)),
            ("failed", self.metrics.sum(|shard| &shard.fallback_failed)),
        ];
        counters(e, names::STATIC_FALLBACK, "found", &static_fallback)?;
        let accel = [
            ("sent", self.metrics.sum(|shard| &shard.accel_sent)),
            ("missing", self.metrics.sum(|shard| &shard.accel_missing)),
            ("refused", self.metrics.sum(|shard| &shard.accel_refused)),
        ];
        counters(e, names::ACCEL, "result", &accel)?;
        let bucket = BucketResult::ALL
            .map(|result| (result.name(), self.metrics.sum(|shard| shard.bucket_requests(result))));
        counters(e, names::BUCKET_REQUESTS, "result", &bucket)?;
        self.counter(e, names::BUCKET_RETRIES, |shard| &shard.bucket_retries)
    }

    fn application(&self, e: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        self.gauge(e, names::UPSTREAM_IN_FLIGHT, |shard| &shard.upstream_in_flight)?;
        let process = self.metrics.process();
        let servers = [
            ("available", ProcessMetrics::read(&process.servers.available)),
            ("unavailable", ProcessMetrics::read(&process.servers.unavailable)),
        ];
        gauges(e, names::UPSTREAM_SERVERS, "state", &servers)?;
        let unread = i64::try_from(ProcessMetrics::read(&process.servers.unread));
        ConstGauge::new(unread.unwrap_or_default()).encode(describe(
            e,
            names::UPSTREAM_UNREAD,
            MetricType::Gauge,
        )?)?;
        let in_force = process.servers.limit_source.get();
        let sources = LimitSource::ALL.map(|source| (source.name(), u64::from(source == in_force)));
        gauges(e, names::LIMIT_SOURCE, "source", &sources)?;
        let servers = &process.servers;
        let ejections = EjectionCause::ALL
            .map(|cause| (cause.name(), ProcessMetrics::read(servers.ejections(cause))));
        counters(e, names::UPSTREAM_EJECTIONS, "cause", &ejections)?;
        let prevented = ProcessMetrics::read(&servers.ejections_prevented);
        single(e, names::UPSTREAM_EJECTIONS_PREVENTED, prevented)?;
        single(e, names::UPSTREAM_SLOW_STARTS, ProcessMetrics::read(&servers.slow_starts))?;
        self.gauge(e, names::QUEUE_LENGTH, |shard| &shard.queued)?;
        let shards = self.metrics.shards().iter();
        let totals = HistogramTotals::sum(shards.map(|shard| &shard.queue_wait));
        histogram(describe(e, names::QUEUE_WAIT, MetricType::Histogram)?, &totals)?;
        let abandoned = [
            ("queue", self.metrics.sum(|shard| &shard.abandoned_queued)),
            ("application", self.metrics.sum(|shard| &shard.abandoned_running)),
        ];
        counters(e, names::ABANDONED, "where", &abandoned)?;
        // Zeros are written too, because a rate misses the first value of a new series.
        let errors = FailureKind::ALL
            .map(|kind| (kind.name(), self.metrics.sum(|shard| shard.errors(kind))));
        counters(e, names::ERRORS, "error", &errors)?;
        let buffers = [
            ("memory", process.buffers.memory.load(Ordering::Relaxed)),
            ("disk", process.buffers.disk.load(Ordering::Relaxed)),
            ("heads", process.buffers.heads.load(Ordering::Relaxed)),
        ];
        gauges(e, names::BUFFER_BYTES, "kind", &buffers)?;
        let responses = [
            ("memory", process.buffers.response_memory.load(Ordering::Relaxed)),
            ("disk", process.buffers.response_disk.load(Ordering::Relaxed)),
        ];
        gauges(e, names::BUFFER_RESPONSE_BYTES, "kind", &responses)?;
        let spilled = [
            ("request", self.metrics.sum(|shard| &shard.spilled_requests)),
            ("response", self.metrics.sum(|shard| &shard.spilled_responses)),
        ];
        counters(e, names::BUFFER_SPILLED, "body", &spilled)?;
        self.counter(e, names::BUFFER_PAUSED, |shard| &shard.paused_responses)?;
        self.gauge(e, names::TUNNELS, |shard| &shard.tunnels)?;
        self.counter(e, names::TUNNELS_OPENED, |shard| &shard.tunnels_opened)
    }

    fn readiness(&self, e: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let servers = &self.metrics.process().servers;
        let metric = describe(e, names::APPLICATION_READY, MetricType::Gauge)?;
        let readiness = ProcessMetrics::read(&servers.readiness);
        if readiness != ServerCounts::UNCHECKED {
            ConstGauge::new(i64::from(readiness == ServerCounts::READY)).encode(metric)?;
        }
        let checks = ReadinessResult::ALL
            .map(|result| (result.name(), ProcessMetrics::read(servers.checks(result))));
        counters(e, names::READINESS_CHECKS, "result", &checks)
    }

    fn compression(&self, e: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let compressed = CodingLabel::ALL
            .map(|coding| (coding.name(), self.metrics.sum(|shard| shard.compressed(coding))));
        counters(e, names::COMPRESSED, "coding", &compressed)?;
        let uncompressed = CompressionSkip::ALL
            .map(|reason| (reason.name(), self.metrics.sum(|shard| shard.uncompressed(reason))));
        counters(e, names::UNCOMPRESSED, "reason", &uncompressed)?;
        self.counter(e, names::COMPRESSION_READ, |shard| &shard.compression_read)?;
        self.counter(e, names::COMPRESSION_WRITTEN, |shard| &shard.compression_written)?;
        let nanos = self.metrics.sum(|shard| &shard.compression_nanos);
        let seconds = Duration::from_nanos(nanos).as_secs_f64();
        ConstCounter::new(seconds).encode(describe(
            e,
            names::COMPRESSION_TIME,
            MetricType::Counter,
        )?)
    }

    fn cache(&self, e: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let responses = CacheOutcome::ALL.map(|outcome| {
            (outcome.name(), self.metrics.sum(|shard| shard.cache_responses(outcome)))
        });
        counters(e, names::CACHE_RESPONSES, "cache", &responses)?;
        let stale = StaleLabel::ALL
            .map(|reason| (reason.name(), self.metrics.sum(|shard| shard.cache_stale(reason))));
        counters(e, names::CACHE_STALE, "reason", &stale)?;
        let not_stored = NotStoredLabel::ALL.map(|reason| {
            (reason.name(), self.metrics.sum(|shard| shard.cache_not_stored(reason)))
        });
        counters(e, names::CACHE_NOT_STORED, "reason", &not_stored)?;
        let cache = &self.metrics.process().cache;
        gauge(e, names::CACHE_BYTES, cache.memory.load(Ordering::Relaxed))?;
        gauge(e, names::CACHE_DISK_BYTES, cache.disk.load(Ordering::Relaxed))?;
        gauge(e, names::CACHE_ENTRIES, ProcessMetrics::read(&cache.entries))?;
        single(e, names::CACHE_EVICTIONS, ProcessMetrics::read(&cache.evicted))?;
        gauge(e, names::CACHE_FILES, cache.files.load(Ordering::Relaxed))?;
        single(e, names::CACHE_REFUSED, ProcessMetrics::read(&cache.refused))?;
        single(e, names::CACHE_COMPRESSED, ProcessMetrics::read(&cache.compressed))?;
        single(e, names::CACHE_POSTPONED, ProcessMetrics::read(&cache.postponed))?;
        let purges =
            PurgeLabel::ALL.map(|purge| (purge.name(), ProcessMetrics::read(cache.purges(purge))));
        counters(e, names::CACHE_PURGES, "purge", &purges)?;
        single(e, names::CACHE_PURGED, ProcessMetrics::read(&cache.purged))?;
        families::redis(e, &self.metrics.process().redis)
    }

    fn forward_auth(&self, e: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let verdicts = [
            ("allowed", self.metrics.sum(|shard| &shard.forward_auth_allowed)),
            ("denied", self.metrics.sum(|shard| &shard.forward_auth_denied)),
            ("failed", self.metrics.sum(|shard| &shard.forward_auth_failed)),
        ];
        counters(e, names::FORWARD_AUTH, "result", &verdicts)?;
        let shards = self.metrics.shards().iter();
        let totals = HistogramTotals::sum(shards.map(|shard| &shard.forward_auth_duration));
        histogram(describe(e, names::FORWARD_AUTH_DURATION, MetricType::Histogram)?, &totals)
    }

    fn tls(&self, e: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let ends = HandshakeResult::ALL.map(|end| {
            let count = self.metrics.sum(|shard| shard.handshakes(end));
            (end.name(), count)
        });
        counters(e, names::TLS_HANDSHAKES, "result", &ends)?;
        self.gauge(e, names::TLS_HANDSHAKING, |shard| &shard.handshaking)?;
        self.counter(e, names::TLS_POSTPONED, |shard| &shard.handshakes_postponed)?;
        self.gauge(e, names::TLS_CONNECTIONS, |shard| &shard.tls_connections)?;
        let tls = &self.metrics.process().tls;
        let changes = [
            ("used", ProcessMetrics::read(&tls.swapped)),
            ("rejected", ProcessMetrics::read(&tls.rejected)),
        ];
        counters(e, names::TLS_CERTIFICATE_CHANGES, "result", &changes)?;
        let attempts = [
            ("ok", ProcessMetrics::read(&tls.acme_ok)),
            ("failed", ProcessMetrics::read(&tls.acme_failed)),
        ];
        counters(e, names::ACME_ATTEMPTS, "result", &attempts)?;
        let mut family = describe(e, names::TLS_CERTIFICATE_EXPIRY, MetricType::Gauge)?;
        for (certificate, end) in tls.expiries() {
            let labels = [("certificate", certificate)];
            ConstGauge::new(end).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn workers(&self, e: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        for (name, counter) in [
            (names::WORKER_CONNECTIONS, (|s| &s.connections) as fn(&WorkerMetrics) -> &Counter),
            (names::WORKER_IN_FLIGHT, |s| &s.in_flight),
        ] {
            let mut family = describe(e, name, MetricType::Gauge)?;
            for (worker, shard) in self.metrics.shards().iter().enumerate() {
                let value = i64::try_from(counter(shard).value()).unwrap_or_default();
                ConstGauge::new(value).encode(family.encode_family(&[("worker", worker)])?)?;
            }
        }
        let mut family = describe(e, names::WORKER_CPU, MetricType::Counter)?;
        for (worker, shard) in self.metrics.shards().iter().enumerate() {
            if let Some(seconds) = shard.cpu_seconds() {
                let labels = [("worker", worker)];
                ConstCounter::new(seconds).encode(family.encode_family(&labels)?)?;
            }
        }
        let process = self.metrics.process();
        let mut limits = process.limits.get();
        for (setting, limit) in &mut limits {
            let in_force = ProcessMetrics::read(&process.servers.limit);
            if *setting == "upstream.max_in_flight" && in_force > 0 {
                *limit = in_force;
            }
        }
        gauges(e, names::LIMIT, "setting", &limits)
    }

    fn reloads(&self, e: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let reloads = &self.metrics.process().reloads;
        let counts = [
            ("ok", ProcessMetrics::read(&reloads.ok)),
            ("failed", ProcessMetrics::read(&reloads.failed)),
        ];
        counters(e, names::RELOADS, "result", &counts)?;
        let admin = &self.metrics.process().admin;
        let refused = [
            ("slow", &admin.slow),
            ("crowded", &admin.crowded),
            ("reload", &admin.reload),
            ("purge", &admin.purge),
        ];
        let refused = refused.map(|(cause, count)| (cause, ProcessMetrics::read(count)));
        counters(e, names::ADMIN_REFUSED, "cause", &refused)?;
        for (name, number) in
            [(names::RELOAD_FAILED, &reloads.has_failed), (names::SETTINGS_LOADED, &reloads.loaded)]
        {
            let value = i64::try_from(ProcessMetrics::read(number)).unwrap_or(i64::MAX);
            ConstGauge::new(value).encode(describe(e, name, MetricType::Gauge)?)?;
        }
        Ok(())
    }

    fn phases(&self, e: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut phases = describe(e, names::PHASE, MetricType::Gauge)?;
        for (name, is_current) in &self.phases {
            let labels = [("phase", *name)];
            ConstGauge::new(i64::from(*is_current)).encode(phases.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let e = &mut encoder;
        self.requests(e)?;
        self.durations(e)?;
        self.gauge(e, names::REQUESTS_IN_FLIGHT, |shard| &shard.in_flight)?;
        self.counter(e, names::RECEIVED_BYTES, |shard| &shard.received_bytes)?;
        self.counter(e, names::SENT_BYTES, |shard| &shard.sent_bytes)?;
        self.gauge(e, names::CLIENT_CONNECTIONS, |shard| &shard.connections)?;
        self.counter(e, names::CLIENT_CONNECTIONS_ACCEPTED, |shard| &shard.connections_accepted)?;
        let mut timeouts = describe(e, names::CLIENT_TIMEOUTS, MetricType::Counter)?;
        for (timer, count) in [
            ("idle", self.metrics.sum(|shard| &shard.idle_timeouts)),
            ("header", self.metrics.sum(|shard| &shard.header_timeouts)),
            ("write", self.metrics.sum(|shard| &shard.write_timeouts)),
        ] {
            ConstCounter::new(count).encode(timeouts.encode_family(&[("timer", timer)])?)?;
        }
        let process = self.metrics.process();
        let limits = [
            ("max_requests", self.metrics.sum(|shard| &shard.used_up)),
            ("max_connections", ProcessMetrics::read(&process.connections_full)),
            ("descriptors", ProcessMetrics::read(&process.descriptors_exhausted)),
            ("memory", ProcessMetrics::read(&process.memory_exceeded)),
            ("idle_memory", self.metrics.sum(|shard| &shard.grown)),
            ("connection_share", process.connection_share_exceeded.load(Ordering::Relaxed)),
            ("buffer_share", process.buffers.share_exceeded.load(Ordering::Relaxed)),
            ("upstream_share", ProcessMetrics::read(&process.servers.share_exceeded)),
        ];
        counters(e, names::CLIENT_LIMITS, "limit", &limits)?;
        self.counter(e, names::CONNECTIONS_SHED, |shard| &shard.shed)?;
        self.counter(e, names::STALLED_STREAMS, |shard| &shard.stalled_streams)?;
        let refusals = ProxyHeaderRefusal::ALL.map(|refusal| {
            let count = self.metrics.sum(|shard| shard.proxy_header_refusals(refusal));
            (refusal.name(), count)
        });
        counters(e, names::PROXY_PROTOCOL_REFUSED, "cause", &refusals)?;
        let floods = FloodLabel::ALL
            .map(|flood| (flood.name(), self.metrics.sum(|shard| shard.floods(flood))));
        counters(e, names::FLOODS, "flood", &floods)?;
        single(e, names::ACCEPT_ERRORS, ProcessMetrics::read(&process.accept_errors))?;
        self.tls(e)?;
        self.counter(e, names::UPSTREAM_OPENED, |shard| &shard.upstream_opened)?;
        self.counter(e, names::UPSTREAM_REUSED, |shard| &shard.upstream_reused)?;
        self.counter(e, names::UPSTREAM_FAILED, |shard| &shard.upstream_failed)?;
        self.counter(e, names::UPSTREAM_RETRIES, |shard| &shard.upstream_retries)?;
        self.application(e)?;
        self.readiness(e)?;
        self.counter(e, names::HEADERS_DROPPED, |shard| &shard.headers_dropped)?;
        self.compression(e)?;
        self.cache(e)?;
        self.forward_auth(e)?;
        self.counter(e, names::RATE_LIMIT_DRY_RUNS, |shard| &shard.rate_limit_dry_runs)?;
        self.counter(e, names::RATE_LIMIT_EVICTIONS, |shard| &shard.rate_limit_evictions)?;
        self.counter(e, names::PASSWORD_CHECKS, |shard| &shard.password_checks)?;
        self.counter(e, names::FILE_STORE_HITS, |shard| &shard.file_store_hits)?;
        self.counter(e, names::FILE_STORE_MISSES, |shard| &shard.file_store_misses)?;
        self.stores(e)?;
        single(e, names::ACCESS_LOG_DROPPED, ProcessMetrics::read(&process.access_log_dropped))?;
        self.counter(e, names::ACCESS_LOG_SAMPLED, |shard| &shard.log_sampled_out)?;
        self.counter(e, names::ACCESS_LOG_WAITS, |shard| &shard.log_waits)?;
        families::traces(e, &process.traces)?;
        single(e, names::EVENTS_DROPPED, ProcessMetrics::read(&process.events_dropped))?;
        self.counter(e, names::PANICS, |shard| &shard.panics)?;
        single(e, names::APPLICATION_STARTS, ProcessMetrics::read(&process.application_starts))?;
        self.reloads(e)?;
        self.phases(e)?;
        self.workers(e)?;
        let taken = ProcessMetrics::read(&self.metrics.process().memory_used);
        gauge(e, names::MEMORY, taken)?;
        families::process(e, self.metrics.began())?;
        let mut build = describe(e, names::BUILD_INFO, MetricType::Info)?;
        build.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::labels::LABELS;
    use std::{collections::BTreeSet, time::Duration};

    /// Every series that there can be, once; of two workers one has not started.
    fn rendered() -> String {
        let metrics = Arc::new(Metrics::new(2));
        for shard in metrics.shards() {
            for route in RouteLabel::ALL {
                shard.duration(route).observe(Duration::from_millis(2));
                for method in MethodLabel::ALL {
                    for class in StatusClass::ALL {
                        shard.requests(route, method, class).add(3);
                    }
                }
            }
            for kind in FailureKind::ALL {
                shard.errors(kind).add(1);
            }
            shard.in_flight.add(1);
        }
        metrics.shards()[0].is_mine();
        metrics.process().tls.set_expiries(vec![("example.org".into(), 1)]);
        metrics.process().limits.set(vec![("upstream.queue", 1024)]);
        render(&metrics, &["starting", "ready"], "ready")
    }

    fn series(text: &str) -> impl Iterator<Item = &str> {
        text.lines().filter(|line| !line.starts_with('#')).map(|line| match line.find('}') {
            Some(end) => &line[..=end],
            None => line.split_once(' ').unwrap().0,
        })
    }

    #[test]
    fn shards_are_summed() {
        let text = rendered();
        for line in [
            "sideman_requests_total{route=\"static\",method=\"GET\",status=\"2xx\"} 6",
            "sideman_request_duration_seconds_bucket{le=\"0.0025\",route=\"static\"} 2",
            "sideman_request_duration_seconds_bucket{le=\"+Inf\",route=\"static\"} 2",
            "sideman_request_duration_seconds_sum{route=\"static\"} 0.004",
            "sideman_requests_in_flight 2",
            "sideman_phase{phase=\"ready\"} 1",
            "sideman_phase{phase=\"starting\"} 0",
            "sideman_worker_requests_in_flight{worker=\"1\"} 1",
            "sideman_limit{setting=\"upstream.queue\"} 1024",
        ] {
            assert!(text.lines().any(|received| received == line), "{line} is missing in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn every_name_is_shown_once_with_its_type() {
        let text = rendered();
        for name in names::all() {
            let help = format!("# HELP {} {}\n", name.name, name.help);
            let kind = format!("# TYPE {} {}\n", name.name, name.kind.name());
            for header in [help, kind] {
                assert_eq!(text.matches(&header).count(), 1, "{header}in\n{text}");
            }
        }
        assert_eq!(text.matches("# TYPE ").count(), names::all().count());
    }

    #[test]
    fn every_label_is_a_known_one() {
        let text = rendered();
        let mut shown = BTreeSet::new();
        for series in series(&text) {
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let owner = names::all().find(|known| {
                let suffix = name.strip_prefix(&known.series());
                suffix.is_some_and(|suffix| ["", "_bucket", "_sum", "_count"].contains(&suffix))
            });
            let owner = owner.unwrap_or_else(|| panic!("{series}"));
            let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
            let labels = labels.map(|label| label.split_once('=').unwrap());
            let mut keys = Vec::new();
            for (key, value) in labels.filter(|(key, _)| *key != "le") {
                keys.push(key);
                let label = LABELS.iter().find(|label| label.name == key);
                let label = label.unwrap_or_else(|| panic!("no row for {key} in labels.rs"));
                let (values, value) = (label.values, value.trim_matches('"'));
                assert!(values.is_empty() || values.contains(&value), "{key}={value}");
                shown.insert((key, value.to_owned()));
            }
            assert_eq!(keys, owner.labels, "{series}");
        }
        // Every documented series exists. Phases count as one series here.
        for label in LABELS.iter().filter(|label| label.name != "phase") {
            for value in label.values {
                assert!(shown.contains(&(label.name, (*value).to_owned())), "{value}");
            }
        }
    }
}
