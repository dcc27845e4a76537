//! Counters of the requests of each kind in `mixed`, and their results.

use std::{cell::RefCell, collections::BTreeMap, io, time::Duration};

use serde_json::{Value, json};

/// The number of reasons shown for each kind.
const REASONS: usize = 3;

/// The counters of all clients.
#[derive(Debug, Default)]
pub(super) struct Tally {
    kinds: RefCell<BTreeMap<&'static str, Kind>>,
}

#[derive(Debug, Default)]
struct Kind {
    requests: u64,
    failed: u64,
    longest: Duration,
    reasons: BTreeMap<String, u64>,
}

// === impl Tally ===

impl Tally {
    /// A kind that must have had requests.
    pub(super) fn expect(&self, kind: &'static str) {
        self.kinds.borrow_mut().entry(kind).or_default();
    }

    /// Counts a request that has ended.
    pub(super) fn count(&self, kind: &'static str, outcome: &io::Result<()>, took: Duration) {
        let mut kinds = self.kinds.borrow_mut();
        let counted = kinds.entry(kind).or_default();
        counted.requests += 1;
        counted.longest = counted.longest.max(took);
        if let Err(error) = outcome {
            counted.failed += 1;
            *counted.reasons.entry(error.to_string()).or_default() += 1;
        }
    }

    /// Requests that failed, of all kinds.
    pub(super) fn failed(&self) -> u64 {
        self.kinds.borrow().values().map(|kind| kind.failed).sum()
    }

    /// A kind that had no request at all, or none that succeeded.
    pub(super) fn silent(&self) -> Option<&'static str> {
        let kinds = self.kinds.borrow();
        kinds.iter().find(|(_, kind)| kind.requests == kind.failed).map(|(name, _)| *name)
    }

    /// A Markdown table.
    pub(super) fn table(&self) -> String {
        let mut text = String::from(
            "| kind           | requests | failed | longest ms |\n\
             |----------------|---------:|-------:|-----------:|\n",
        );
        for (name, kind) in &*self.kinds.borrow() {
            let longest = kind.longest.as_secs_f64() * 1e3;
            text += &format!(
                "| {name:<14} | {:>8} | {:>6} | {longest:>10.0} |\n",
                kind.requests, kind.failed
            );
        }
        text
    }

    /// The reasons of failures, a line for each kind that has some.
    pub(super) fn reasons(&self) -> Vec<String> {
        let kinds = self.kinds.borrow();
        let failed = kinds.iter().filter(|(_, kind)| kind.failed > 0);
        failed
            .map(|(name, kind)| {
                let mut reasons: Vec<_> = kind.reasons.iter().collect();
                reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
                let reasons: Vec<_> = reasons
                    .iter()
                    .take(REASONS)
                    .map(|(reason, count)| format!("{count} x {reason}"))
                    .collect();
                format!("{name}: {}", reasons.join("; "))
            })
            .collect()
    }

    /// All figures, for programs.
    pub(super) fn json(&self) -> Value {
        let kinds = self.kinds.borrow();
        kinds
            .iter()
            .map(|(name, kind)| {
                let kind = json!({
                    "requests": kind.requests,
                    "failed": kind.failed,
                    "longest_ms": kind.longest.as_secs_f64() * 1e3,
                    "reasons": kind.reasons,
                });
                ((*name).to_owned(), kind)
            })
            .collect()
    }
}
