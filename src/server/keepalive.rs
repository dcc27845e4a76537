//! Asks a client of HTTP/2 that is silent while it has requests whether it is still there (RFC 9113, 6.7).

use std::{
    task::Context,
    time::{Duration, Instant},
};

use h2::{Ping, PingPong};

/// How long a silent client is believed to be there before it is asked.
const PING: Duration = Duration::from_secs(30);
/// How long it may take to say anything then.
const PONG: Duration = Duration::from_secs(20);

/// What is known of a client's silence.
pub(super) struct PingKeepalive {
    pings: Option<PingPong>,
    /// Reads that gave something, when it was looked at last.
    reads: u64,
    /// When it was heard, as far as that was looked at.
    heard: Instant,
    asked: Option<Instant>,
}

// === impl PingKeepalive ===

impl PingKeepalive {
    pub(super) fn new(pings: Option<PingPong>) -> Self {
        Self { pings, reads: 0, heard: Instant::now(), asked: None }
    }

    /// To be called about once a second while requests run; whether the client is gone.
    pub(super) fn is_unresponsive(&mut self, reads: u64, cx: &mut Context<'_>) -> bool {
        let Some(pings) = &mut self.pings else { return false };
        let now = Instant::now();
        if reads != self.reads {
            (self.reads, self.heard) = (reads, now);
            if self.asked.is_some() && pings.poll_pong(cx).is_ready() {
                self.asked = None;
            }
            return false;
        }
        match self.asked {
            // The answer may be on its way behind other things.
            Some(asked) => now.saturating_duration_since(asked.max(self.heard)) >= PONG,
            None if now.saturating_duration_since(self.heard) < PING => false,
            None => {
                self.asked = pings.send_ping(Ping::opaque()).is_ok().then_some(now);
                false
            }
        }
    }
}
