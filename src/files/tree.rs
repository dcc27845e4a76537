//! The directories behind one prefix, and their manifests.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    contents::settled_contents,
    entry::Stamp,
    manifest::{Manifest, ManifestError},
    open::{LookupEffort, OpenDirectory},
};
use crate::plan::{Purpose, Root, Symlinks};

/// The name of the file in which Django records the hashed names.
pub(super) const MANIFEST_NAME: &[u8] = b"staticfiles.json";
/// The largest manifest that is read, in bytes.
const MAX_MANIFEST_SIZE: u64 = 64 * 1024 * 1024;
/// How long a manifest counts as unchanged, in milliseconds.
const CHECK_INTERVAL: u64 = 1000;

/// One prefix.
#[derive(Debug)]
pub(super) struct PrefixTree {
    pub(super) root: Root,
    pub(super) locations: Vec<PrefixDirectory>,
    /// Whether a name that is in none of the directories was requested.
    pub(super) has_missed: AtomicBool,
}

/// One of its directories.
#[derive(Debug)]
pub(super) struct PrefixDirectory {
    pub(super) path: PathBuf,
    has_manifest: bool,
    /// Whether the directory is on a file system that answers without a network.
    is_local: AtomicBool,
    /// Held while the manifest is read and parsed, which may take seconds. No worker waits for it.
    read_lock: Mutex<()>,
    /// Held for a moment.
    known: Mutex<ManifestState>,
}

/// The manifest at its last check.
#[derive(Clone, Debug, Default)]
pub(super) struct ManifestState {
    pub(super) manifest: Option<Arc<Manifest>>,
    /// Changes whenever the manifest does.
    pub(super) generation: u64,
    stamp: Option<Stamp>,
    /// The time of the check, in milliseconds on the store's clock.
    checked: Option<u64>,
    /// Whether a thread verifies this generation, or has verified it.
    is_claimed: bool,
}

// === impl PrefixTree ===

impl PrefixTree {
    pub(super) fn new(root: &Root) -> Self {
        let has_manifest = root.purpose == Purpose::Static;
        let location = |path: &PathBuf| PrefixDirectory {
            path: path.clone(),
            has_manifest,
            is_local: AtomicBool::new(false),
            read_lock: Mutex::default(),
            known: Mutex::default(),
        };
        Self {
            root: root.clone(),
            locations: root.directories.iter().map(location).collect(),
            has_missed: AtomicBool::new(false),
        }
    }

    /// Whether one of the known manifests lists a name as one with a content hash.
    pub(super) fn is_listed(&self, name: &[u8]) -> bool {
        self.locations.iter().any(|location| location.lock().lists(name) == Some(true))
    }
}

// === impl PrefixDirectory ===

impl PrefixDirectory {
    /// Returns the manifest, checked again once a second at most.
    pub(super) fn manifest(
        &self,
        directory: &OpenDirectory,
        symlinks: Symlinks,
        now: u64,
    ) -> io::Result<ManifestState> {
        if !self.has_manifest {
            return Ok(ManifestState::default());
        }
        let known = self.known();
        if known.is_fresh(now) {
            return Ok(known);
        }
        // Concurrent requests must not use the old one.
        let read_lock = match directory.effort() {
            LookupEffort::Memory => self.read_lock.try_lock(),
            LookupEffort::Disk => self.read_lock.lock().map_err(TryLockError::Poisoned),
        };
        let _read_lock = match read_lock {
            Ok(read_lock) => read_lock,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
        };
        let known = self.known();
        if known.is_fresh(now) {
            return Ok(known);
        }
        let read = read(directory, symlinks, known.stamp);
        if read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut known = self.lock();
        known.checked = Some(now);
        match read {
            Ok(ManifestLookup::Same) => {}
            Ok(ManifestLookup::Missing) if known.stamp.is_none() => {}
            Ok(ManifestLookup::Missing) => *known = known.next(None, None, now),
            Ok(ManifestLookup::New(stamp, manifest)) => {
                *known = known.next(Some(stamp), Some(manifest), now)
            }
            Ok(ManifestLookup::Bad(stamp, error)) => {
                let path = self.path.display();
                tracing::warn!(directory = %path, %error, "cannot use the manifest");
                *known = known.next(Some(stamp), None, now);
            }
            Err(error) => {
                let path = self.path.display();
                tracing::debug!(directory = %path, %error, "cannot read the manifest");
            }
        }
        Ok(known.clone())
    }

    /// Opens the directory; `None` while there is none.
    pub(super) fn open(&self, effort: LookupEffort) -> io::Result<Option<OpenDirectory>> {
        if effort == LookupEffort::Memory && !self.is_local.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let directory = OpenDirectory::find(&self.path, effort)?;
        if effort == LookupEffort::Disk {
            let is_local = directory.as_ref().is_some_and(OpenDirectory::is_local);
            self.is_local.store(is_local, Ordering::Relaxed);
        }
        Ok(directory)
    }

