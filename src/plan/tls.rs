//! TLS towards clients: where it is spoken, with which certificates, within which bounds.

use std::{path::PathBuf, time::Duration};

use super::listen::ListenAddress;

/// The listeners that speak TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// At least one.
    pub listen: Vec<ListenAddress>,
    pub certificates: CertificateSettings,
    pub min_version: TlsVersion,
    /// From the accepted connection to the end of its handshake.
    pub handshake_timeout: Duration,
    /// Handshakes that the process is at, at the same time.
    pub handshakes: usize,
}

/// Where certificates come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CertificateSettings {
    /// One made at the start, with a key that nobody else has.
    #[default]
    SelfSigned,
    /// At least one; the first is for clients that name no server, or an unknown one.
    Files(Vec<CertificateFiles>),
}

/// A certificate with its chain, and its key; both in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    #[default]
    V12,
    V13,
}

// === impl TlsVersion ===

impl TlsVersion {
    /// As OpenSSL and nginx call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::V12 => "TLSv1.2",
            Self::V13 => "TLSv1.3",
        }
    }
}
