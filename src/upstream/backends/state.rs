//! The state of one application: its servers and the queue, and the changes of its servers.

use std::{
    mem,
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
};

use tokio::sync::Notify;

use super::{
    auto_limit::AutoLimit,
    queue::WaitQueue,
    readiness_state::Readiness,
    server::{OutageCause, ServerAddress, UpstreamServer},
};
use crate::{
    body::{ClientShare, ClientShares},
    error::{Error, FailureKind},
    plan::{self, UpstreamTarget},
    sync::{AtomicBool, AtomicU64, AtomicUsize, Mutex, copy, lock, oneshot},
    telemetry::{EjectionCause, LimitSource, ServerCounts},
    upstream::tls::TlsClient,
};

/// One application.
#[derive(Debug)]
pub struct Backends {
    /// The targets identify the application.
    pub(super) targets: Vec<UpstreamTarget>,
    /// May change while it is in use. A request that gets a permit at once does not read it.
    settings: Mutex<Arc<plan::UpstreamSettings>>,
    /// The TLS settings, if the servers are asked over TLS. A server has its own copy.
    tls: Mutex<Option<TlsClient>>,
    /// The part of the settings that each request needs.
    pub(super) max_in_flight: AtomicUsize,
    /// `client_share` in percent; 100 if it is disabled.
    client_share: AtomicU8,
    /// The permits of each client, once `client_share` was enabled.
    held: OnceLock<ClientShares>,
    /// What is known of the limit, if it is found and not set.
    pub(super) auto_limit: Mutex<Option<AutoLimit>>,
    /// Whether the metrics show the limit of this application.
    shows_limit: AtomicBool,
    /// Whether it was logged that the limit is found by throughput.
    pub(super) is_by_throughput: AtomicBool,
    /// Notified when a request is queued.
    pub(super) queued: Notify,
    /// Notified when the settings change.
    pub(super) changed: Notify,
    /// Whether other settings have replaced this application, so that its servers are no longer counted.
    is_retired: AtomicBool,
    pub(super) counts: Arc<ServerCounts>,
    pub(super) servers: Mutex<Arc<[Arc<UpstreamServer>]>>,
    /// Changes with `servers`, so that workers need not lock `servers` to see a change.
    generation: AtomicU64,
    next_id: AtomicU64,
    pub(super) queue: Mutex<WaitQueue<WaitingRequest>>,
    /// The number of queued requests.
    pub(super) waiting: AtomicUsize,
    /// Notified when a server becomes unavailable or a name must be resolved.
    pub(super) server_lost: Notify,
    /// Notified when a server is ejected.
    pub(super) ejected: Notify,
    /// Notified when a slow start begins.
    pub(super) slow_starts: Notify,
    /// Notified when a server must be probed in the other protocol.
    pub(super) unproven: Notify,
    /// Notified when the addresses of a name may be outdated.
    pub(super) name_doubtful: Notify,
    /// Why no server is known.
    pub(super) unresolved: Mutex<Option<OutageCause>>,
    pub(super) readiness: Readiness,
}

/// A permit at a server for one request. It is released when dropped.
#[derive(Debug)]
pub(in crate::upstream) struct ServerPermit {
    pub(super) backends: Arc<Backends>,
    pub(in crate::upstream) server: Arc<UpstreamServer>,
    /// The client that the permit counts for.
    pub(super) client: Option<ClientShare>,
}

/// A queued request.
#[derive(Debug)]
pub(super) struct WaitingRequest {
    pub(super) client: Option<ClientShare>,
    pub(super) permit_sender: PermitSender,
}

/// Sends a queued request its permit, or the error that ends its wait.
pub(super) type PermitSender = oneshot::Sender<Result<ServerPermit, Error>>;

// === impl Backends ===

impl Backends {
    /// Creates the state. It opens no connection and asks no name server.
    pub fn new(plan: &plan::UpstreamSettings, counts: &Arc<ServerCounts>) -> Arc<Self> {
        let backends = Self {
            targets: plan.targets.clone(),
            settings: Mutex::new(Arc::new(plan.clone())),
            tls: Mutex::new(plan.tls.as_ref().map(TlsClient::new)),
            max_in_flight: AtomicUsize::new(0),
            client_share: AtomicU8::new(100),
            held: OnceLock::new(),
            auto_limit: Mutex::default(),
            shows_limit: AtomicBool::new(false),
            is_by_throughput: AtomicBool::new(false),
            queued: Notify::new(),
            changed: Notify::new(),
            is_retired: AtomicBool::new(false),
            counts: Arc::clone(counts),
            servers: Mutex::new(Arc::from([])),
            generation: AtomicU64::new(0),
            next_id: AtomicU64::new(0),
            queue: Mutex::default(),
            waiting: AtomicUsize::new(0),
            server_lost: Notify::new(),
            ejected: Notify::new(),
            slow_starts: Notify::new(),
            unproven: Notify::new(),
            name_doubtful: Notify::new(),
            unresolved: Mutex::default(),
            readiness: Readiness::new(),
        };
        backends.set_admission(&plan.admission);
        let tls = backends.tls();
        let known = backends.targets.iter();
        let known = known.filter_map(|target| known_address(target, tls.as_ref())).collect();
        backends.replace(known);
        Arc::new(backends)
    }

