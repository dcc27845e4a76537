//! The saved runs of rows: one run as a list, and the table and the plot of all runs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::name;
use crate::{
    measure::Run,
    plot::{Bar, Panel, Plot},
    rows::{Compared, ROWS, Row},
    spread::{Spread, spread},
};

/// The columns of a saved run, in order.
pub(crate) const COLUMNS: [&str; 12] = [
    "row",
    "server",
    "round",
    "connections",
    "requests_per_second",
    "cpu_us",
    "harness_cpu_us",
    "p50_us",
    "p99_us",
    "memory_pss_kib",
    "server_cores",
    "other_cores",
];
const CPU: &str = "cpu_us";
const P99: &str = "p99_us";

/// The rounds of one row on two servers.
struct Pair<'a> {
    row: &'static Row,
    ours: Vec<&'a Value>,
    theirs: Vec<&'a Value>,
}

/// One run, in the order of `COLUMNS`.
pub(crate) fn saved(run: &Run, server: &str) -> Value {
    let Run { row, round, reading, .. } = run;
    let rounded = |value: f64, decimals: i32| {
        let scale = 10_f64.powi(decimals);
        (value * scale).round() / scale
    };
    json!([
        row,
        server,
        round,
        reading.connections,
        rounded(reading.rate(), 1),
        rounded(reading.cpu_each(), 2),
        rounded(reading.harness_cpu_each(), 2),
        rounded(reading.p50.as_secs_f64() * 1e6, 1),
        rounded(reading.p99_us(), 1),
        reading.memory_kib,
        rounded(reading.busy(), 2),
        rounded(reading.others(), 2),
    ])
}

/// The Markdown table of the rows on two servers.
pub(super) fn table(runs: &[Value]) -> String {
    let pairs = pairs(runs);
    let others = spread(&runs.iter().collect::<Vec<_>>(), |run| number(run, "other_cores"));
    let names = servers(runs);
    let names: Vec<_> = names.iter().map(|name| name::title(name)).collect();
    let mut text = format!(
        "Medians of {}. Other processes kept {:.1} cores busy ({:.1} to {:.1}).\n\n\
         | row | {} | ratio | lowest and highest round |\n|---|--:|--:|--:|--:|\n",
        rounds(&pairs),
        others.median,
        others.lowest,
        others.highest,
        names.join(" | "),
    );
    for pair in &pairs {
        let (name, column) = match pair.row.compared() {
            Compared::Cpu => (pair.row.what.to_owned(), CPU),
            Compared::P99 => (format!("p99 of a {}", pair.row.what), P99),
        };
        let median = |runs: &[&Value]| time(spread(runs, |run| number(run, column)).median);
        let Spread { lowest, median: ratio, highest } = pair.ratio(column);
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {ratio:.2} | {lowest:.2} to {highest:.2} |",
            median(&pair.ours),
            median(&pair.theirs),
        );
    }
    text
}

/// The number of rounds of each row, in words.
fn rounds(pairs: &[Pair<'_>]) -> String {
    let counts = pairs.iter().map(|pair| pair.ours.len());
    let (least, most) = (counts.clone().min(), counts.max());
    match (least.unwrap_or_default(), most.unwrap_or_default()) {
        (least, most) if least == most => format!("{least} rounds"),
        (least, most) => format!("{least} to {most} rounds"),
    }
}

/// The ratios of CPU time and of p99 for each row; nothing to plot without a second server.
pub(crate) fn plot(runs: &[Value]) -> Option<Plot> {
    let pairs = pairs(runs);
    if pairs.is_empty() {
        return None;
    }
    let names: Vec<_> = servers(runs).into_iter().map(name::title).collect();
    let names = names.join(" / ");
    let panel = |title: &str, column: &str| Panel {
        title: title.to_owned(),
        reference: Some(1.0),
        bars: pairs
            .iter()
            .map(|pair| {
                let Spread { lowest, median, highest } = pair.ratio(column);
                Bar {
                    label: pair.row.what.to_owned(),
                    value: median,
                    range: Some((lowest, highest)),
                    note: format!("{median:.2}"),
                }
            })
            .collect(),
    };
    Some(Plot {
        title: format!("{names}: below 1 the first one needs less"),
        panels: vec![panel("CPU time of a request", CPU), panel("p99 latency", P99)],
    })
}

/// The rows that both servers ran, in the table's order.
fn pairs(runs: &[Value]) -> Vec<Pair<'_>> {
    let [first, second] = servers(runs).try_into().unwrap_or_default();
    let of = |row: &Row, server: &str| -> Vec<&Value> {
        let is = |run: &&Value| text(run, "row") == row.name && text(run, "server") == server;
        runs.iter().filter(is).collect()
    };
    let pairs = ROWS.iter().map(|row| Pair { row, ours: of(row, first), theirs: of(row, second) });
    pairs.filter(|pair| !pair.ours.is_empty() && !pair.theirs.is_empty()).collect()
}

/// The names of the servers, in the order in which they ran.
fn servers(runs: &[Value]) -> Vec<&str> {
    let mut names = Vec::new();
    for name in runs.iter().map(|run| text(run, "server")) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

// === impl Pair ===

impl Pair<'_> {
    /// The ratio of the medians, with the lowest and the highest ratio of a round.
    fn ratio(&self, column: &str) -> Spread {
        let value = |run: &&Value| number(run, column);
        let median = spread(&self.ours, value).median / spread(&self.theirs, value).median;
        let rounds: Vec<_> = self.ours.iter().zip(&self.theirs).collect();
        Spread { median, ..spread(&rounds, |(our, their)| value(our) / value(their)) }
    }
}

fn cell<'a>(run: &'a Value, column: &str) -> Option<&'a Value> {
    run.get(COLUMNS.iter().position(|name| *name == column)?)
}

fn number(run: &Value, column: &str) -> f64 {
    cell(run, column).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

fn text<'a>(run: &'a Value, column: &str) -> &'a str {
    cell(run, column).and_then(Value::as_str).unwrap_or_default()
}

/// Microseconds with three digits.
fn time(us: f64) -> String {
    match us {
        ..99.95 => format!("{us:.1} us"),
        ..1e3 => format!("{us:.0} us"),
        _ => format!("{:.1} ms", us / 1e3),
    }
}
