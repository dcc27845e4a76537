//! The plan in use: everything that all workers share.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::AtomicBool},
};

use super::{
    cache_in_use::CacheInUse,
    loops::LoopToken,
    pages::StatusPages,
    passwords::PasswordChecker,
    purge_request::CachePurger,
    routes::RouteTable,
    servers_in_use::ServersInUse,
    store_kind::StoreKind,
    upstream_handle::{self, UpstreamHandle},
};
use crate::{
    acme::PendingChallenges,
    aws::Credentials,
    body::{BodyBuffers, BodyLimits, Budget, Budgets, Reservation, SpillLocation},
    cache::{Cache, CacheLimits},
    error::FailureKind,
    files::FileStore,
    plan::{self, FallbackSettings, Plan, SpillDirectory},
    redis::RedisLink,
    telemetry::{BufferCounts, CacheCounts, LogThrottle, Metrics, StoreCounts, traces::SpanSink},
    upstream::Backends,
};

/// Bytes of a request's head that need no reservation. Most heads are shorter.
pub const UNRESERVED_HEAD: usize = 4 * 1024;

/// The most bodies of the cache in files.
const MAX_CACHE_FILES: u64 = 1024;

/// Everything that a request needs, except for its worker's own state. A request keeps the one that it began with.
#[derive(Debug)]
pub struct App {
    pub plan: Plan,
    /// The site's own files.
    pub files: Arc<FileStore>,
    /// User uploads, and the files that only the application may send.
    pub media: Arc<FileStore>,
    /// Which route a request gets.
    pub(super) routes: Arc<RouteTable>,
    /// The application for requests that get no other one from a route.
    backends: Arc<UpstreamHandle>,
    /// The applications of the plan's routes, in their order.
    routed: Vec<Arc<UpstreamHandle>>,
    /// The auth servers of the plan, in their order.
    auth_servers: Vec<Arc<UpstreamHandle>>,
    /// The server that has other releases' files.
    fallback: Option<Arc<UpstreamHandle>>,
    /// The servers of the plan's buckets, in their order.
    buckets: Vec<Arc<UpstreamHandle>>,
    /// The keys for buckets.
    pub(super) credentials: Arc<Credentials>,
    pub metrics: Arc<Metrics>,
    pub(super) pages: Arc<StatusPages>,
    /// The name of this process in `CDN-Loop`. It does not change on reload.
    pub(super) loop_token: LoopToken,
    pub(super) buffers: BodyBuffers,
    /// The stored responses of the application, if the cache is on.
    pub(super) cache: Option<Arc<Cache>>,
    /// Purges the cache of the app in use. It does not change on reload.
    purger: Arc<CachePurger>,
    /// The applications of the app in use. It does not change on reload.
    servers: Arc<ServersInUse>,
    /// The link to the caches of other processes. It does not change on reload.
    pub(super) redis: Option<Arc<RedisLink>>,
    /// The way of spans to the exporter, if requests are traced. It does not change on reload.
    pub(super) spans: Option<SpanSink>,
    /// What a certificate authority may ask for now. It does not change on reload.
    pub challenges: Arc<PendingChallenges>,
    /// Checks the passwords of users. It does not change on reload.
    pub(super) passwords: Arc<PasswordChecker>,
    /// The budget for request heads that are longer than usual.
    heads: Budget,
    pub(super) warned: Arc<WarnedOnce>,
    /// Keeps failing requests from filling the event log. Each kind has its own throttle, so that none silences
    /// another.
    failure_throttles: Arc<[LogThrottle; FailureKind::ALL.len()]>,
    /// Keeps failures of files that the application names or the fallback has from filling the event log.
    pub(super) failure_throttle: Arc<LogThrottle>,
}

/// The warnings about peers that were logged already, under these settings.
#[derive(Debug, Default)]
pub(super) struct WarnedOnce {
    /// An untrusted peer sent forwarding headers.
    pub(super) untrusted_peer: AtomicBool,
    /// A trusted peer sent an identity header, which was dropped.
    pub(super) identity: AtomicBool,
    /// A trusted peer sent another client's address in a header of a CDN, which was dropped.
    pub(super) client_address: AtomicBool,
}

// === impl App ===