    /// Whether these settings are for the same servers, so that this state can be kept.
    pub fn serves(&self, plan: &plan::UpstreamSettings) -> bool {
        self.targets == plan.targets && self.settings().tls.is_some() == plan.tls.is_some()
    }

    pub(super) fn tls(&self) -> Option<TlsClient> {
        copy(&self.tls)
    }

    /// The current settings. Each worker has its own copy for its requests.
    pub fn settings(&self) -> Arc<plan::UpstreamSettings> {
        copy(&self.settings)
    }

    /// Applies these settings. Servers, permits in use and queued requests are kept.
    pub fn change(self: &Arc<Self>, plan: &plan::UpstreamSettings) {
        let before = self.settings();
        if *before == *plan {
            return;
        }
        *lock(&self.settings) = Arc::new(plan.clone());
        if before.admission != plan.admission {
            self.set_admission(&plan.admission);
        }
        if before.tls != plan.tls {
            self.set_tls(plan.tls.as_ref());
        }
        self.changed.notify_one();
        if mem::discriminant(&before.protocol) != mem::discriminant(&plan.protocol) {
            self.forget_protocols();
        }
        // There may be more permits now.
        self.dispatch();
    }

    /// Replaces the servers by those with the new TLS settings, so that no connection with the old ones is used.
    fn set_tls(&self, plan: Option<&plan::UpstreamTls>) {
        let tls = plan.map(TlsClient::new);
        lock(&self.tls).clone_from(&tls);
        let renewed = |server: &Arc<UpstreamServer>| match (&server.address, &tls) {
            (ServerAddress::Tls(old), Some(tls)) => {
                ServerAddress::Tls(tls.server(&old.host, old.address))
            }
            (address, _) => address.clone(),
        };
        self.replace(self.servers().iter().map(renewed).collect());
    }

    fn set_admission(&self, plan: &plan::AdmissionSettings) {
        self.set_client_share(plan.client_share);
        self.is_by_throughput.store(false, Ordering::Relaxed);
        let mut auto_limit = lock(&self.auto_limit);
        *auto_limit = plan.tunes.then(|| AutoLimit::new(plan.max_in_flight));
        let limit = auto_limit.as_ref().map_or(plan.max_in_flight, AutoLimit::limit);
        let source = auto_limit.as_ref().map_or(LimitSource::Set, AutoLimit::source);
        self.store_limit(limit, source);
    }

    /// Changes the limit of requests in flight at each server.
    pub(super) fn store_limit(&self, limit: usize, source: LimitSource) {
        self.max_in_flight.store(limit, Ordering::SeqCst);
        if self.shows_limit.load(Ordering::Relaxed) {
            self.counts.limit.store(limit as u64, Ordering::Relaxed);
            self.counts.limit_source.set(source);
        }
    }

    /// Sets whether the metrics show the limit of this application, and of no other.
    pub fn show_limit(&self, shows: bool) {
        self.shows_limit.store(shows, Ordering::Relaxed);
        let auto_limit = lock(&self.auto_limit);
        let source = auto_limit.as_ref().map_or(LimitSource::Set, AutoLimit::source);
        self.store_limit(self.max_in_flight.load(Ordering::SeqCst), source);
    }

    fn set_client_share(&self, percent: Option<u8>) {
        if percent.is_some() {
            self.held.get_or_init(|| ClientShares::new(Arc::default()));
        }
        self.client_share.store(percent.unwrap_or(100), Ordering::Relaxed);
    }

    /// The number of permits that one client may hold while others wait. `u64::MAX` if there is no such limit.
    pub(super) fn client_limit(&self) -> u64 {
        let percent = usize::from(self.client_share.load(Ordering::Relaxed));
        if percent >= 100 {
            return u64::MAX;
        }
        let available = self.servers().iter().filter(|server| server.is_available()).count();
        let permits = self.max_in_flight.load(Ordering::Relaxed).saturating_mul(available);
        (permits.saturating_mul(percent) / 100).max(1) as u64
    }

    /// The number of permits that a client holds.
    pub(super) fn held_by(&self, client: ClientShare) -> u64 {
        self.held.get().map_or(0, |held| held.held(client))
    }

