//! The dashboard and the alerts use only existing metrics, labels and values.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;
use sideman::{
    config,
    error::FailureKind as Failure,
    telemetry::{
        labels::LABELS,
        names::{self, MetricKind, MetricName},
    },
};

/// Labels that Prometheus adds to every series, except the bound of a bucket.
const ADDED: [&str; 2] = ["job", "instance"];

fn deployed(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/deploy").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn dashboard() -> Value {
    serde_json::from_str(&deployed("grafana-dashboard.json")).unwrap()
}

/// The queries of the dashboard's panels.
pub(super) fn queries() -> BTreeSet<String> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// Every string of a document.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| texts(field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The metric that a name in a query belongs to.
fn owner(name: &str) -> Option<&'static MetricName> {
    names::all().find(|known| match known.kind {
        MetricKind::Histogram => name
            .strip_prefix(known.name)
            .is_some_and(|suffix| ["_bucket", "_sum", "_count"].contains(&suffix)),
        MetricKind::Counter | MetricKind::Gauge | MetricKind::Info => known.series() == name,
    })
}

/// Every word of a text, with the text after it.
fn words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c| !is_part(c));
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        (!word.is_empty()).then_some((word, after))
    })
}

fn metrics(text: &str) -> impl Iterator<Item = (&str, &str)> {
    words(text).filter(|(word, _)| word.starts_with("sideman_") || word.starts_with("process_"))
}

/// The faults in the metrics, labels and values of a query.
pub(crate) fn faults(query: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut allowed: BTreeSet<&str> = ADDED.into();
    for (word, after) in metrics(query) {
        let Some(owner) = owner(word) else {
            faults.push(format!("{word} does not exist"));
            continue;
        };
        allowed.extend(owner.labels);
        if word.ends_with("_bucket") {
            allowed.insert("le");
        }
        let matchers = after.strip_prefix('{').and_then(|matchers| matchers.split_once('}'));
        for matcher in matchers.into_iter().flat_map(|(matchers, _)| matchers.split(',')) {
            let end = matcher.find(['=', '!']).unwrap();
            let (label, values) =
                (matcher[..end].trim(), matcher[end..].trim_matches(['=', '!', '~', '"']));
            if !owner.labels.contains(&label) && !ADDED.contains(&label) {
                faults.push(format!("{word} has no label {label}"));
            }
            let wrong = values.split('|').filter(|value| !is_value(label, value));
            faults.extend(wrong.map(|value| format!("{word}: {label} is never {value}")));
        }
    }
    for (word, after) in words(query) {
        let is_grouping = ["by", "on", "without", "ignoring", "group_left"].contains(&word);
        let labels = after.trim_start().strip_prefix('(').filter(|_| is_grouping);
        let labels = labels.and_then(|labels| labels.split_once(')')).map(|(labels, _)| labels);
        let labels = labels.into_iter().flat_map(|labels| labels.split(',')).map(str::trim);
        let unknown = labels.filter(|label| !label.is_empty() && !allowed.contains(label));
        faults.extend(unknown.map(|label| format!("no metric has the label {label}: {query}")));
    }
    faults
}

fn is_value(label: &str, value: &str) -> bool {
    // A variable of the dashboard.
    if value.starts_with('$') {
        return true;
    }
    match label {
        "error" => Failure::ALL.iter().any(|kind| kind.name() == value),
        "setting" => config::KEYS.iter().any(|key| key.name == value),
        _ => {
            let label = LABELS.iter().find(|known| known.name == label);
            label.is_none_or(|label| label.values.is_empty() || label.values.contains(&value))
        }
    }
}

/// The expressions of the alerts, each with its name.
fn rules() -> Vec<(String, String)> {
    let mut rules: Vec<(String, String)> = Vec::new();
    let mut is_within = false;
    for line in deployed("alerts.yaml").lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("- alert: ") {
            rules.push((name.to_owned(), String::new()));
        } else if let Some(expression) = line.strip_prefix("expr:") {
            is_within = true;
            rules.last_mut().unwrap().1.push_str(expression.trim_start_matches([' ', '|']));
        } else if line.starts_with("for:") || line.starts_with("labels:") {
            is_within = false;
        } else if is_within {
            rules.last_mut().unwrap().1.extend([" ", line]);
        }
    }
    rules
}