impl App {
    /// Creates the app of a plan. Opens no file and no connection.
    pub fn new(plan: Plan, metrics: Arc<Metrics>) -> Self {
        let process = Arc::clone(metrics.process());
        let files = FileStore::new(&plan.files, Arc::clone(&process.static_store));
        let media = FileStore::new(&plan.media, Arc::clone(&process.media_store));
        let backends = |plan| UpstreamHandle::new(Backends::new(plan, &process.servers));
        let routed = plan.routed.iter().map(backends).collect();
        let pages = StatusPages::new(&plan);
        Self {
            routes: Arc::new(RouteTable::new(&plan)),
            backends: backends(&plan.upstream),
            routed,
            auth_servers: plan.auth_servers.iter().map(uncounted).collect(),
            fallback: plan.missing.fallback.as_ref().map(|plan| uncounted(&plan.server)),
            buckets: plan.buckets.iter().map(|bucket| uncounted(&bucket.server)).collect(),
            credentials: Credentials::new(&plan.aws),
            files,
            media,
            buffers: buffers(&plan.buffers, &process.buffers),
            cache: cache(&plan, &process.cache),
            purger: Arc::default(),
            servers: Arc::default(),
            redis: None,
            spans: None,
            challenges: Arc::default(),
            heads: Budget::new(plan.memory.heads, Arc::clone(&process.buffers.heads)),
            metrics,
            pages,
            loop_token: LoopToken::new(),
            passwords: PasswordChecker::new(),
            warned: Arc::default(),
            failure_throttle: Arc::default(),
            failure_throttles: Arc::new(std::array::from_fn(|_| LogThrottle::default())),
            plan,
        }
    }

    /// Uses this link to Redis.
    #[must_use]
    pub fn with_redis(self, redis: Option<Arc<RedisLink>>) -> Self {
        Self { redis, ..self }
    }

    /// Records requests, as `plan.traces` says.
    #[must_use]
    pub fn with_spans(self, spans: Option<SpanSink>) -> Self {
        Self { spans, ..self }
    }

    /// Answers these challenges of a certificate authority.
    #[must_use]
    pub fn with_challenges(self, challenges: Arc<PendingChallenges>) -> Self {
        Self { challenges, ..self }
    }

    /// Creates the app of another plan. It takes over the state of every part whose settings are unchanged. Nothing of
    /// this app changes before [`supervise_upstreams`](Self::supervise_upstreams).
    pub fn next(&self, plan: Plan) -> Self {
        let process = self.metrics.process();
        let store = |same: bool,
                     old: &Arc<FileStore>,
                     plan: &plan::FileSettings,
                     counts: &Arc<StoreCounts>| {
            if same { Arc::clone(old) } else { FileStore::new(plan, Arc::clone(counts)) }
        };
        let files =
            store(plan.files == self.plan.files, &self.files, &plan.files, &process.static_store);
        let media =
            store(plan.media == self.plan.media, &self.media, &plan.media, &process.media_store);
        let mut known: Vec<_> =
            self.routed.iter().chain([&self.backends]).map(Arc::clone).collect();
        let wanted = plan.routed.iter().chain([&plan.upstream]);
        let mut fleets = upstream_handle::matched(&mut known, wanted.collect(), |plan| {
            UpstreamHandle::new(Backends::new(plan, &process.servers))
        });
        let backends = match fleets.pop() {
            Some(last) => last,
            None => UpstreamHandle::new(Backends::new(&plan.upstream, &process.servers)),
        };
        let fallback = plan.missing.fallback.as_ref().map(|plan| {
            let known = self.fallback.as_ref().filter(|known| known.backends.serves(&plan.server));
            known.map_or_else(|| uncounted(&plan.server), Arc::clone)
        });
        let auth_servers = upstream_handle::matched(
            &mut self.auth_servers.clone(),
            plan.auth_servers.iter().collect(),
            uncounted,
        );
        let buckets = upstream_handle::matched(
            &mut self.buckets.clone(),
            plan.buckets.iter().map(|bucket| &bucket.server).collect(),
            uncounted,
        );
        let credentials = match *self.credentials.source() == plan.aws {
            true => Arc::clone(&self.credentials),
            false => Credentials::new(&plan.aws),
        };
        let buffers = if plan.buffers == self.plan.buffers {
            self.buffers.clone()
        } else {
            // The counters are shared by both.
            buffers(&plan.buffers, &process.buffers)
        };
        let cache = if are_cached_alike(&plan, &self.plan) {
            self.cache.clone()
        } else {
            cache(&plan, &process.cache)
        };
        let trust = |server: &plan::ServerSettings| {
            (server.trusted_proxies.clone(), server.trusted_headers.clone())
        };
        let is_same_trust = trust(&plan.server) == trust(&self.plan.server);
        let warned = if is_same_trust { Arc::clone(&self.warned) } else { Arc::default() };
        Self {
            routes: Arc::new(RouteTable::after(&plan, &self.routes)),
            backends,
            routed: fleets,
            auth_servers,
            fallback,
            buckets,
            credentials,
            files,
            media,
            buffers,
            cache,
            purger: Arc::clone(&self.purger),
            servers: Arc::clone(&self.servers),
            redis: self.redis.clone(),
            spans: self.spans.clone(),
            challenges: Arc::clone(&self.challenges),
            heads: Budget::new(plan.memory.heads, Arc::clone(&process.buffers.heads)),
            metrics: Arc::clone(&self.metrics),
            pages: self.pages.next(&plan),
            loop_token: self.loop_token.clone(),
            passwords: Arc::clone(&self.passwords),
            warned,
            failure_throttle: Arc::clone(&self.failure_throttle),
            failure_throttles: Arc::clone(&self.failure_throttles),
            plan,
        }
    }

