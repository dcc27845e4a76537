//! The PROXY protocol: a load balancer sends the client's address in front of everything else on a connection
//! (`server.proxy_protocol`). Without it, a load balancer of TCP connections hides its clients.

use std::{
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use ipnet::IpNet;
use tokio::time::timeout;

use super::{drain::ConnectionGuard, fair_share::ShareClaim, stream::Transport};
use crate::{
    body::ClientShare,
    plan::ServerSettings,
    rfc::proxy_protocol::{self, MAX_HEADER, ProxiedAddresses, ProxyHeader, ProxyHeaderFault},
    telemetry::{LogThrottle, ProxyHeaderRefusal, WorkerMetrics},
};

/// One for each cause, so that a scan from elsewhere hides no fault of the load balancer.
static THROTTLES: [LogThrottle; ProxyHeaderRefusal::ALL.len()] =
    [const { LogThrottle::new() }; ProxyHeaderRefusal::ALL.len()];

/// The settings of all listeners whose connections begin with a header.
#[derive(Debug)]
pub struct ProxyProtocol {
    /// The load balancers.
    from: Vec<IpNet>,
    timeout: Duration,
}

/// The header that a connection must begin with.
#[derive(Debug)]
pub(super) struct ExpectedHeader {
    pub(super) settings: Arc<ProxyProtocol>,
    /// Counts the connection for its client, once that is known.
    pub(super) claim: ShareClaim,
}

/// The two ends of a connection as the client sees them.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionEnds {
    /// `None` for a client without an address: a Unix socket.
    pub(super) client: Option<SocketAddr>,
    pub(super) server_port: u16,
}

/// Why there is no header.
enum HeaderFailure {
    /// The client disconnected without a byte, or the process is ending and there was none.
    NothingSent,
    Refused(ProxyHeaderRefusal),
}

// === impl ProxyProtocol ===

impl ProxyProtocol {
    /// Returns the settings, or `None` if no listener uses them.
    pub fn of(server: &ServerSettings) -> Option<Arc<Self>> {
        (!server.proxy_protocol.is_empty()).then(|| {
            let from = server.proxy_protocol_from.clone();
            Arc::new(Self { from, timeout: server.header_timeout })
        })
    }

    fn names(&self, address: IpAddr) -> bool {
        self.from.iter().any(|network| network.contains(&address))
    }
}

// === impl ExpectedHeader ===

impl ExpectedHeader {
    /// Reads the header, and counts the connection for the client that it names: the caller must give the share to the
    /// connection's permit. Returns `None` if the connection must be closed.
    pub(super) async fn read(
        self,
        transport: &Transport,
        peer: Option<SocketAddr>,
        metrics: &WorkerMetrics,
        guard: &ConnectionGuard,
    ) -> Option<(ConnectionEnds, Option<ClientShare>)> {
        // The mode of a Unix socket admits its peers.
        let is_named = peer.is_none_or(|peer| self.settings.names(peer.ip().to_canonical()));
        let is_from_here = || peer.is_some_and(|peer| is_from_here(peer, transport));
        let read = async {
            if !is_named && !is_from_here() {
                return Err(HeaderFailure::Refused(ProxyHeaderRefusal::Network));
            }
            let addresses = timeout(self.settings.timeout, receive(transport, guard))
                .await
                .unwrap_or(Err(HeaderFailure::Refused(ProxyHeaderRefusal::Timeout)))?;
            // `sideman healthcheck` connects from this machine, and its header names nobody.
            match addresses.is_some() && !is_named {
                true => Err(HeaderFailure::Refused(ProxyHeaderRefusal::Network)),
                false => Ok(addresses),
            }
        };
        let addresses = match guard.unless_shed(read).await {
            None => {
                metrics.shed.add(1);
                return None;
            }
            Some(Err(HeaderFailure::NothingSent)) => return None,
            Some(Err(HeaderFailure::Refused(refusal))) => {
                metrics.proxy_header_refusals(refusal).add(1);
                report(refusal, peer);
                return None;
            }
            Some(Ok(addresses)) => addresses,
        };
        let Some(ProxiedAddresses { client, server }) = addresses else {
            let server_port = transport.local_port();
            return Some((ConnectionEnds { client: peer, server_port }, None));
        };
        let share = self.claim.admit(client)?;
        Some((ConnectionEnds { client: Some(client), server_port: server.port() }, share))
    }
}

