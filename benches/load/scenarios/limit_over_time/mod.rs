//! Three scenarios about the limit that Sideman finds by itself, beside the right number: views of 5 ms and of 5 s
//! mixed, an application that becomes 10 times as slow for a while, and one with a single worker. Asked: the limit does
//! not oscillate, and no view starves.
//!
//! `cases` is the table, `judgement` the arithmetic of the result, `plot` shows it over time.

mod cases;
mod judgement;
mod plot;

use std::{
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

pub(crate) use self::plot::plot;
use self::{
    cases::Case,
    judgement::{LimitRange, longest_gap, starves},
};
pub(super) use self::{cases::SCENARIOS, judgement::self_check};
use super::{
    app_process::{Address, AppProcess},
    figures::{Figures, figure},
    limit_log::LimitLog,
    overload::{Overload, Pair},
    pace::{Done, Outcome},
    plan::{Connections, Scenario, Target},
};
use crate::{server::Kind, site::Site};

/// The length of the load.
pub(super) const LENGTH: Duration = Duration::from_secs(30);
/// Responses are not counted in this part of the time, at most: a limit is found meanwhile.
const LEAD: Duration = Duration::from_secs(2);
/// The time in which responses are counted together.
const SECOND: Duration = Duration::from_secs(1);

/// The table's head; it and the lines are Markdown.
pub(super) const HEADING: &str = "\
| scenario    | application       | limit | good/s | of capacity | 503  | failed | gave up | p50 ms | p99 ms | lowest, highest | found by   | below half | longest gap | oscillates | starves |
|-------------|-------------------|-------|-------:|------------:|-----:|-------:|--------:|-------:|-------:|-----------------|------------|-----------:|------------:|------------|---------|";

/// The result of a run.
#[derive(Debug)]
struct CaseRun {
    case: Case,
    is_auto: bool,
    figures: Figures,
    log: LimitLog,
    range: LimitRange,
    /// The longest time without a response of the fast view.
    gap: Duration,
    /// Useful responses in each second.
    good: Vec<u32>,
}

/// Runs the cases of these scenarios and prints a line for each run. Returns scenario, limit and result of each.
pub(super) fn compare(
    overload: &Overload<'_>,
    scenarios: &[String],
    applications: &[String],
) -> io::Result<Vec<(&'static str, &'static str, Value)>> {
    let mut all = Vec::new();
    for case in cases::select(scenarios, applications) {
        let mut with_number = None;
        for is_auto in [false, true] {
            let run = run(overload, case, is_auto, overload.length).map_err(|error| {
                let what = format!("{} before {}: {error}", case.scenario, case.server.name);
                io::Error::new(error.kind(), what)
            })?;
            println!("{}", run.line(with_number));
            if !run.figures.reasons().is_empty() {
                eprintln!("  {}, failed: {}", case.server.name, run.figures.reasons());
            }
            all.push((case.scenario, if is_auto { "auto" } else { "number" }, run.json()));
            with_number = Some(run.gap);
        }
    }
    Ok(all)
}

/// Short runs before gunicorn: there must be good responses, readings, and a plot.
pub(super) fn smoke(python: &Path, site: &Site) -> io::Result<()> {
    self_check().map_err(io::Error::other)?;
    let overload = Overload { python, site, length: Duration::from_secs(2), workers: 1 };
    let mut runs = Vec::new();
    for case in
        cases::select(&SCENARIOS.map(|(name, _)| name.to_owned()), &["gunicorn_sync".into()])
    {
        let case = Case { patience: SECOND, ..case };
        let run = run(&overload, case, true, overload.length)?;
        if !run.figures.any_good() || run.log.readings.is_empty() {
            return Err(io::Error::other(format!("no response or no reading: {}", run.line(None))));
        }
        runs.push(json!({"scenario": case.scenario, "server": "auto", "figures": run.json()}));
    }
    match plot(&runs) {
        Some(plot) if plot.rows.len() == runs.len() => Ok(()),
        plot => Err(io::Error::other(format!("a plot of {} runs: {plot:?}", runs.len()))),
    }
}

fn run(
    overload: &Overload<'_>,
    case: Case,
    is_auto: bool,
    length: Duration,
) -> io::Result<CaseRun> {
    let scenario = Scenario {
        name: case.scenario,
        what: "",
        workers: &[],
        rate: (case.capacity() * case.overload) as u32,
        length,
        lead: LEAD.min(length / 4),
        patience: case.patience,
        connections: Connections::New,
        slow: 0,
        fault: None,
        slow_every: case.slow_every,
        is_cached: false,
        target: Target::NoFailure,
    };
    let pair = Pair { server: &case.server, address: Address::Tcp, kind: Kind::Sideman, is_auto };
    let (mut done, log) = overload.run(&pair, &scenario, |process, began| {
        if case.slows_down {
            slow_down(process, began, length);
        }
    })?;
    done.sort_by_key(|done| done.at);
    let useful = || done.iter().filter(|done| done.outcome == Outcome::Useful);
    let fast: Vec<_> = useful().filter(|done| !done.is_slow).map(|done| done.at).collect();
    Ok(CaseRun {
        case,
        is_auto,
        figures: Figures::of(&scenario, &done),
        range: LimitRange::of(&log.readings, f64::from(case.server.workers)),
        gap: longest_gap(&fast, scenario.lead, length),
        good: per_second(useful(), length),
        log,
    })
}

/// Makes the application 10 times as slow in the second third of the time.
fn slow_down(process: &AppProcess, began: Instant, length: Duration) {
    let until = |third: u32| {
        thread::sleep((began + length / 3 * third).saturating_duration_since(Instant::now()));
    };
    until(1);
    match process.slow_down() {
        Ok(_slow) => until(2),
        Err(error) => eprintln!("load: the application is not slowed down: {error}"),
    }
}

fn per_second<'a>(useful: impl Iterator<Item = &'a Done>, length: Duration) -> Vec<u32> {
    let mut good = vec![0; length.as_secs() as usize];
    for done in useful {
        if let Some(count) = good.get_mut(done.at.as_secs() as usize) {
            *count += 1;
        }
    }
    good
}

