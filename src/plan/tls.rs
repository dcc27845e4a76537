//! TLS for clients: listeners, certificates and limits.

use std::time::Duration;

use super::{acme::AcmeSettings, certificate_files::CertificateFiles, listen::ListenAddress};

/// The TLS listeners and their options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// At least one.
    pub listen: Vec<ListenAddress>,
    pub certificates: CertificateSettings,
    pub min_version: TlsVersion,
    /// The time from the accepted connection to the end of its handshake.
    pub handshake_timeout: Duration,
    /// Maximum number of handshakes at the same time.
    pub handshakes: usize,
}

/// The source of certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CertificateSettings {
    /// A certificate made at the start, with a new private key.
    #[default]
    SelfSigned,
    /// At least one. The first is for clients that name no server, or an unknown one.
    Files(Vec<CertificateFiles>),
    /// One that an authority issues; until then, a self-signed one.
    Acme(AcmeSettings),
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    #[default]
    V12,
    V13,
}

// === impl TlsSettings ===

impl TlsSettings {
    /// Returns what to ask an authority for, if it issues the certificate.
    pub fn acme(&self) -> Option<&AcmeSettings> {
        match &self.certificates {
            CertificateSettings::Acme(settings) => Some(settings),
            CertificateSettings::SelfSigned | CertificateSettings::Files(_) => None,
        }
    }
}

// === impl CertificateSettings ===

impl CertificateSettings {
    /// Whether an authority issues the certificate.
    pub fn are_issued(&self) -> bool {
        matches!(self, Self::Acme(_))
    }
}

// === impl TlsVersion ===

impl TlsVersion {
    /// Returns the name that OpenSSL and nginx use.
    pub fn name(self) -> &'static str {
        match self {
            Self::V12 => "TLSv1.2",
            Self::V13 => "TLSv1.3",
        }
    }
}
