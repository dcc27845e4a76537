//! TLS to the servers of an application: `upstream.tls_*`, and the same of a route.

use std::{fs::File, io::Read as _, path::Path, sync::Arc};

use rustls::{
    RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName},
    sign::CertifiedKey,
};

use crate::{
    plan::{
        CertificateFiles, ClientCertificate, ClientIdentity, Plan, RouteAction, TlsTrust,
        UpstreamSettings, UpstreamTls,
    },
    rfc::pem,
};

use super::{
    conflict::{Conflict, when},
    format::{ChoiceFormat, TextFormat},
    local_path,
    servers::ServerWithScheme,
    url::Scheme,
};

/// The largest file that is read, far more than the certificates of all public authorities.
const MAX_FILE_SIZE: u64 = 4 << 20;
/// The word for the authorities that browsers trust.
const PUBLIC: &str = "public";

/// One entry of `tls_ca`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Authority {
    Public,
    File(std::path::PathBuf),
}

/// The authorities that are trusted.
pub(super) const CA: TextFormat<Authority> = TextFormat::new(
    "public, or the absolute path of a PEM file, such as /run/tls/ca.pem",
    |text| match text {
        PUBLIC => Ok(Authority::Public),
        "system" | "default" | "auto" => Err("write public".into()),
        text => local_path::file(text).map(Authority::File),
    },
    |authority| match authority {
        Authority::Public => PUBLIC.into(),
        Authority::File(path) => path.display().to_string(),
    },
);

/// Whether certificates are verified.
pub(super) const VERIFY: ChoiceFormat<bool> = ChoiceFormat(&[("full", true), ("insecure", false)]);

/// The name that certificates must have.
pub(super) const SERVER_NAME: TextFormat<Option<String>> = TextFormat::address(
    "auto, or a host name, such as app.internal",
    |text| match text {
        "auto" => Ok(None),
        "none" | "off" => Err("write auto".into()),
        text if ServerName::try_from(text).is_err() => {
            Err("this is not a host name: write it without scheme and port".into())
        }
        text => Ok(Some(text.to_ascii_lowercase())),
    },
    |name| name.clone().unwrap_or_else(|| "auto".into()),
);

/// The values of `[upstream]`, or those that a route sets in place of them.
#[derive(Clone, Debug, Default)]
pub(super) struct TlsDraft {
    trust: Option<TlsTrust>,
    client_certificate: Option<Option<ClientCertificate>>,
    pub(super) server_name: Option<Option<String>>,
    pub(super) is_verified: Option<bool>,
}

// === impl TlsDraft ===

impl TlsDraft {
    pub(super) fn set_trust(&mut self, authorities: Vec<Authority>, key: String) {
        let mut trust = TlsTrust { key, ..TlsTrust::default() };
        for authority in authorities {
            match authority {
                Authority::Public => trust.is_public = true,
                Authority::File(path) => trust.files.push(path),
            }
        }
        self.trust = Some(trust);
    }

    pub(super) fn set_client_certificate(&mut self, files: Option<CertificateFiles>, key: String) {
        let with_files = |files| ClientCertificate { files, key, identity: None };
        self.client_certificate = Some(files.map(with_files));
    }

    /// Returns these values, and those of `other` for what is not set here.
    pub(super) fn over(&self, other: &Self) -> Self {
        Self {
            trust: self.trust.clone().or_else(|| other.trust.clone()),
            client_certificate: self
                .client_certificate
                .clone()
                .or_else(|| other.client_certificate.clone()),
            server_name: self.server_name.clone().or_else(|| other.server_name.clone()),
            is_verified: self.is_verified.or(other.is_verified),
        }
    }

    pub(super) fn settings(&self) -> UpstreamTls {
        UpstreamTls {
            client_certificate: self.client_certificate.clone().flatten(),
            server_name: self.server_name.clone().flatten(),
            is_verified: self.is_verified.unwrap_or(true),
            ..self.of_other_origin()
        }
    }

    /// Returns what also applies to servers that are not the application: the authorities. Such a server must not get
    /// the certificate that is for the application.
    pub(super) fn of_other_origin(&self) -> UpstreamTls {
        let trust = self.trust.clone().unwrap_or_default();
        UpstreamTls { trust, is_verified: true, ..UpstreamTls::default() }
    }
}

/// Returns a conflict if none of the servers of a route has TLS.
pub(super) fn without_tls(servers: &[ServerWithScheme]) -> Vec<Conflict> {
    let has_tls = servers.iter().any(|(scheme, _)| *scheme == Scheme::Https);
    when(
        !has_tls,
        "upstream of this route does not begin with https://: set such an address, or remove this",
    )
}

