//! What became of the requests for one page, or of all.

use std::{collections::BTreeMap, time::Duration};

use super::{
    connection::Response,
    failure::{Failure, FailureKind},
    histogram::Histogram,
};

/// Counters of one page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) responses: u64,
    pub(crate) latencies: Histogram,
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Bytes of bodies, as they were sent.
    pub(crate) received: u64,
    /// How many of each kind, and the first one in detail.
    pub(crate) failures: BTreeMap<FailureKind, (u64, String)>,
}

// === impl Tally ===

impl Tally {
    /// Counts a complete response.
    pub(crate) fn response(&mut self, response: &Response, latency: Duration) {
        self.responses += 1;
        self.latencies.record(latency);
        *self.statuses.entry(response.head.status).or_default() += 1;
        self.received += response.received;
    }

    /// Counts a request without one. If it waited until its end, the time it had waited counts too: percentiles
    /// without the slowest requests would be too good.
    pub(crate) fn failure(&mut self, failure: Failure, waited: Duration) {
        if Self::is_censored(failure.kind) {
            self.latencies.record(waited);
        }
        self.failures.entry(failure.kind).or_insert((0, failure.detail)).0 += 1;
    }

    /// Adds the counts of another page.
    pub(crate) fn add(&mut self, other: &Self) {
        self.responses += other.responses;
        self.latencies.add(&other.latencies);
        self.received += other.received;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (kind, (count, detail)) in &other.failures {
            self.failures.entry(*kind).or_insert((0, detail.clone())).0 += count;
        }
    }

    /// Requests whose latency is at least what was counted.
    pub(crate) fn censored(&self) -> u64 {
        let censored = self.failures.iter().filter(|(kind, _)| Self::is_censored(**kind));
        censored.map(|(_, (count, _))| count).sum()
    }

    /// Requests without a complete response.
    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().map(|(count, _)| count).sum()
    }

    fn is_censored(kind: FailureKind) -> bool {
        matches!(kind, FailureKind::TimedOut | FailureKind::NotSent)
    }
}
