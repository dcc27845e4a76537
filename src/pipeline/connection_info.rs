//! The description of the connection that requests arrive on. It never changes.

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
    /// The TLS version, if Sideman itself terminates TLS.
    pub(super) tls: Option<TlsVersion>,
}

// === impl ConnectionInfo ===

impl ConnectionInfo {
    /// Describes a connection. `peer` is `None` at a unix socket, whose clients are on this machine.
    pub fn new(peer: Option<SocketAddr>, server_port: u16, tls: Option<TlsVersion>) -> Self {
        let address = peer.map_or(Ipv4Addr::LOCALHOST.into(), |peer| peer.ip().to_canonical());
        let port = peer.map(|peer| peer.port());
        Self { address, port, text: address.to_string(), server_port, tls }
    }

    /// Returns the peer's address as text.
    pub fn address(&self) -> &str {
        &self.text
    }

    /// Whether the client connected through a unix socket. Such a client is trusted like a proxy, as in gunicorn: the
    /// socket's mode admits it, and it has no address that a list could name.
    pub(super) fn is_local(&self) -> bool {
        self.port.is_none()
    }

    /// Whether Sideman itself terminates the client's TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}
