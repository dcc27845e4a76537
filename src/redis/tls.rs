//! TLS to Redis, with the cryptography of the listeners. Which authorities are trusted is a setting.

use std::{fmt, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio_rustls::TlsConnector;

use crate::plan::CacheSettings;

/// The settings of TLS connections to Redis.
#[derive(Clone)]
pub struct RedisTls(pub(super) TlsConnector);

/// The largest file with authorities; all public ones have a fourth of it.
const MAX_FILE: u64 = 1024 * 1024;

// === impl RedisTls ===

impl RedisTls {
    /// Reads the authorities, if Redis is used over TLS. Returns a sentence with a remedy if the file has none.
    pub fn load(settings: &CacheSettings) -> Result<Option<Self>, String> {
        if !settings.redis.as_ref().is_some_and(|redis| redis.is_tls) {
            return Ok(None);
        }
        let roots = match &settings.redis_ca {
            Some(path) => read(path).map_err(|fault| {
                format!(
                    "cache.redis_ca: {fault} in {}: name a PEM file with certificates",
                    path.display()
                )
            })?,
            None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
        };
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("cannot set up TLS to Redis: {error}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Some(Self(TlsConnector::from(Arc::new(config)))))
    }
}

impl fmt::Debug for RedisTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTls").finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<RootCertStore, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > MAX_FILE {
        return Err("more than 1 MiB".into());
    }
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|_| "no valid PEM")?;
        roots.add(certificate).map_err(|_| "a certificate that is not valid")?;
    }
    if roots.is_empty() {
        return Err("no certificate".into());
    }
    Ok(roots)
}
