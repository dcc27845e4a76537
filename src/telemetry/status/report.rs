//! The status as sections of names and values, in text and in JSON. It has no URL, cookie or address of a client.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{
    application::{ApplicationStatus, ServerStatus},
    history::StatusHistory,
    value::{StatusValue, quoted},
    window::{StatusSample, StatusWindow},
};
use crate::{
    error::FailureKind,
    finding::Finding,
    telemetry::{
        Metrics,
        cache_labels::CacheOutcome,
        escape::visible,
        labels::{LimitSource, StatusClass},
    },
};

/// How many kinds of failures are listed.
const ERRORS: usize = 5;
/// How many servers are listed. A name may have hundreds of addresses.
const SERVERS: usize = 20;
/// In place of findings that are not there in time.
pub(super) const NOT_CHECKED: &str = "not checked: a directory of the settings does not respond";

/// The status at one moment.
#[derive(Debug, Default)]
pub struct StatusReport {
    pub(super) sections: Vec<StatusSection>,
    /// Each second of the last minute, for charts.
    pub(super) seconds: Vec<StatusWindow>,
    /// Each minute of the last hour, for charts.
    pub(super) minutes: Vec<StatusWindow>,
    /// The findings about the process, or `None` if the checks have not ended in time.
    pub(super) findings: Option<Vec<Finding>>,
}

/// Values that belong together.
#[derive(Debug)]
pub(super) struct StatusSection {
    pub(super) title: &'static str,
    pub(super) values: Vec<(String, StatusValue)>,
}

// === impl StatusReport ===

impl StatusReport {
    /// Reads the status from the metrics, the history, and the state of the applications.
    pub fn read(
        metrics: &Metrics,
        history: &StatusHistory,
        applications: &ApplicationStatus,
        phase: &str,
        now: Instant,
    ) -> Self {
        let sample = StatusSample::take(metrics, now);
        let sections = vec![
            StatusSection { title: "process", values: process(metrics, phase) },
            StatusSection { title: "application", values: application(metrics, applications) },
            StatusSection { title: "servers", values: servers(&applications.servers) },
            section("last_minute", history.minute(&sample)),
            section("last_hour", history.hour(&sample)),
            StatusSection { title: "memory", values: memory(metrics) },
            StatusSection { title: "cache", values: cache(metrics) },
            StatusSection { title: "certificates", values: certificates(metrics) },
            StatusSection { title: "errors", values: errors(metrics) },
        ];
        let (seconds, minutes) = (history.each_second(), history.each_minute());
        Self { sections, seconds, minutes, findings: Some(Vec::new()) }
    }

    /// Adds what is wrong with the process, or `None` if that is not known.
    pub fn with_findings(self, findings: Option<Vec<Finding>>) -> Self {
        Self { findings, ..self }
    }

    /// Whether there is anything to say about findings.
    pub(super) fn has_findings(&self) -> bool {
        self.findings.as_ref().is_none_or(|findings| !findings.is_empty())
    }

    /// Returns the status for people: a line for each value.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for section in self.sections.iter().filter(|section| !section.values.is_empty()) {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{}", section.heading());
            for (name, value) in &section.values {
                let line = format!("{:<26} {value}", section.name(name));
                let _ = writeln!(text, "  {}", visible(&line));
            }
        }
        if self.has_findings() {
            text.push_str("\nfindings\n");
            let findings = self.findings.as_ref().map_or_else(
                || NOT_CHECKED.to_owned(),
                |findings| findings.iter().map(ToString::to_string).collect(),
            );
            for line in findings.lines() {
                let _ = writeln!(text, "  {line}");
            }
        }
        text
    }

    /// Returns the status as a JSON object with an object for each section, and the list of findings. Times are in
    /// seconds, percentiles in milliseconds, sizes in bytes.
    pub fn json(&self) -> String {
        let sections = self.sections.iter().map(|section| {
            let values = section.values.iter();
            let values = values.map(|(name, value)| format!("{}:{}", quoted(name), value.json()));
            format!("{}:{{{}}}", quoted(section.title), values.collect::<Vec<_>>().join(","))
        });
        let findings = match &self.findings {
            Some(findings) => findings.iter().map(Finding::json).collect(),
            None => serde_json::Value::Null,
        };
        let sections = sections.collect::<Vec<_>>().join(",");
        format!("{{{sections},\"findings\":{findings}}}\n")
    }
}

// === impl StatusSection ===

impl StatusSection {
    /// Returns the title for people.
    pub(super) fn heading(&self) -> String {
        self.title.replace('_', " ")
    }

    /// Returns the name of a value for people. Servers, errors and certificates keep theirs.
    pub(super) fn name(&self, name: &str) -> String {
        match self.title {
            "servers" | "errors" | "certificates" => name.to_owned(),
            _ => name.replace('_', " "),
        }
    }
}

