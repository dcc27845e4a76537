//! The certificate of a run: ECDSA P-256, the same for every server; its files can be replaced while
//! a server uses them. `Known` is the client's verifier: it accepts only these certificates.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rcgen::{CertifiedKey, KeyPair};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

/// The name in the certificate; clients request it.
pub(crate) const NAME: &str = "load.test";

/// A certificate and its key in files.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    /// Shared with the clients.
    pub(crate) known: Arc<Known>,
}

/// All certificates so far, and which of them clients have seen.
#[derive(Default)]
pub(crate) struct Known {
    certificates: Mutex<Vec<(CertificateDer<'static>, bool)>>,
}

// === impl Certificate ===

impl Certificate {
    /// Makes a certificate, with its files in `directory`.
    pub(crate) fn make(directory: &Path) -> io::Result<Self> {
        let made = Self {
            chain: directory.join("certificate.pem"),
            key: directory.join("key.pem"),
            known: Arc::default(),
        };
        made.swap()?;
        Ok(made)
    }

    /// Replaces the files like a deployment: each atomically, one after the other.
    pub(crate) fn swap(&self) -> io::Result<()> {
        let CertifiedKey { cert, signing_key } = pair().map_err(io::Error::other)?;
        // Clients know it before the first server can present it.
        self.known.add(cert.der().clone());
        for (path, text) in [(&self.key, signing_key.serialize_pem()), (&self.chain, cert.pem())] {
            let new = path.with_extension("new");
            fs::write(&new, text)?;
            fs::rename(new, path)?;
        }
        Ok(())
    }
}

// === impl Known ===

impl Known {
    /// How many certificates clients have seen, and how many were made.
    pub(crate) fn shown(&self) -> (usize, usize) {
        let certificates = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        (certificates.iter().filter(|(_, shown)| *shown).count(), certificates.len())
    }

    fn add(&self, certificate: CertificateDer<'static>) {
        let mut certificates = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        certificates.push((certificate, false));
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, all) = self.shown();
        write!(f, "Known({shown} of {all} shown)")
    }
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut certificates = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        match certificates.iter_mut().find(|(known, _)| known == end_entity) {
            Some((_, shown)) => {
                *shown = true;
                Ok(ServerCertVerified::assertion())
            }
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("the load speaks TLS 1.3 alone".into()))
    }

    /// The server's work ends with the signature; verifying it would only slow down the client,
    /// and the server would wait for it.
    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

fn pair() -> Result<CertifiedKey<KeyPair>, rcgen::Error> {
    let signing_key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let cert = rcgen::CertificateParams::new(vec![NAME.to_owned()])?.self_signed(&signing_key)?;
    Ok(CertifiedKey { cert, signing_key })
}
