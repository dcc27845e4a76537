//! Chooses the certificate for the name that a client asks for. The list can be replaced as a whole during handshakes.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::certificate::Certificate;
use crate::acme::{ACME_TLS, PendingChallenges};

/// Chooses certificates.
#[derive(Debug)]
pub(super) struct CertificateResolver {
    /// Those in use, in the order of the settings.
    certificates: Mutex<Arc<[Arc<Certificate>]>>,
    /// The validations of names, if an authority issues the certificate.
    challenges: Option<Arc<PendingChallenges>>,
}

/// How well a certificate matches a name, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum NameMatch {
    Exact,
    Wildcard,
    No,
}

// === impl CertificateResolver ===

impl CertificateResolver {
    /// Creates a resolver. The list must have at least one entry.
    pub(super) fn new(certificates: &[Arc<Certificate>]) -> Self {
        Self { certificates: Mutex::new(certificates.into()), challenges: None }
    }

    /// Answers an authority that validates names.
    #[must_use]
    pub(super) fn with_challenges(self, challenges: Option<Arc<PendingChallenges>>) -> Self {
        Self { challenges, ..self }
    }

    /// Replaces the certificates for all later handshakes.
    pub(super) fn swap(&self, certificates: &[Arc<Certificate>]) {
        *self.certificates.lock().unwrap_or_else(PoisonError::into_inner) = certificates.into();
    }

    /// Returns those in use.
    pub(super) fn current(&self) -> Arc<[Arc<Certificate>]> {
        Arc::clone(&self.certificates.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for CertificateResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(challenges) = &self.challenges
            && is_validation(&hello)
        {
            // No other certificate, and no certificate for anybody else (RFC 8737, 3).
            return challenges.certificate_for(hello.server_name()?);
        }
        let schemes = hello.signature_schemes();
        let can = |one: &Certificate| one.key.key.choose_scheme(schemes).is_some();
        let all = self.current();
        choose(&all, hello.server_name(), can).map(|one| Arc::clone(&one.key))
    }
}

/// Whether an authority validates a name: it offers this protocol and no other (RFC 8737, 3).
fn is_validation(hello: &ClientHello<'_>) -> bool {
    let Some(mut protocols) = hello.alpn() else { return false };
    protocols.next() == Some(ACME_TLS) && protocols.next().is_none()
}

/// Returns the first of the best matches that the client can verify. If there is none, returns the first certificate,
/// and the handshake may fail.
fn choose<'a>(
    all: &'a [Arc<Certificate>],
    name: Option<&str>,
    can: impl Fn(&Certificate) -> bool,
) -> Option<&'a Arc<Certificate>> {
    let usable = all.iter().filter(|one| can(one));
    usable.min_by_key(|one| name.map_or(NameMatch::No, |name| fit(one, name))).or(all.first())
}

fn fit(certificate: &Certificate, name: &str) -> NameMatch {
    // A wildcard stands for the whole first label (RFC 6125, 6.4.3).
    let parent = name.split_once('.').map(|(_, parent)| parent);
    let fits = certificate.names.iter().map(|known| match known.strip_prefix("*.") {
        Some(known) if parent.is_some_and(|parent| parent.eq_ignore_ascii_case(known)) => {
            NameMatch::Wildcard
        }
        None if known.eq_ignore_ascii_case(name) => NameMatch::Exact,
        Some(_) | None => NameMatch::No,
    });
    fits.min().unwrap_or(NameMatch::No)
}

#[cfg(test)]
mod tests {
    use super::{super::self_signed, *};

    #[test]
    fn names_decide() {
        let made = self_signed::make("a").unwrap();
        let certificate = |label: &str, names: &[&str]| {
            let names = names.iter().map(|&name| name.to_owned()).collect();
            let (key, end, lifetime) = (Arc::clone(&made.key), made.end, made.lifetime);
            Arc::new(Certificate { key, names, end, lifetime, label: label.to_owned() })
        };
        let all = [
            certificate("first", &["example.org", "www.example.org"]),
            certificate("wild", &["*.example.org"]),
            certificate("exact", &["api.example.org"]),
            certificate("again", &["example.org"]),
        ];
        let check = |name: Option<&str>, expected: &str| {
            let found = choose(&all, name, |_| true).unwrap();
            assert_eq!(found.label, expected, "{name:?}");
        };
        check(None, "first");
        check(Some("example.org"), "first");
        check(Some("WWW.Example.org"), "first");
        check(Some("api.example.org"), "exact");
        check(Some("other.example.org"), "wild");
        check(Some("a.b.example.org"), "first");
        check(Some("example.com"), "first");
        check(Some("org"), "first");
        check(Some(""), "first");
        // An old client gets the other of two keys.
        let cannot = |one: &Certificate| one.label != "first";
        assert_eq!(choose(&all, Some("example.org"), cannot).unwrap().label, "again");
        assert_eq!(choose(&all, None, cannot).unwrap().label, "wild");
        assert_eq!(choose(&all, None, |_| false).unwrap().label, "first");
        assert!(choose(&[], None, |_| true).is_none());
    }
}
