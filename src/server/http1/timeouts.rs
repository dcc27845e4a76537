//! The timeouts of an HTTP/1.1 client: idle, for a head, and for reading a response.

use std::time::Duration;

use crate::{plan, server::jitter::jittered};

/// The timeouts of one connection, fixed when the connection begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Http1Timeouts {
    pub(super) idle: Duration,
    pub(super) header: Duration,
    /// The time until the first request begins, if shorter than the idle timeout. Only a client that has sent a request
    /// may be idle for long.
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
