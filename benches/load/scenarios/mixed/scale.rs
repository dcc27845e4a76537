//! How much there is of the scenario: `mod.rs` and its parts both ask for it.

use std::time::Duration;

/// How much of it there is.
#[derive(Clone, Copy, Debug)]
pub(in crate::scenarios) struct Extent {
    pub(in crate::scenarios) length: Duration,
    pub(in crate::scenarios) reloads: u32,
    pub(in crate::scenarios) workers: u32,
}
