//! What a certificate says about itself, for messages. The text comes from a server, so it is escaped and bounded.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate, X509Name};

/// The most names in a message.
const MAX_NAMES: usize = 5;
/// The longest text of a name, in characters.
const MAX_NAME: usize = 100;

/// The facts about a certificate that messages show.
#[derive(Debug)]
pub(super) struct CertificateFacts {
    /// The hosts that it is for.
    pub(super) names: String,
    /// The authority that issued it.
    pub(super) issuer: String,
    pub(super) is_self_signed: bool,
    /// Seconds since 1970.
    pub(super) not_before: i64,
    pub(super) not_after: i64,
}

// === impl CertificateFacts ===

impl CertificateFacts {
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let validity = certificate.validity();
        Some(Self {
            names: names(&certificate),
            issuer: name(certificate.issuer()),
            is_self_signed: certificate.issuer().as_raw() == certificate.subject().as_raw(),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
        })
    }
}

/// Returns the hosts and addresses of a certificate.
fn names(certificate: &X509Certificate<'_>) -> String {
    let mut names = Vec::new();
    if let Ok(Some(extension)) = certificate.subject_alternative_name() {
        for general in &extension.value.general_names {
            if let GeneralName::DNSName(host) = general {
                names.push(shown(host));
            } else if let GeneralName::IPAddress(bytes) = general {
                names.extend(address(bytes));
            }
        }
    }
    let more = names.len().saturating_sub(MAX_NAMES);
    names.truncate(MAX_NAMES);
    match (names.is_empty(), more) {
        (true, _) => "no host, because it has no subjectAltName".into(),
        (false, 0) => names.join(", "),
        (false, more) => format!("{} and {more} more", names.join(", ")),
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    let address: IpAddr = match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok()?.into(),
        16 => <[u8; 16]>::try_from(bytes).ok()?.into(),
        _ => return None,
    };
    Some(address.to_string())
}

/// Returns the common name of an authority, or else its whole name.
fn name(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().find_map(|common| common.as_str().ok());
    common.map_or_else(|| shown(&name.to_string()), shown)
}

fn shown(text: &str) -> String {
    text.escape_default().take(MAX_NAME).collect()
}
