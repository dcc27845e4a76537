//! Makes the part of docs/metrics.md that comes from [`names`] and [`labels`]. `UPDATE_EXPECT=1 cargo test --lib
//! reference` rewrites it.

use std::fmt::Write as _;

use crate::generated_page::{self, markdown};

use super::{
    histogram::{HistogramBuckets, QueueBuckets, ResponseBuckets},
    labels::LABELS,
    names::{self, MetricKind, MetricName},
};

#[test]
fn docs_metrics_is_the_table() {
    generated_page::check("metrics.md", "src/telemetry", &reference());
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
    let sections = names::SECTIONS.iter().map(|(title, names)| {
        let mut names: Vec<&MetricName> = names.iter().collect();
        names.sort_by_key(|name| name.series());
        let metrics: String = names.into_iter().map(metric).collect();
        format!("## {title}\n{metrics}")
    });
    let mut text = sections.collect::<Vec<_>>().join("\n");
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

fn metric(name: &MetricName) -> String {
    let mut text = format!("\n### `{}`\n\n{}.\n\n", name.series(), markdown(name.help));
    writeln!(text, "- Type: {}", name.kind.name()).unwrap();
    if let Some(unit) = name.unit() {
        writeln!(text, "- Unit: {unit}").unwrap();
    }
    if !name.labels.is_empty() {
        writeln!(text, "- Labels: `{}`", name.labels.join("`, `")).unwrap();
    }
    text
}

fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
