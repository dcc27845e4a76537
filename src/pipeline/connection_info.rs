//! What is known of the connection that requests come over. It never changes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::plan::TlsVersion;

/// A client's connection, as the pipeline sees it.
#[derive(Debug)]
pub struct ConnectionInfo {
    /// The peer's address; IPv4 in IPv6 form is given as IPv4.
    pub address: IpAddr,
    /// The peer's port; `None` at a unix socket.
    pub(super) port: Option<u16>,
    /// The address as text.
    pub(super) text: String,
    /// The port that the client connected to; 0 at a unix socket.
    pub(super) server_port: u16,
    /// The version of TLS, if the client speaks TLS with Sideman itself.
    pub(super) tls: Option<TlsVersion>,
}

// === impl ConnectionInfo ===

impl ConnectionInfo {
    /// `peer` is `None` at a unix socket, whose clients are on this machine.
    pub fn new(peer: Option<SocketAddr>, server_port: u16, tls: Option<TlsVersion>) -> Self {
        let address = peer.map_or(Ipv4Addr::LOCALHOST.into(), |peer| peer.ip().to_canonical());
        let port = peer.map(|peer| peer.port());
        Self { address, port, text: address.to_string(), server_port, tls }
    }

    /// The peer's address as text.
    pub fn address(&self) -> &str {
        &self.text
    }

    /// Whether the client came by a unix socket. It is trusted like a proxy, as gunicorn does: the socket's mode has
    /// let it in, and it has no address that a list could hold.
    pub(super) fn is_local(&self) -> bool {
        self.port.is_none()
    }

    /// Whether the client speaks TLS with Sideman itself.
    pub(super) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}
