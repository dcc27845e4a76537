//! What tells one state of a file from the next.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::fs::fstat;

use crate::error::{Error, FailureKind};

/// What tells a version of an open file from the next, taken when the head of its response is made.
///
/// The time of the last change to the inode is left out on purpose: it moves when the file loses its
/// name to another, and this one is complete and unchanged then. What is written within the tick of
/// the file system's clock in which the version came to be, a few milliseconds, does not show unless
/// it changes the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileVersion {
    pub(super) size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

/// Identifies one state of a file on disk. It changes when the file is written to or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
    version: FileVersion,
}

/// A file that was changed so short a while ago may be one that grows, such as a log.
const RECENTLY: Duration = Duration::from_secs(600);

// === impl FileVersion ===

impl FileVersion {
    /// The version that was seen with this metadata.
    pub fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }

    /// When it was changed last: seconds and nanoseconds.
    pub fn modified(self) -> (i64, i64) {
        self.modified
    }

    /// Whether the file was changed a short while ago.
    pub fn was_changed_recently(&self, now: SystemTime) -> bool {
        let (seconds, _) = self.modified;
        let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        let age = UNIX_EPOCH.checked_add(since).and_then(|at| now.duration_since(at).ok());
        // A date that is still to come tells nothing.
        age.is_none_or(|age| age < RECENTLY)
    }

    /// What the file is by now. Asked after each read: a write moves the time before it
    /// moves the first byte, so what was read before an unchanged look is of this version.
    pub(super) fn now(file: &File) -> Result<Self, Error> {
        // Cheaper than `File::metadata`, which asks for everything there is.
        let stat = fstat(file).map_err(|error| unreadable(error.into()))?;
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        let nanoseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or_default();
        Ok(Self { size, modified: (stat.st_mtime, nanoseconds) })
    }

    pub(super) fn changed_to(self, current: Self) -> Error {
        let is_shorter = current.size < self.size;
        Error::new(if is_shorter { FailureKind::FileTruncated } else { FailureKind::FileChanged })
    }
}

// === impl FileIdentity ===

impl FileIdentity {
    /// The identity that was seen with this metadata.
    pub fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino(), version: FileVersion::of(metadata) }
    }

    /// Its size and the time of its last change.
    pub fn version(&self) -> FileVersion {
        self.version
    }
}

pub(super) fn unreadable(error: io::Error) -> Error {
    Error::io(FailureKind::FileUnreadable, error)
}
