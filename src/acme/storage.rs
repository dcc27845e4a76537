//! The directory of an authority's account and certificate. Files are replaced as a whole and written through to the
//! disk, so that whatever ends the process leaves the old or the new one.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use instant_acme::AccountCredentials;
use memchr::memmem;
use zeroize::Zeroizing;

use super::{history::AttemptHistory, issued::IssuedCertificate};
use crate::plan::AcmeSettings;

/// Far more than any file here.
const MAX_FILE_SIZE: u64 = 1 << 20;

/// The files.
#[derive(Debug)]
pub(super) struct AcmeStorage {
    /// The URL of the authority.
    authority: String,
    directory: PathBuf,
    account: PathBuf,
    certificate: PathBuf,
    history: PathBuf,
}

/// Held while this process may order. Other processes on the same directory wait.
#[derive(Debug)]
pub(super) struct StorageLock {
    _file: File,
}

// === impl AcmeStorage ===

impl AcmeStorage {
    /// Creates the directory if it is missing. Fails if nothing can be written there.
    pub(super) fn open(settings: &AcmeSettings) -> Result<Self, String> {
        let directory = settings.authority_directory();
        let storage = Self {
            authority: settings.directory.clone(),
            account: directory.join("account.json"),
            history: directory.join("history.json"),
            certificate: settings.certificate_files().certificate,
            directory,
        };
        storage.check().map_err(|error| {
            let path = settings.storage.display();
            format!(
                "acme.storage {path} cannot be written to: {error}; mount a volume there that the user of this process \
                 (uid {}) may write to, or set another directory",
                rustix::process::geteuid().as_raw()
            )
        })?;
        Ok(storage)
    }

    /// Writes a file and removes it. Its name is one that no other process uses, because they may start together.
    fn check(&self) -> io::Result<()> {
        self.create_directory()?;
        let name = format!(".probe-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let probe = self.directory.join(name);
        write(&probe, b"probe\n")?;
        fs::remove_file(probe)
    }

    fn create_directory(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)
    }

    /// Returns the lock, if no other process has it. Creates the directory if it was removed meanwhile.
    pub(super) fn lock(&self) -> io::Result<Option<StorageLock>> {
        self.create_directory()?;
        let path = self.directory.join("lock");
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(StorageLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Returns the certificate, or why it cannot be used. `None` is one that was never obtained.
    pub(super) fn certificate(&self) -> Result<Option<IssuedCertificate>, String> {
        let path = &self.certificate;
        let text =
            read_file(path).map_err(|error| format!("{} cannot be read: {error}", path.display()));
        let Some(text) = text? else { return Ok(None) };
        let read = IssuedCertificate::read(&text);
        read.map(Some).map_err(|fault| format!("{} {fault}", path.display()))
    }

    /// Replaces the certificate with its chain and its key.
    pub(super) fn write_certificate(&self, text: &[u8]) -> io::Result<()> {
        write(&self.certificate, text)
    }

    /// The file of the certificate.
    pub(super) fn certificate_file(&self) -> &Path {
        &self.certificate
    }

    /// Returns the account. One that cannot be read, or is of another authority, counts as lost.
    pub(super) fn account(&self) -> Option<AccountCredentials> {
        let text = read_file(&self.account).ok().flatten()?;
        // The library sends its requests to the URL in the file, and panics if it is not one.
        let url = format!("\"{}\"", self.authority);
        memmem::find(&text, url.as_bytes())?;
        serde_json::from_slice(&text).ok()
    }

    pub(super) fn write_account(&self, account: &AccountCredentials) -> io::Result<()> {
        let text = Zeroizing::new(serde_json::to_vec(account)?);
        write(&self.account, &text)
    }

    /// Returns the attempts so far.
    pub(super) fn history(&self, now: u64) -> AttemptHistory {
        let text = read_file(&self.history).ok().flatten();
        text.map_or_else(AttemptHistory::default, |text| AttemptHistory::read(&text, now))
    }

    pub(super) fn write_history(&self, history: &AttemptHistory) -> io::Result<()> {
        write(&self.history, history.to_text().as_bytes())
    }

    /// The directory, for messages.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }
}

/// Returns a file's bytes; `None` if it is missing.
pub(super) fn read_file(path: &Path) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_FILE_SIZE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_SIZE {
        return Err(io::Error::new(ErrorKind::FileTooLarge, "larger than 1MiB"));
    }
    Ok(Some(bytes))
}

/// Replaces a file, which only this user may read.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_added_extension("new");
    // A file that was left behind may have other permissions.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    // The new name, too.
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    struct StorageDirectory(PathBuf);

