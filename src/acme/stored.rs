//! Finds the stored certificate to use. An order writes the file of the first domain. If the domains were changed or
//! listed in another order since then, the file of another domain has the certificate.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use zeroize::Zeroizing;

use super::{issued::IssuedCertificate, storage::read_file};
use crate::{
    plan::{AcmeSettings, CertificateFiles},
    rfc::date,
};

/// Far more files than one directory has.
const MAX_FILES: usize = 1000;

/// A certificate in a file that is not the one of the first domain.
#[derive(Debug)]
pub(super) struct StoredCertificate {
    pub(super) path: PathBuf,
    pub(super) text: Zeroizing<Vec<u8>>,
    pub(super) certificate: IssuedCertificate,
}

/// Returns the file with the best stored certificate for these settings. It may be missing.
pub fn stored_certificate(settings: &AcmeSettings) -> CertificateFiles {
    let own = settings.certificate_files();
    let text = read_file(&own.certificate).ok().flatten();
    let certificate = text.and_then(|text| IssuedCertificate::read(&text).ok());
    let domains = &settings.domains;
    match find_better(
        &own.certificate,
        certificate.as_ref(),
        domains,
        date::seconds(SystemTime::now()),
    ) {
        Some(StoredCertificate { path, .. }) => {
            CertificateFiles { certificate: path.clone(), key: path }
        }
        None => own,
    }
}

/// Finds a certificate beside this file that is better than the file's: it covers more of the domains, or the same and
/// expires later. A valid certificate is never replaced by one that lacks a domain of it.
pub(super) fn find_better(
    file: &Path,
    own: Option<&IssuedCertificate>,
    domains: &[String],
    now: u64,
) -> Option<StoredCertificate> {
    let own = own.filter(|own| own.is_valid_at(now));
    let must_cover = domains.iter().filter(|domain| own.is_some_and(|own| own.is_for(domain)));
    let must_cover: Vec<_> = must_cover.collect();
    let rank = |certificate: &IssuedCertificate| {
        let covered = domains.iter().filter(|domain| certificate.is_for(domain));
        (covered.count(), certificate.end)
    };
    let mut best = None;
    let mut best_rank = own.map_or((0, u64::MAX), rank);
    for entry in fs::read_dir(file.parent()?).ok()?.take(MAX_FILES).flatten() {
        let path = entry.path();
        if path == file || path.extension().is_none_or(|extension| extension != "pem") {
            continue;
        }
        let Ok(Some(text)) = read_file(&path) else { continue };
        let Ok(certificate) = IssuedCertificate::read(&text) else { continue };
        let is_enough = must_cover.iter().all(|domain| certificate.is_for(domain));
        if is_enough && certificate.is_valid_at(now) && rank(&certificate) > best_rank {
            best_rank = rank(&certificate);
            best = Some(StoredCertificate { path, text, certificate });
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    struct Certificates(PathBuf);

    impl Certificates {
        fn new() -> Self {
            let name = format!("sideman-stored-{}-{:08x}", std::process::id(), fastrand::u32(..));
            let directory = std::env::temp_dir().join(name);
            fs::create_dir(&directory).unwrap();
            Self(directory)
        }

        /// Writes a certificate that ends in this year, and returns it.
        fn write(&self, file: &str, names: &[&str], end: i32) -> IssuedCertificate {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let mut params = CertificateParams::new(names).unwrap();
            (params.not_before, params.not_after) =
                (date_time_ymd(2020, 1, 1), date_time_ymd(end, 1, 1));
            let key = KeyPair::generate().unwrap();
            let text = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
            fs::write(self.0.join(file), &text).unwrap();
            IssuedCertificate::read(text.as_bytes()).unwrap()
        }

        /// Returns the file that is better than that of the first domain.
        fn better(&self, own: Option<&IssuedCertificate>, domains: &[&str]) -> Option<String> {
            let file = self.0.join(format!("{}.pem", domains[0]));
            let domains: Vec<_> = domains.iter().map(|domain| (*domain).to_owned()).collect();
            // In 2027.
            let found = find_better(&file, own, &domains, 1_800_000_000)?;
            Some(found.path.file_name()?.to_str()?.to_owned())
        }
    }

    impl Drop for Certificates {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn certificate_for_the_same_names_in_another_order_is_found() {
        let all = Certificates::new();
        all.write("a.test.pem", &["a.test", "b.test"], 2030);
        assert_eq!(all.better(None, &["b.test", "a.test"]).as_deref(), Some("a.test.pem"));
        assert_eq!(all.better(None, &["c.test"]), None);
    }

    #[test]
    fn certificate_for_most_names_is_found_if_none_has_all() {
        let all = Certificates::new();
        all.write("a.test.pem", &["a.test"], 2035);
        all.write("b.test.pem", &["a.test", "b.test"], 2030);
        all.write("d.test.pem", &["a.test", "b.test"], 2029);
        let found = all.better(None, &["c.test", "a.test", "b.test"]);
        assert_eq!(found.as_deref(), Some("b.test.pem"));
    }

    #[test]
    fn valid_certificate_is_replaced_by_one_for_its_names_only() {
        let all = Certificates::new();
        let own = all.write("a.test.pem", &["a.test"], 2030);
        all.write("b.test.pem", &["b.test", "c.test"], 2035);
        assert_eq!(all.better(Some(&own), &["a.test", "b.test", "c.test"]), None);
        // One that another process has renewed.
        all.write("d.test.pem", &["a.test", "d.test"], 2031);
        assert_eq!(all.better(Some(&own), &["a.test"]).as_deref(), Some("d.test.pem"));
        // Any is better than one that has expired.
        let expired = all.write("a.test.pem", &["a.test"], 2021);
        let found = all.better(Some(&expired), &["a.test", "b.test", "c.test"]);
        assert_eq!(found.as_deref(), Some("b.test.pem"));
    }

    #[test]
    fn files_that_cannot_be_used_are_passed_over() {
        let all = Certificates::new();
        all.write("b.test.pem", &["a.test"], 2021);
        all.write("b.test.pem.new", &["a.test"], 2030);
        fs::write(all.0.join("c.test.pem"), "damaged").unwrap();
        fs::create_dir(all.0.join("d.test.pem")).unwrap();
        assert_eq!(all.better(None, &["a.test"]), None);
    }
}
