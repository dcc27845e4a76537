//! The state of one worker. Nothing in it crosses a thread.

use std::{
    cell::{Cell, RefCell},
    hash::{BuildHasher, RandomState},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use super::{
    app::App, bucket_client::BucketClient, compress::encoders::Encoders, fallback::FallbackClient,
    passwords::Logins, routes::RouteMemo,
};
use crate::{
    phase::Phase,
    plan::{self, Plan, UpstreamTarget},
    telemetry::{LogBuffer, WorkerMetrics},
    upstream::{Backends, UpstreamClient},
};

/// A worker's own state, under some settings. Another one replaces it when they change; a request keeps the one that it
/// began with.
#[derive(Debug)]
pub struct WorkerState {
    pub app: Arc<App>,
    pub(super) routes: RouteMemo,
    upstream: Rc<UpstreamClient>,
    /// The applications of the plan's routes, in their order.
    routed: Vec<Rc<UpstreamClient>>,
    /// The auth servers of the plan, in their order. No metric of the applications counts their requests.
    auth_servers: Vec<Rc<UpstreamClient>>,
    /// The client of the fallback for static files of other releases.
    pub(super) fallback: Option<Rc<FallbackClient>>,
    /// The clients of the plan's buckets, in their order.
    pub(super) buckets: Vec<Rc<BucketClient>>,
    pub(super) logins: Rc<Logins>,
    pub(super) encoders: Rc<Encoders>,
    pub metrics: Arc<WorkerMetrics>,
    pub log: Rc<LogBuffer>,
    pub phase: Rc<Cell<Phase>>,
    /// The address of each application's first server: the `Host` for HTTP/1.0 requests that have none. That of
    /// `upstream.url` is the last.
    server_names: Vec<String>,
    /// The time of the last probe of the application, and whether it accepted the connection.
    pub(super) last_probe: Cell<Option<(Instant, bool)>>,
    random: Rc<RefCell<fastrand::Rng>>,
}

// === impl WorkerState ===

impl WorkerState {
    /// Creates a worker's state, for its shard of the metrics and its log. Must be called on the worker's thread.
    pub fn start(
        app: Arc<App>,
        metrics: Arc<WorkerMetrics>,
        log: LogBuffer,
        phase: Phase,
    ) -> Rc<Self> {
        // A RandomState is seeded by the operating system.
        let seed = RandomState::new().hash_one("request ids");
        let upstream = |plan: &plan::UpstreamSettings, backends: &Arc<Backends>| {
            UpstreamClient::start(plan, backends, Arc::clone(&metrics))
        };
        let auth_server = |(plan, backends): (&plan::UpstreamSettings, &Arc<Backends>)| {
            UpstreamClient::start(plan, backends, Arc::default())
        };
        Rc::new(Self {
            routes: RouteMemo::new(&app.routes),
            upstream: upstream(&app.plan.upstream, app.backends()),
            routed: app.routes().map(|(plan, backends)| upstream(plan, backends)).collect(),
            auth_servers: app.auth_servers().map(auth_server).collect(),
            fallback: app.fallback().map(|(plan, backends)| FallbackClient::start(plan, backends)),
            buckets: app
                .buckets()
                .map(|(plan, backends)| BucketClient::start(plan, backends, &app.credentials))
                .collect(),
            server_names: server_names(&app.plan),
            logins: Logins::new(&app.passwords, &metrics),
            encoders: Rc::new(Encoders::new(app.plan.compression)),
            app,
            metrics,
            log: Rc::new(log),
            phase: Rc::new(Cell::new(phase)),
            last_probe: Cell::new(None),
            random: Rc::new(RefCell::new(fastrand::Rng::with_seed(seed))),
        })
    }

    /// Returns the worker's state under other settings. Clients whose settings are unchanged stay, with their idle
    /// connections.
    pub fn next(&self, app: Arc<App>) -> Rc<Self> {
        let upstream = |plan: &plan::UpstreamSettings, backends: &Arc<Backends>| {
            let mut known = self.routed.iter().chain([&self.upstream]);
            match known.find(|known| known.is_like(plan, backends)) {
                Some(known) => Rc::clone(known),
                None => UpstreamClient::start(plan, backends, Arc::clone(&self.metrics)),
            }
        };
        let fallback = |(plan, backends): (&plan::FallbackSettings, &Arc<Backends>)| {
            let known = self.fallback.as_ref().filter(|known| known.is_like(plan, backends));
            known.cloned().unwrap_or_else(|| FallbackClient::start(plan, backends))
        };
        let auth_server = |(plan, backends): (&plan::UpstreamSettings, &Arc<Backends>)| {
            let known = self.auth_servers.iter().find(|known| known.is_like(plan, backends));
            known.cloned().unwrap_or_else(|| UpstreamClient::start(plan, backends, Arc::default()))
        };
        let bucket = |(plan, backends): (&plan::BucketSettings, &Arc<Backends>)| {
            let keys = &app.credentials;
            let known = self.buckets.iter().find(|known| known.is_like(plan, backends, keys));
            known.cloned().unwrap_or_else(|| BucketClient::start(plan, backends, keys))
        };
        Rc::new(Self {
            routes: RouteMemo::new(&app.routes),
            upstream: upstream(&app.plan.upstream, app.backends()),
            routed: app.routes().map(|(plan, backends)| upstream(plan, backends)).collect(),
            auth_servers: app.auth_servers().map(auth_server).collect(),
            fallback: app.fallback().map(fallback),
            buckets: app.buckets().map(bucket).collect(),
            server_names: server_names(&app.plan),
            encoders: if app.plan.compression == self.app.plan.compression {
                Rc::clone(&self.encoders)
            } else {
                Rc::new(Encoders::new(app.plan.compression))
            },
            app,
            logins: Rc::clone(&self.logins),
            metrics: Arc::clone(&self.metrics),
            log: Rc::clone(&self.log),
            phase: Rc::clone(&self.phase),
            last_probe: Cell::new(None),
            random: Rc::clone(&self.random),
        })
    }

    /// Returns the application of a route, or the one for all other paths.
    pub(super) fn application(&self, route: Option<usize>) -> &UpstreamClient {
        route.and_then(|route| self.routed.get(route)).unwrap_or(&self.upstream)
    }

    /// Returns the auth server with this index in the plan.
    pub(super) fn auth_server(&self, index: usize) -> Option<&UpstreamClient> {
        self.auth_servers.get(index).map(Rc::as_ref)
    }

    /// Returns the address of the first server of an application.
    pub(super) fn server_name(&self, route: Option<usize>) -> &str {
        let of_route = route.and_then(|route| self.server_names.get(route));
        of_route.or(self.server_names.last()).map_or("localhost", String::as_str)
    }

    /// Returns bytes for a new id.
    pub(super) fn random_bytes(&self) -> [u8; 16] {
        self.random.borrow_mut().u128(..).to_le_bytes()
    }

    /// Returns a new request id: 32 hex digits.
    pub(super) fn new_id(&self) -> [u8; 32] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let number = self.random_bytes();
        let mut id = [0; 32];
        for (pair, byte) in id.chunks_exact_mut(2).zip(number) {
            for (digit, value) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
                *digit = DIGITS.get(usize::from(value)).copied().unwrap_or_default();
            }
        }
        id
    }
}

fn server_names(plan: &Plan) -> Vec<String> {
    plan.routed.iter().chain([&plan.upstream]).map(|one| server_name(&one.targets)).collect()
}

/// Returns the `Host` for requests that have none.
fn server_name(targets: &[UpstreamTarget]) -> String {
    match targets.first() {
        Some(target @ UpstreamTarget::Tcp { .. }) => target.to_string(),
        Some(UpstreamTarget::Unix(_)) | None => "localhost".to_owned(),
    }
}
