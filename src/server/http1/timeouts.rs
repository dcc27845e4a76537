//! How long a client of HTTP/1.1 may idle, take for a head, and take nothing of a response.

use std::time::Duration;

use crate::{plan, server::jitter::jittered};

/// The times of one connection, as they were set when it began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Http1Timeouts {
    pub(super) idle: Duration,
    pub(super) header: Duration,
    /// How long it may take to begin the first request, if that is shorter than idling: only a client that has asked
    /// something may be silent for long.
    pub(super) first: Option<Duration>,
    pub(super) write: Duration,
}

// === impl Http1Timeouts ===

impl Http1Timeouts {
    pub(super) fn new(plan: &plan::ServerSettings) -> Self {
        Self {
            idle: jittered(plan.idle_timeout),
            header: plan.header_timeout,
            first: Some(plan.header_timeout).filter(|header| *header < plan.idle_timeout),
            write: plan.write_timeout,
        }
    }
}
