//! What was tried for one request, and how often more may be.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::upstream::permit::RequestPermit;

/// A request that the application may have seen is sent again at most so often.
const RETRIES: u32 = 2;
/// A server that dies closes its connections a moment before it stops to accept new ones.
pub(super) const FIRST_RETRY_BACKOFF: Duration = Duration::from_millis(20);
/// The moment takes until the last of its processes was ended, which a busy machine gets to late:
/// pauses before each look.
pub(super) const RETRY_BACKOFF: [Duration; 4] = [
    FIRST_RETRY_BACKOFF,
    Duration::from_millis(40),
    Duration::from_millis(80),
    Duration::from_millis(160),
];

/// What was tried for a request so far.
pub(super) struct RetryState {
    pub(super) since: Instant,
    /// Whether nothing was.
    pub(super) is_first: bool,
    pub(super) refusals: usize,
    retries: u32,
    /// Connections that were reset before anybody had read it.
    resets: usize,
    /// The place that it keeps for the next time.
    pub(super) kept: Option<RequestPermit>,
}

// === impl RetryState ===

impl RetryState {
    pub(super) fn begin(since: Instant) -> Self {
        Self { since, is_first: true, refusals: 0, retries: 0, resets: 0, kept: None }
    }

    /// Whether a kept connection may be tried: one was closed already if not.
    pub(super) fn may_reuse(&self) -> bool {
        self.retries == 0 && self.resets == 0
    }

    /// Whether a request that the application may have seen can be sent again.
    pub(super) fn count(&mut self) -> bool {
        self.retries += 1;
        self.retries <= RETRIES
    }

    /// Waits a moment for a worker that leaves with connections which it has accepted and not read, and for
    /// the next such. `false` when they are no end.
    pub(super) async fn wait_for_reset_server(&mut self) -> bool {
        let Some(&pause) = RETRY_BACKOFF.get(self.resets) else { return false };
        self.resets += 1;
        sleep(pause).await;
        true
    }
}