/// Whether the peer is a process of this machine.
fn is_from_here(peer: SocketAddr, transport: &Transport) -> bool {
    let is_ours = |own: SocketAddr| own.ip() == peer.ip();
    peer.ip().to_canonical().is_loopback() || transport.local_address().is_some_and(is_ours)
}

/// Receives a header, and not a byte more: what follows is for TLS or HTTP. Each part is looked at before it is taken,
/// which costs two system calls for a header that arrives whole.
async fn receive(
    transport: &Transport,
    guard: &ConnectionGuard,
) -> Result<Option<ProxiedAddresses>, HeaderFailure> {
    let mut header = [0; MAX_HEADER];
    let mut taken = 0;
    loop {
        let rest = header.get_mut(taken..).unwrap_or_default();
        let peeked = peek(transport, rest, guard, taken == 0).await?;
        let seen = header.get(..taken + peeked).unwrap_or_default();
        let (end, complete) = match proxy_protocol::parse(seen).map_err(refusal)? {
            ProxyHeader::Partial => (seen.len(), None),
            ProxyHeader::Complete { length, addresses } => (length, Some(addresses)),
        };
        while taken < end {
            // The kernel has these bytes.
            match transport.try_read(header.get_mut(taken..end).unwrap_or_default()) {
                Ok(count) if count > 0 => taken += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return Err(refused(ProxyHeaderRefusal::Disconnected)),
            }
        }
        if let Some(addresses) = complete {
            return Ok(addresses);
        }
    }
}

/// Waits for more bytes and looks at them. Returns their number, which is not 0.
async fn peek(
    transport: &Transport,
    bytes: &mut [u8],
    guard: &ConnectionGuard,
    is_first: bool,
) -> Result<usize, HeaderFailure> {
    let mut peeked = pin!(transport.peek(bytes));
    poll_fn(|cx| match peeked.as_mut().poll(cx) {
        Poll::Ready(Ok(count)) if count > 0 => Poll::Ready(Ok(count)),
        Poll::Ready(_) if is_first => Poll::Ready(Err(HeaderFailure::NothingSent)),
        Poll::Ready(_) => Poll::Ready(Err(refused(ProxyHeaderRefusal::Disconnected))),
        Poll::Pending if is_first && guard.is_closing() => {
            Poll::Ready(Err(HeaderFailure::NothingSent))
        }
        Poll::Pending => Poll::Pending,
    })
    .await
}

fn refused(refusal: ProxyHeaderRefusal) -> HeaderFailure {
    HeaderFailure::Refused(refusal)
}

fn refusal(fault: ProxyHeaderFault) -> HeaderFailure {
    refused(match fault {
        ProxyHeaderFault::Missing => ProxyHeaderRefusal::Missing,
        ProxyHeaderFault::Malformed => ProxyHeaderRefusal::Malformed,
        ProxyHeaderFault::TooLong => ProxyHeaderRefusal::TooLong,
    })
}

