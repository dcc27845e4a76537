//! Makes a self-signed certificate at the start, for load balancers that speak TLS to their targets and do not verify
//! them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, PKCS_ECDSA_P256_SHA256,
    date_time_ymd,
};
use rustls::pki_types::PrivatePkcs8KeyDer;

use super::certificate::{Certificate, certify};

/// The name of the certificate in metrics and events.
pub(super) const LABEL: &str = "self-signed";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Longer than any process runs.
const LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Makes a certificate for this machine. Its key is stored nowhere.
pub(super) fn make(host: &str) -> Result<Certificate, String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !host.is_empty() && host.is_ascii() && host != "localhost" {
        names.push(host.to_owned());
    }
    let failed = |error: &dyn std::fmt::Display| format!("cannot make a certificate: {error}");
    let mut params = CertificateParams::new(names).map_err(|error| failed(&error))?;
    params.distinguished_name.push(DnType::CommonName, "Sideman, self-signed");
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = date_time_ymd(1970, 1, 1);
    // The clocks of clients differ.
    params.not_before = epoch + now.saturating_sub(DAY);
    params.not_after = epoch + now + LIFETIME;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| failed(&error))?;
    let made = params.self_signed(&key).map_err(|error| failed(&error))?;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    certify(vec![made.der().clone()], key.into(), LABEL.to_owned())
        .map_err(|fault| failed(&format_args!("{fault:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_time() {
        let certificate = make("Web-1.internal").unwrap();
        assert_eq!(certificate.names, ["localhost", "web-1.internal"]);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let left = u64::try_from(certificate.end).unwrap() - now;
        assert!((LIFETIME.as_secs() - 60..=LIFETIME.as_secs()).contains(&left), "{left}");
        assert!(make("").is_ok() && make("\u{e9}").is_ok());
    }
}