    impl StorageDirectory {
        fn new() -> Self {
            let name = format!("sideman-acme-{}-{:08x}", std::process::id(), fastrand::u32(..));
            Self(std::env::temp_dir().join(name))
        }

        fn settings(&self) -> AcmeSettings {
            AcmeSettings {
                domains: vec!["a.test".into()],
                directory: "https://ca.test/dir".into(),
                storage: self.0.clone(),
                ..AcmeSettings::default()
            }
        }
    }

    impl Drop for StorageDirectory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_are_for_this_user_alone() {
        let place = StorageDirectory::new();
        let storage = AcmeStorage::open(&place.settings()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&place.0), 0o700);
        assert_eq!(mode(storage.directory()), 0o700);
        // The file of a crash does not pass on its permissions.
        fs::write(storage.certificate.with_added_extension("new"), "left").unwrap();
        storage.write_certificate(b"text").unwrap();
        assert_eq!(mode(&storage.certificate), 0o600);
        assert_eq!(fs::read(&storage.certificate).unwrap(), b"text");
        let names =
            fs::read_dir(storage.directory()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), ["a.test.pem"]);
    }

    #[test]
    fn one_process_at_a_time_has_the_lock() {
        let place = StorageDirectory::new();
        let [one, other] = [(); 2].map(|()| AcmeStorage::open(&place.settings()).unwrap());
        let lock = one.lock().unwrap().unwrap();
        assert!(other.lock().unwrap().is_none());
        drop(lock);
        assert!(other.lock().unwrap().is_some());
    }

    #[test]
    fn processes_that_start_together_do_not_disturb_each_other() {
        let place = StorageDirectory::new();
        let settings = place.settings();
        std::thread::scope(|scope| {
            let opening = || (0..100).try_for_each(|_| AcmeStorage::open(&settings).map(|_| ()));
            let threads = [(); 4].map(|()| scope.spawn(opening));
            for thread in threads {
                assert_eq!(thread.join().unwrap(), Ok(()));
            }
        });
        assert_eq!(fs::read_dir(settings.authority_directory()).unwrap().count(), 0);
    }

    #[test]
    fn directory_that_was_removed_is_created_again() {
        let place = StorageDirectory::new();
        let storage = AcmeStorage::open(&place.settings()).unwrap();
        fs::remove_dir_all(&place.0).unwrap();
        assert!(storage.lock().unwrap().is_some());
        storage.write_history(&AttemptHistory::default()).unwrap();
    }

    #[test]
    fn account_of_another_authority_counts_as_lost() {
        let place = StorageDirectory::new();
        let storage = AcmeStorage::open(&place.settings()).unwrap();
        let account = |directory: &str| {
            let json =
                serde_json::json!({ "id": "a", "key_pkcs8": "AAAA", "directory": directory });
            fs::write(&storage.account, json.to_string()).unwrap();
            storage.account().is_some()
        };
        assert!(account("https://ca.test/dir"));
        for directory in ["https://other.test/dir", "https://[", ""] {
            assert!(!account(directory), "{directory}");
        }
    }

    #[test]
    fn damaged_files_are_not_used() {
        let place = StorageDirectory::new();
        let storage = AcmeStorage::open(&place.settings()).unwrap();
        assert_eq!(storage.certificate(), Ok(None));
        assert!(storage.account().is_none());
        assert_eq!(storage.history(0), AttemptHistory::default());
        for path in [&storage.certificate, &storage.account, &storage.history] {
            fs::write(path, "{\"id\": damaged").unwrap();
        }
        let fault = storage.certificate().unwrap_err();
        assert!(
            fault.contains("a.test.pem is not valid PEM") || fault.contains("contains no"),
            "{fault}"
        );
        assert!(storage.account().is_none());
        assert_eq!(storage.history(0), AttemptHistory::default());
    }

    #[test]
    fn directory_that_cannot_be_written_to_is_named_with_the_remedy() {
        let place = StorageDirectory::new();
        // A file in the place of the directory: root may write to any directory.
        fs::write(&place.0, "").unwrap();
        let fault = AcmeStorage::open(&place.settings()).unwrap_err();
        fs::remove_file(&place.0).unwrap();
        let begin = format!("acme.storage {} cannot be written to: ", place.0.display());
        assert!(fault.starts_with(&begin) && fault.contains("mount a volume there"), "{fault}");
    }
}
