//! Metrics as lines of the embedded metric format, from which CloudWatch makes metrics without an agent. One line a
//! minute has few metrics with one set of dimensions, because CloudWatch charges for each.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use super::{
    Metrics,
    bucket_counts::BucketCounts,
    cache_labels::CacheOutcome,
    histogram::HistogramTotals,
    status::{StatusSample, StatusWindow},
};
use crate::error::FailureKind;

/// How many samples one line is about. The specification allows 100 values of a metric.
const SAMPLES: usize = 60;
/// The longest duration that a histogram tells, in milliseconds. Longer ones are counted as this.
const LONGEST: u64 = 60_000;

/// The metrics of a line, each with its unit.
const METRICS: [(&str, &str); 7] = [
    ("Saturation", "Percent"),
    ("QueueWaitP95", "Milliseconds"),
    ("Shed", "Count"),
    ("Errors", "Count"),
    ("Requests", "Count"),
    ("P95", "Milliseconds"),
    ("CacheHitRatio", "Percent"),
];

/// The ECS service that the metrics are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmfService {
    pub cluster: String,
    pub service: String,
    /// The task. A field for queries and no dimension, since each combination of dimensions is charged.
    pub task: String,
}

/// Collects samples, and makes a line of a minute of them.
#[derive(Debug)]
pub struct EmfRecorder {
    saturation: Vec<u64>,
    begin: EmfSample,
}

/// Counters at one moment.
#[derive(Debug)]
struct EmfSample {
    requests: StatusSample,
    queue_waits: BucketCounts,
    shed: u64,
    cache_hits: u64,
    cache_responses: u64,
}

// === impl EmfRecorder ===

impl EmfRecorder {
    /// How often `record` must be called.
    pub const INTERVAL: Duration = Duration::from_secs(1);

    /// Starts with the counters as they are.
    pub fn new(metrics: &Metrics) -> Self {
        Self { saturation: Vec::new(), begin: EmfSample::take(metrics) }
    }

    /// Adds a sample. Returns a line after each minute. A line without traffic has zeros, because a missing value would
    /// stop a policy from removing tasks.
    pub fn record(
        &mut self,
        service: &EmfService,
        metrics: &Metrics,
        now: SystemTime,
    ) -> Option<String> {
        self.saturation.push(saturation(metrics));
        (self.saturation.len() >= SAMPLES).then(|| self.line(service, metrics, now))
    }

    /// Returns the line of the time since the last one. The process ends.
    pub fn last(&mut self, service: &EmfService, metrics: &Metrics, now: SystemTime) -> String {
        if self.saturation.is_empty() {
            self.saturation.push(saturation(metrics));
        }
        self.line(service, metrics, now)
    }

    fn line(&mut self, service: &EmfService, metrics: &Metrics, now: SystemTime) -> String {
        let end = EmfSample::take(metrics);
        let begin = std::mem::replace(&mut self.begin, end);
        let saturation = std::mem::take(&mut self.saturation);
        let values = values(&saturation, &begin, &self.begin);
        line(service, values, now)
    }
}

/// Percent of the limits of all servers that are in use or wanted: more than 100 if requests are queued.
fn saturation(metrics: &Metrics) -> u64 {
    let servers = &metrics.process().servers;
    // While none is available, the requests that wait for one count as for one.
    let available = servers.available.load(Ordering::Relaxed).max(1);
    let limit = servers.limit.load(Ordering::Relaxed).saturating_mul(available);
    let in_flight = metrics.sum(|shard| &shard.upstream_in_flight);
    let queued = metrics.sum(|shard| &shard.queued);
    in_flight.saturating_add(queued).saturating_mul(100).checked_div(limit).unwrap_or_default()
}

/// The values in the order of [`METRICS`].
fn values(saturation: &[u64], begin: &EmfSample, end: &EmfSample) -> [Value; METRICS.len()] {
    let window: StatusWindow = end.requests.since(&begin.requests);
    let hits = end.cache_hits.wrapping_sub(begin.cache_hits);
    let responses = end.cache_responses.wrapping_sub(begin.cache_responses);
    let ratio = hits.saturating_mul(100).checked_div(responses).unwrap_or_default();
    [
        json!(saturation),
        json!(millis(end.queue_waits.since(&begin.queue_waits).percentile(95))),
        json!(end.shed.wrapping_sub(begin.shed)),
        json!(window.failed()),
        json!(window.requests()),
        json!(millis(window.percentile(95))),
        json!(ratio),
    ]
}

/// Milliseconds of a percentile; 0 if nothing was counted.
fn millis(percentile: Option<Option<u64>>) -> u64 {
    let Some(micros) = percentile else { return 0 };
    micros.map_or(LONGEST, |micros| micros.div_ceil(1000))
}

fn line(service: &EmfService, values: [Value; METRICS.len()], now: SystemTime) -> String {
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let metrics = METRICS.map(|(name, unit)| json!({ "Name": name, "Unit": unit }));
    let directive = json!({
        "Timestamp": u64::try_from(since_epoch.as_millis()).unwrap_or_default(),
        "CloudWatchMetrics": [{
            "Namespace": "Sideman",
            "Dimensions": [["ClusterName", "ServiceName"]],
            "Metrics": metrics,
        }],
    });
    let mut line = json!({
        "_aws": directive,
        "ClusterName": service.cluster,
        "ServiceName": service.service,
        "TaskId": service.task,
    });
    if let Value::Object(fields) = &mut line {
        fields.extend(METRICS.iter().map(|(name, _)| (*name).to_owned()).zip(values));
    }
    format!("{line}\n")
}