// === impl CaseRun ===

impl CaseRun {
    /// A line of the table. `with_number` is the longest gap of the run with the number.
    fn line(&self, with_number: Option<Duration>) -> String {
        let Self { case, figures, range, log, .. } = self;
        let limit = if self.is_auto { "auto".to_owned() } else { case.server.workers.to_string() };
        let is_compared = with_number.filter(|_| self.is_auto);
        let verdict = |is: bool| if is { "yes" } else { "no" };
        let starves = is_compared.map_or("-", |with| verdict(starves(self.gap, with)));
        format!(
            "| {:<11} | {:<17} | {limit:<5} | {} | {:<15} | {:<10} | {:>10} | {:>9.2} s | {:<10} | {starves:<7} |",
            case.scenario,
            case.server.name,
            figures.under_overload(case.capacity()),
            format!("{}, {}", figure(range.lowest), figure(range.highest)),
            log.source,
            range.falls,
            self.gap.as_secs_f64(),
            if self.is_auto { verdict(range.falls > 0) } else { "-" },
        )
    }

    fn json(&self) -> Value {
        let readings = self.log.readings.iter().map(|reading| {
            json!([reading.at.as_secs_f64(), reading.limit, reading.in_flight, reading.queued])
        });
        json!({
            "application": self.case.server.name,
            "number": self.case.server.workers,
            "capacity": self.case.capacity(),
            "load": self.figures.json(),
            "found_by": self.log.source,
            "lowest": self.range.lowest,
            "highest": self.range.highest,
            "falls_below_half": self.range.falls,
            "longest_gap_s": self.gap.as_secs_f64(),
            "good": self.good,
            "readings": readings.collect::<Value>(),
        })
    }
}
