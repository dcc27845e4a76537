//! TLS clients that trust one authority, and what they see.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use x509_parser::prelude::GeneralName;

const TIME_LIMIT: Duration = Duration::from_secs(20);

/// A configuration that trusts the certificates of this PEM text.
pub(super) fn trusting(pem: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Connects, and completes the handshake.
pub(super) fn connect(
    address: SocketAddr,
    name: &str,
    config: ClientConfig,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut stream = TcpStream::connect_timeout(&address, TIME_LIMIT)?;
    stream.set_read_timeout(Some(TIME_LIMIT))?;
    stream.set_write_timeout(Some(TIME_LIMIT))?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}

/// The certificate for this name, if its chain leads to this authority.
pub(super) fn certificate(address: SocketAddr, name: &str, issuer: &str) -> Option<Vec<u8>> {
    let stream = connect(address, name, trusting(issuer)).ok()?;
    Some(stream.conn.peer_certificates().unwrap()[0].to_vec())
}

/// The names of a certificate, sorted.
pub(super) fn names(certificate: &[u8]) -> Vec<String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).unwrap();
    let names = parsed.subject_alternative_name().unwrap().unwrap();
    let hosts = names.value.general_names.iter().filter_map(|name| {
        let GeneralName::DNSName(host) = name else { return None };
        Some((*host).to_owned())
    });
    let mut names: Vec<_> = hosts.collect();
    names.sort();
    names
}

/// Sends a request that ends the connection, and returns everything that comes back.
pub(super) fn exchange(
    address: SocketAddr,
    config: ClientConfig,
    request: &[u8],
) -> io::Result<Vec<u8>> {
    let mut stream = connect(address, "127.0.0.1", config)?;
    stream.write_all(request)?;
    stream.flush()?;
    let mut response = Vec::new();
    match stream.read_to_end(&mut response) {
        // Go's server ends some connections without close_notify.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        Ok(_) | Err(_) => Ok(response),
    }
}

/// Sends a request on an open connection, and returns everything until its end.
pub(super) fn read_all(
    stream: &mut StreamOwned<ClientConnection, TcpStream>,
    request: &[u8],
) -> String {
    stream.write_all(request).and_then(|()| stream.flush()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}
