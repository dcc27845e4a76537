//! What one worker has for itself. Nothing in here crosses a thread.

use std::{
    cell::{Cell, RefCell},
    hash::{BuildHasher, RandomState},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use tokio::task::JoinSet;

use super::{app::App, fallback::Fallback};
use crate::{
    phase::Phase,
    plan::Target,
    telemetry::{LogBuffer, Shard},
    upstream::{Fleet, Upstream},
};

/// A worker's own things.
#[derive(Debug)]
pub struct Local {
    pub app: Arc<App>,
    upstream: Upstream,
    /// The applications of the plan's routes, in their order.
    routed: Vec<Upstream>,
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
        let upstream = |fleet: &Arc<Fleet>| Upstream::new(Arc::clone(fleet), Arc::clone(&metrics));
        Self {
            upstream: upstream(&app.fleet),
            routed: app.routed.iter().map(upstream).collect(),
            fallback: app
                .plan
                .missing
                .fallback
                .as_ref()
                .zip(app.fallback.as_ref())
                .map(|(plan, fleet)| Fallback::new(plan, fleet)),
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
    pub async fn reap(self: &Rc<Self>) {
        let fallback = async {
            match &self.fallback {
                Some(fallback) => fallback.reap().await,
                None => std::future::pending().await,
            }
        };
        let mut routed = JoinSet::new();
        for index in 0..self.routed.len() {
            let local = Rc::clone(self);
            routed.spawn_local(async move { local.application(Some(index)).reap().await });
        }
        tokio::join!(self.upstream.reap(), fallback, routed.join_all());
    }

    /// The application of a route, or the one for everything else.
    pub(super) fn application(&self, route: Option<usize>) -> &Upstream {
        route.and_then(|route| self.routed.get(route)).unwrap_or(&self.upstream)
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
