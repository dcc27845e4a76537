//! Writes numbers as metrics of the exposition, independent of their source.

use std::{
    fmt::Error,
    sync::atomic::Ordering,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::{
    histogram::HistogramTotals,
    names::{self, MetricName},
    redis_counts::{LimitDecisionSource, RedisCounts},
    traces::TraceCounts,
    usage::ProcessUsage,
};

/// Begins a metric.
pub(super) fn describe<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: MetricName,
    kind: MetricType,
) -> Result<MetricEncoder<'a>, Error> {
    encoder.encode_descriptor(name.name, name.help, None, kind)
}

/// Writes a counter for each value of one label.
pub(super) fn counters(
    encoder: &mut DescriptorEncoder<'_>,
    name: MetricName,
    label: &'static str,
    counts: &[(&'static str, u64)],
) -> Result<(), Error> {
    let mut family = describe(encoder, name, MetricType::Counter)?;
    for (value, count) in counts {
        ConstCounter::new(*count).encode(family.encode_family(&[(label, *value)])?)?;
    }
    Ok(())
}

/// Writes a gauge for each value of one label.
pub(super) fn gauges(
    encoder: &mut DescriptorEncoder<'_>,
    name: MetricName,
    label: &'static str,
    values: &[(&'static str, u64)],
) -> Result<(), Error> {
    let mut family = describe(encoder, name, MetricType::Gauge)?;
    for (value, number) in values {
        let number = i64::try_from(*number).unwrap_or(i64::MAX);
        ConstGauge::new(number).encode(family.encode_family(&[(label, *value)])?)?;
    }
    Ok(())
}

/// Writes a counter without labels.
pub(super) fn single(
    encoder: &mut DescriptorEncoder<'_>,
    name: MetricName,
    count: u64,
) -> Result<(), Error> {
    ConstCounter::new(count).encode(describe(encoder, name, MetricType::Counter)?)
}

/// Writes the buckets, sum and count of a metric.
pub(super) fn histogram(
    mut metric: MetricEncoder<'_>,
    totals: &HistogramTotals,
) -> Result<(), Error> {
    let buckets =
        totals.buckets().map(|(bound, count)| (bound.map_or(f64::INFINITY, seconds), count));
    let buckets: Vec<(f64, u64)> = buckets.collect();
    let (sum, count) = (seconds(totals.sum_micros()), totals.count());
    metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}

/// Writes a gauge without labels.
pub(super) fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: MetricName,
    value: u64,
) -> Result<(), Error> {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    ConstGauge::new(value).encode(describe(encoder, name, MetricType::Gauge)?)
}

/// Writes what the link to Redis counts.
pub(super) fn redis(
    encoder: &mut DescriptorEncoder<'_>,
    counts: &RedisCounts,
) -> Result<(), Error> {
    for (name, count) in [
        (names::CACHE_PURGES_SENT, &counts.sent),
        (names::CACHE_PURGES_RECEIVED, &counts.received),
        (names::CACHE_PURGES_LOST, &counts.lost),
        (names::CACHE_RESETS, &counts.resets),
    ] {
        single(encoder, name, count.load(Ordering::Relaxed))?;
    }
    let lag = Duration::from_millis(counts.lag_milliseconds.load(Ordering::Relaxed));
    let metric = describe(encoder, names::CACHE_PURGE_LAG, MetricType::Gauge)?;
    ConstGauge::new(lag.as_secs_f64()).encode(metric)?;
    let sources = LimitDecisionSource::ALL
        .map(|source| (source.name(), counts.limit_decisions(source).load(Ordering::Relaxed)));
    counters(encoder, names::RATE_LIMIT_GLOBAL, "decision", &sources)?;
    gauge(encoder, names::REDIS_UNAVAILABLE, counts.unavailable.load(Ordering::Relaxed))
}

/// Writes what happened to spans.
pub(super) fn traces(
    encoder: &mut DescriptorEncoder<'_>,
    counts: &TraceCounts,
) -> Result<(), Error> {
    single(encoder, names::SPANS_SENT, counts.sent.load(Ordering::Relaxed))?;
    let lost = [
        ("full", counts.dropped.load(Ordering::Relaxed)),
        ("failed", counts.failed.load(Ordering::Relaxed)),
        ("refused", counts.refused.load(Ordering::Relaxed)),
    ];
    counters(encoder, names::SPANS_LOST, "cause", &lost)
}

/// Writes the resource usage of the process. Values that cannot be read are left out.
pub(super) fn process(encoder: &mut DescriptorEncoder<'_>, began: SystemTime) -> Result<(), Error> {
    let usage = ProcessUsage::now();
    if let Some(seconds) = usage.cpu_seconds {
        let metric = describe(encoder, names::PROCESS_CPU, MetricType::Counter)?;
        ConstCounter::new(seconds).encode(metric)?;
    }
    for (name, value) in [
        (names::PROCESS_RESIDENT, usage.resident_bytes),
        (names::PROCESS_VIRTUAL, usage.virtual_bytes),
        (names::PROCESS_OPEN_FDS, usage.open_files),
        (names::PROCESS_MAX_FDS, usage.max_files),
        (names::PROCESS_THREADS, usage.threads),
    ] {
        if let Some(value) = value {
            gauge(encoder, name, value)?;
        }
    }
    let began = began.duration_since(UNIX_EPOCH).unwrap_or_default();
    let metric = describe(encoder, names::PROCESS_START, MetricType::Gauge)?;
    ConstGauge::new(began.as_secs_f64()).encode(metric)
}

#[expect(clippy::cast_precision_loss, reason = "a sum of durations need not be exact")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
