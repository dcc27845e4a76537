//! What Sideman needs to know of a certificate that it has: names, validity, and the name that the authority's renewal
//! information has for it (RFC 9773, 4.1).

use instant_acme::CertificateIdentifier;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::history::DAY;
use crate::rfc::pem;

const UNREADABLE: &str = "contains a certificate that cannot be read";
/// How slow the clock of this machine may be, in seconds.
const MAX_CLOCK_ERROR: u64 = DAY;

/// A stored certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IssuedCertificate {
    /// In lower case, sorted.
    pub(super) names: Vec<String>,
    /// Both in seconds since 1970.
    pub(super) start: u64,
    pub(super) end: u64,
    /// `None` without an authority key identifier.
    pub(super) id: Option<CertificateIdentifier<'static>>,
    /// A number that is the same for this certificate at every start.
    pub(super) seed: u64,
}

// === impl IssuedCertificate ===

impl IssuedCertificate {
    /// Reads a file with a certificate, its chain and its key. An error has no byte of the file.
    pub(super) fn read(text: &[u8]) -> Result<Self, String> {
        let chain = pem::certificates(text, "the file is damaged")?;
        let own = chain.first().ok_or("contains no certificate")?;
        // Clients refuse the whole chain if they cannot read a part of it.
        chain.iter().try_for_each(|certificate| parse(certificate).map(drop))?;
        let key = pem::private_key(text)?;
        if public_key(&key).is_none_or(|key| !has_public_key(own, &key)) {
            return Err("contains a key that does not match the certificate".to_owned());
        }
        Self::of(own)
    }

    pub(super) fn of(own: &CertificateDer<'_>) -> Result<Self, String> {
        let parsed = parse(own)?;
        let names = parsed.subject_alternative_name().map_err(|_| UNREADABLE)?;
        let names = names.into_iter().flat_map(|extension| &extension.value.general_names);
        let hosts = names.filter_map(|name| {
            let GeneralName::DNSName(host) = name else { return None };
            Some(host.to_ascii_lowercase())
        });
        let mut names: Vec<_> = hosts.collect();
        names.sort_unstable();
        let time = |seconds: i64| u64::try_from(seconds).unwrap_or_default();
        let validity = parsed.validity();
        let last_bytes = parsed.raw_serial().iter().rev().take(8);
        Ok(Self {
            names,
            start: time(validity.not_before.timestamp()),
            end: time(validity.not_after.timestamp()),
            id: CertificateIdentifier::try_from(own).ok().map(CertificateIdentifier::into_owned),
            seed: last_bytes.fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        })
    }

    /// Whether the certificate is for all of these names.
    pub(super) fn covers(&self, domains: &[String]) -> bool {
        domains.iter().all(|domain| self.is_for(domain))
    }

    /// Whether the certificate is for this name.
    pub(super) fn is_for(&self, domain: &str) -> bool {
        self.names.iter().any(|name| name == domain)
    }

    /// Whether clients accept the certificate at this time. One that begins soon counts too: the clock of this machine
    /// may be slow.
    pub(super) fn is_valid_at(&self, now: u64) -> bool {
        self.start <= now.saturating_add(MAX_CLOCK_ERROR) && now < self.end
    }

    /// Returns the name of the certificate in renewal information.
    pub(super) fn name(&self) -> Option<String> {
        self.id.as_ref().map(ToString::to_string)
    }
}

/// Parses a certificate, with nothing after it.
fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, &'static str> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        Ok(_) | Err(_) => Err(UNREADABLE),
    }
}

/// Returns the public part of a key.
fn public_key(key: &PrivateKeyDer<'_>) -> Option<Vec<u8>> {
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(key).ok()?;
    Some(key.public_key()?.to_vec())
}

fn has_public_key(certificate: &CertificateDer<'_>, key: &[u8]) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, parsed)| parsed.public_key().raw == key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn stored_certificate_is_read() {
        let params = CertificateParams::new(["B.test".to_owned(), "a.test".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let text = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
        let read = IssuedCertificate::read(text.as_bytes()).unwrap();
        assert_eq!(read.names, ["a.test", "b.test"]);
        assert!(read.start < read.end && read.end > 1_800_000_000);
        assert!(read.covers(&["a.test".into(), "b.test".into()]));
        assert!(!read.covers(&["a.test".into(), "c.test".into()]));

        let other =
            params.self_signed(&key).unwrap().pem() + &KeyPair::generate().unwrap().serialize_pem();
        let fault = IssuedCertificate::read(other.as_bytes()).unwrap_err();
        assert!(fault.contains("does not match"), "{fault}");
        assert!(IssuedCertificate::read(b"").is_err());
        assert!(IssuedCertificate::read(key.serialize_pem().as_bytes()).is_err());
    }

    #[test]
    fn chain_with_a_damaged_certificate_is_refused() {
        let params = CertificateParams::new(["a.test".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let text = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
        let garbage = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        let fault = IssuedCertificate::read((text.clone() + garbage).as_bytes()).unwrap_err();
        assert_eq!(fault, UNREADABLE);
        assert!(IssuedCertificate::read((text.clone() + &text).as_bytes()).is_ok());
    }

    #[test]
    fn validity_has_room_for_a_slow_clock() {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["a.test".to_owned()]).unwrap();
        let text = certificate.self_signed(&key).unwrap().pem() + &key.serialize_pem();
        let read = IssuedCertificate::read(text.as_bytes()).unwrap();
        let issued = IssuedCertificate { start: 10 * DAY, end: 20 * DAY, ..read };
        let valid = [9 * DAY, 19 * DAY, 20 * DAY - 1].map(|now| issued.is_valid_at(now));
        assert_eq!(valid, [true; 3]);
        let invalid = [0, 9 * DAY - 1, 20 * DAY, u64::MAX].map(|now| issued.is_valid_at(now));
        assert_eq!(invalid, [false; 4]);
    }

    proptest! {
        #[test]
        fn nothing_panics(mut text in any::<Vec<u8>>(), der in any::<Vec<u8>>()) {
            let _ = IssuedCertificate::read(&text);
            text.splice(0..0, *b"-----BEGIN CERTIFICATE-----\n");
            let _ = IssuedCertificate::read(&text);
            let _ = IssuedCertificate::of(&CertificateDer::from(der));
        }
    }
}
