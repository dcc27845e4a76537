//! The table and the raw runs: medians over rounds, and the ratio of the medians.

use std::{fmt::Write, io};

use serde_json::json;

use crate::{
    machine::Machine,
    measure::Run,
    measurement::Reading,
    options::Load,
    performance::rows,
    proc,
    rows::{Compared, Row},
    saved_run::{RunKind, SavedRun},
    server::Kind,
    spread::{figure, spread},
};

/// From this many cores of other processes on, a row has a warning.
const OTHERS: f64 = 0.2;

/// A server of the comparison.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    pub(crate) kind: Kind,
    /// Its name in the table.
    pub(crate) label: String,
    pub(crate) version: String,
}

/// Turns runs into text.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    contenders: &'a [Contender],
    load: &'a Load,
    machine: Machine,
}

// === impl Contender ===

impl Contender {
    /// A server under its own name.
    pub(crate) fn new(kind: Kind) -> io::Result<Self> {
        Ok(Self { kind, label: kind.to_string(), version: kind.version()? })
    }

    /// The server under test and the one it is compared with.
    pub(crate) fn list(server: Kind, versus: Option<Kind>) -> io::Result<Vec<Self>> {
        let mut contenders = vec![Self::new(server)?];
        if let Some(versus) = versus {
            let again = if versus == server { " again" } else { "" };
            contenders.push(Self { label: format!("{versus}{again}"), ..Self::new(versus)? });
        }
        Ok(contenders)
    }
}

// === impl Report ===

impl<'a> Report<'a> {
    /// A report on runs of these servers under this load.
    pub(crate) fn new(contenders: &'a [Contender], load: &'a Load) -> io::Result<Self> {
        Ok(Self { contenders, load, machine: Machine::look()? })
    }

    /// The subject of the measurement, the machine, and the names of the columns.
    pub(crate) fn heading(&self) -> String {
        let versions: Vec<_> = self.contenders.iter().map(|c| c.version.as_str()).collect();
        let machine = self.machine.line();
        let Load { rounds, warmup, window, connections, workers } = self.load;
        format!(
            "{}\n\
             rounds: {rounds}, each {window:?} after {warmup:?}; connections: {connections}; \
             workers: {workers}\n\
             {machine}\n\
             CPU: user + system of the server's process tree, from {}; memory: PSS of the tree\n\n\
             {:<24} {:<13} {:>10} {:>8} {:>19} {:>8} {:>8} {:>7} {:>6}",
            versions.join(" in turn with "),
            proc::cpu_source(),
            "row",
            "server",
            "requests/s",
            "CPU us",
            "(lowest - highest)",
            "p50 us",
            "p99 us",
            "MiB",
            "cores",
        )
    }

    /// The lines of one row: medians of each server, and the ratio when there are two.
    pub(crate) fn row(&self, row: &Row, runs: &[Run]) -> String {
        let mut text = String::new();
        let mut each = Vec::new();
        for (index, contender) in self.contenders.iter().enumerate() {
            let readings: Vec<_> =
                runs.iter().filter(|run| run.contender == index).map(|run| run.reading).collect();
            let cpu = spread(&readings, Reading::cpu_each);
            let name = if index == 0 { row.name } else { "" };
            let _ = writeln!(
                text,
                "{name:<24} {:<13} {:>10} {:>8} {:>19} {:>8.0} {:>8.0} {:>7.1} {:>6.2}",
                contender.label,
                figure(spread(&readings, Reading::rate).median, 1),
                figure(cpu.median, 2),
                cpu.range(),
                spread(&readings, |reading| reading.p50.as_secs_f64() * 1e6).median,
                spread(&readings, Reading::p99_us).median,
                spread(&readings, |reading| reading.memory_kib as f64 / 1024.0).median,
                spread(&readings, Reading::busy).median,
            );
            each.push(readings);
        }
        if let [ours, theirs] = each.as_slice() {
            text += &ratio(row, ours, theirs);
        }
        if row.is_compressed() {
            let sizes = each.iter().map(|readings| spread(readings, Reading::size_each).median);
            let sizes: Vec<String> = sizes.map(|size| format!("{size:.0}")).collect();
            let _ = writeln!(text, "  bytes of a response: {}", sizes.join(" / "));
        }
        let others = spread(runs, |run| run.reading.others()).median;
        if others > OTHERS {
            let _ = writeln!(
                text,
                "  other processes kept {others:.1} cores busy: measure again on a quiet machine"
            );
        }
        text
    }

    /// Every run with the machine and the method.
    pub(crate) fn saved(&self, runs: &[Run]) -> SavedRun {
        let label = |run: &Run| self.contenders.get(run.contender).map(|one| one.label.as_str());
        let runs: Vec<_> =
            runs.iter().map(|run| rows::saved(run, label(run).unwrap_or_default())).collect();
        let servers =
            self.contenders.iter().map(|one| json!({"name": one.label, "version": one.version}));
        SavedRun {
            kind: RunKind::Rows,
            machine: self.machine.json(),
            servers: servers.collect(),
            load: json!({
                "rounds": self.load.rounds,
                "warmup_seconds": self.load.warmup.as_secs_f64(),
                "seconds": self.load.window.as_secs_f64(),
                "connections": self.load.connections,
                "workers": self.load.workers,
                "cpu_source": proc::cpu_source(),
            }),
            columns: &rows::COLUMNS,
            plot: rows::plot(&runs).map(|plot| plot.svg()),
            runs,
        }
    }
}

/// The ratio of the medians, and in brackets the range of the ratios of the rounds.
fn ratio(row: &Row, ours: &[Reading], theirs: &[Reading]) -> String {
    let value = match row.compared() {
        Compared::Cpu => Reading::cpu_each,
        Compared::P99 => Reading::p99_us,
    };
    let ratio = spread(ours, value).median / spread(theirs, value).median;
    let pairs: Vec<_> = ours.iter().zip(theirs).collect();
    let range = spread(&pairs, |(our, their)| value(our) / value(their)).range();
    let ratio = format!("{ratio:.2}");
    // On a line below the ratio's row.
    let (name, cpu, p99) = match row.compared() {
        Compared::Cpu => ("ratio", ratio, String::new()),
        Compared::P99 => ("ratio of p99", String::new(), ratio),
    };
    let line = format!("{:<24} {name:<13} {:>10} {cpu:>8} {range:>19} {:>8} {p99:>8}", "", "", "");
    format!("{}\n", line.trim_end())
}