// === impl EmfSample ===

impl EmfSample {
    fn take(metrics: &Metrics) -> Self {
        let waits = metrics.shards().iter().map(|shard| &shard.queue_wait);
        let shed = [FailureKind::QueueFull, FailureKind::QueueTimeout];
        let responses = |outcome| metrics.sum(|shard| shard.cache_responses(outcome));
        let hits = [CacheOutcome::Hit, CacheOutcome::Stale, CacheOutcome::Revalidated];
        Self {
            requests: StatusSample::take(metrics, Instant::now()),
            queue_waits: BucketCounts::of(&HistogramTotals::sum(waits)),
            shed: shed.map(|kind| metrics.sum(|shard| shard.errors(kind))).iter().sum(),
            cache_hits: hits.into_iter().map(responses).sum(),
            cache_responses: CacheOutcome::ALL.into_iter().map(responses).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::labels::{MethodLabel, RouteLabel, StatusClass};

    fn service() -> EmfService {
        EmfService { cluster: "prod".into(), service: "site\"".into(), task: "0a1b".into() }
    }

    fn minute(recorder: &mut EmfRecorder, metrics: &Metrics) -> Value {
        let now = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        for _ in 1..SAMPLES {
            assert_eq!(recorder.record(&service(), metrics, now), None);
        }
        let line = recorder.record(&service(), metrics, now).unwrap();
        assert_eq!(line.find('\n'), Some(line.len() - 1));
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn minute_without_traffic_has_zeros() {
        let metrics = Metrics::new(2);
        let line = minute(&mut EmfRecorder::new(&metrics), &metrics);
        for (name, _) in METRICS {
            let zero = if name == "Saturation" { json!(vec![0; SAMPLES]) } else { json!(0) };
            assert_eq!(line[name], zero, "{name}");
        }
        assert_eq!(line["_aws"]["Timestamp"], 1_700_000_000_123_u64);
        assert_eq!(
            (&line["ClusterName"], &line["ServiceName"], &line["TaskId"]),
            (&json!("prod"), &json!("site\""), &json!("0a1b"))
        );
    }

    /// The schema of the specification, as far as Sideman uses it.
    #[test]
    fn line_follows_the_specification() {
        let metrics = Metrics::new(1);
        let line = minute(&mut EmfRecorder::new(&metrics), &metrics);
        let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
        assert!(line.to_string().len() < 16 * 1024);
        for directive in directives {
            assert!(directive["Namespace"].as_str().is_some_and(|name| !name.is_empty()));
            for set in directive["Dimensions"].as_array().unwrap() {
                for dimension in set.as_array().unwrap() {
                    assert!(line[dimension.as_str().unwrap()].is_string());
                }
            }
            for metric in directive["Metrics"].as_array().unwrap() {
                let value = &line[metric["Name"].as_str().unwrap()];
                let is_list = value.as_array().is_some_and(|values| {
                    values.len() <= 100 && values.iter().all(Value::is_number)
                });
                assert!(value.is_number() || is_list, "{metric}");
                let units = ["Percent", "Milliseconds", "Count"];
                assert!(units.contains(&metric["Unit"].as_str().unwrap()), "{metric}");
            }
        }
    }

    #[test]
    fn saturation_is_that_of_all_servers() {
        let metrics = Metrics::new(1);
        let servers = &metrics.process().servers;
        assert_eq!(saturation(&metrics), 0);
        servers.limit.store(2, Ordering::Relaxed);
        metrics.shards()[0].upstream_in_flight.add(4);
        assert_eq!(saturation(&metrics), 200);
        servers.available.store(2, Ordering::Relaxed);
        assert_eq!(saturation(&metrics), 100);
    }

    #[test]
    fn each_minute_has_its_own_counts() {
        let metrics = Metrics::new(2);
        let shard = &metrics.shards()[1];
        shard.errors(FailureKind::QueueFull).add(100);
        let mut recorder = EmfRecorder::new(&metrics);
        metrics.process().servers.limit.store(8, Ordering::Relaxed);
        shard.upstream_in_flight.add(8);
        metrics.shards()[0].queued.add(2);
        shard.errors(FailureKind::QueueFull).add(3);
        shard.errors(FailureKind::QueueTimeout).add(2);
        shard.cache_responses(CacheOutcome::Hit).add(3);
        shard.cache_responses(CacheOutcome::Miss).add(1);
        for millis in [4, 400, 61_000] {
            shard.duration(RouteLabel::Proxy).observe(Duration::from_millis(millis));
            shard.queue_wait.observe(Duration::from_millis(millis / 4));
        }
        for class in [StatusClass::Success, StatusClass::Success, StatusClass::ServerError] {
            shard.requests(RouteLabel::ALL[0], MethodLabel::ALL[0], class).add(1);
        }
        let line = minute(&mut recorder, &metrics);
        let value = |name: &str| line[name].as_u64().unwrap();
        assert_eq!(line["Saturation"], json!(vec![125; SAMPLES]));
        assert_eq!((value("Shed"), value("Errors"), value("Requests")), (5, 1, 3));
        assert_eq!((value("P95"), value("QueueWaitP95")), (60_000, 30_000));
        assert_eq!(value("CacheHitRatio"), 75);
        let next = minute(&mut recorder, &metrics);
        assert_eq!(
            (&next["Requests"], &next["Shed"], &next["P95"]),
            (&json!(0), &json!(0), &json!(0))
        );
    }
}