    /// Forgets the protocols of the servers, because another one is spoken from now on.
    fn forget_protocols(&self) {
        for server in self.servers().iter() {
            server.protocol.forget();
            if server.speaks_other() {
                self.mark_available(server);
            }
        }
    }

    /// Marks the application as replaced. Only requests that have begun still use it, and its servers are removed from
    /// the metrics.
    pub fn retire(&self) {
        let servers = lock(&self.servers);
        if !self.is_retired.swap(true, Ordering::Relaxed) {
            servers.iter().for_each(|server| self.uncount(server));
        }
    }

    pub(super) fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Relaxed)
    }

    /// Changes whenever [`servers`](Self::servers) changes.
    pub(in crate::upstream) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The servers that are currently known.
    pub(in crate::upstream) fn servers(&self) -> Arc<[Arc<UpstreamServer>]> {
        copy(&self.servers)
    }

    /// Marks a server unavailable after a failed connect, until a connection can be opened again.
    pub(in crate::upstream) fn on_refused(
        self: &Arc<Self>,
        server: &UpstreamServer,
        error: &Error,
    ) {
        // A shortage of descriptors in this process says nothing about the server.
        if error.kind() == FailureKind::DescriptorsExhausted {
            return;
        }
        if self.mark_unavailable(server, error, EjectionCause::Refused) {
            self.end_ejections_if_alone();
            // Fewer servers may give one in slow start its whole share.
            self.dispatch();
        }
        let is_in_vain = error.is_lasting() || self.settings().admission.wait.is_zero();
        if is_in_vain && !self.is_any_available() {
            self.fail_all(error);
        }
        self.server_lost.notify_one();
        self.name_doubtful.notify_one();
    }

    /// Whether any server is available.
    pub(in crate::upstream) fn is_any_available(&self) -> bool {
        self.servers().iter().any(|server| server.is_available())
    }

    /// Whether no name server has responded yet.
    pub(super) fn is_unknown(&self) -> bool {
        self.servers().is_empty() && copy(&self.unresolved).is_none()
    }

    /// Shortens the pauses of unavailable servers, because a request waits for them.
    pub(super) fn retry_soon(&self) {
        self.servers().iter().for_each(|server| server.retry_soon());
        self.server_lost.notify_one();
        self.name_doubtful.notify_one();
    }

    /// Why no server is available, if none is.
    pub(super) fn unavailable_error(&self) -> Option<Error> {
        let servers = self.servers();
        if servers.iter().any(|server| server.is_available()) {
            return None;
        }
        // No request waits for a server that does not become available by itself. Another server may be worth the wait.
        let failures = servers.iter().filter_map(|server| server.failure());
        let failure = failures.min_by_key(OutageCause::is_lasting);
        let failure = failure.or_else(|| copy(&self.unresolved));
        Some(failure.map_or_else(
            || Error::new(FailureKind::UpstreamUnresolved).unsent(),
            |failure| failure.error(),
        ))
    }

    /// Marks a server unavailable. Returns `false` if it was already, is no longer one of these servers, or would be
    /// ejected although no other is available.
    pub(super) fn mark_unavailable(
        &self,
        server: &UpstreamServer,
        error: &Error,
        cause: EjectionCause,
    ) -> bool {
        // Locked, so that a server that was removed from its name's addresses during a request is not counted, and two
        // servers are not ejected because of each other.
        let servers = lock(&self.servers);
        if !is_among(&servers, server) {
            return false;
        }
        let ejects = cause.is_of_a_reachable_server();
        let is_other = |other: &&Arc<UpstreamServer>| other.id != server.id;
        if ejects && !servers.iter().filter(is_other).any(|other| other.is_available()) {
            if servers.len() > 1 && server.is_available() {
                self.counts.ejections_prevented.fetch_add(1, Ordering::Relaxed);
            }
            return false;
        }
        if !server.mark_unavailable(error.into(), ejects) {
            return false;
        }
        let counts = &self.counts;
        if self.is_counted() {
            counts.available.fetch_sub(1, Ordering::Relaxed);
            counts.unavailable.fetch_add(1, Ordering::Relaxed);
        }
        counts.ejections(cause).fetch_add(1, Ordering::Relaxed);
        drop(servers);
        self.forget_workers();
        server.log_outage(error);
        let notified = if ejects { &self.ejected } else { &self.server_lost };
        notified.notify_one();
        true
    }

    /// Marks a server available again, with its whole share of the requests.
    pub(super) fn mark_available(&self, server: &UpstreamServer) {
        self.restore(server, false);
    }

    /// Marks a server available again. `slowly` is whether its share grows slowly, if there are others.
    pub(super) fn restore(&self, server: &UpstreamServer, slowly: bool) {
        let servers = lock(&self.servers);
        if !is_among(&servers, server) || server.is_available() {
            return;
        }
        // Before it gets its first request.
        self.begin_slow_start(server, if slowly { servers.len() - 1 } else { 0 });
        if !server.mark_available() {
            return;
        }
        if self.is_counted() {
            self.counts.unavailable.fetch_sub(1, Ordering::Relaxed);
            self.counts.available.fetch_add(1, Ordering::Relaxed);
        }
        drop(servers);
        server.log_return();
    }

    /// Replaces the servers by these addresses. Servers that stay keep their state.
    pub(super) fn replace(&self, addresses: Vec<ServerAddress>) {
        let mut servers = lock(&self.servers);
        let stay = servers.iter().filter(|server| addresses.contains(&server.address)).count();
        let mut next: Vec<Arc<UpstreamServer>> = Vec::with_capacity(addresses.len());
        for address in addresses {
            if next.iter().any(|server| server.address == address) {
                continue;
            }
            let known = servers.iter().find(|server| server.address == address);
            next.push(known.cloned().unwrap_or_else(|| {
                let id = self.next_id.fetch_add(1, Ordering::Relaxed);
                if self.is_counted() {
                    self.counts.available.fetch_add(1, Ordering::Relaxed);
                }
                let server = UpstreamServer::new(id, address);
                // A server that joins others is as cold as one that returns.
                self.begin_slow_start(&server, stay);
                Arc::new(server)
            }));
        }
        for gone in servers.iter().filter(|old| next.iter().all(|new| new.id != old.id)) {
            if self.is_counted() {
                self.uncount(gone);
            }
        }
        *servers = next.into();
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Call this only with the lock on `servers` held.
    fn is_counted(&self) -> bool {
        !self.is_retired()
    }

    fn uncount(&self, server: &UpstreamServer) {
        let count =
            if server.is_available() { &self.counts.available } else { &self.counts.unavailable };
        count.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl ServerPermit ===

impl ServerPermit {
    /// Counts the permit for a client, and no longer for another one.
    pub(super) fn count_for(&mut self, client: Option<ClientShare>) {
        let Some(held) = self.backends.held.get() else { return };
        if let Some(before) = self.client.take() {
            held.give_back(before, 1);
        }
        if let Some(client) = client {
            held.add(client, 1);
        }
        self.client = client;
    }
}

impl Drop for ServerPermit {
    fn drop(&mut self) {
        self.count_for(None);
        self.server.release();
        if self.backends.waiting.load(Ordering::SeqCst) > 0 {
            self.backends.dispatch();
        }
    }
}

fn is_among(servers: &[Arc<UpstreamServer>], server: &UpstreamServer) -> bool {
    servers.iter().any(|known| known.id == server.id)
}

/// Returns the address of a target that needs no name server.
pub(super) fn known_address(
    target: &UpstreamTarget,
    tls: Option<&TlsClient>,
) -> Option<ServerAddress> {
    match target {
        UpstreamTarget::Unix(path) => Some(ServerAddress::Unix(path.clone())),
        UpstreamTarget::Tcp { host, port } => {
            let address: IpAddr = host.parse().ok()?;
            Some(ServerAddress::of_host(host, (address, *port).into(), tls))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_server_is_not_counted() {
        let counts = Arc::<ServerCounts>::default();
        let backends = Backends::new(&plan::UpstreamSettings::of_tests(Vec::new()), &counts);
        let [first, second] =
            ["/run/1.sock", "/run/2.sock"].map(|path| ServerAddress::Unix(path.into()));
        let now =
            || [&counts.available, &counts.unavailable].map(|count| count.load(Ordering::Relaxed));
        let error = Error::new(FailureKind::UpstreamRefused);
        backends.replace(vec![first.clone()]);
        let old = Arc::clone(&backends.servers()[0]);
        backends.replace(vec![second]);
        // A request that was still being sent there.
        backends.on_refused(&old, &error);
        (0..3).for_each(|_| backends.on_failed(&old, &error, EjectionCause::Closed));
        assert_eq!(now(), [1, 0]);
        let new = Arc::clone(&backends.servers()[0]);
        backends.on_refused(&new, &error);
        assert_eq!(now(), [0, 1]);
        backends.replace(vec![first]);
        // A probe of this server was under way.
        backends.mark_available(&new);
        assert_eq!(now(), [1, 0]);
        // Other settings have replaced it, and its last requests continue.
        backends.retire();
        backends.retire();
        assert_eq!(now(), [0, 0]);
        let last = Arc::clone(&backends.servers()[0]);
        backends.on_refused(&last, &error);
        backends.mark_available(&last);
        backends.replace(Vec::new());
        assert_eq!(now(), [0, 0]);
    }
}
