//! TLS to the servers of an application: who is trusted, and who Sideman says it is.

use std::{path::PathBuf, sync::Arc};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::certificate_files::CertificateFiles;

/// TLS to the servers of one application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    pub trust: TlsTrust,
    /// The certificate for servers that demand one.
    pub client_certificate: Option<ClientCertificate>,
    /// The name that certificates must have, in place of the host in the address.
    pub server_name: Option<String>,
    /// Whether certificates are verified.
    pub is_verified: bool,
}

/// The authorities whose certificates are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsTrust {
    /// Whether the authorities that browsers trust are.
    pub is_public: bool,
    /// Files with more certificates, in PEM.
    pub files: Vec<PathBuf>,
    /// The setting that names the files, for messages.
    pub key: String,
    /// The certificates of the files, which `config` reads at the start and at each reload.
    pub certificates: Arc<[CertificateDer<'static>]>,
}

/// The certificate that a server gets if it demands one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    pub files: CertificateFiles,
    /// The setting that names the files, for messages.
    pub key: String,
    /// The contents of the files, which `config` reads at the start and at each reload.
    pub identity: Option<Arc<ClientIdentity>>,
}

/// A certificate with its chain, and its private key. Printing it shows nothing of the key.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    pub chain: Vec<CertificateDer<'static>>,
    pub private_key: PrivateKeyDer<'static>,
}
