//! Certificates and private keys in PEM files (RFC 7468). `sections` finds and decodes the parts of a file. No error
//! message contains a byte of the file, which may be a private key.

mod sections;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use self::sections::{KeyFormat, PASSPHRASE, PemFault, PemLabel, sections};

/// Returns the certificates of a file, in order; at least one. `instead_of_key` says what to do if the file has a
/// private key.
pub fn certificates(
    text: &[u8],
    instead_of_key: &str,
) -> Result<Vec<CertificateDer<'static>>, String> {
    let sections = sections(text).map_err(no_pem)?;
    let own = sections.iter().filter(|section| section.label == PemLabel::Certificate);
    let chain: Vec<_> = own
        .map(|section| section.decode().map(CertificateDer::from))
        .collect::<Result<_, PemFault>>()
        .map_err(|fault| format!("is not valid PEM: {fault}"))?;
    if chain.is_empty() {
        return Err(no_certificate(sections.first().map(|section| section.label), instead_of_key));
    }
    Ok(chain)
}

/// Returns the first private key of a file.
pub fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let sections = sections(text).map_err(no_pem)?;
    let found = sections.iter().find_map(|section| {
        let PemLabel::Key(form) = section.label else { return None };
        Some((section, form))
    });
    let Some((section, form)) = found else {
        // A certificate next to the key is the least useful part of a message.
        let labels = || sections.iter().map(|section| section.label);
        let other =
            labels().find(|label| !matches!(label, PemLabel::Certificate | PemLabel::Other));
        return Err(no_key(other.or(labels().next())).into());
    };
    let der = section.decode().map_err(|fault| match fault {
        PASSPHRASE => format!("contains a key that cannot be used: {fault}"),
        fault => format!("is not valid PEM: {fault}"),
    })?;
    Ok(match form {
        KeyFormat::Pkcs8 => PrivateKeyDer::Pkcs8(der.into()),
        KeyFormat::Pkcs1 => PrivateKeyDer::Pkcs1(der.into()),
        KeyFormat::Sec1 => PrivateKeyDer::Sec1(der.into()),
    })
}

fn no_pem(fault: PemFault) -> String {
    format!("is not valid PEM: {fault}")
}

/// The message for a file that has no certificate and begins with this section.
fn no_certificate(instead: Option<PemLabel>, instead_of_key: &str) -> String {
    let fault = match instead {
        Some(
            PemLabel::Key(_) | PemLabel::EncryptedKey | PemLabel::OpenSshKey | PemLabel::DsaKey,
        ) => return format!("contains a private key instead of a certificate: {instead_of_key}"),
        Some(PemLabel::Request) => {
            "contains a certificate request instead of a certificate: name the certificate that was issued for it"
        }
        Some(PemLabel::PublicKey) => {
            "contains a public key instead of a certificate: name the certificate that was issued for it"
        }
        Some(PemLabel::Pkcs7) => {
            "contains PKCS#7 instead of a PEM certificate: convert it (openssl pkcs7 -print_certs -in OLD -out NEW)"
        }
        Some(PemLabel::TrustedCertificate) => {
            "contains a certificate in OpenSSL's TRUSTED format: convert it (openssl x509 -in OLD \
             -out NEW)"
        }
        Some(PemLabel::Certificate | PemLabel::Parameters | PemLabel::Other) | None => {
            "contains no certificate: -----BEGIN CERTIFICATE----- is missing"
        }
    };
    fault.into()
}

/// The message for a file that has no usable private key and holds this section.
fn no_key(instead: Option<PemLabel>) -> &'static str {
    match instead {
        Some(PemLabel::EncryptedKey) => {
            "contains a key with a passphrase, which is not supported: write the key without one \
             (openssl pkey -in OLD -out NEW)"
        }
        Some(PemLabel::OpenSshKey) => {
            "contains an OpenSSH key: name the key that the certificate's request was made with, or \
             convert it (ssh-keygen -p -m PEM -N '' -f KEY)"
        }
        Some(PemLabel::DsaKey) => {
            "contains a DSA key, which TLS no longer supports: make an ECDSA or RSA key, and have a \
             certificate issued for it"
        }
        Some(PemLabel::PublicKey) => {
            "contains a public key instead of a private key: name the private key that belongs to it"
        }
        Some(PemLabel::Request) => {
            "contains a certificate request instead of a private key: name the key that it was made with"
        }
        Some(PemLabel::Parameters) => {
            "contains parameters instead of a private key: name the key that was made with them"
        }
        Some(PemLabel::Certificate | PemLabel::TrustedCertificate | PemLabel::Pkcs7) => {
            "contains a certificate instead of a private key: name the key second, as in CERTIFICATE=KEY"
        }
        Some(PemLabel::Key(_) | PemLabel::Other) | None => {
            "contains no private key: -----BEGIN PRIVATE KEY----- is missing"
        }
    }
}
