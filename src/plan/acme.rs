//! Certificates from an authority, by ACME (RFC 8555).

use std::path::PathBuf;

use super::certificate_files::CertificateFiles;

/// What Sideman asks an authority for, and where it keeps the result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcmeSettings {
    /// The names of the certificate in lower case, each once; at least one.
    pub domains: Vec<String>,
    /// The `https` URL of the authority's directory.
    pub directory: String,
    /// An e-mail address for the authority.
    pub contact: Option<String>,
    /// The directory for accounts and certificates of all authorities.
    pub storage: PathBuf,
    /// A PEM file with the authorities that are trusted for the directory; `None` is the public ones.
    pub tls_ca: Option<PathBuf>,
    /// How the names may be validated, best first; at least one.
    pub challenges: Vec<AcmeChallenge>,
}

/// How an authority finds out that a name leads to this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcmeChallenge {
    /// A text at port 80 (RFC 8555, 8.3).
    Http,
    /// A certificate at port 443 (RFC 8737).
    TlsAlpn,
}

// === impl AcmeSettings ===

impl AcmeSettings {
    /// Returns the directory for this authority. Those of a test authority are never used in place of others.
    pub fn authority_directory(&self) -> PathBuf {
        let url = self.directory.strip_prefix("https://").unwrap_or(&self.directory);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        self.storage.join(url.replace(|c: char| !is_plain(c), "_").trim_start_matches('.'))
    }

    /// Returns the file that an order writes: the certificate, its chain and its key. Until then, the file of another
    /// domain may have a certificate for the same domains.
    pub fn certificate_files(&self) -> CertificateFiles {
        let first = self.domains.first().map_or("", String::as_str);
        let path = self.authority_directory().join(format!("{first}.pem"));
        CertificateFiles { certificate: path.clone(), key: path }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_authority_has_a_directory() {
        let file = |directory: &str| {
            let settings = AcmeSettings {
                domains: vec!["example.org".into(), "www.example.org".into()],
                directory: directory.into(),
                storage: "/a".into(),
                ..AcmeSettings::default()
            };
            settings.certificate_files().key.display().to_string()
        };
        assert_eq!(
            file("https://acme-v02.api.letsencrypt.org/directory"),
            "/a/acme-v02.api.letsencrypt.org_directory/example.org.pem"
        );
        assert_eq!(file("https://ca.test:9000/a/b"), "/a/ca.test_9000_a_b/example.org.pem");
        assert_eq!(file("https://../../b"), "/a/_.._b/example.org.pem");
    }
}
