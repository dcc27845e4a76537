//! Watches the certificates while they are in use, on its own thread. It reloads changed files without interrupting a
//! connection, and warns before a certificate expires.

use std::{
    fs,
    sync::{Arc, Weak, atomic::Ordering},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{
    certificate::{self, Certificate},
    certificate_resolver::CertificateResolver,
};
use crate::{body::FileIdentity, plan::CertificateFiles, telemetry::TlsCounts};

/// The pause between two checks. A change is applied at the second check that shows it, because files are written in
/// steps, and the two files one after the other.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A certificate that expires within this time is logged once a day; one of a short life, if less than a sixth is left.
const EXPIRY_NOTICE: i64 = 14 * 24 * 60 * 60;

/// The state that the thread keeps between checks.
#[derive(Debug)]
pub(super) struct CertificateWatcher {
    files: Vec<WatchedCertificate>,
    /// In the order of the files, unless there are no files.
    certificates: Vec<Arc<Certificate>>,
    /// When the last warning about each was logged.
    warned: Vec<Option<Instant>>,
    /// Gone when no handshake uses it any more.
    resolver: Weak<CertificateResolver>,
    counts: Arc<TlsCounts>,
}

/// The two files of a certificate.
#[derive(Debug)]
struct WatchedCertificate {
    files: CertificateFiles,
    /// The version that was used or rejected.
    known: CertificateVersion,
    /// The version at the last check.
    seen: CertificateVersion,
}

/// Changes when one of the files is written to or replaced. `None` is a file that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CertificateVersion([Option<FileIdentity>; 2]);

// === impl CertificateVersion ===

impl CertificateVersion {
    /// The current version of the files. Symbolic links are followed, because Kubernetes replaces secrets through one.
    pub(super) fn of(files: &CertificateFiles) -> Self {
        let identity = |path| fs::metadata(path).ok().map(|found| FileIdentity::of(&found));
        Self([identity(&files.certificate), identity(&files.key)])
    }
}

// === impl CertificateWatcher ===

impl CertificateWatcher {
    /// `files` are those of `certificates`, in the same order, or empty.
    pub(super) fn new(
        files: Vec<(CertificateFiles, CertificateVersion)>,
        certificates: Vec<Arc<Certificate>>,
        resolver: &Arc<CertificateResolver>,
        counts: Arc<TlsCounts>,
    ) -> Self {
        let watched =
            |(files, version)| WatchedCertificate { files, known: version, seen: version };
        let files = files.into_iter().map(watched).collect();
        let warned = certificates.iter().map(|_| None).collect();
        Self { files, certificates, warned, resolver: Arc::downgrade(resolver), counts }
    }

    /// Checks at once, and then repeatedly.
    pub(super) fn begin(mut self) {
        self.warn_expiry();
        self.warn(SystemTime::now(), Instant::now());
        let started = thread::Builder::new().name("tls".into()).spawn(move || {
            loop {
                thread::sleep(CHECK_INTERVAL);
                let Some(resolver) = self.resolver.upgrade() else { return };
                self.check_files(&resolver);
                self.warn(SystemTime::now(), Instant::now());
            }
        });
        if let Err(error) = started {
            tracing::warn!(%error, "cannot start the thread that watches certificates: changed certificates are \
                not reloaded");
        }
    }

    /// Applies changes.
    fn check_files(&mut self, resolver: &CertificateResolver) {
        let mut has_changed = false;
        let places = self.certificates.iter_mut().zip(&mut self.warned);
        for (watched, (certificate, warned)) in self.files.iter_mut().zip(places) {
            let Some(loaded) = watched.changed() else { continue };
            match loaded {
                Ok(new) => {
                    self.counts.swapped.fetch_add(1, Ordering::Relaxed);
                    let end = date(new.end);
                    tracing::info!(certificate = new.label, end, "certificate reloaded");
                    *certificate = Arc::new(new);
                    *warned = None;
                    has_changed = true;
                }
                Err(fault) => {
                    self.counts.rejected.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(
                        certificate = certificate.label,
                        fault,
                        "certificate reload failed, keeping the current one; fix the files"
                    );
                }
            }
        }
        if has_changed {
            resolver.swap(&self.certificates);
            self.warn_expiry();
        }
    }

    /// Warns once a day about certificates that expire soon.
    fn warn(&mut self, now: SystemTime, tick: Instant) {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        for (certificate, warned) in self.certificates.iter().zip(&mut self.warned) {
            let is_reported = warned.is_some_and(|at| tick.saturating_duration_since(at) < DAY);
            let notice = EXPIRY_NOTICE.min(certificate.lifetime / 6);
            if is_reported || certificate.end.saturating_sub(now) > notice {
                continue;
            }
            *warned = Some(tick);
            let (label, end) = (&certificate.label, date(certificate.end));
            if certificate.end < now {
                tracing::error!(
                    certificate = label,
                    end,
                    "certificate has expired, clients refuse it; replace it"
                );
            } else {
                tracing::warn!(certificate = label, end, "certificate expires soon; replace it");
            }
        }
    }

    fn warn_expiry(&self) {
        let ends = self.certificates.iter().map(|one| (one.label.clone(), one.end));
        self.counts.set_expiries(ends.collect());
    }
}

// === impl WatchedCertificate ===

impl WatchedCertificate {
    /// Returns the result of a change, if there was one and the files are stable.
    fn changed(&mut self) -> Option<Result<Certificate, String>> {
        let now = CertificateVersion::of(&self.files);
        let before = std::mem::replace(&mut self.seen, now);
        if now == self.known || now != before {
            return None;
        }
        let loaded = certificate::load(&self.files);
        // The files were written to during the read: wait for the next checks.
        if CertificateVersion::of(&self.files) != now {
            return None;
        }
        self.known = now;
        Some(loaded)
    }
}

/// Formats a time for people.
fn date(seconds: i64) -> String {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    // The library accepts no later time.
    let last = Duration::from_secs(253_402_300_799);
    httpdate::fmt_http_date(UNIX_EPOCH + since.min(last))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{super::self_signed, *};

    /// A certificate in two files, and its watcher.
    struct WatchedFiles {
        directory: PathBuf,
        files: CertificateFiles,
        resolver: Arc<CertificateResolver>,
        counts: Arc<TlsCounts>,
        watch: CertificateWatcher,
    }

    impl WatchedFiles {
        fn new() -> Self {
            let name = format!("sideman-tls-{}-{:08x}", std::process::id(), fastrand::u32(..));
            let directory = std::env::temp_dir().join(name);
            fs::create_dir(&directory).unwrap();
            let [certificate, key] = ["a.pem", "a.key"].map(|name| directory.join(name));
            let files = CertificateFiles { certificate, key };
            write(&files, &rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap());
            let loaded = vec![Arc::new(certificate::load(&files).unwrap())];
            let (resolver, counts) =
                (Arc::new(CertificateResolver::new(&loaded)), Arc::<TlsCounts>::default());
            let watched = vec![(files.clone(), CertificateVersion::of(&files))];
            let watch = CertificateWatcher::new(watched, loaded, &resolver, Arc::clone(&counts));
            Self { directory, files, resolver, counts, watch }
        }

        /// Runs this many checks. Returns the names in use, and how many changes were used and rejected.
        fn check_files(&mut self, times: usize) -> (String, u64, u64) {
            for _ in 0..times {
                self.watch.check_files(&self.resolver);
            }
            let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
            let used = self.watch.certificates[0].names.join(" ");
            (used, count(&self.counts.swapped), count(&self.counts.rejected))
        }
    }

    impl Drop for WatchedFiles {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }

    fn write(files: &CertificateFiles, made: &rcgen::CertifiedKey<rcgen::KeyPair>) {
        fs::write(&files.certificate, made.cert.pem()).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    }

    #[test]
    fn changed_certificate_is_reloaded_once_it_has_settled() {
        let mut case = WatchedFiles::new();
        assert_eq!(case.check_files(3), ("a.test".into(), 0, 0));
        let new = rcgen::generate_simple_self_signed(["longer.test".to_owned()]).unwrap();
        fs::write(&case.files.certificate, new.cert.pem()).unwrap();
        // The key is missing for now, and no error is logged.
        assert_eq!(case.check_files(1), ("a.test".into(), 0, 0));
        fs::write(&case.files.key, new.signing_key.serialize_pem()).unwrap();
        assert_eq!(case.check_files(1), ("a.test".into(), 0, 0));
        assert_eq!(case.check_files(1), ("longer.test".into(), 1, 0));
        assert_eq!(case.check_files(3), ("longer.test".into(), 1, 0));
        assert_eq!(case.counts.expiries().len(), 1);
    }

    #[test]
    fn a_bad_change_is_rejected_once() {
        let mut case = WatchedFiles::new();
        fs::write(&case.files.key, "no key at all").unwrap();
        assert_eq!(case.check_files(5), ("a.test".into(), 0, 1));
        fs::remove_file(&case.files.key).unwrap();
        assert_eq!(case.check_files(5), ("a.test".into(), 0, 2));
        write(&case.files, &rcgen::generate_simple_self_signed(["b.test".to_owned()]).unwrap());
        assert_eq!(case.check_files(5), ("b.test".into(), 1, 2));
    }

    #[test]
    fn an_end_is_warned_of_once_a_day() {
        let mut case = WatchedFiles::new();
        let end = 2_000_000_000;
        let one = self_signed::make("a").unwrap();
        case.watch.certificates = vec![Arc::new(Certificate { end, ..one })];
        let begin = Instant::now();
        let mut warns = |before_end: u64, at: Duration| {
            case.watch.warned[0].take_if(|_| at.is_zero());
            let warning = case.watch.warned[0];
            let now = UNIX_EPOCH + Duration::from_secs(end.unsigned_abs() - before_end);
            case.watch.warn(now, begin + at);
            case.watch.warned[0] != warning
        };
        assert!(!warns(15 * 86_400, Duration::ZERO));
        assert!(warns(14 * 86_400, Duration::ZERO));
        assert!(!warns(14 * 86_400, DAY / 2));
        assert!(warns(13 * 86_400, DAY));
        assert!(warns(0, Duration::ZERO));
    }

    #[test]
    fn dates() {
        assert_eq!(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date(-1), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date(i64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
