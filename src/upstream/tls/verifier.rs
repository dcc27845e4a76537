//! Verifies the certificate of a server as webpki does, and says more about a fault. A certificate that is itself in
//! `upstream.tls_ca` is accepted as it is: webpki alone would refuse the self-signed ones that `openssl req -x509`
//! makes, because they are marked as an authority.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enums of rustls grow; faults that are not named here need no more words"
)]

use std::{error, fmt, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

use super::names::CertificateFacts;
use crate::{plan::TlsTrust, rfc::date};

/// Verifies certificates.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    /// `None` accepts every certificate.
    verifier: Option<Arc<WebPkiServerVerifier>>,
    trust: TlsTrust,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Why a certificate is refused, as a sentence.
#[derive(Debug)]
struct CertificateFault(String);

// === impl ServerVerifier ===

impl ServerVerifier {
    pub(super) fn new(
        verifier: Arc<WebPkiServerVerifier>,
        trust: TlsTrust,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Self {
        Self { verifier: Some(verifier), trust, algorithms }
    }

    /// Accepts every certificate. That the server has its key is still checked.
    pub(super) fn insecure(algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { verifier: None, trust: TlsTrust::default(), algorithms }
    }

    /// Verifies a certificate that is trusted by itself.
    fn verify_listed(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let facts = CertificateFacts::of(certificate).ok_or(CertificateError::BadEncoding)?;
        let seconds = |at: i64| {
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(at.max(0).unsigned_abs()))
        };
        let (not_before, not_after) = (seconds(facts.not_before), seconds(facts.not_after));
        if now > not_after {
            return Err(CertificateError::ExpiredContext { time: now, not_after }.into());
        }
        if now < not_before {
            return Err(CertificateError::NotValidYetContext { time: now, not_before }.into());
        }
        verify_server_name(&parsed, name).map_err(|error| explained(error, &facts, name, true))?;
        Ok(ServerCertVerified::assertion())
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(verifier) = &self.verifier else { return Ok(ServerCertVerified::assertion()) };
        if self.trust.certificates.iter().any(|one| one == end_entity) {
            return self.verify_listed(end_entity, server_name, now);
        }
        let verified =
            verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verified.map_err(|error| match CertificateFacts::of(end_entity) {
            Some(facts) => explained(error, &facts, server_name, !intermediates.is_empty()),
            None => error,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Adds to a fault what the certificate says, where that shows the way out.
fn explained(
    error: Error,
    facts: &CertificateFacts,
    name: &ServerName<'_>,
    has_intermediates: bool,
) -> Error {
    let Error::InvalidCertificate(refused) = &error else { return error };
    let text = match refused {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!(
                "the certificate is not for {}, but for {}: use one of its names in the URL, \
                 have a certificate issued for this name, or for an application set upstream.tls_server_name to one",
                name.to_str(),
                facts.names
            )
        }
        CertificateError::ExpiredContext { not_after, .. }
            if i64::try_from(not_after.as_secs()) != Ok(facts.not_after) =>
        {
            format!(
                "the server's certificate is valid, but that of an authority in its chain expired on {}: have the server \
                 send the current chain (fullchain.pem)",
                date::format(not_after.as_secs())
            )
        }
        // One that is marked as an authority is refused before its issuer is looked for.
        _ if facts.is_self_signed && !is_about_dates(refused) => {
            "the certificate is self-signed, and not among those of upstream.tls_ca: add its file there".into()
        }
        CertificateError::UnknownIssuer if has_intermediates => format!(
            "the certificate comes from an unknown authority ({}): add the certificate of its root authority to \
             upstream.tls_ca",
            facts.issuer
        ),
        CertificateError::UnknownIssuer => format!(
            "the certificate comes from an unknown authority ({}), and the server sends no other certificate: if that \
             is an intermediate authority, have the server send its certificate too (fullchain.pem); otherwise add it \
             to upstream.tls_ca",
            facts.issuer
        ),
        _ => return error,
    };
    let fault = OtherError(Arc::new(CertificateFault(text)));
    Error::InvalidCertificate(CertificateError::Other(fault))
}

fn is_about_dates(fault: &CertificateError) -> bool {
    matches!(
        fault,
        CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
    )
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for CertificateFault {}
