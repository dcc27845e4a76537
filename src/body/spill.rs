//! A temporary file without a name, for bodies that are too long for memory. No other process can open it, and nothing
//! of it remains, however this process ends.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use rustix::{
    fs::{MemfdFlags, Mode, OFlags, fstatfs, memfd_create, open},
    io::Errno,
};
use tokio::{runtime::Handle, task::spawn_blocking};

use super::{
    budget::{Budget, Budgets, Reservation},
    budgeted_buffer::BudgetedBuffer,
};
use crate::error::{Error, FailureKind};

/// The location of temporary files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpillLocation {
    /// `/tmp` if it is writable, else memory files.
    Auto,
    /// This directory if it is writable, else memory files.
    Directory(PathBuf),
    /// memfd(2).
    Memory,
}

/// Creates temporary files. Determines the location when the first is needed.
#[derive(Debug)]
pub(super) struct SpillFiles {
    location: SpillLocation,
    found: OnceLock<SpillFileSystem>,
}

/// The kind of file system that holds the files.
#[derive(Clone, Debug, PartialEq, Eq)]
enum SpillFileSystem {
    /// A disk: writes may have to wait for it.
    Disk(PathBuf),
    /// A file system in memory that the settings name. Its owner has limited its size.
    Volume(PathBuf),
    /// A file system in memory that the settings do not name. It counts as memory.
    FoundVolume(PathBuf),
    /// memfd(2), which counts as memory.
    Memfd,
}

/// One temporary file, which only grows.
#[derive(Debug)]
pub(super) struct SpillFile {
    file: Arc<UnnamedFile>,
    length: u64,
    reservation: Reservation,
    /// Whether it counts as memory.
    is_memory: bool,
}

/// The open file itself, for all its readers and writers.
#[derive(Debug)]
pub(super) struct UnnamedFile {
    /// `None` only while it is closed.
    file: Option<File>,
    is_disk: bool,
}

/// A new file, before it is shared.
#[derive(Debug)]
struct NewSpillFile {
    file: File,
    length: u64,
    reservation: Reservation,
    is_disk: bool,
    is_memory: bool,
}

/// The reason why bytes were not written, with the bytes; `None` if they are lost.
#[derive(Debug)]
pub(super) struct SpillWriteError {
    pub(super) error: Error,
    pub(super) bytes: Option<Box<BudgetedBuffer>>,
}

/// The directory for [`SpillLocation::Auto`]. If a container has another one, the settings must name it.
const TMP_DIRECTORY: &str = "/tmp";

/// The magic numbers of tmpfs and ramfs (statfs(2)).
const MEMORY_FILE_SYSTEMS: [i64; 2] = [0x0102_1994, 0x8584_58f6];

// === impl SpillFiles ===

impl SpillFiles {
    pub(super) fn new(location: SpillLocation) -> Self {
        Self { location, found: OnceLock::new() }
    }

    /// Creates a file that begins with these bytes.
    pub(super) async fn create(
        self: &Arc<Self>,
        bytes: BudgetedBuffer,
        budgets: &Budgets,
    ) -> Result<SpillFile, SpillWriteError> {
        let mut bytes = bytes;
        // Only once it is known that no disk is involved.
        if self.found.get().is_some_and(|medium| !medium.is_disk()) {
            return match self.make(&mut bytes, budgets) {
                Ok(made) => Ok(SpillFile::new(made)),
                Err(error) => Err(SpillWriteError::new(error, bytes)),
            };
        }
        let (this, budgets) = (Arc::clone(self), budgets.clone());
        let made = on_blocking_thread(bytes, move |bytes| this.make(bytes, &budgets)).await;
        made.map(SpillFile::new)
    }

    /// Whether a body of this length fits into a file, if there are no others. Determines the location of files if that
    /// matters.
    pub(super) async fn may_hold(self: &Arc<Self>, length: u64, budgets: &Budgets) -> bool {
        let (memory, disk) = (length <= budgets.memory.limit(), length <= budgets.disk.limit());
        if memory == disk {
            return memory;
        }
        let is_memory = match self.found.get() {
            Some(medium) => medium.is_memory(),
            None => {
                let this = Arc::clone(self);
                // An unknown location is no reason to refuse.
                let found = spawn_blocking(move || this.medium().is_memory()).await;
                found.unwrap_or(memory)
            }
        };
        if is_memory { memory } else { disk }
    }