#[test]
fn alerts_use_existing_metrics() {
    let rules = rules();
    assert!(rules.len() >= 20, "{rules:?}");
    for (name, query) in &rules {
        assert!(metrics(query).next().is_some(), "{name} has no metric: {query}");
        assert_eq!(faults(query), [""; 0], "{name}");
    }
    let text = deployed("alerts.yaml");
    // Also in their descriptions.
    for (word, _) in metrics(&text) {
        assert!(owner(word).is_some() || names::all().any(|known| known.name == word), "{word}");
    }
    for part in ["severity: ", "summary: ", "runbook: "] {
        assert_eq!(text.matches(part).count(), rules.len(), "every alert has a {part}");
    }
}

#[test]
fn dashboard_uses_existing_metrics() {
    let dashboard = dashboard();
    let mut found = Vec::new();
    texts(&dashboard, &mut found);
    let queries: Vec<_> = found.into_iter().filter(|text| metrics(text).next().is_some()).collect();
    assert!(queries.len() >= 60, "{}", queries.len());
    for query in queries {
        // `label_values(metric, label)` fills a variable.
        if let Some(arguments) = query.strip_prefix("label_values(") {
            let (metric, label) = arguments.rsplit_once(", ").unwrap();
            let label = label.trim_end_matches(')');
            assert!(ADDED.contains(&label), "{query}");
            assert_eq!(faults(metric), [""; 0], "{query}");
            continue;
        }
        assert_eq!(faults(query), [""; 0], "{query}");
    }
}

#[test]
fn dashboard_shows_every_component_and_can_be_imported_anywhere() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let titles: Vec<_> =
        panels.iter().filter(|panel| panel["type"] == "row").map(|row| &row["title"]).collect();
    let expected = [
        "Overview",
        "Traffic",
        "Latency",
        "Application and queue",
        "Upstream servers",
        "Files",
        "Cache",
        "Buffers",
        "TLS",
        "Process",
    ];
    assert_eq!(titles, expected);
    assert_eq!(dashboard["id"], Value::Null);
    assert_eq!(dashboard["templating"]["list"][0]["type"], "datasource");
    let mut places = BTreeSet::new();
    for panel in panels {
        let place = &panel["gridPos"];
        let number = |name: &str| place[name].as_u64().unwrap();
        assert!(number("x") + number("w") <= 24, "{place}");
        for (x, y) in (0..number("w")).flat_map(|x| (0..number("h")).map(move |y| (x, y))) {
            assert!(places.insert((number("x") + x, number("y") + y)), "{panel} overlaps");
        }
        if panel["type"] == "row" {
            continue;
        }
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{panel}");
        for source in targets.iter().chain([panel]) {
            assert_eq!(source["datasource"]["uid"], "${datasource}", "{panel}");
        }
        for target in targets {
            // Other jobs have process_* too.
            assert!(target["expr"].as_str().unwrap().contains("job=\"$job\""), "{target}");
        }
    }
}

#[test]
fn unknown_metrics_labels_and_values_are_found() {
    for (query, fault) in [
        ("rate(sideman_made_up_total[5m])", "sideman_made_up_total does not exist"),
        ("sideman_requests", "sideman_requests does not exist"),
        ("process_made_up", "process_made_up does not exist"),
        ("sideman_queue_wait_seconds", "sideman_queue_wait_seconds does not exist"),
        ("sideman_queue_length{route=\"proxy\"}", "sideman_queue_length has no label route"),
        ("sideman_requests_total{status=~\"5xx|6xx\"}", "status is never 6xx"),
        ("sideman_errors_total{error=\"oops\"}", "error is never oops"),
        ("sideman_limit{setting=\"buffers.dsk\"}", "setting is never buffers.dsk"),
        ("sum by (path) (sideman_queue_length)", "no metric has the label path"),
    ] {
        let found = faults(query);
        assert!(found.len() == 1 && found[0].contains(fault), "{query}: {found:?}");
    }
    let right =
        "sum by (job, le, route) (sideman_request_duration_seconds_bucket{route!=\"health\"})";
    assert_eq!(faults(right), [""; 0]);
}
