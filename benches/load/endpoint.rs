//! The address of a server under test, and its protocol: plain HTTP/1.1, or TLS with ALPN.
//!
//! Every client offers only one choice: TLS 1.3, X25519, AES-128-GCM. The negotiated parameters are
//! then the same for all servers, whatever each prefers.

use std::{io, net::SocketAddr, sync::Arc};

use rustls::{
    ClientConfig, HandshakeKind,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::ServerName,
    version,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{
    certificate::{Known, NAME},
    wire::Socket,
};

/// An endpoint of a server.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

/// The protocol over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

// === impl Door ===

impl Door {
    /// Plain TCP.
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }

    /// TLS; every handshake is a full one.
    pub(crate) fn tls(
        address: SocketAddr,
        known: &Arc<Known>,
        protocol: Protocol,
    ) -> io::Result<Self> {
        let provider = CryptoProvider {
            cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
            kx_groups: vec![aws_lc_rs::kx_group::X25519],
            ..aws_lc_rs::default_provider()
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(known) as Arc<_>)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![match protocol {
            Protocol::Http1 => b"http/1.1".to_vec(),
            Protocol::Http2 => b"h2".to_vec(),
        }];
        Ok(Self { address, tls: Some(Arc::new(config)) })
    }

    /// Like `tls`, for a returning client: it keeps its session tickets.
    pub(crate) fn resuming(&self) -> Self {
        let tls = self.tls.as_deref().map(|config| {
            let mut config = config.clone();
            config.resumption = Resumption::in_memory_sessions(1);
            Arc::new(config)
        });
        Self { address: self.address, tls }
    }

    /// Connects, and does the handshake.
    pub(crate) async fn enter(&self) -> io::Result<Socket> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let Some(config) = &self.tls else { return Ok(Socket::Plain(stream)) };
        let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
        let agreed = stream.get_ref().1.alpn_protocol();
        if agreed != config.alpn_protocols.first().map(Vec::as_slice) {
            let agreed = agreed.map(String::from_utf8_lossy);
            return Err(io::Error::other(format!("the server chose {agreed:?} by ALPN")));
        }
        Ok(Socket::Tls(Box::new(stream)))
    }
}

/// Whether the handshake was full, or resumed an earlier session; `None` without TLS.
pub(crate) fn resumed(socket: &Socket) -> Option<bool> {
    match socket {
        Socket::Plain(_) => None,
        Socket::Tls(stream) => {
            stream.get_ref().1.handshake_kind().map(|kind| kind == HandshakeKind::Resumed)
        }
    }
}
