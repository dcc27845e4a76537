//! Whom the client trusts, and who it says it is.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio_rustls::TlsConnector;

use super::fault::OutgoingError;

/// Who may issue the certificates of servers.
#[derive(Clone, Copy, Debug)]
pub enum Authorities<'a> {
    /// The public authorities (webpki-roots).
    Public,
    /// Only those whose certificates this PEM text has.
    Pem(&'a [u8]),
}

/// A certificate with its chain, and its key, for servers that demand one.
pub(super) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

pub(super) fn connector(
    authorities: Authorities<'_>,
    identity: Option<Identity>,
) -> Result<TlsConnector, OutgoingError> {
    let roots = match authorities {
        Authorities::Public => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
        Authorities::Pem(text) => read(text).map_err(OutgoingError::Authorities)?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(OutgoingError::TlsSettings)?
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            builder.with_client_auth_cert(chain, key).map_err(OutgoingError::TlsSettings)?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn read(text: &[u8]) -> Result<RootCertStore, &'static str> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(text) {
        let certificate = certificate.map_err(|_| "no valid PEM")?;
        roots.add(certificate).map_err(|_| "a certificate that is not valid")?;
    }
    if roots.is_empty() {
        return Err("no certificate");
    }
    Ok(roots)
}
