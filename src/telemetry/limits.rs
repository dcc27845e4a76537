//! The settings that bound what metrics count, beside the counts: for dashboards and alerts that ask how
//! full something is. Others take their place at a reload.

use std::sync::{Mutex, PoisonError};

use crate::plan::Plan;

/// What is in force now, by the settings' names.
#[derive(Debug, Default)]
pub struct LimitGauges(Mutex<Vec<(&'static str, u64)>>);

// === impl LimitGauges ===

impl LimitGauges {
    /// These are in force from now on.
    pub fn set(&self, limits: Vec<(&'static str, u64)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// The one with this name.
    pub fn find(&self, name: &str) -> Option<u64> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|(known, _)| *known == name).map(|(_, limit)| *limit)
    }

    /// Each with its name.
    pub fn get(&self) -> Vec<(&'static str, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Those of a plan. `connections` is what `server.max_connections` comes to.
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
        ("static.memory", plan.files.memory),
        ("static.entries", count(plan.files.entries)),
        ("media.memory", plan.media.memory),
        ("media.entries", count(plan.media.entries)),
    ];
    limits.extend(plan.tls.as_ref().map(|tls| ("tls.handshakes", count(tls.handshakes))));
    limits
}
