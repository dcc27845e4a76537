//! The files of a certificate.

use std::path::PathBuf;

/// A certificate with its chain, and its key; both in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}
