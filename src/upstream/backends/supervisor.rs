//! Maintains the servers, independently of requests: it resolves names, retries unavailable servers, and probes
//! available ones from time to time (`probes`). There is one supervisor for each application. After a restart, the
//! server therefore gets the connections of one prober and not of all workers.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::{
    net::lookup_host,
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
};

use super::{
    server::{OutageCause, ServerAddress, UpstreamServer},
    state::{Backends, known_address},
};
use crate::{
    error::{Error, FailureKind},
    plan::UpstreamTarget,
    sync::{copy, lock},
    upstream::connect::connect,
};

/// How long the response of a name server is used. Container DNS changes at each deployment.
const LOOKUP_LIFETIME: Duration = Duration::from_secs(10);
/// How long a name server may take.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause between two queries for a name without addresses, or with addresses in doubt.
const LOOKUP_PAUSE: Duration = Duration::from_millis(250);
/// The same pause while requests wait for the first address.
const EAGER_LOOKUP_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause while no address is known.
const MAX_LOOKUP_PAUSE: Duration = Duration::from_secs(1);

// === impl Backends ===

impl Backends {
    /// Keeps the list of servers and their state up to date; runs for ever.
    pub async fn supervise(self: Arc<Self>) {
        tokio::join!(
            self.refresh_names(),
            self.probe_unavailable(),
            self.probe_ejected(),
            self.probe_all(),
            self.grow_shares(),
            self.tune_limit(),
            self.check_protocols()
        );
    }

    /// Resolves names: at once, on a schedule, and after a failed connection.
    async fn refresh_names(self: &Arc<Self>) {
        if self.targets.iter().all(|target| known_address(target, None).is_some()) {
            return;
        }
        let mut pause = LOOKUP_PAUSE;
        let mut known = vec![Vec::new(); self.targets.len()];
        loop {
            let has_all = self.look_up(&mut known).await;
            let is_unknown = self.servers().is_empty();
            let longest = if is_unknown { MAX_LOOKUP_PAUSE } else { LOOKUP_LIFETIME };
            pause = if has_all { LOOKUP_LIFETIME } else { (pause * 2).min(longest) };
            // Limits the rate, however many connections fail.
            sleep(if is_unknown { EAGER_LOOKUP_PAUSE } else { LOOKUP_PAUSE }).await;
            // A request that waits for a name is not a new reason to ask, because the name is queried repeatedly
            // anyway.
            if !(is_unknown && self.has_waiters()) {
                let _ = timeout(pause, self.name_doubtful.notified()).await;
            }
        }
    }