fn report(refusal: ProxyHeaderRefusal, peer: Option<SocketAddr>) {
    let Some(missed) = THROTTLES.get(refusal as usize).and_then(LogThrottle::should_log) else {
        return;
    };
    let peer = peer.map_or_else(|| "unix".to_owned(), |peer| peer.ip().to_canonical().to_string());
    let (why, remedy) = match refusal {
        ProxyHeaderRefusal::Network => (
            "the peer is not in server.proxy_protocol_from",
            "if it is your load balancer, add its network there",
        ),
        ProxyHeaderRefusal::Missing => (
            "it does not begin with a PROXY header",
            "enable the PROXY protocol at the peer, or remove the listener from server.proxy_protocol",
        ),
        ProxyHeaderRefusal::Malformed => (
            "its PROXY header is malformed",
            "check that the peer sends version 1 or 2 for a TCP connection",
        ),
        ProxyHeaderRefusal::TooLong => (
            "its PROXY header is too long",
            "configure the peer to send fewer additional values (TLV)",
        ),
        ProxyHeaderRefusal::Timeout => (
            "its PROXY header was not complete within server.header_timeout",
            "check the network to the peer",
        ),
        ProxyHeaderRefusal::Disconnected => {
            ("the peer disconnected within its PROXY header", "check the network to the peer")
        }
    };
    let cause = refusal.name();
    tracing::warn!(peer, cause, missed, "connection refused: {why}; {remedy}");
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use tokio::{io::AsyncWriteExt as _, net::UnixStream, runtime::Builder};

    use super::*;
    use crate::{
        body::ClientShares,
        plan::ClientNetwork,
        server::{
            connection_permit::WorkerConnections, drain::ConnectionList, end_signal::EndSignal,
            fair_share::FairShare,
        },
    };

    const HEADER: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n";

    /// Reads these bytes from a peer. Returns the ends, the rest of the bytes, and how many connections of 192.0.2.7
    /// are counted while the connection is open and after it.
    fn read(peer: &str, sent: &[u8]) -> (Option<ConnectionEnds>, Vec<u8>, [u64; 2], WorkerMetrics) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let shares = Arc::new(ClientShares::new(Arc::default()));
            let fair = Arc::new(FairShare::new(Arc::clone(&shares)));
            let ended = Arc::new(EndSignal::new().unwrap());
            let connections = Arc::new(WorkerConnections::new(Arc::clone(&shares), ended));
            let from = vec!["10.0.0.0/8".parse().unwrap()];
            let settings = Arc::new(ProxyProtocol { from, timeout: Duration::from_secs(20) });
            let header = ExpectedHeader { settings, claim: fair.claim(1, 10) };
            let (server, mut client) = UnixStream::pair().unwrap();
            client.write_all(sent).await.unwrap();
            let (transport, metrics) = (Transport::Unix(server), WorkerMetrics::default());
            metrics.is_mine();
            let guard = Rc::new(ConnectionList::default()).enter(None);
            let mut permit = connections.acquire(None);
            let peer = Some(SocketAddr::new(peer.parse().unwrap(), 4000));
            let found = header.read(&transport, peer, &metrics, &guard).await;
            let ends = found.map(|(ends, share)| {
                permit.charge(share);
                ends
            });
            let mut rest = vec![0; 2048];
            let count = transport.try_read(&mut rest).unwrap_or(0);
            rest.truncate(count);
            let share = ClientShare::of(ClientNetwork::of("192.0.2.7".parse().unwrap()));
            let held = shares.held(share);
            drop(permit);
            (ends, rest, [held, shares.held(share)], metrics)
        })
    }

    #[test]
    fn nothing_behind_the_header_is_read() {
        for peer in ["10.1.2.3", "::ffff:10.1.2.3"] {
            let (ends, rest, _, _) = read(peer, &[HEADER, b"GET / HTTP/1.1\r\n"].concat());
            let ends = ends.unwrap();
            assert_eq!(ends.client, Some("192.0.2.7:50000".parse().unwrap()));
            assert_eq!((ends.server_port, rest.as_slice()), (443, &b"GET / HTTP/1.1\r\n"[..]));
        }
    }

    #[test]
    fn other_networks_are_refused_whatever_they_send() {
        for sent in [HEADER, b"PROXY UNKNOWN\r\n", b"GET / HTTP/1.1\r\n"] {
            let (ends, _, _, metrics) = read("203.0.113.1", sent);
            assert!(ends.is_none());
            assert_eq!(metrics.proxy_header_refusals(ProxyHeaderRefusal::Network).value(), 1);
        }
    }

    #[test]
    fn connection_counts_for_its_client_until_it_ends() {
        assert_eq!(read("10.1.2.3", HEADER).2, [1, 0]);
        assert_eq!(read("10.1.2.3", b"PROXY UNKNOWN\r\n").2, [0, 0]);
    }
}
