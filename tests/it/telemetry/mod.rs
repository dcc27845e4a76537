//! Readers of the metrics: Prometheus itself, and the dashboard and alerts of config/deploy.

mod names;
mod promtool;
mod usage;

pub(crate) use self::{names::faults, promtool::promtool};
