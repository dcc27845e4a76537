//! The challenges that an authority is about to check: texts for http-01 (RFC 8555, 8.3), certificates for tls-alpn-01
//! (RFC 8737).

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256,
};
use rustls::{
    crypto::aws_lc_rs::sign::any_ecdsa_type,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::CertifiedKey,
};

/// The path of all http-01 challenges; the token follows.
pub const CHALLENGE_PATH: &str = "/.well-known/acme-challenge/";

/// The protocol of tls-alpn-01 (RFC 8737, 6.2).
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// What authorities may ask for now. It is empty but for the seconds of a validation.
#[derive(Debug, Default)]
pub struct PendingChallenges {
    /// Whether there are any, so that other requests pay for one load.
    has_some: AtomicBool,
    pending: Mutex<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    /// The text for each token.
    texts: HashMap<String, String>,
    /// The certificate for each name.
    certificates: HashMap<String, Arc<CertifiedKey>>,
}

// === impl PendingChallenges ===

impl PendingChallenges {
    /// Returns the text that this path is to be answered with, if the path is that of a pending challenge.
    pub fn text_at(&self, path: &[u8]) -> Option<String> {
        if !self.has_some.load(Ordering::Relaxed) {
            return None;
        }
        let token = path.strip_prefix(CHALLENGE_PATH.as_bytes())?;
        let token = std::str::from_utf8(token).ok()?;
        self.pending().texts.get(token).cloned()
    }

    /// Returns the certificate that proves control of a name, if it is to be proved now.
    pub fn certificate_for(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        if !self.has_some.load(Ordering::Relaxed) {
            return None;
        }
        self.pending().certificates.get(&name.to_ascii_lowercase()).cloned()
    }

    /// Adds the text of a token.
    pub(super) fn add_text(&self, token: &str, text: &str) {
        self.pending().texts.insert(token.to_owned(), text.to_owned());
        self.has_some.store(true, Ordering::Relaxed);
    }

    /// Adds a certificate for a name, with the digest of its key authorization.
    pub(super) fn add_certificate(&self, name: &str, digest: &[u8]) -> Result<(), rcgen::Error> {
        let certificate = Arc::new(certificate(name, digest)?);
        self.pending().certificates.insert(name.to_ascii_lowercase(), certificate);
        self.has_some.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Removes all of them, after a validation.
    pub(super) fn clear(&self) {
        self.has_some.store(false, Ordering::Relaxed);
        *self.pending() = Pending::default();
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the certificate of a validation (RFC 8737, 3): self-signed, for this name alone, with the digest in a critical
/// extension.
fn certificate(name: &str, digest: &[u8]) -> Result<CertifiedKey, rcgen::Error> {
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions.push(CustomExtension::new_acme_identifier(digest));
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = any_ecdsa_type(&key).map_err(|_| rcgen::Error::RemoteKeyError)?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::*;

    use super::*;

    #[test]
    fn only_pending_challenges_are_answered() {
        let challenges = PendingChallenges::default();
        assert_eq!(challenges.text_at(b"/.well-known/acme-challenge/a"), None);
        challenges.add_text("a", "a.b");
        assert_eq!(challenges.text_at(b"/.well-known/acme-challenge/a").as_deref(), Some("a.b"));
        for path in ["/.well-known/acme-challenge/", "/.well-known/acme-challenge/ab", "/a", ""] {
            assert_eq!(challenges.text_at(path.as_bytes()), None, "{path}");
        }
        assert_eq!(challenges.text_at(b"/.well-known/acme-challenge/\xff"), None);
        challenges.clear();
        assert_eq!(challenges.text_at(b"/.well-known/acme-challenge/a"), None);
    }

    #[test]
    fn certificate_of_a_validation_has_the_name_and_the_digest() {
        let challenges = PendingChallenges::default();
        assert!(challenges.certificate_for("a.test").is_none());
        challenges.add_certificate("a.test", &[7; 32]).unwrap();
        assert!(challenges.certificate_for("b.test").is_none());
        let key = challenges.certificate_for("A.test").unwrap();
        let (_, certificate) = X509Certificate::from_der(&key.cert[0]).unwrap();
        let names = certificate.subject_alternative_name().unwrap().unwrap();
        assert_eq!(names.value.general_names, [GeneralName::DNSName("a.test")]);
        let id = der_parser::Oid::from(&[1, 3, 6, 1, 5, 5, 7, 1, 31]).unwrap();
        let extension = certificate.get_extension_unique(&id).unwrap().unwrap();
        assert!(extension.critical);
        // An OCTET STRING of the digest.
        assert_eq!(extension.value, [&[4, 32][..], &[7; 32]].concat());
        challenges.clear();
        assert!(challenges.certificate_for("a.test").is_none());
    }
}
