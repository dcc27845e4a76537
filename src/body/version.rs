//! Versions of files.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::fs::fstat;

use crate::error::{Error, FailureKind};

/// The version of an open file, taken when the head of its response is made. Two versions differ if the file was
/// written to in between.
///
/// The time of the last change to the inode is left out on purpose. It changes when another file takes over the name,
/// and this file is complete and unchanged then. A write within the tick of the file system's clock in which the
/// version came to be, a few milliseconds, is not noticed unless it changes the size.
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

/// A file that was changed within this time may be one that grows, such as a log.
const RECENT: Duration = Duration::from_secs(600);

// === impl FileVersion ===

impl FileVersion {
    /// Returns the version with this metadata.
    pub fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }

    /// Returns the time of the last change: seconds and nanoseconds.
    pub fn modified(self) -> (i64, i64) {
        self.modified
    }

    /// Whether the file was changed a short while ago.
    pub fn was_changed_recently(&self, now: SystemTime) -> bool {
        let (seconds, _) = self.modified;
        let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        let age = UNIX_EPOCH.checked_add(since).and_then(|at| now.duration_since(at).ok());
        // A date in the future tells nothing.
        age.is_none_or(|age| age < RECENT)
    }

    /// Returns the current version of a file, for a check after each read. A write changes the time before it changes
    /// the first byte. So bytes that were read before an unchanged check are of this version.
    pub(super) fn now(file: &File) -> Result<Self, Error> {
        // Cheaper than `File::metadata`, which requests all attributes.
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
    /// Returns the identity with this metadata.
    pub fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino(), version: FileVersion::of(metadata) }
    }

    /// Returns the size and the time of the last change.
    pub fn version(&self) -> FileVersion {
        self.version
    }
}

pub(super) fn unreadable(error: io::Error) -> Error {
    Error::io(FailureKind::FileUnreadable, error)
}