    /// Starts the work beside the requests, unless `before`, the app that this one replaces, has started it. Reads
    /// files.
    pub fn begin(&self, before: Option<&Self>) {
        if before.is_none() {
            self.purger.set(self.cache_in_use());
            self.servers.set(self.applications());
        }
        if before.is_none_or(|before| !Arc::ptr_eq(&before.files, &self.files)) {
            self.files.begin();
        }
        if before.is_none_or(|before| !Arc::ptr_eq(&before.media, &self.media)) {
            self.media.begin();
        }
        if before.is_none_or(|before| !Arc::ptr_eq(&before.pages, &self.pages)) {
            self.pages.begin();
        }
    }

    /// Supervises the servers of all applications under these settings. Must be called within the runtime that
    /// supervises them.
    pub fn supervise_upstreams(&self) {
        self.backends.supervise(&self.plan.upstream, true);
        for (upstream_handle, settings) in self.routed.iter().zip(&self.plan.routed) {
            upstream_handle.supervise(settings, false);
        }
        for (upstream_handle, settings) in self.auth_servers.iter().zip(&self.plan.auth_servers) {
            upstream_handle.supervise(settings, false);
        }
        if let (Some(upstream_handle), Some(plan)) = (&self.fallback, &self.plan.missing.fallback) {
            upstream_handle.supervise(&plan.server, false);
        }
        for (upstream_handle, bucket) in self.buckets.iter().zip(&self.plan.buckets) {
            upstream_handle.supervise(&bucket.server, false);
        }
        self.credentials.begin_refresh();
    }

    /// Releases what only requests in flight still use, once `next` has replaced this app.
    pub fn retire(&self, next: &Self) {
        self.purger.set(next.cache_in_use());
        self.servers.set(next.applications());
        for (old, new) in [(&self.files, &next.files), (&self.media, &next.media)] {
            if !Arc::ptr_eq(old, new) {
                old.retire();
            }
        }
        if !Arc::ptr_eq(&self.pages, &next.pages) {
            self.pages.retire();
        }
        for old in self.routed.iter().chain([&self.backends]) {
            let mut used = next.routed.iter().chain([&next.backends]);
            if !used.any(|new| Arc::ptr_eq(old, new)) {
                old.backends.retire();
            }
        }
    }

    /// Reserves memory for a head of `bytes` bytes in all, beyond what `room` holds already. Returns `false` if other
    /// long heads have used up the budget. Heads of usual length need no reservation.
    pub fn reserve_head(&self, room: &mut Option<Reservation>, bytes: usize) -> bool {
        if bytes <= UNRESERVED_HEAD {
            return true;
        }
        let room = room.get_or_insert_with(|| self.heads.nothing());
        room.grow((bytes as u64).saturating_sub(room.amount()))
    }

    /// Returns the cache, if it is on, for purges.
    pub(super) fn cache_in_use(&self) -> Option<CacheInUse> {
        self.cache
            .as_ref()
            .map(|cache| CacheInUse::new(cache, &self.plan.cache, self.redis.as_ref()))
    }

    /// Returns what purges the cache of the app in use, also after reloads.
    pub fn purger(&self) -> &Arc<CachePurger> {
        &self.purger
    }

    /// Returns the servers of the app in use, also after reloads.
    pub fn servers(&self) -> &Arc<ServersInUse> {
        &self.servers
    }

    /// Returns all applications, without auth servers and the fallback.
    fn applications(&self) -> Vec<Arc<Backends>> {
        let handles = [&self.backends].into_iter().chain(&self.routed);
        handles.map(|upstream_handle| Arc::clone(&upstream_handle.backends)).collect()
    }

