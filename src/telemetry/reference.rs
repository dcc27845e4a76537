//! Generates docs/metrics.md from [`names`] and [`labels`], and compares it with the file. `UPDATE_EXPECT=1 cargo test
//! --lib reference` rewrites it.

use std::{env, fmt::Write as _, fs, path::Path};

use super::{
    histogram::{HistogramBuckets, QueueBuckets, ResponseBuckets},
    labels::LABELS,
    names::{self, MetricKind, MetricName},
};

const INTRODUCTION: &str = "# Metrics

<!-- Made from src/telemetry by `UPDATE_EXPECT=1 cargo test --lib reference`. -->

At `/metrics` of the admin listener (`admin.listen`), in the text format of Prometheus, or as OpenMetrics for who asks for
that, as Prometheus does. The listener has a thread of its own, and answers while the workers are busy. Clients
can't make new series: the values of all labels are fixed by the program and its settings.
[config/deploy/grafana-dashboard.json](../config/deploy/grafana-dashboard.json) and
[config/deploy/alerts.yaml](../config/deploy/alerts.yaml) show what to look at and when to act.

Rates of counters (`rate(...[5m])`) are meant to be looked at, not their values: they begin at zero with the process.
What `/proc` does not tell is left out.
";

#[test]
fn docs_metrics_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, reference()).unwrap();
    }
    let file = fs::read_to_string(&path).unwrap();
    let path = path.display();
    assert_eq!(file, reference(), "UPDATE_EXPECT=1 cargo test --lib reference rewrites {path}");
}

#[test]
fn names_keep_the_customs_of_prometheus() {
    for name in names::all() {
        let text = name.name;
        let is_ours = text.starts_with("sideman_") || text.starts_with("process_");
        assert!(is_ours && !text.ends_with("_total"), "{text}");
        assert!(text.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{text}");
        assert!(name.help.len() > 10 && !name.help.ends_with('.'), "{text}: {}", name.help);
        // The two text formats escape different characters; help texts contain none of them.
        assert!(!name.help.contains(['\\', '"', '\n', '|']), "{text}: {}", name.help);
        assert_eq!(names::all().filter(|other| other.name == text).count(), 1, "{text}");
    }
    assert!(LABELS.is_sorted_by(|a, b| a.name < b.name));
}

#[test]
fn the_page_about_operation_names_metrics_that_exist() {
    let page = include_str!("../../docs/operation.md");
    let rows = page.lines().filter_map(|row| row.strip_prefix("| `sideman_"));
    let mut count = 0;
    for row in rows {
        let (name, _) = row.split_once(['`', '{']).unwrap();
        let name = format!("sideman_{name}");
        assert!(names::all().any(|known| known.series() == name), "{name}");
        count += 1;
    }
    assert!((8..=20).contains(&count), "{count} rows: the dozen that matter");
}

fn reference() -> String {
    let mut text = INTRODUCTION.to_owned();
    for (title, names) in names::SECTIONS {
        let mut names: Vec<&MetricName> = names.iter().collect();
        names.sort_by_key(|name| name.series());
        text.push_str(&format!("\n## {title}\n\n"));
        text.push_str("| metric | type | labels | unit | meaning |\n|---|---|---|---|---|\n");
        for name in names {
            let (series, kind, labels) = (name.series(), name.kind.name(), name.labels.join(", "));
            let (unit, help) = (name.unit().unwrap_or_default(), name.help);
            writeln!(text, "| `{series}` | {kind} | {labels} | {unit} | {help} |").unwrap();
        }
    }
    text.push_str("\n## Labels\n\n| label | meaning | values |\n|---|---|---|\n");
    for label in LABELS {
        let values: Vec<_> = label.values.iter().map(|value| format!("`{value}`")).collect();
        let (name, meaning, values) = (label.name, label.meaning, values.join(", "));
        writeln!(text, "| `{name}` | {meaning} | {values} |").unwrap();
    }
    text.push_str(
        "\nMetrics with `result` have some of its values: handshakes `full` to `broken`, certificates \
         `used` and\n`rejected`, files for the application `sent`, `missing` and `refused`.\n",
    );
    text.push_str("\n## Buckets\n\nUpper bounds (`le`) of the histograms, in seconds:\n\n");
    for name in names::all().filter(|name| name.kind == MetricKind::Histogram) {
        let is_waiting = name.name == names::QUEUE_WAIT.name;
        let bounds = if is_waiting { QueueBuckets::MICROS } else { ResponseBuckets::MICROS };
        let bounds: Vec<_> = bounds.iter().map(|micros| seconds(*micros)).collect();
        writeln!(text, "- `{}`: {}", name.name, bounds.join(", ")).unwrap();
    }
    text
}

fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