    /// Creates an empty file if the location is a disk or a volume that the settings name; `None` if files count as
    /// memory. May wait for the disk.
    pub(super) fn create_on_disk(&self) -> io::Result<Option<File>> {
        let medium = self.medium();
        if medium.is_memory() { Ok(None) } else { medium.create().map(Some) }
    }

    fn make(&self, bytes: &mut BudgetedBuffer, budgets: &Budgets) -> Result<NewSpillFile, Error> {
        let medium = self.medium();
        let file = medium.create().map_err(failed)?;
        let (is_disk, is_memory) = (medium.is_disk(), medium.is_memory());
        let budget: &Budget = if is_memory { &budgets.memory } else { &budgets.disk };
        let mut reservation = budget.nothing();
        reserve(&mut reservation, bytes, is_memory)?;
        write(&file, bytes, 0).map_err(failed)?;
        Ok(NewSpillFile { file, length: bytes.len(), reservation, is_disk, is_memory })
    }

    /// Returns the location of files. May wait for the disk the first time.
    fn medium(&self) -> &SpillFileSystem {
        self.found.get_or_init(|| {
            let (directory, is_named) = match &self.location {
                SpillLocation::Memory => return SpillFileSystem::Memfd,
                SpillLocation::Auto => (Path::new(TMP_DIRECTORY), false),
                SpillLocation::Directory(directory) => (directory.as_path(), true),
            };
            match create_unnamed(directory).and_then(|file| Ok(fstatfs(&file)?)) {
                Ok(system) if MEMORY_FILE_SYSTEMS.contains(&system.f_type) => {
                    if is_named {
                        SpillFileSystem::Volume(directory.to_owned())
                    } else {
                        SpillFileSystem::FoundVolume(directory.to_owned())
                    }
                }
                Ok(_) => SpillFileSystem::Disk(directory.to_owned()),
                Err(error) => {
                    log_no_disk(directory, is_named, &error);
                    SpillFileSystem::Memfd
                }
            }
        })
    }
}

/// Warns that without a disk there is only the budget for memory, so that long bodies may be refused.
fn log_no_disk(directory: &Path, is_named: bool, error: &io::Error) {
    let directory = directory.display();
    if is_named {
        tracing::warn!(%directory, %error, "cannot create a file in buffers.directory: long bodies stay in \
            memory, within buffers.memory; mount a volume there");
    } else {
        tracing::info!(%directory, %error, "cannot create a temporary file: long bodies stay in memory, within \
            buffers.memory; set buffers.directory to a writable directory");
    }
}

// === impl SpillFileSystem ===

impl SpillFileSystem {
    fn is_disk(&self) -> bool {
        matches!(self, Self::Disk(_))
    }

    /// Whether its files count as memory.
    fn is_memory(&self) -> bool {
        matches!(self, Self::FoundVolume(_) | Self::Memfd)
    }

    fn create(&self) -> io::Result<File> {
        match self {
            Self::Disk(directory) | Self::Volume(directory) | Self::FoundVolume(directory) => {
                create_unnamed(directory)
            }
            Self::Memfd => Ok(memfd_create("sideman-body", MemfdFlags::CLOEXEC)?.into()),
        }
    }
}

/// Creates a file without a name in its directory.
fn create_unnamed(directory: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    match open(directory, flags | OFlags::TMPFILE, mode) {
        Ok(file) => Ok(file.into()),
        // A file system or a kernel without O_TMPFILE (open(2)).
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {
            let name = format!(".sideman-{:016x}", fastrand::u64(..));
            let path = directory.join(name);
            let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
            let file = open(&path, flags, mode)?;
            rustix::fs::unlink(&path)?;
            Ok(file.into())
        }
        Err(error) => Err(error.into()),
    }
}

// === impl SpillFile ===

impl SpillFile {
    fn new(made: NewSpillFile) -> Self {
        let NewSpillFile { file, length, reservation, is_disk, is_memory } = made;
        let file = Arc::new(UnnamedFile { file: Some(file), is_disk });
        Self { file, length, reservation, is_memory }
    }

    /// Returns its length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// Returns the file for its readers.
    pub(super) fn file(&self) -> &Arc<UnnamedFile> {
        &self.file
    }

