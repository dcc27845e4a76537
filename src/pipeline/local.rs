//! What one worker has for itself. Nothing in here crosses a thread.

use std::{
    cell::{Cell, RefCell},
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Instant,
};

use super::{app::App, fallback::Fallback};
use crate::{
    phase::Phase,
    plan::Target,
    telemetry::{LogBuffer, Shard},
    upstream::Upstream,
};

/// A worker's own things.
#[derive(Debug)]
pub struct Local {
    pub app: Arc<App>,
    pub upstream: Upstream,
    /// Where static files of other releases are fetched from.
    pub(super) fallback: Option<Fallback>,
    pub metrics: Arc<Shard>,
    pub log: LogBuffer,
    pub phase: Cell<Phase>,
    /// The `Host` for requests of HTTP/1.0 that have none.
    pub(super) fallback_host: String,
    /// When the application was last asked whether it accepts, and what it said.
    pub(super) probed: Cell<Option<(Instant, bool)>>,
    random: RefCell<fastrand::Rng>,
}

// === impl Local ===

impl Local {
    /// A worker's things, for the given share of the metrics and the log.
    pub fn new(app: Arc<App>, metrics: Arc<Shard>, log: LogBuffer, phase: Phase) -> Self {
        // A RandomState is seeded by the operating system.
        let seed = RandomState::new().hash_one("request ids");
        Self {
            upstream: Upstream::new(&app.plan.upstream, Arc::clone(&metrics)),
            fallback: app.plan.missing.fallback.as_ref().map(Fallback::new),
            fallback_host: fallback_host(&app.plan.upstream.targets),
            app,
            metrics,
            log,
            phase: Cell::new(phase),
            probed: Cell::new(None),
            random: RefCell::new(fastrand::Rng::with_seed(seed)),
        }
    }

    /// Closes connections that have been unused for too long; runs for ever.
    pub async fn reap(&self) {
        let fallback = async {
            match &self.fallback {
                Some(fallback) => fallback.reap().await,
                None => std::future::pending().await,
            }
        };
        tokio::join!(self.upstream.reap(), fallback);
    }

    /// A new request id: 32 hex digits.
    pub(super) fn new_id(&self) -> [u8; 32] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let number = self.random.borrow_mut().u128(..).to_le_bytes();
        let mut id = [0; 32];
        for (pair, byte) in id.chunks_exact_mut(2).zip(number) {
            for (digit, value) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
                *digit = DIGITS.get(usize::from(value)).copied().unwrap_or_default();
            }
        }
        id
    }
}

/// The `Host` for requests that have none.
fn fallback_host(targets: &[Target]) -> String {
    match targets.first() {
        Some(target @ Target::Tcp { .. }) => target.to_string(),
        Some(Target::Unix(_)) | None => "localhost".to_owned(),
    }
}