fn section(title: &'static str, window: Option<StatusWindow>) -> StatusSection {
    StatusSection { title, values: window.map(|window| requests(&window)).unwrap_or_default() }
}

fn process(metrics: &Metrics, phase: &str) -> Vec<(String, StatusValue)> {
    let reloads = &metrics.process().reloads;
    let loaded = UNIX_EPOCH + Duration::from_secs(read(&reloads.loaded));
    let failed = UNIX_EPOCH + Duration::from_secs(read(&reloads.failed_at));
    let last = match (read(&reloads.has_failed), read(&reloads.ok)) {
        (1, _) => format!("failed {} ago, see the log", since(failed)),
        (_, 0) => "none".to_owned(),
        _ => "ok".to_owned(),
    };
    vec![
        value("version", text(env!("CARGO_PKG_VERSION"))),
        value("phase", text(phase)),
        value("uptime", since(metrics.began())),
        value("settings_age", since(loaded)),
        value("last_reload", StatusValue::Text(last)),
    ]
}

fn application(metrics: &Metrics, applications: &ApplicationStatus) -> Vec<(String, StatusValue)> {
    let oldest = applications.oldest_wait.unwrap_or_default().as_millis();
    let servers = &metrics.process().servers;
    let source = match servers.limit_source.get() {
        LimitSource::Set => "set",
        LimitSource::Unread => "measured by the requests that the application has not begun",
        LimitSource::Throughput => "measured by the throughput",
        LimitSource::Unknown => "default, nothing was measured yet",
    };
    vec![
        value("permits_in_use", StatusValue::Count(metrics.sum(|shard| &shard.upstream_in_flight))),
        value("limit", count(&servers.limit)),
        value("limit_source", text(source)),
        value("queued", StatusValue::Count(metrics.sum(|shard| &shard.queued))),
        value("oldest_wait", StatusValue::Millis(u64::try_from(oldest).unwrap_or(u64::MAX))),
        value("servers_available", count(&servers.available)),
        value("servers_unavailable", count(&servers.unavailable)),
    ]
}

/// Lists the servers by name, those that are unavailable first. Two applications may share one.
fn servers(servers: &[ServerStatus]) -> Vec<(String, StatusValue)> {
    let mut servers: Vec<_> = servers.iter().collect();
    servers.sort_by_key(|server| (server.outage.is_none(), &server.name));
    servers.dedup_by_key(|server| &server.name);
    let shown = servers.into_iter().take(SERVERS).map(|server| {
        let outage = server.outage.clone();
        let state = StatusValue::Server(outage, server.time.as_secs(), server.in_flight);
        (server.name.clone(), state)
    });
    shown.collect()
}

fn requests(window: &StatusWindow) -> Vec<(String, StatusValue)> {
    let mut values = vec![
        value("time", StatusValue::Seconds(window.span.as_secs())),
        value("requests", StatusValue::Count(window.requests())),
        value("requests_a_second", StatusValue::Rate(window.tenths_a_second())),
    ];
    for (name, percent) in
        [("application_p50", 50), ("application_p95", 95), ("application_p99", 99)]
    {
        let Some(micros) = window.percentile(percent) else { continue };
        let millis = micros.map(|micros| micros.div_ceil(1000));
        values.push(value(name, StatusValue::AtMostMillis(millis)));
    }
    for (class, count) in StatusClass::ALL.into_iter().zip(&window.classes) {
        if *count > 0 {
            values.push((format!("status_{}", class.name()), StatusValue::Count(*count)));
        }
    }
    values
}

fn memory(metrics: &Metrics) -> Vec<(String, StatusValue)> {
    let process = metrics.process();
    let used = [
        ("memory.limit", read(&process.memory_used)),
        ("buffers.memory", process.buffers.memory.load(Ordering::Relaxed)),
        ("buffers.disk", process.buffers.disk.load(Ordering::Relaxed)),
        ("cache.memory", process.cache.memory.load(Ordering::Relaxed)),
        ("cache.disk", process.cache.disk.load(Ordering::Relaxed)),
        ("static.memory", read(&process.static_store.bytes)),
        ("media.memory", read(&process.media_store.bytes)),
    ];
    let shown = used.into_iter().filter_map(|(setting, used)| {
        // A limit of 0 means that the feature is off.
        let limit = process.limits.find(setting).filter(|limit| *limit > 0)?;
        let limit = Some(limit).filter(|limit| *limit != u64::MAX);
        Some(value(setting, StatusValue::Bytes(used, limit)))
    });
    shown.collect()
}

