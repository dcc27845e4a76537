//! The table that is made of the saved runs of scenarios.

use std::fmt::Write as _;

use serde_json::Value;

use super::name;
use crate::{
    scenarios::plan::{SCENARIOS, Target},
    spread::spread,
};

/// A line for each scenario, a column for each server.
pub(super) fn table(runs: &[Value], servers: &[&str]) -> String {
    let mut text = String::from("| what happens |");
    for server in servers {
        let _ = write!(text, " {} |", name::title(server));
    }
    text += &format!("\n|---|{}\n", "---|".repeat(servers.len()));
    for scenario in SCENARIOS {
        let of = |server: &str| -> Vec<&Value> {
            let is = |run: &&Value| {
                let named = |name: &str| run.get(name).and_then(Value::as_str);
                named("scenario") == Some(scenario.name) && named("server") == Some(server)
            };
            runs.iter().filter(is).collect()
        };
        if servers.iter().all(|server| of(server).is_empty()) {
            continue;
        }
        let _ = write!(text, "| {} |", scenario.what);
        for server in servers {
            let _ = write!(text, " {} |", cell(&of(server), scenario.target));
        }
        text += "\n";
    }
    text
}

/// What requests noticed: medians of the rounds, and all that failed.
fn cell(runs: &[&Value], target: Target) -> String {
    if runs.is_empty() {
        return String::new();
    }
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
