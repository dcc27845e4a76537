//! The size of the scenario, in its own file because `mod.rs` and its parts both need it.

use std::time::Duration;

/// The size of the scenario.
#[derive(Clone, Copy, Debug)]
pub(in crate::scenarios) struct Extent {
    pub(in crate::scenarios) length: Duration,
    pub(in crate::scenarios) reloads: u32,
    pub(in crate::scenarios) workers: u32,
}
