//! The TLS settings of one application as rustls needs them. All workers share them, and with them the sessions that
//! can be resumed.

use std::{net::SocketAddr, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    client::WebPkiServerVerifier,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::ServerName,
    version::{TLS12, TLS13},
};

use super::{server::TlsServer, verifier::ServerVerifier};
use crate::plan::{TlsTrust, UpstreamTls};

/// The one protocol that is spoken.
const HTTP1: &[u8] = b"http/1.1";

/// TLS to the servers of one application.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct TlsClient {
    /// `None` if rustls refuses the settings. `config` has checked them, so this is an internal error.
    config: Option<Arc<ClientConfig>>,
    /// The name of all servers, in place of their hosts.
    server_name: Option<String>,
}

// === impl TlsClient ===

impl TlsClient {
    pub(in crate::upstream) fn new(plan: &UpstreamTls) -> Self {
        let config = config(plan);
        if let Err(error) = &config {
            tracing::error!(%error, "internal error: cannot set up TLS to the application");
        }
        Self { config: config.ok().map(Arc::new), server_name: plan.server_name.clone() }
    }

    /// Returns the server of a host at one of its addresses.
    pub(in crate::upstream) fn server(&self, host: &str, address: SocketAddr) -> Arc<TlsServer> {
        let name = self.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name).ok().map(|name| name.to_owned());
        Arc::new(TlsServer::new(address, host.into(), name, self.config.clone()))
    }
}

fn config(plan: &UpstreamTls) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = verifier(plan, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let identity = plan.client_certificate.as_ref().and_then(|one| one.identity.as_ref());
    let mut config = match identity {
        Some(identity) => builder
            .with_client_auth_cert(identity.chain.clone(), identity.private_key.clone_key())?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![HTTP1.to_vec()];
    Ok(config)
}

fn verifier(
    plan: &UpstreamTls,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerVerifier, rustls::Error> {
    let algorithms = provider.signature_verification_algorithms;
    if !plan.is_verified {
        return Ok(ServerVerifier::insecure(algorithms));
    }
    let roots = Arc::new(roots(&plan.trust)?);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    Ok(ServerVerifier::new(verifier, plan.trust.clone(), algorithms))
}

fn roots(trust: &TlsTrust) -> Result<RootCertStore, rustls::Error> {
    let mut roots = RootCertStore::empty();
    if trust.is_public {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for certificate in trust.certificates.iter() {
        roots.add(certificate.clone())?;
    }
    Ok(roots)
}
