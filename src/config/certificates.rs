//! Certificates with their keys: `CERTIFICATE=KEY`.

use std::path::PathBuf;

use crate::plan::CertificateFiles;

use super::{format::TextFormat, local_path};

/// The files of a certificate and its key.
pub(super) const PAIR: TextFormat<CertificateFiles> = TextFormat::new(
    "CERTIFICATE=KEY, such as /run/tls/site.pem=/run/tls/site.key",
    certificate,
    show,
);

/// Reads `CERTIFICATE=KEY`.
fn certificate(text: &str) -> Result<CertificateFiles, String> {
    let Some((certificate, key)) = text.split_once('=') else {
        return Err("the = between the certificate's path and the key's is missing".into());
    };
    let read = |what: &str, text: &str| -> Result<PathBuf, String> {
        local_path::file(text).map_err(|fault| format!("in the {what}'s path: {fault}"))
    };
    Ok(CertificateFiles { certificate: read("certificate", certificate)?, key: read("key", key)? })
}

/// Returns a text that reads as this pair.
pub(super) fn show(files: &CertificateFiles) -> String {
    format!("{}={}", files.certificate.display(), files.key.display())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_of_files() {
        let reads = |text: &str, expected: &str| {
            let found = certificate(text).map_or_else(|fault| format!("no: {fault}"), |p| show(&p));
            assert_eq!(found, expected, "{text:?}");
        };
        reads("/tls/a.pem=/tls/a.key", "/tls/a.pem=/tls/a.key");
        reads("/tls/both.pem=/tls/both.pem", "/tls/both.pem=/tls/both.pem");
        let missing = "no: the = between the certificate's path and the key's is missing";
        reads("/tls/a.pem", missing);
        reads("", missing);
        let relative = "the path must be absolute: it must start with /";
        reads("a.pem=/a.key", &format!("no: in the certificate's path: {relative}"));
        reads("/a.pem=a.key", &format!("no: in the key's path: {relative}"));
        reads("/a.pem=", "no: in the key's path: it is empty");
        let directory = "this is the path of a directory: write that of a file";
        reads("/tls/=/a.key", &format!("no: in the certificate's path: {directory}"));
    }

    proptest! {
        #[test]
        fn what_is_read_reads_back(text in "(/[a-z.]{0,3}){0,2}=?(/[a-z.=]{0,3}){0,2}") {
            if let Ok(read) = certificate(&text) {
                prop_assert_eq!(certificate(&show(&read)), Ok(read));
            }
        }
    }
}
