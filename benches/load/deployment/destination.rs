//! Where the load goes: the URL, its addresses, and how a connection is opened.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use http::{Uri, uri::Scheme};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use super::{
    connection::Connection,
    failure::{Failure, FailureKind},
};
use crate::wire::Socket;

/// Where systems keep the certificates of the CAs that they trust: Debian and Alpine, Fedora.
const SYSTEM_CAS: [&str; 2] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// The server that is loaded.
#[derive(Debug)]
pub(crate) struct Destination {
    /// Scheme, host and port as they were given.
    pub(crate) url: String,
    /// The value of the `Host` header.
    pub(crate) authority: String,
    /// The path and the query of the URL.
    pub(crate) path: String,
    pub(crate) addresses: Vec<SocketAddr>,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// How the certificate of the server is verified.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verification<'a> {
    SystemCas,
    /// The CAs of this file.
    CasOf(&'a Path),
    /// Not at all.
    Disabled,
}

/// Accepts every certificate; signatures are still checked, as a browser would have to.
#[derive(Debug)]
struct AcceptAny(CryptoProvider);

// === impl Destination ===

impl Destination {
    /// Reads the URL and looks up its host.
    pub(crate) fn resolve(text: &str, verification: Verification<'_>) -> io::Result<Self> {
        let wrong = |why: &str| io::Error::other(format!("--target {text}: {why}"));
        let uri: Uri = text
            .parse()
            .map_err(|error| wrong(&format!("{error}; write it as http://HOST:PORT/PATH")))?;
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(wrong("must start with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("a password has no place in a URL; use --header 'Authorization: …'"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = authority.as_str().get(authority.host().len()..).unwrap_or_default();
        let port = match (port, secure) {
            ("", false) => 80,
            ("", true) => 443,
            (port, _) => port
                .trim_start_matches(':')
                .parse()
                .map_err(|_| wrong("the port must be a number up to 65535"))?,
        };
        let addresses: Vec<_> = (host, port)
            .to_socket_addrs()
            .map_err(|error| wrong(&format!("cannot look up {host}: {error}; correct the name")))?
            .collect();
        let tls = match secure {
            true => {
                let name = ServerName::try_from(host.to_owned());
                let name = name.map_err(|error| wrong(&error.to_string()))?;
                Some((Arc::new(tls_config(verification)?), name))
            }
            false => None,
        };
        Ok(Self {
            url: format!("{}://{authority}", if secure { "https" } else { "http" }),
            authority: authority.to_string(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            addresses,
            tls,
        })
    }

    /// The first address that is not of this machine or of a private network.
    pub(crate) fn public_address(&self) -> Option<IpAddr> {
        self.addresses.iter().map(SocketAddr::ip).find(|address| is_public(*address))
    }

    /// Opens a connection to see whether that is possible.
    pub(crate) async fn connect_within(&self, patience: Duration) -> Result<Connection, Failure> {
        timeout(patience, self.connect(0)).await.unwrap_or_else(|_| {
            let what = format!("no connection within {patience:?}");
            Err(Failure::new(FailureKind::Unreachable, what))
        })
    }

    /// Opens the connection with this number; numbers go round among the addresses.
    pub(crate) async fn connect(&self, number: u64) -> Result<Connection, Failure> {
        let index = number % self.addresses.len().max(1) as u64;
        let address = self
            .addresses
            .get(index as usize)
            .ok_or_else(|| Failure::new(FailureKind::Unreachable, "no address"))?;
        let open = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = open.await.map_err(|error: io::Error| Failure::connecting(&error))?;
        let Some((config, name)) = &self.tls else {
            return Ok(Connection::new(Socket::Plain(stream)));
        };
        let stream = TlsConnector::from(Arc::clone(config))
            .connect(name.clone(), stream)
            .await
            .map_err(|error| Failure::new(FailureKind::Tls, error))?;
        Ok(Connection::new(Socket::Tls(Box::new(stream))))
    }
}

/// TLS 1.2 and 1.3 as a browser has them, for HTTP/1.1.
fn tls_config(verification: Verification<'_>) -> io::Result<ClientConfig> {
    let provider = aws_lc_rs::default_provider();
    let builder = ClientConfig::builder_with_provider(Arc::new(provider.clone()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let mut config = match verification {
        Verification::Disabled => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
            .with_no_client_auth(),
        Verification::SystemCas => {
            builder.with_root_certificates(system_cas()?).with_no_client_auth()
        }
        Verification::CasOf(path) => {
            builder.with_root_certificates(certificates(path)?).with_no_client_auth()
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn system_cas() -> io::Result<RootCertStore> {
    let found = SYSTEM_CAS.iter().find(|path| fs::metadata(path).is_ok()).ok_or_else(|| {
        io::Error::other(format!(
            "this system has no CA certificates in {}: install `ca-certificates`, name a file with \
             --ca, or do not verify with --insecure",
            SYSTEM_CAS.join(" or ")
        ))
    })?;
    certificates(Path::new(found))
}

fn certificates(path: &Path) -> io::Result<RootCertStore> {
    let wrong = |why: &dyn std::fmt::Display| {
        let path = path.display();
        io::Error::other(format!("--ca {path}: {why}; it must be a file of PEM certificates"))
    };
    let mut store = RootCertStore::empty();
    let found: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(&error))?;
    if store.add_parsable_certificates(found).0 == 0 {
        return Err(wrong(&"no certificate in it"));
    }
    Ok(store)
}

/// Whether an address belongs to neither this machine nor a private network.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => is_public_v4(address),
            None => {
                let local = address.is_unique_local() || address.is_unicast_link_local();
                !(local || address.is_loopback() || address == Ipv6Addr::UNSPECIFIED)
            }
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    // RFC 6598: behind a provider's NAT.
    let shared = matches!(address.octets(), [100, 64..=127, ..]);
    let local = address.is_loopback() || address.is_private() || address.is_link_local();
    !(local || shared || address.is_unspecified())
}

/// Addresses of either kind.
pub(super) fn check() -> Result<(), String> {
    let addresses = [
        ("127.0.0.1", false),
        ("10.1.2.3", false),
        ("172.16.0.1", false),
        ("172.32.0.1", true),
        ("192.168.1.1", false),
        ("169.254.1.1", false),
        ("100.64.0.1", false),
        ("100.128.0.1", true),
        ("203.0.113.9", true),
        ("::1", false),
        ("fd00::1", false),
        ("fe80::1", false),
        ("::ffff:10.0.0.1", false),
        ("::ffff:8.8.8.8", true),
        ("2001:db8::1", true),
    ];
    for (text, public) in addresses {
        let address = text.parse().map_err(|error| format!("{text}: {error}"))?;
        if is_public(address) != public {
            return Err(format!("{text} is taken for a public address, or for none"));
        }
    }
    Ok(())
}

// === impl AcceptAny ===

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
