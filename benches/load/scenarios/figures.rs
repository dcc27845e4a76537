//! Results of one run of a scenario, and of several runs together, as lines of a table.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{
    pace::{Done, Outcome},
    plan::{Scenario, Target},
};

/// The table's head; it and the lines are Markdown.
pub(crate) const HEADING: &str = "\
| scenario    | server        | requests | good/s | 503  | failed | gave up | p50 ms | p99 ms | longest ms | target                      |
|-------------|---------------|---------:|-------:|-----:|-------:|--------:|-------:|-------:|-----------:|-----------------------------|";

/// One run, or several together: the median of each rate and time, the sum of failures, the longest
/// of all times.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// Requests that ended in the counted time.
    pub(super) requests: u64,
    /// Successful responses per second of the counted time.
    pub(super) good: f64,
    pub(super) refused: u64,
    pub(super) failed: u64,
    pub(super) gave_up: u64,
    /// Latency of the successful responses; NaN if there was none.
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    longest_ms: f64,
    /// The failures by kind, in words.
    reasons: BTreeMap<String, u64>,
}

// === impl Figures ===

impl Figures {
    /// The figures of one run.
    pub(crate) fn of(scenario: &Scenario, all: &[Done]) -> Self {
        let counted: Vec<_> = all
            .iter()
            .filter(|done| {
                scenario.lead.is_zero() || (scenario.lead..scenario.length).contains(&done.at)
            })
            .collect();
        let seconds = (scenario.length - scenario.lead).as_secs_f64();
        let count = |is: fn(&Outcome) -> bool| {
            counted.iter().filter(|done| is(&done.outcome)).count() as u64
        };
        let mut times: Vec<_> = counted
            .iter()
            .filter(|done| done.outcome == Outcome::Useful)
            .map(|done| ms(done.took))
            .collect();
        times.sort_by(f64::total_cmp);
        let mut reasons = BTreeMap::new();
        for done in &counted {
            if let Outcome::Failed(reason) = &done.outcome {
                *reasons.entry(reason.clone()).or_insert(0) += 1;
            }
        }
        Self {
            requests: counted.len() as u64,
            good: times.len() as f64 / seconds,
            refused: count(|outcome| *outcome == Outcome::Refused),
            failed: count(|outcome| matches!(outcome, Outcome::Failed(_))),
            gave_up: count(|outcome| *outcome == Outcome::GaveUp),
            p50_ms: quantile(&times, 0.50),
            p99_ms: quantile(&times, 0.99),
            longest_ms: times.last().copied().unwrap_or(f64::NAN),
            reasons,
        }
    }

    /// The figures of several runs of the same scenario.
    pub(crate) fn together(runs: &[&Self]) -> Self {
        let median = |value: fn(&Self) -> f64| {
            let mut values: Vec<_> = runs.iter().map(|run| value(run)).collect();
            values.sort_by(f64::total_cmp);
            quantile(&values, 0.50)
        };
        let sum = |value: fn(&Self) -> u64| runs.iter().map(|run| value(run)).sum();
        let mut reasons = BTreeMap::new();
        for (reason, count) in runs.iter().flat_map(|run| &run.reasons) {
            *reasons.entry(reason.clone()).or_insert(0) += count;
        }
        Self {
            requests: sum(|run| run.requests),
            good: median(|run| run.good),
            refused: sum(|run| run.refused),
            failed: sum(|run| run.failed),
            gave_up: sum(|run| run.gave_up),
            p50_ms: median(|run| run.p50_ms),
            p99_ms: median(|run| run.p99_ms),
            longest_ms: runs.iter().map(|run| run.longest_ms).fold(f64::NAN, f64::max),
            reasons,
        }
    }

    /// Whether there was a successful response at all.
    pub(crate) fn any_good(&self) -> bool {
        self.good > 0.0
    }

    /// Requests without a successful response.
    pub(crate) fn lost(&self) -> u64 {
        self.refused + self.failed + self.gave_up
    }

    /// A line of the table.
    pub(crate) fn line(&self, scenario: &Scenario, server: &str) -> String {
        format!(
            "| {:<11} | {:<13} | {:>8} | {:>6.1} | {:>4} | {:>6} | {:>7} | {:>6} | {:>6} | {:>10} | {:<27} |",
            scenario.name,
            server,
            self.requests,
            self.good,
            self.refused,
            self.failed,
            self.gave_up,
            figure(self.p50_ms),
            figure(self.p99_ms),
            figure(self.longest_ms),
            self.verdict(scenario.target),
        )
    }

    /// Cells of a table: useful responses per second, also relative to what the application can handle, and the rest.
    pub(super) fn under_overload(&self, capacity: f64) -> String {
        format!(
            "{:>6.1} | {:>9.0} % | {:>4} | {:>6} | {:>7} | {:>6} | {:>6}",
            self.good,
            self.good / capacity * 100.0,
            self.refused,
            self.failed,
            self.gave_up,
            figure(self.p50_ms),
            figure(self.p99_ms),
        )
    }

    /// The failures, most frequent first, for people.
    pub(crate) fn reasons(&self) -> String {
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let reasons: Vec<_> =
            reasons.iter().take(4).map(|(reason, count)| format!("{count} x {reason}")).collect();
        reasons.join("; ")
    }

    /// All figures, for programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "requests": self.requests,
            "good_per_second": self.good,
            "status_503": self.refused,
            "failed": self.failed,
            "gave_up": self.gave_up,
            "p50_ms": self.p50_ms,
            "p99_ms": self.p99_ms,
            "longest_ms": self.longest_ms,
            "reasons": self.reasons,
        })
    }

    fn verdict(&self, target: Target) -> String {
        let none_lost = self.lost() == 0;
        let (met, what) = match target {
            Target::P99 { ms } => (none_lost && self.p99_ms <= ms, format!("p99 <= {ms}")),
            Target::Useful { least, p50_ms } => (
                self.good >= least && self.p50_ms <= p50_ms,
                format!(">= {least}/s, p50 <= {p50_ms}"),
            ),
            Target::NoFailure => (none_lost, "none lost".to_owned()),
        };
        format!("{what}: {}", if met { "met" } else { "no" })
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The value at quantile `part` of the sorted values.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}

pub(super) fn figure(value: f64) -> String {
    if value.is_nan() { "-".into() } else { format!("{value:.0}") }
}
