//! Sends a PING to an HTTP/2 client that is silent while it has requests, to find out whether it is still there (RFC
//! 9113, 6.7).

use std::{
    task::Context,
    time::{Duration, Instant},
};

use h2::{Ping, PingPong};

/// How long a client may be silent before a PING is sent.
const PING_AFTER: Duration = Duration::from_secs(30);
/// How long it may take to send anything after that.
const PONG_TIMEOUT: Duration = Duration::from_secs(20);

/// The state of a client's silence.
pub(super) struct PingKeepalive {
    pings: Option<PingPong>,
    /// The number of reads with data at the last check.
    reads: u64,
    /// When the client was last heard, as far as the checks have seen.
    last_read: Instant,
    ping_sent: Option<Instant>,
}

// === impl PingKeepalive ===

impl PingKeepalive {
    pub(super) fn new(pings: Option<PingPong>) -> Self {
        Self { pings, reads: 0, last_read: Instant::now(), ping_sent: None }
    }

    /// Checks the client. Call it about once a second while requests run. Returns whether the client is gone.
    pub(super) fn is_unresponsive(&mut self, reads: u64, cx: &mut Context<'_>) -> bool {
        let Some(pings) = &mut self.pings else { return false };
        let now = Instant::now();
        if reads != self.reads {
            (self.reads, self.last_read) = (reads, now);
            if self.ping_sent.is_some() && pings.poll_pong(cx).is_ready() {
                self.ping_sent = None;
            }
            return false;
        }
        match self.ping_sent {
            // The response to the PING may be queued behind other frames.
            Some(ping_sent) => {
                now.saturating_duration_since(ping_sent.max(self.last_read)) >= PONG_TIMEOUT
            }
            None if now.saturating_duration_since(self.last_read) < PING_AFTER => false,
            None => {
                self.ping_sent = pings.send_ping(Ping::opaque()).is_ok().then_some(now);
                false
            }
        }
    }
}
