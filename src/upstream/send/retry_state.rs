//! Counts the attempts for one request and limits the retries.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::upstream::permit::RequestPermit;

/// The most retries of a request that the application may have seen.
const MAX_RETRIES: u32 = 2;
/// A server that stops closes its connections shortly before it stops accepting new ones.
pub(super) const FIRST_RETRY_BACKOFF: Duration = Duration::from_millis(20);
/// The pauses before each check whether the server still accepts connections. It does so until its last process has
/// ended, which takes longer on a busy machine.
pub(super) const RETRY_BACKOFF: [Duration; 4] = [
    FIRST_RETRY_BACKOFF,
    Duration::from_millis(40),
    Duration::from_millis(80),
    Duration::from_millis(160),
];

/// The attempts for a request so far.
pub(super) struct RetryState {
    pub(super) since: Instant,
    /// Whether there was no attempt yet.
    pub(super) is_first: bool,
    pub(super) refusals: usize,
    retries: u32,
    /// The number of connections that were reset before the request was read.
    resets: usize,
    /// The permit that is kept for the next attempt.
    pub(super) kept: Option<RequestPermit>,
}

// === impl RetryState ===

impl RetryState {
    pub(super) fn begin(since: Instant) -> Self {
        Self { since, is_first: true, refusals: 0, retries: 0, resets: 0, kept: None }
    }

    /// Whether an idle connection may be tried: only if no earlier attempt met a closed one.
    pub(super) fn may_reuse(&self) -> bool {
        self.retries == 0 && self.resets == 0
    }

    /// Counts a retry of a request that the application may have seen. Returns whether it is allowed.
    pub(super) fn count(&mut self) -> bool {
        self.retries += 1;
        self.retries <= MAX_RETRIES
    }

    /// Waits a short time for a server process that stops, and has accepted connections without reading them. Returns
    /// `false` after too many resets.
    pub(super) async fn wait_for_reset_server(&mut self) -> bool {
        let Some(&pause) = RETRY_BACKOFF.get(self.resets) else { return false };
        self.resets += 1;
        sleep(pause).await;
        true
    }
}
