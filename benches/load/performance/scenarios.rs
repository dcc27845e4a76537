//! The table of the saved runs of scenarios.

use std::fmt::Write as _;

use serde_json::Value;

use super::name;
use crate::{
    scenarios::{
        OTHERS,
        plan::{SCENARIOS, Target},
    },
    spread::spread,
};

/// The content of a cell.
#[derive(Clone, Copy)]
enum Cell {
    /// With the format of the scenario.
    Gunicorn(Target),
    /// All kinds of clients together.
    Mixed,
    /// The load beside slow connections, and alone.
    Slowloris,
}

/// A line for each scenario, a column for each server.
pub(super) fn table(runs: &[Value], servers: &[&str]) -> String {
    let mut text = String::from("| what happens |");
    for server in servers {
        let _ = write!(text, " {} |", name::title(server));
    }
    text += &format!("\n|---|{}\n", "---|".repeat(servers.len()));
    let gunicorn = SCENARIOS.iter().map(|one| (one.name, one.what, Cell::Gunicorn(one.target)));
    // Those about limits have tables of their own.
    let others = OTHERS.iter().filter_map(|(name, what)| match *name {
        "mixed" => Some((*name, *what, Cell::Mixed)),
        "slowloris" => Some((*name, *what, Cell::Slowloris)),
        _ => None,
    });
    for (scenario, what, cell) in gunicorn.chain(others) {
        let of = |server: &str| -> Vec<&Value> {
            let is = |run: &&Value| {
                let named = |name: &str| run.get(name).and_then(Value::as_str);
                named("scenario") == Some(scenario) && named("server") == Some(server)
            };
            runs.iter().filter(is).collect()
        };
        if servers.iter().all(|server| of(server).is_empty()) {
            continue;
        }
        let _ = write!(text, "| {what} |");
        for server in servers {
            let runs = of(server);
            let said = match cell {
                _ if runs.is_empty() => String::new(),
                Cell::Gunicorn(target) => noticed(&runs, target),
                Cell::Mixed => mixed(&runs),
                Cell::Slowloris => slowloris(&runs),
            };
            let _ = write!(text, " {said} |");
        }
        text += "\n";
    }
    text
}

/// Failures of all kinds of clients.
fn mixed(runs: &[&Value]) -> String {
    let kinds = |run: &Value| run.pointer("/figures/kinds").and_then(Value::as_object).cloned();
    let kinds: Vec<_> = runs.iter().filter_map(|run| kinds(run)).flatten().collect();
    let sum =
        |name: &str| -> u64 { kinds.iter().filter_map(|(_, kind)| kind.get(name)?.as_u64()).sum() };
    format!("{} of {} failed", sum("failed"), sum("requests"))
}

/// The p99 with the slow connections and without, and the memory.
fn slowloris(runs: &[&Value]) -> String {
    let median = |path: &str| {
        spread(runs, |run| run.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN)).median
    };
    format!(
        "p99 {:.1} ms ({:.1} without them), {:.0} MiB",
        median("/figures/beside/p99_ms"),
        median("/figures/alone/p99_ms"),
        median("/figures/memory_peak_kib") / 1024.0
    )
}

/// Effects on requests: medians of the rounds, and all failures.
fn noticed(runs: &[&Value], target: Target) -> String {
    let number = |run: &Value, name: &str| {
        let figure = run.get("figures").and_then(|figures| figures.get(name));
        figure.and_then(Value::as_f64).unwrap_or(f64::NAN)
    };
    let sum = |name: &str| runs.iter().map(|run| number(run, name)).sum::<f64>();
    let median = |name: &str| spread(runs, |run| number(run, name)).median;
    let requests = sum("requests");
    let failed = sum("status_503") + sum("failed") + sum("gave_up");
    match target {
        Target::P99 { .. } | Target::Useful { .. } if median("good_per_second") == 0.0 => {
            "none served".to_owned()
        }
        Target::P99 { .. } if failed > 0.0 => {
            format!("p99 {:.0} ms, {failed} of {requests} failed", median("p99_ms"))
        }
        Target::P99 { .. } => format!("p99 {:.0} ms", median("p99_ms")),
        Target::Useful { .. } => {
            format!("{:.0}/s, p50 {:.0} ms", median("good_per_second"), median("p50_ms"))
        }
        Target::NoFailure => format!("{failed} of {requests} failed"),
    }
}