fn cache(metrics: &Metrics) -> Vec<(String, StatusValue)> {
    let responses = |outcome| metrics.sum(|shard| shard.cache_responses(outcome));
    let total: u64 = CacheOutcome::ALL.into_iter().map(responses).sum();
    let stored = [CacheOutcome::Hit, CacheOutcome::Stale, CacheOutcome::Revalidated];
    let stored: u64 = stored.into_iter().map(responses).sum();
    let Some(ratio) = stored.saturating_mul(100).checked_div(total) else { return Vec::new() };
    vec![
        value("entries", count(&metrics.process().cache.entries)),
        value("served_from_cache", StatusValue::Percent(ratio)),
    ]
}

fn certificates(metrics: &Metrics) -> Vec<(String, StatusValue)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let expiries = metrics.process().tls.expiries().into_iter();
    let shown =
        expiries.map(|(name, expiry)| (name, StatusValue::ExpiresIn(expiry.saturating_sub(now))));
    shown.collect()
}

fn errors(metrics: &Metrics) -> Vec<(String, StatusValue)> {
    let count = |kind: FailureKind| metrics.sum(|shard| shard.errors(kind));
    let kinds = FailureKind::ALL.into_iter().map(|kind| (kind, count(kind)));
    let mut kinds: Vec<_> = kinds.filter(|(_, count)| *count > 0).collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    kinds.truncate(ERRORS);
    let shown = kinds
        .into_iter()
        .map(|(kind, count)| value(kind.name(), StatusValue::Failures(count, kind.row().advice)));
    shown.collect()
}

fn value(name: &'static str, value: StatusValue) -> (String, StatusValue) {
    (name.to_owned(), value)
}

fn text(text: &str) -> StatusValue {
    StatusValue::Text(text.to_owned())
}

fn count(value: &AtomicU64) -> StatusValue {
    StatusValue::Count(read(value))
}

fn read(value: &AtomicU64) -> u64 {
    value.load(Ordering::Relaxed)
}

fn since(begin: SystemTime) -> StatusValue {
    StatusValue::Seconds(begin.elapsed().unwrap_or_default().as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        finding::{Check, Severity},
        telemetry::status::page,
    };

    fn report(metrics: &Metrics) -> StatusReport {
        let mut history = StatusHistory::default();
        history.record(metrics, Instant::now());
        StatusReport::read(
            metrics,
            &history,
            &ApplicationStatus::default(),
            "ready",
            Instant::now(),
        )
    }

    #[test]
    fn most_frequent_errors_are_listed_with_advice() {
        let metrics = Metrics::new(2);
        for (count, kind) in (1..).zip(FailureKind::ALL) {
            metrics.shards()[0].errors(kind).add(count);
        }
        metrics.shards()[1].errors(FailureKind::QueueFull).add(1000);
        let listed = errors(&metrics);
        assert_eq!(listed.len(), ERRORS);
        assert_eq!(listed[0].0, "queue_full");
        assert!(listed[0].1.to_string().starts_with("1001; the application is busy"));
    }

    #[test]
    fn json_is_valid_and_has_what_the_text_has() {
        let metrics = Metrics::new(1);
        metrics.process().tls.set_expiries(vec![("a\"b\n\u{7f}".into(), 1)]);
        let report = report(&metrics);
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert!(json["certificates"]["a\"b\n\u{7f}"].as_i64().is_some_and(|left| left < 0));
        assert_eq!(json["process"]["phase"], "ready");
        assert_eq!(json["application"]["limit_source"], "set");
        assert!(report.text().contains("\n  queued                     0\n"), "{}", report.text());
    }

    #[test]
    fn findings_are_a_list_or_unknown() {
        static BAD: Check = Check { id: "bad", severity: Severity::Error, page: "docs/ecs.md" };
        let shown = |findings: Option<Vec<Finding>>| {
            let report = report(&Metrics::new(1)).with_findings(findings);
            let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
            (report.text(), json["findings"].clone(), page(&report))
        };
        let (text, json, html) = shown(Some(Vec::new()));
        assert!(!text.contains("findings") && json == serde_json::json!([]), "{text} {json}");
        assert!(!html.contains("findings"), "{html}");

        let (text, json, html) = shown(Some(vec![BAD.finding("it\u{1b} <fails>", "seen", "do")]));
        let expected = "\nfindings\n  error: it\\u{1b} <fails> [bad]\n    seen: seen\n    do:   do\n    \
                        see:  docs/ecs.md\n";
        assert!(text.ends_with(expected) && json[0]["id"] == "bad", "{text} {json}");
        assert!(html.contains("<h3>error: bad</h3>\n<div>it\\u{1b} &lt;fails&gt;<br>"), "{html}");

        let (text, json, html) = shown(None);
        assert!(text.contains(NOT_CHECKED) && json.is_null() && html.contains(NOT_CHECKED));
    }
}
