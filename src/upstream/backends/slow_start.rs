//! Slow start: a server that returns gets a tenth of the requests that it would get, and more every moment, until it
//! has filled its caches. While no other server has its whole share, nobody's share is limited.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::sleep;

use super::{server::UpstreamServer, share::SHARE_STEPS, state::Backends};

// === impl Backends ===

impl Backends {
    /// Lets shares grow; runs for ever. There is a timer only during a slow start.
    pub(super) async fn grow_shares(self: &Arc<Self>) {
        loop {
            if self.servers().iter().all(|server| server.share.is_full()) {
                self.slow_starts.notified().await;
                continue;
            }
            let slow_start = self.settings().ejection.slow_start;
            let is_growing = |server: &&Arc<UpstreamServer>| !server.share.is_full();
            let growing: Vec<_> = self.servers().iter().filter(is_growing).cloned().collect();
            sleep(slow_start.unwrap_or(Duration::ZERO) / SHARE_STEPS).await;
            growing.iter().for_each(|server| server.share.grow());
            // Requests may wait for what is allowed now.
            self.dispatch();
        }
    }

    /// Begins the slow start of a server, if the settings say so and others can get its requests.
    pub(super) fn begin_slow_start(&self, server: &UpstreamServer, others: usize) {
        if others == 0 || self.settings().ejection.slow_start.is_none() {
            server.share.restore();
            return;
        }
        server.share.reduce();
        self.counts.slow_starts.fetch_add(1, Ordering::Relaxed);
        self.slow_starts.notify_one();
    }
}
