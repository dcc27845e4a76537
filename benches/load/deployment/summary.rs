//! What a load on a deployment came to: for people, for programs, and as a plot.

use std::{fmt::Write as _, time::Duration};

use serde_json::{Value, json};

use super::{failure::FailureKind, load::LoadResult, tally::Tally};
use crate::plot::{Bar, Panel, Plot};

/// Share of one core from which on this process itself may be what is measured.
const BUSY: f64 = 0.9;
const PERCENTILES: [(&str, f64); 3] = [("p50", 0.50), ("p90", 0.90), ("p99", 0.99)];

/// The columns of the saved runs, one run for each path.
pub(crate) const COLUMNS: [&str; 11] = [
    "path",
    "responses",
    "per_second",
    "p50_us",
    "p90_us",
    "p99_us",
    "max_us",
    "received_bytes",
    "statuses",
    "failures",
    "without_response",
];

/// A load that has ended.
#[derive(Debug)]
pub(crate) struct Summary<'a> {
    pub(crate) paths: &'a [String],
    pub(crate) result: &'a LoadResult,
    /// CPU time of this process.
    pub(crate) cpu: Duration,
    /// Whether latencies count from when a request was due.
    pub(crate) paced: bool,
}

// === impl Summary ===

impl Summary<'_> {
    /// All pages together.
    pub(crate) fn all(&self) -> Tally {
        let mut all = Tally::default();
        for tally in &self.result.tallies {
            all.add(tally);
        }
        all
    }

    /// The table and the lines below it.
    pub(crate) fn text(&self) -> String {
        let all = self.all();
        let seconds = self.result.elapsed.as_secs_f64();
        let mut text = format!(
            "{:<32} {:>9} {:>9} {:>8} {:>8} {:>8} {:>8}  status\n",
            "path", "responses", "per s", "p50", "p90", "p99", "max"
        );
        let mut line = |path: &str, tally: &Tally| {
            let latencies = &tally.latencies;
            let time = |value: Option<Duration>| value.map_or("-".to_owned(), time);
            let [p50, p90, p99] = PERCENTILES.map(|(_, share)| time(latencies.percentile(share)));
            let max = time((latencies.count() > 0).then(|| latencies.max()));
            let statuses: Vec<_> =
                tally.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
            let per_second = tally.responses as f64 / seconds;
            let _ = writeln!(
                text,
                "{path:<32} {:>9} {per_second:>9.1} {p50:>8} {p90:>8} {p99:>8} {max:>8}  {}",
                tally.responses,
                if statuses.is_empty() { "none".into() } else { statuses.join(", ") },
            );
        };
        if let [_, _, ..] = self.paths {
            for (path, tally) in self.paths.iter().zip(&self.result.tallies) {
                line(path, tally);
            }
            line("all", &all);
        } else {
            line(self.paths.first().map_or("", String::as_str), &all);
        }
        text += &self.notes(&all, seconds);
        text
    }

    /// One run for each path, in the order of `COLUMNS`.
    pub(crate) fn runs(&self) -> Vec<Value> {
        let seconds = self.result.elapsed.as_secs_f64();
        let pages = self.paths.iter().zip(&self.result.tallies);
        pages
            .map(|(path, tally)| {
                let [p50, p90, p99] = PERCENTILES.map(|(_, share)| {
                    tally.latencies.percentile(share).map(|value| value.as_micros() as u64)
                });
                let statuses: serde_json::Map<_, _> = tally
                    .statuses
                    .iter()
                    .map(|(status, count)| (status.to_string(), json!(count)))
                    .collect();
                let failures: serde_json::Map<_, _> = tally
                    .failures
                    .iter()
                    .map(|(kind, (count, _))| (kind.name().to_owned(), json!(count)))
                    .collect();
                let per_second = (tally.responses as f64 / seconds * 10.0).round() / 10.0;
                json!([
                    path,
                    tally.responses,
                    per_second,
                    p50,
                    p90,
                    p99,
                    tally.latencies.max().as_micros() as u64,
                    tally.received,
                    statuses,
                    failures,
                    tally.failed(),
                ])
            })
            .collect()
    }

    /// Bars of the latencies of each path.
    pub(crate) fn plot(&self, title: &str) -> Plot {
        let ms = |value: Duration| value.as_secs_f64() * 1e3;
        let pages = self.paths.iter().zip(&self.result.tallies);
        let panels = pages.map(|(path, tally)| {
            let bar = |name: &str, value: Duration| Bar {
                label: format!("{path} {name}"),
                value: ms(value),
                range: None,
                note: time(value),
            };
            let mut bars: Vec<_> = PERCENTILES
                .iter()
                .filter_map(|(name, share)| Some(bar(name, tally.latencies.percentile(*share)?)))
                .collect();
            bars.push(bar("max", tally.latencies.max()));
            bars
        });
        let panel = Panel {
            title: "latency".to_owned(),
            reference: None,
            bars: panels.flatten().collect(),
        };
        Plot { title: title.to_owned(), panels: vec![panel] }
    }

    fn notes(&self, all: &Tally, seconds: f64) -> String {
        let mut text = String::new();
        let from = match self.paced {
            true => "from when a request was due",
            false => "from sending a request, with opening the connection where that was needed,",
        };
        let megabytes = all.received as f64 / 1e6;
        let _ = write!(
            text,
            "\nlatency: {from} to the last byte of its response\n\
             received: {megabytes:.1} MB of bodies in {seconds:.1} s, {:.1} MB/s\n\
             connections opened: {}\n",
            megabytes / seconds,
            self.result.opened,
        );
        if all.failures.is_empty() {
            text += "errors: none\n";
        } else {
            let _ = writeln!(text, "errors: {} requests without a complete response", all.failed());
            for (kind, (count, detail)) in &all.failures {
                let _ = writeln!(text, "  {count} {} ({detail}): {}", kind.name(), kind.remedy());
            }
        }
        if all.censored() > 0 {
            let _ = writeln!(
                text,
                "note: the {} requests of `{}` and `{}` count in the latencies with the time that they had waited; \
                 read high percentiles as `at least`",
                all.censored(),
                FailureKind::TimedOut.name(),
                FailureKind::NotSent.name(),
            );
        }
        let busy = self.cpu.as_secs_f64() / seconds;
        if busy > BUSY {
            let _ = writeln!(
                text,
                "note: this program kept {busy:.1} of one core busy and may be what was measured; lower the load, \
                 or run it on another machine"
            );
        }
        text
    }
}

/// A latency for people.
fn time(value: Duration) -> String {
    let us = value.as_secs_f64() * 1e6;
    match us {
        ..1e3 => format!("{us:.0} us"),
        ..1e4 => format!("{:.2} ms", us / 1e3),
        ..1e5 => format!("{:.1} ms", us / 1e3),
        ..1e6 => format!("{:.0} ms", us / 1e3),
        _ => format!("{:.2} s", us / 1e6),
    }
}