    /// Returns the manifest at its last check.
    pub(super) fn known(&self) -> ManifestState {
        self.lock().clone()
    }

    /// Returns the manifest if no caller has claimed its verification yet.
    pub(super) fn claim_unverified(&self) -> Option<Arc<Manifest>> {
        let mut known = self.lock();
        if known.is_claimed {
            return None;
        }
        known.is_claimed = true;
        known.manifest.clone()
    }

    /// Returns the claim of a manifest that could not be verified, for another caller.
    pub(super) fn give_back(&self) {
        self.lock().is_claimed = false;
    }

    fn lock(&self) -> MutexGuard<'_, ManifestState> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl ManifestState ===

impl ManifestState {
    /// Whether a name is one of the values; `None` without a manifest.
    pub(super) fn lists(&self, name: &[u8]) -> Option<bool> {
        self.manifest.as_ref().map(|manifest| manifest.is_hashed_value(name))
    }

    fn is_fresh(&self, now: u64) -> bool {
        self.checked.is_some_and(|checked| now < checked + CHECK_INTERVAL)
    }

    fn next(&self, stamp: Option<Stamp>, manifest: Option<Manifest>, now: u64) -> Self {
        Self {
            manifest: manifest.map(Arc::new),
            generation: self.generation + 1,
            stamp,
            checked: Some(now),
            is_claimed: false,
        }
    }
}

enum ManifestLookup {
    Same,
    Missing,
    New(Stamp, Manifest),
    Bad(Stamp, ManifestError),
}

fn read(
    directory: &OpenDirectory,
    symlinks: Symlinks,
    known: Option<Stamp>,
) -> io::Result<ManifestLookup> {
    let Some(file) = directory.open_file(MANIFEST_NAME, symlinks)? else {
        return Ok(ManifestLookup::Missing);
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(ManifestLookup::Missing);
    }
    let stamp = Stamp::of(&metadata);
    if known == Some(stamp) {
        return Ok(ManifestLookup::Same);
    }
    if directory.effort() == LookupEffort::Memory {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    let (metadata, text) =
        settled_contents(&file, metadata, MAX_MANIFEST_SIZE, LookupEffort::Disk)?;
    let stamp = Stamp::of(&metadata);
    let parsed = match text {
        Some(text) => Manifest::parse(&text),
        None => Err(ManifestError::TooLarge(metadata.len())),
    };
    Ok(match parsed {
        Ok(manifest) => ManifestLookup::New(stamp, manifest),
        Err(error) => ManifestLookup::Bad(stamp, error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Cors;
    use std::{fs, path::Path, time::Duration};

    fn root(path: &Path) -> Root {
        Root {
            route: None,
            prefix: "/static/".to_owned(),
            directories: vec![path.to_owned()],
            bucket: None,
            purpose: Purpose::Static,
            index: None,
            max_age: Duration::ZERO,
            caching: Vec::new(),
            cors: Cors::None,
            rate: None,
            signed: None,
        }
    }

    #[test]
    fn a_worker_does_not_wait_while_a_manifest_is_read() {
        let path = std::env::temp_dir().join(format!("sideman-tree-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let tree = PrefixTree::new(&root(&path));
        let location = &tree.locations[0];
        let look_up = |effort, now| {
            // The first opening makes the file known to the kernel.
            OpenDirectory::open(&path, LookupEffort::Disk).unwrap();
            location.manifest(&OpenDirectory::open(&path, effort).unwrap(), Symlinks::Within, now)
        };
        assert!(look_up(LookupEffort::Disk, 0).unwrap().manifest.is_none());

        let read_lock = location.read_lock.lock().unwrap();
        // A blocking lock would hang here.
        let error = look_up(LookupEffort::Memory, CHECK_INTERVAL).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(
            look_up(LookupEffort::Memory, CHECK_INTERVAL - 1).is_ok(),
            "it is believed for so long"
        );
        assert!(location.known().manifest.is_none());
        drop(read_lock);
        assert!(look_up(LookupEffort::Disk, CHECK_INTERVAL).is_ok());
        fs::remove_dir(&path).unwrap();
    }

    #[test]
    fn manifest_is_claimed_once_unless_released() {
        let path = std::env::temp_dir().join(format!("sideman-taken-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("staticfiles.json"), r#"{"paths": {}, "version": "1.1"}"#).unwrap();
        let tree = PrefixTree::new(&root(&path));
        let location = &tree.locations[0];
        assert!(location.claim_unverified().is_none(), "nothing was read");
        let directory = OpenDirectory::open(&path, LookupEffort::Disk).unwrap();
        location.manifest(&directory, Symlinks::Within, 0).unwrap();
        assert!(location.claim_unverified().is_some());
        assert!(location.claim_unverified().is_none());
        location.give_back();
        assert!(location.claim_unverified().is_some());
        fs::remove_dir_all(&path).unwrap();
    }
}