    pub(super) fn has_waiters(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Resolves all names. Returns whether each has an answer. `known` holds the last good answers, in the order of the
    /// targets.
    async fn look_up(self: &Arc<Self>, known: &mut [Vec<SocketAddr>]) -> bool {
        let before = self.servers();
        // Addresses of the other family belong to the same server and would count twice. They are used only for names
        // that cannot be reached at any address of the first family.
        let is_first_choice = |address: &ServerAddress| {
            address.socket_address().is_none_or(|address| address.is_ipv4())
        };
        let wants_all = !before.is_empty()
            && !before
                .iter()
                .any(|server| server.is_available() && is_first_choice(&server.address));
        let mut has_all = true;
        for (target, known) in self.targets.iter().zip(&mut *known) {
            let UpstreamTarget::Tcp { host, port } = target else { continue };
            match look_up(host, *port).await {
                Ok(found) => *known = single_family(found, wants_all).collect(),
                Err(error) => {
                    tracing::debug!(%error, host, "cannot resolve the application's host name");
                    let error = Error::io(FailureKind::UpstreamUnresolved, error);
                    *lock(&self.unresolved) = Some(OutageCause::from(&error));
                    // The last good answer is kept, and other names may have new ones.
                    has_all = false;
                }
            }
        }
        // The settings may have changed during the wait for name servers.
        let (tls, before) = (self.tls(), self.servers());
        let addresses = self.targets.iter().zip(known).flat_map(|(target, known)| match target {
            UpstreamTarget::Unix(_) => known_address(target, None).into_iter().collect(),
            UpstreamTarget::Tcp { host, .. } => {
                let known = known.iter();
                known.map(|at| ServerAddress::of_host(host, *at, tls.as_ref())).collect::<Vec<_>>()
            }
        });
        let addresses: Vec<ServerAddress> = addresses.collect();
        if !before.iter().map(|server| &server.address).eq(&addresses) {
            self.replace(addresses);
            self.end_ejections_if_alone();
            self.dispatch();
        }
        if !has_all && self.settings().admission.wait.is_zero() && self.servers().is_empty() {
            let unresolved = copy(&self.unresolved);
            unresolved.inspect(|failure| self.fail_all(&failure.error()));
        }
        has_all
    }

    /// Retries unavailable servers until they are available.
    async fn probe_unavailable(self: &Arc<Self>) {
        let mut attempts = JoinSet::new();
        loop {
            let away: Vec<Arc<UpstreamServer>> =
                self.servers().iter().filter(is_lost).cloned().collect();
            let Some(next) = away.iter().filter_map(|server| server.not_before()).min() else {
                self.server_lost.notified().await;
                continue;
            };
            tokio::select! {
                () = sleep_until(next.into()) => {}
                // Another server became unavailable, or a request waits now, so the pauses may be shorter.
                () = self.server_lost.notified() => continue,
            }
            let now = Instant::now();
            for server in away {
                if server.not_before().is_none_or(|at| at <= now) {
                    let backends = Arc::clone(self);
                    attempts.spawn(async move { backends.attempt(&server).await });
                }
            }
            while attempts.join_next().await.is_some() {}
        }
    }

    async fn attempt(self: &Arc<Self>, server: &UpstreamServer) {
        match connect(&server.address, self.settings().connect_timeout).await {
            Ok(_) => {
                if server.speaks_other() && self.still_speaks_other(server).await {
                    server.extend_outage(OutageCause::from(&self.mismatch_error(server)), false);
                } else {
                    self.on_reachable(server);
                }
            }
            Err(error) => {
                let is_urgent = self.waiting.load(Ordering::SeqCst) > 0;
                server.extend_outage(OutageCause::from(&error), is_urgent);
                // The last log entry may be so recent that this outage was not logged when it began.
                server.log_outage(&error);
                self.name_doubtful.notify_one();
            }
        }
    }

    pub(super) fn on_reachable(self: &Arc<Self>, server: &UpstreamServer) {
        self.restore(server, true);
        self.dispatch();
    }
}

/// Whether a server does not accept connections, as far as known. Ejected servers do (`ejected`).
fn is_lost(server: &&Arc<UpstreamServer>) -> bool {
    !server.is_available() && !server.is_ejected()
}

async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = match timeout(LOOKUP_TIMEOUT, lookup_host((host, port))).await {
        Ok(found) => found?.collect(),
        Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "no name server responds")),
    };
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(found)
}

/// Returns the addresses of one family, IPv4 if there are any, or of both. They are sorted, because name servers change
/// the order.
fn single_family(mut found: Vec<SocketAddr>, wants_all: bool) -> impl Iterator<Item = SocketAddr> {
    found.sort_unstable();
    let has_v4 = found.iter().any(SocketAddr::is_ipv4);
    found.into_iter().filter(move |address| wants_all || !has_v4 || address.is_ipv4())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_family_unless_all_are_wanted() {
        let all: Vec<SocketAddr> =
            ["[::1]:80", "127.0.0.2:80", "127.0.0.1:80"].map(|text| text.parse().unwrap()).into();
        let show = |wants_all| {
            let kept = single_family(all.clone(), wants_all);
            kept.map(|address| address.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(show(false), "127.0.0.1:80 127.0.0.2:80");
        assert_eq!(show(true), "127.0.0.1:80 127.0.0.2:80 [::1]:80");
        let six: Vec<SocketAddr> = vec!["[::1]:80".parse().unwrap()];
        assert_eq!(single_family(six, false).count(), 1);
    }
}