    /// Returns the application for requests that get no other one from a route.
    pub(super) fn backends(&self) -> &Arc<Backends> {
        &self.backends.backends
    }

    /// Returns the applications of the plan's routes, in their order.
    pub(super) fn routes(&self) -> impl Iterator<Item = (&plan::UpstreamSettings, &Arc<Backends>)> {
        self.plan
            .routed
            .iter()
            .zip(self.routed.iter().map(|upstream_handle| &upstream_handle.backends))
    }

    /// Returns the auth servers of the plan, in their order.
    pub(super) fn auth_servers(
        &self,
    ) -> impl Iterator<Item = (&plan::UpstreamSettings, &Arc<Backends>)> {
        let backends = self.auth_servers.iter().map(|upstream_handle| &upstream_handle.backends);
        self.plan.auth_servers.iter().zip(backends)
    }

    /// Returns the server that has other releases' files.
    pub(super) fn fallback(&self) -> Option<(&FallbackSettings, &Arc<Backends>)> {
        let upstream_handle = self.fallback.as_ref()?;
        self.plan.missing.fallback.as_ref().map(|plan| (plan, &upstream_handle.backends))
    }

    /// Returns the buckets of the plan, in their order.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (&plan::BucketSettings, &Arc<Backends>)> {
        let backends = self.buckets.iter().map(|upstream_handle| &upstream_handle.backends);
        self.plan.buckets.iter().zip(backends)
    }

    /// Returns the store of a kind of prefix.
    pub(super) fn store(&self, store_kind: StoreKind) -> &Arc<FileStore> {
        match store_kind {
            StoreKind::Static => &self.files,
            StoreKind::Media => &self.media,
        }
    }

    /// Returns the throttle for a kind of failure.
    pub(super) fn failure_throttle(&self, kind: FailureKind) -> &LogThrottle {
        #[expect(clippy::indexing_slicing, reason = "the index is an enum's discriminant")]
        &self.failure_throttles[kind as usize]
    }

    /// Whether a peer is a trusted proxy, so that its `X-Forwarded-*` headers count.
    pub(super) fn is_trusted(&self, address: IpAddr) -> bool {
        self.plan.server.trusted_proxies.iter().any(|net| net.contains(&address))
    }
}

/// Creates a handle that no application metric counts: the fallback and auth servers have metrics of their own.
fn uncounted(plan: &plan::UpstreamSettings) -> Arc<UpstreamHandle> {
    UpstreamHandle::new(Backends::new(plan, &Arc::default()))
}

/// Creates the cache, if it is on.
fn cache(plan: &Plan, counts: &Arc<CacheCounts>) -> Option<Arc<Cache>> {
    let settings = &plan.cache;
    if !settings.is_on() {
        return None;
    }
    let limits = CacheLimits {
        memory: settings.memory,
        disk: settings.disk,
        max_file: settings.max_file(),
        max_object: settings.max_object,
        directory: spill_location(&plan.buffers),
        descriptors: MAX_CACHE_FILES,
    };
    Some(Cache::new(limits, counts))
}

/// Whether what one plan has stored is right for the other. Another list of cookies or parameters makes other keys and
/// variants of the same requests.
fn are_cached_alike(one: &Plan, other: &Plan) -> bool {
    let spill = |plan: &Plan| plan.buffers.spill.clone();
    one.cache == other.cache && spill(one) == spill(other)
}

fn spill_location(plan: &plan::BufferSettings) -> SpillLocation {
    match &plan.spill {
        SpillDirectory::Auto => SpillLocation::Auto,
        SpillDirectory::Directory(directory) => SpillLocation::Directory(directory.clone()),
        SpillDirectory::Memory => SpillLocation::Memory,
    }
}

fn buffers(plan: &plan::BufferSettings, counts: &BufferCounts) -> BodyBuffers {
    let place = spill_location(plan);
    let in_shares = |memory: Budget| memory.in_shares(Arc::clone(&counts.share_exceeded));
    let requests = Budgets {
        memory: in_shares(Budget::new(plan.memory, Arc::clone(&counts.memory))),
        disk: Budget::new(plan.disk, Arc::clone(&counts.disk)),
    };
    // Clients that read slowly must not keep others from sending.
    let responses = Budgets {
        memory: in_shares(requests.memory.half(Arc::clone(&counts.response_memory))),
        disk: requests.disk.half(Arc::clone(&counts.response_disk)),
    };
    BodyBuffers::new(
        requests,
        responses,
        place,
        BodyLimits { memory: plan.memory_per_body, response: plan.max_response },
    )
}
