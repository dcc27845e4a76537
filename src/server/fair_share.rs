//! Decides which client gets one of the last connections. If other clients have connected recently, a client that holds
//! more than a quarter of `server.max_connections` leaves the last quarter to them. A trusted proxy is not a single
//! client: a load balancer has one address for all its clients.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use ipnet::IpNet;

use crate::{
    body::{ClientShare, ClientShares},
    plan::ClientNetwork,
    telemetry::LogThrottle,
};

/// How long another client counts as recent. Health checks connect more often than this.
const RECENT: Duration = Duration::from_mins(2);

/// The number of connections of each client. It is read once for each connection: by the acceptor, or by the worker
/// after the header that names the client (`proxy_protocol`).
#[derive(Debug)]
pub(super) struct FairShare {
    shares: Arc<ClientShares>,
    state: Mutex<ShareState>,
    throttle: LogThrottle,
}

/// The count of a connection whose client is not known yet, with the values at the time it was accepted.
#[derive(Debug)]
pub(super) struct ShareClaim {
    fair: Arc<FairShare>,
    used: usize,
    max: usize,
}

#[derive(Debug, Default)]
struct ShareState {
    trusted_proxies: Vec<IpNet>,
    arrivals: RecentArrivals,
}

/// The last arrival, and the last arrival of another client. `None` stands for a peer that is not a single client.
#[derive(Debug, Default)]
struct RecentArrivals {
    last: Option<(Option<ClientNetwork>, Instant)>,
    other: Option<Instant>,
}

// === impl FairShare ===

impl FairShare {
    pub(super) fn new(shares: Arc<ClientShares>) -> Self {
        Self { shares, state: Mutex::default(), throttle: LogThrottle::default() }
    }

    /// Sets the proxies whose connections count for no client.
    pub(super) fn set_trusted(&self, trusted_proxies: &[IpNet]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.trusted_proxies = trusted_proxies.to_vec();
    }

    /// Counts a new connection while `used` of `max` connections are open, including this one. Returns `Some` with the
    /// client it counts for, or `None` if it must be closed.
    pub(super) fn admit(
        &self,
        peer: Option<SocketAddr>,
        used: usize,
        max: usize,
    ) -> Option<Option<ClientShare>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let client = peer.and_then(|peer| state.client(peer.ip()));
        let is_alone = state.arrivals.note(client, Instant::now());
        let Some(client) = client else { return Some(None) };
        let share = ClientShare::of(client);
        let limit = if is_alone { u64::MAX } else { max as u64 };
        if self.shares.take(share, 1, used as u64, limit) {
            return Some(Some(share));
        }
        self.report_exceeded(peer, max);
        None
    }

    /// Postpones [`FairShare::admit`] until the client is known.
    pub(super) fn claim(self: &Arc<Self>, used: usize, max: usize) -> ShareClaim {
        ShareClaim { fair: Arc::clone(self), used, max }
    }

    /// Reports that a client reached its share of connections, so that it could take the last ones from others.
    fn report_exceeded(&self, peer: Option<SocketAddr>, connections: usize) {
        if let Some(missed) = self.throttle.should_log() {
            let client = peer.map(|peer| peer.ip().to_string()).unwrap_or_default();
            tracing::warn!(
                client,
                connections,
                missed,
                "one client has most of server.max_connections, so its new connections are closed; if it is a \
                 proxy, add it to server.trusted_proxies"
            );
        }
    }
}

// === impl ShareClaim ===

impl ShareClaim {
    /// Counts the connection for its client, as [`FairShare::admit`] does.
    pub(super) fn admit(&self, client: SocketAddr) -> Option<Option<ClientShare>> {
        self.fair.admit(Some(client), self.used, self.max)
    }
}

// === impl ShareState ===

impl ShareState {
    fn client(&self, address: IpAddr) -> Option<ClientNetwork> {
        let address = address.to_canonical();
        let is_proxy = self.trusted_proxies.iter().any(|proxy| proxy.contains(&address));
        (!is_proxy).then(|| ClientNetwork::of(address))
    }
}

// === impl RecentArrivals ===

impl RecentArrivals {
    /// Records an arrival. Returns `true` if no other client has connected recently.
    fn note(&mut self, client: Option<ClientNetwork>, now: Instant) -> bool {
        if let Some((last, at)) = self.last
            && last != client
        {
            self.other = Some(at);
        }
        self.last = Some((client, now));
        self.other.is_none_or(|at| now.saturating_duration_since(at) > RECENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Option<SocketAddr> {
        Some(SocketAddr::new(text.parse().unwrap(), 1234))
    }

    fn fair_share() -> FairShare {
        let fair = FairShare::new(Arc::new(ClientShares::new(Arc::default())));
        fair.set_trusted(&["10.0.0.0/8".parse().unwrap()]);
        fair
    }

    #[test]
    fn last_quarter_is_for_clients_with_few_connections() {
        let fair = fair_share();
        assert!(fair.admit(peer("192.0.2.1"), 1, 8).is_some());
        let mut held = 1;
        while fair.admit(peer("2001:db8::1"), held + 1, 8).is_some() {
            held += 1;
        }
        assert_eq!(held, 6);
        // An address of the same client.
        assert!(fair.admit(peer("2001:db8::2"), 7, 8).is_none());
        assert!(fair.admit(peer("192.0.2.1"), 7, 8).is_some());
        // A new client, a trusted proxy, and a unix socket.
        for other in [peer("2001:db8:0:1::1"), peer("10.1.2.3"), None] {
            assert!(fair.admit(other, 8, 8).is_some());
        }
    }

    #[test]
    fn client_that_is_alone_has_all() {
        let fair = fair_share();
        for used in 1..=8 {
            assert!(fair.admit(peer("192.0.2.1"), used, 8).is_some());
        }
    }

    #[test]
    fn others_count_for_a_while() {
        let (mut arrivals, begin) = (RecentArrivals::default(), Instant::now());
        let client = |number: u8| Some(ClientNetwork::of(IpAddr::from([192, 0, 2, number])));
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert!(arrivals.note(client(1), at(0)));
        assert!(arrivals.note(client(1), at(10)));
        assert!(!arrivals.note(client(2), at(20)));
        assert!(!arrivals.note(client(1), at(30)));
        assert!(!arrivals.note(client(1), at(140)));
        assert!(arrivals.note(client(1), at(141)));
        assert!(!arrivals.note(None, at(150)));
    }
}
