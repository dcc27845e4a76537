//! A server at an `https://` address, and the handshake with it.

use std::{io, net::SocketAddr, sync::Arc};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{fault, stream::TlsConnection};
use crate::error::{Error, FailureKind};

/// A server that is asked over TLS.
#[derive(Debug)]
pub(in crate::upstream) struct TlsServer {
    pub(in crate::upstream) address: SocketAddr,
    /// The host in its URL, without brackets.
    pub(in crate::upstream) host: Box<str>,
    /// The name that its certificate must have.
    name: Option<ServerName<'static>>,
    config: Option<Arc<ClientConfig>>,
}

// === impl TlsServer ===

impl TlsServer {
    pub(super) fn new(
        address: SocketAddr,
        host: Box<str>,
        name: Option<ServerName<'static>>,
        config: Option<Arc<ClientConfig>>,
    ) -> Self {
        Self { address, host, name, config }
    }

    /// Completes the handshake on a new connection.
    pub(in crate::upstream) async fn perform_handshake(
        &self,
        tcp: TcpStream,
    ) -> Result<TlsConnection, Error> {
        let (Some(name), Some(config)) = (&self.name, &self.config) else {
            let text = "internal error: cannot set up TLS";
            return Err(Error::io(FailureKind::UpstreamTls, io::Error::other(text)));
        };
        // A handshake has several small writes.
        let _ = tcp.set_nodelay(true);
        let connector = TlsConnector::from(Arc::clone(config));
        match connector.connect(name.clone(), tcp).await {
            Ok(stream) => Ok(TlsConnection::new(stream)),
            Err(error) => Err(fault::in_handshake(&error)),
        }
    }
}

impl PartialEq for TlsServer {
    /// Servers with other certificates, or other trust, are other servers: no connection to one is used for the other.
    fn eq(&self, other: &Self) -> bool {
        let is_same_config = match (&self.config, &other.config) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        is_same_config && self.address == other.address && self.name == other.name
    }
}

impl Eq for TlsServer {}
