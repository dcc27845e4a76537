//! The plan put to work: what all workers share.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::AtomicBool},
};

use super::family::Family;
use crate::{
    files::Store,
    plan::Plan,
    telemetry::{Metrics, Repeat},
};

/// Everything that a request needs besides its worker's own things. A request keeps the one that
/// it began with.
#[derive(Debug)]
pub struct App {
    pub plan: Plan,
    /// The site's own files.
    pub files: Arc<Store>,
    /// What users uploaded, and what the application alone may send.
    pub media: Arc<Store>,
    pub metrics: Arc<Metrics>,
    /// Whether somebody was told about forwarding headers from a stranger.
    pub(super) warned_of_stranger: AtomicBool,
    /// Keeps requests that fail from filling the event log.
    pub(super) trouble: Repeat,
}

// === impl App ===

impl App {
    /// Puts a plan to work. Touches no file and opens no connection.
    pub fn new(plan: Plan, metrics: Arc<Metrics>) -> Self {
        let process = metrics.process();
        let files = Store::new(&plan.files, Arc::clone(&process.static_store));
        let media = Store::new(&plan.media, Arc::clone(&process.media_store));
        Self {
            plan,
            files,
            media,
            metrics,
            warned_of_stranger: AtomicBool::new(false),
            trouble: Repeat::default(),
        }
    }

    /// The store that a family of prefixes has.
    pub(super) fn store(&self, family: Family) -> &Arc<Store> {
        match family {
            Family::Static => &self.files,
            Family::Media => &self.media,
        }
    }

    /// Whether a peer's `X-Forwarded-*` headers are believed.
    pub(super) fn is_trusted(&self, address: IpAddr) -> bool {
        self.plan.server.trusted_proxies.iter().any(|net| net.contains(&address))
    }
}
