//! Reads one certificate with its chain and key from two files. The result is either usable, or a sentence on what is
//! wrong and how to fix it.

use std::{fs::File, io::Read as _, path::Path, sync::Arc};

use rustls::{
    InconsistentKeys,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::CertifiedKey,
};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::{plan::CertificateFiles, rfc::pem};

/// The largest file that is read, far more than any chain. A wrong path such as /dev/zero fails here.
const MAX_FILE_SIZE: u64 = 1 << 20;

/// What to do if the file of a certificate has a key.
const NAME_FIRST: &str = "name the certificate first, as in CERTIFICATE=KEY";
const NOT_X509: &str =
    "it is not an X.509 certificate, or is damaged: write it again from its source";
const UNUSABLE_KEY: &str = "it is damaged, or of an unsupported kind: use RSA with 2048 bits or more, \
    ECDSA (P-256, P-384, P-521) or Ed25519";

/// A certificate in use.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) key: Arc<CertifiedKey>,
    /// The hosts of the certificate in lower case; a leading `*.` stands for one label.
    pub(super) names: Vec<String>,
    /// When the certificate expires, in seconds since 1970.
    pub(super) end: i64,
    /// How many seconds it is valid in all.
    pub(super) lifetime: i64,
    /// The name of the certificate in metrics and events.
    pub(super) label: String,
}

/// Reads a certificate and its key. Error messages contain nothing of either file except its path.
pub(super) fn load(files: &CertificateFiles) -> Result<Certificate, String> {
    let (chain_path, key_path) = (files.certificate.display(), files.key.display());
    let text = read(&files.certificate)?;
    let chain =
        pem::certificates(&text, NAME_FIRST).map_err(|fault| format!("{chain_path} {fault}"))?;
    let text = read(&files.key)?;
    let key = pem::private_key(&text).map_err(|fault| format!("{key_path} {fault}"))?;
    certify(chain, key, files.certificate.display().to_string()).map_err(|fault| match fault {
        CertificateFault::Certificate(fault) => {
            format!("the certificate in {chain_path} cannot be read: {fault}")
        }
        CertificateFault::Key(fault) => format!("the key in {key_path} cannot be used: {fault}"),
        CertificateFault::Mismatch => format!(
            "the key in {key_path} does not match the certificate in {chain_path}: use the key that its request \
             was made with, and put the site's own certificate first in the chain"
        ),
    })
}

/// Why a certificate and a key cannot be used. The messages are constants, because those of a library may repeat bytes
/// of the files.
#[derive(Debug)]
pub(super) enum CertificateFault {
    Certificate(&'static str),
    Key(&'static str),
    Mismatch,
}

/// Combines a chain and its key.
pub(super) fn certify(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    label: String,
) -> Result<Certificate, CertificateFault> {
    let (names, end, lifetime) = {
        let own = chain.first().ok_or(CertificateFault::Certificate("it is missing"))?;
        let (_, own) =
            X509Certificate::from_der(own).map_err(|_| CertificateFault::Certificate(NOT_X509))?;
        let (start, end) =
            (own.validity().not_before.timestamp(), own.validity().not_after.timestamp());
        (names(&own), end, end.saturating_sub(start))
    };
    let key = provider().key_provider.load_private_key(key);
    let key = key.map_err(|_| CertificateFault::Key(UNUSABLE_KEY))?;
    let key = CertifiedKey::new(chain, key);
    match key.keys_match() {
        // If the match cannot be checked here, clients will check it.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
        Err(rustls::Error::InconsistentKeys(_)) => return Err(CertificateFault::Mismatch),
        Err(_) => return Err(CertificateFault::Certificate(NOT_X509)),
    }
    Ok(Certificate { key: Arc::new(key), names, end, lifetime, label })
}

/// The cryptography provider of all TLS connections.
pub(super) fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// Returns the hosts that a certificate is for. An old certificate without alternative names has its name in the
/// subject.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    match certificate.subject_alternative_name() {
        Ok(Some(extension)) => {
            let all = extension.value.general_names.iter();
            let hosts = all.filter_map(|name| {
                let GeneralName::DNSName(host) = name else { return None };
                Some(host.to_ascii_lowercase())
            });
            hosts.collect()
        }
        Ok(None) => {
            let common = certificate.subject().iter_common_name();
            common.filter_map(|name| name.as_str().ok()).map(str::to_ascii_lowercase).collect()
        }
        Err(_) => Vec::new(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_SIZE + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    if bytes.len() as u64 > MAX_FILE_SIZE {
        return Err(format!("{} is larger than 1MiB: name the right file", path.display()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    struct CertificateDirectory(PathBuf);

    impl CertificateDirectory {
        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, text).unwrap();
            path
        }
    }

    impl Drop for CertificateDirectory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_that_can_not_be_used() {
        let name = format!("sideman-cert-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let directory = CertificateDirectory(std::env::temp_dir().join(name));
        fs::create_dir(&directory.0).unwrap();
        let make = || rcgen::generate_simple_self_signed(["A.test".to_owned()]).unwrap();
        let (own, other) = (make(), make());
        let certificate = directory.write("a.pem", &own.cert.pem());
        let key = directory.write("a.key", &own.signing_key.serialize_pem());
        let read = |certificate: &Path, key: &Path| {
            let files = CertificateFiles { certificate: certificate.into(), key: key.into() };
            load(&files).map(|loaded| loaded.names)
        };
        assert_eq!(read(&certificate, &key), Ok(vec!["a.test".to_owned()]));
        // One file may hold both, in any order.
        let both = own.signing_key.serialize_pem() + &own.cert.pem() + &other.cert.pem();
        let both = directory.write("both.pem", &both);
        assert_eq!(read(&both, &both), Ok(vec!["a.test".to_owned()]));

        let fails = |certificate: &Path, key: &Path, parts: &[&str]| {
            let fault = read(certificate, key).unwrap_err();
            assert!(parts.iter().all(|part| fault.contains(part)), "{fault}");
        };
        let strange = directory.write("b.key", &other.signing_key.serialize_pem());
        fails(&certificate, &strange, &["a.pem", "b.key", "does not match the certificate"]);
        let backwards = directory.write("c.pem", &(other.cert.pem() + &own.cert.pem()));
        fails(&backwards, &key, &["put the site's own certificate first"]);
        let none = directory.0.join("none");
        fails(&none, &key, &["none cannot be read: No such file"]);
        fails(&certificate, &none, &["none cannot be read: No such file"]);
        fails(Path::new("/dev/zero"), &key, &["/dev/zero is larger than 1MiB"]);
        fails(&key, &key, &["a.key contains a private key instead of a certificate"]);
        fails(
            &certificate,
            &certificate,
            &["a.pem contains a certificate instead of a private key"],
        );
        let text =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n";
        fails(
            &certificate,
            &directory.write("d.key", text),
            &["d.key contains a key with a passphrase"],
        );
        let cut = directory.write("e.pem", &own.cert.pem()[..200]);
        fails(&cut, &key, &["e.pem is not valid PEM", "truncated"]);
        let empty = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
        fails(&directory.write("f.pem", empty), &key, &["f.pem cannot be read"]);
        let empty = "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n";
        fails(&certificate, &directory.write("f.key", empty), &["f.key cannot be used"]);
    }
}
