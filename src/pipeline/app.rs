//! The plan put to work: what all workers share.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::AtomicBool},
};

use tokio::task::JoinSet;

use super::{family::Family, pages::Pages};
use crate::{
    body::{Budget, Buffers, Each, Place},
    error::Kind,
    files::Store,
    plan::{self, Fallback, Plan, Spill},
    telemetry::{BufferCounts, Metrics, Repeat},
    upstream::Fleet,
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
    /// The application that answers what no route names another for.
    pub(super) fleet: Arc<Fleet>,
    /// Those of the plan's routes, in their order.
    pub(super) routed: Vec<Arc<Fleet>>,
    /// The server that has other releases' files.
    pub(super) fallback: Option<Arc<Fleet>>,
    pub metrics: Arc<Metrics>,
    pub(super) pages: Arc<Pages>,
    /// Where bodies wait.
    pub(super) buffers: Buffers,
    /// Whether somebody was told about forwarding headers from a stranger.
    pub(super) warned_of_stranger: AtomicBool,
    /// Keeps requests that fail from filling the event log, each kind apart: none silences another.
    troubles: [Repeat; Kind::ALL.len()],
    /// The same for files that the application names, or the fallback has.
    pub(super) trouble: Repeat,
}

// === impl App ===

impl App {
    /// Puts a plan to work. Touches no file and opens no connection.
    pub fn new(plan: Plan, metrics: Arc<Metrics>) -> Self {
        let process = Arc::clone(metrics.process());
        let files = Store::new(&plan.files, Arc::clone(&process.static_store));
        let media = Store::new(&plan.media, Arc::clone(&process.media_store));
        let fleet = |upstream| Fleet::new(upstream, &process.servers);
        let routed = plan.routes.iter().map(|route| fleet(&route.upstream)).collect();
        // It is no application: what is counted of it stands elsewhere.
        let uncounted = |fallback: &Fallback| Fleet::new(&fallback.server, &Arc::default());
        let pages = Pages::new(&plan.pages);
        Self {
            fleet: fleet(&plan.upstream),
            routed,
            fallback: plan.missing.fallback.as_ref().map(uncounted),
            files,
            media,
            buffers: buffers(&plan.buffers, &process.buffers),
            metrics,
            pages,
            warned_of_stranger: AtomicBool::new(false),
            trouble: Repeat::default(),
            troubles: std::array::from_fn(|_| Repeat::default()),
            plan,
        }
    }

    /// Sees to the servers of all applications beside the requests; runs for ever.
    pub async fn tend(&self) {
        let mut all = JoinSet::new();
        let others = self.routed.iter().chain(&self.fallback);
        for fleet in others.chain([&self.fleet]) {
            all.spawn(Arc::clone(fleet).tend());
        }
        while all.join_next().await.is_some() {}
    }

    /// Begins to look at the operator's pages and the maintenance file.
    pub fn watch_pages(&self) {
        self.pages.begin();
    }

    /// The store that a family of prefixes has.
    pub(super) fn store(&self, family: Family) -> &Arc<Store> {
        match family {
            Family::Static => &self.files,
            Family::Media => &self.media,
        }
    }

    /// What keeps a kind of failure from filling the event log.
    pub(super) fn trouble(&self, kind: Kind) -> &Repeat {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.troubles[kind as usize]
    }

    /// Whether a peer's `X-Forwarded-*` headers are believed.
    pub(super) fn is_trusted(&self, address: IpAddr) -> bool {
        self.plan.server.trusted_proxies.iter().any(|net| net.contains(&address))
    }
}

fn buffers(plan: &plan::Buffers, counts: &BufferCounts) -> Buffers {
    let place = match &plan.spill {
        Spill::Auto => Place::Auto,
        Spill::Directory(directory) => Place::Directory(directory.clone()),
        Spill::Memory => Place::Memory,
    };
    Buffers::new(
        Budget::new(plan.memory, Arc::clone(&counts.memory)),
        Budget::new(plan.disk, Arc::clone(&counts.disk)),
        place,
        Each { memory: plan.each, answer: plan.answer },
    )
}