    /// Appends bytes. After a failure its length is unchanged.
    pub(super) async fn append(&mut self, bytes: BudgetedBuffer) -> Result<(), SpillWriteError> {
        let (at, more, mut bytes) = (self.length, bytes.len(), bytes);
        if let Err(error) = reserve(&mut self.reservation, &bytes, self.is_memory) {
            return Err(SpillWriteError::new(error, bytes));
        }
        let written = if self.file.is_disk {
            let file = Arc::clone(&self.file);
            let job = move |bytes: &mut BudgetedBuffer| {
                file.get().and_then(|file| write(file, bytes, at))
            };
            on_blocking_thread(bytes, move |bytes| job(bytes).map_err(failed)).await
        } else {
            let written = self.file.get().and_then(|file| write(file, &mut bytes, at));
            written.map_err(|error| SpillWriteError::new(failed(error), bytes))
        };
        match &written {
            Ok(()) => self.length += more,
            Err(_) => self.reservation.shrink_to(self.length),
        }
        written
    }
}

// === impl UnnamedFile ===

impl UnnamedFile {
    /// Returns the file, for reading.
    pub(super) fn get(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Whether reads and writes may have to wait.
    pub(super) fn is_disk(&self) -> bool {
        self.is_disk
    }
}

impl Drop for UnnamedFile {
    fn drop(&mut self) {
        // Closing the last handle frees its blocks, which may take a disk a while.
        if self.is_disk
            && let Some(file) = self.file.take()
            && let Ok(runtime) = Handle::try_current()
        {
            drop(runtime.spawn_blocking(move || drop(file)));
        }
    }
}

// === impl SpillWriteError ===

impl SpillWriteError {
    fn new(error: Error, bytes: BudgetedBuffer) -> Self {
        Self { error, bytes: Some(Box::new(bytes)) }
    }
}

/// Runs a function with bytes on a blocking thread, and returns the bytes to be freed on this one. Memory that another
/// thread frees stays with the allocator until the thread that allocated it finds it.
async fn on_blocking_thread<T: Send + 'static>(
    mut bytes: BudgetedBuffer,
    job: impl FnOnce(&mut BudgetedBuffer) -> Result<T, Error> + Send + 'static,
) -> Result<T, SpillWriteError> {
    bytes.seal();
    let done = spawn_blocking(move || {
        let result = job(&mut bytes);
        (result, bytes)
    });
    match done.await {
        Ok((Ok(value), _)) => Ok(value),
        Ok((Err(error), bytes)) => Err(SpillWriteError::new(error, bytes)),
        Err(panic) => Err(SpillWriteError { error: failed(io::Error::other(panic)), bytes: None }),
    }
}

/// Reserves space for more bytes of a file before any is written.
fn reserve(
    reservation: &mut Reservation,
    bytes: &BudgetedBuffer,
    is_memory: bool,
) -> Result<(), Error> {
    let more = bytes.len();
    if reservation.grow(more) {
        return Ok(());
    }
    // In memory, the buffer and the file both hold the bytes for a moment.
    let need = if is_memory { more.saturating_add(bytes.held()) } else { more };
    let is_for_now = reservation.could_ever_grow(need);
    Err(Error::new(if is_for_now {
        FailureKind::BuffersFull
    } else {
        FailureKind::BodyExceedsBuffers
    }))
}

/// Writes everything.
fn write(file: &File, bytes: &mut BudgetedBuffer, at: u64) -> io::Result<()> {
    let mut position = at;
    bytes.parts().try_for_each(|part| {
        file.write_all_at(part, position)?;
        position += part.len() as u64;
        Ok(())
    })
}

/// Converts the failure to create or write a file. Only a lack of space counts as a full disk.
pub(super) fn failed(error: io::Error) -> Error {
    let kind = match Errno::from_io_error(&error) {
        Some(Errno::MFILE | Errno::NFILE) => FailureKind::DescriptorsExhausted,
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => FailureKind::DiskFull,
        Some(_) | None => FailureKind::BufferFailed,
    };
    Error::io(kind, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_enospc_is_a_full_disk() {
        for (raised, kind) in [
            (Errno::NOSPC, FailureKind::DiskFull),
            (Errno::DQUOT, FailureKind::DiskFull),
            (Errno::FBIG, FailureKind::DiskFull),
            (Errno::MFILE, FailureKind::DescriptorsExhausted),
            (Errno::NFILE, FailureKind::DescriptorsExhausted),
            (Errno::IO, FailureKind::BufferFailed),
            (Errno::ROFS, FailureKind::BufferFailed),
            (Errno::ACCESS, FailureKind::BufferFailed),
            (Errno::STALE, FailureKind::BufferFailed),
            (Errno::NOENT, FailureKind::BufferFailed),
        ] {
            assert_eq!(failed(raised.into()).kind(), kind, "{raised:?}");
        }
        assert_eq!(failed(io::Error::other("a panic")).kind(), FailureKind::BufferFailed);
    }
}