/// Returns warnings for servers whose certificates are not verified.
pub(super) fn warnings(plan: &Plan) -> Vec<String> {
    let warning = |key: &str, upstream: &UpstreamSettings| {
        let is_insecure = upstream.tls.as_ref().is_some_and(|tls| !tls.is_verified);
        is_insecure.then(|| {
            format!(
                "{key} is insecure: nobody checks that {} is the right server, so requests and responses can be read \
                 and changed on the way; set tls_ca to the certificate of its authority, and {key} to full",
                upstream.names()
            )
        })
    };
    let of_routes = plan.routes.iter().filter_map(|route| {
        let Some(RouteAction::Upstream(index)) = route.action else { return None };
        warning(&format!("route.{}.tls_verify", route.name), plan.routed.get(index)?)
    });
    warning("upstream.tls_verify", &plan.upstream).into_iter().chain(of_routes).collect()
}

/// Reads the certificates and keys into the plan. Returns a sentence about each file that cannot be used. The sentences
/// never contain a part of a key.
pub(super) fn read_files(plan: &mut Plan) -> Vec<String> {
    let mut faults: Vec<String> = Vec::new();
    let fallback = plan.missing.fallback.as_mut().map(|fallback| &mut fallback.server);
    let applications = plan.routed.iter_mut().chain(&mut plan.auth_servers).chain(fallback);
    let buckets = plan.buckets.iter_mut().map(|bucket| &mut bucket.server);
    for upstream in applications.chain(buckets).chain([&mut plan.upstream]) {
        let Some(tls) = &mut upstream.tls else { continue };
        let key = &tls.trust.key;
        match authorities(&tls.trust) {
            Ok(certificates) => tls.trust.certificates = certificates.into(),
            Err(fault) => faults.push(format!("{key}: {fault}")),
        }
        if let Some(certificate) = &mut tls.client_certificate {
            match client_identity(&certificate.files) {
                Ok(identity) => certificate.identity = Some(Arc::new(identity)),
                Err(fault) => faults.push(format!("{}: {fault}", certificate.key)),
            }
        }
    }
    // A route without its own files has those of [upstream].
    faults.sort();
    faults.dedup();
    faults
}

fn authorities(trust: &TlsTrust) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut all = Vec::new();
    for path in &trust.files {
        let shown = path.display();
        let text = read(path)?;
        let certificates = pem::certificates(&text, "name the certificate of the authority")
            .map_err(|fault| format!("{shown} {fault}"))?;
        for (number, certificate) in (1..).zip(&certificates) {
            RootCertStore::empty().add(certificate.clone()).map_err(|_| {
                format!(
                    "certificate {number} in {shown} is not an X.509 certificate, or is damaged: write the file again \
                     from its source"
                )
            })?;
        }
        all.extend(certificates);
    }
    Ok(all)
}

/// Reads a certificate for servers that demand one. Returns a sentence with a remedy if a file cannot be used.
pub fn client_identity(files: &CertificateFiles) -> Result<ClientIdentity, String> {
    let (chain_path, key_path) = (files.certificate.display(), files.key.display());
    let text = read(&files.certificate)?;
    let chain = pem::certificates(&text, "name the certificate first, as in CERTIFICATE=KEY")
        .map_err(|fault| format!("{chain_path} {fault}"))?;
    let text = read(&files.key)?;
    let private_key = pem::private_key(&text).map_err(|fault| format!("{key_path} {fault}"))?;
    // The messages are ours: those of the library may repeat bytes of the files.
    let provider = aws_lc_rs::default_provider();
    let signer = provider.key_provider.load_private_key(private_key.clone_key()).map_err(|_| {
        format!(
            "the key in {key_path} is damaged, or of an unsupported kind: use RSA with 2048 bits or more, ECDSA (P-256, \
             P-384, P-521) or Ed25519"
        )
    })?;
    match CertifiedKey::new(chain.clone(), signer).keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(ClientIdentity { chain, private_key })
        }
        Err(rustls::Error::InconsistentKeys(_)) => Err(format!(
            "the key in {key_path} does not match the certificate in {chain_path}: use the key that its request was \
             made with, and put the own certificate first in the chain"
        )),
        Err(_) => Err(format!(
            "{chain_path} has no X.509 certificate, or a damaged one: write it again from its source"
        )),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_SIZE + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if bytes.len() as u64 > MAX_FILE_SIZE {
        return Err(format!("{} is larger than 4MiB: name the right file", path.display()));
    }
    Ok(bytes)
}
