//! Settings that limit the values of metrics, exported beside them. Dashboards and alerts use them to show how full
//! something is. A reload replaces them.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU8, Ordering},
};

use super::labels::LimitSource;
use crate::plan::Plan;

/// The current limits, by the settings' names.
#[derive(Debug, Default)]
pub struct LimitGauges(Mutex<Vec<(&'static str, u64)>>);

/// Where the `upstream.max_in_flight` in force comes from.
#[derive(Debug, Default)]
pub struct LimitSourceGauge(AtomicU8);

// === impl LimitSourceGauge ===

impl LimitSourceGauge {
    pub fn set(&self, source: LimitSource) {
        self.0.store(source as u8, Ordering::Relaxed);
    }

    pub fn get(&self) -> LimitSource {
        let index = usize::from(self.0.load(Ordering::Relaxed));
        LimitSource::ALL.get(index).copied().unwrap_or(LimitSource::Set)
    }
}

// === impl LimitGauges ===

impl LimitGauges {
    /// Replaces the limits.
    pub fn set(&self, limits: Vec<(&'static str, u64)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// Returns the limit with this name.
    pub fn find(&self, name: &str) -> Option<u64> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|(known, _)| *known == name).map(|(_, limit)| *limit)
    }

    /// Returns each limit with its name.
    pub fn get(&self) -> Vec<(&'static str, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Returns the limits of a plan. `connections` is the effective value of `server.max_connections`.
pub fn of(plan: &Plan, connections: usize) -> Vec<(&'static str, u64)> {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let admission = plan.upstream.admission;
    let mut limits = vec![
        ("server.max_connections", count(connections)),
        ("upstream.max_in_flight", count(admission.max_in_flight)),
        ("upstream.queue", count(admission.queue)),
        ("memory.limit", plan.memory.limit.unwrap_or(u64::MAX)),
        ("buffers.memory", plan.buffers.memory),
        ("buffers.disk", plan.buffers.disk),
        ("cache.memory", plan.cache.memory),
        ("cache.disk", plan.cache.disk),
        ("static.memory", plan.files.memory),
        ("static.entries", count(plan.files.entries)),
        ("media.memory", plan.media.memory),
        ("media.entries", count(plan.media.entries)),
    ];
    limits.extend(
        plan.traces
            .settings()
            .map(|traces| ("OTEL_BSP_MAX_QUEUE_SIZE", count(traces.batches.max_queue))),
    );
    limits.extend(plan.tls.as_ref().map(|tls| ("tls.handshakes", count(tls.handshakes))));
    limits
}
