//! Bodies that are kept in files without a name, and are sent from there many times. Nothing of them remains, however
//! this process ends.

use std::{fs::File, io, mem, ops::Range, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;
use tokio::{runtime::Handle, task::spawn_blocking};

use super::{
    budget::{Budget, Reservation},
    file::FileStream,
    spill::{SpillFiles, SpillLocation, failed},
    version::FileVersion,
};
use crate::error::{Error, FailureKind};

/// Creates the files, within limits of bytes and of open files.
#[derive(Debug)]
pub struct DiskBodies {
    files: Arc<SpillFiles>,
    disk: Budget,
    descriptors: Budget,
}

/// A body that is being written.
#[derive(Debug)]
pub struct DiskBodyWriter {
    file: Arc<DiskFile>,
    length: u64,
    held: Reservation,
    descriptor: Reservation,
}

/// A complete body.
#[derive(Debug)]
pub struct DiskBody {
    file: Arc<DiskFile>,
    version: FileVersion,
    length: u64,
    /// The bytes and the descriptor. Streams keep the body, because the file exists as long as they do.
    _held: (Reservation, Reservation),
}

/// The open file.
#[derive(Debug)]
struct DiskFile(Option<Arc<File>>);

// === impl DiskBodies ===

impl DiskBodies {
    /// Creates no file before one is needed. `disk` is in bytes, `descriptors` in files.
    pub fn new(location: SpillLocation, disk: Budget, descriptors: Budget) -> Self {
        Self { files: Arc::new(SpillFiles::new(location)), disk, descriptors }
    }

    /// Begins a file. `None` if there is no disk, or if there are too many files.
    pub async fn create(&self) -> Result<Option<DiskBodyWriter>, Error> {
        let mut descriptor = self.descriptors.nothing();
        if !descriptor.grow(1) {
            return Ok(None);
        }
        let files = Arc::clone(&self.files);
        let created = spawn_blocking(move || files.create_on_disk()).await;
        let Some(file) = created.map_err(io::Error::other).and_then(|made| made).map_err(failed)?
        else {
            return Ok(None);
        };
        let file = Arc::new(DiskFile(Some(Arc::new(file))));
        Ok(Some(DiskBodyWriter { file, length: 0, held: self.disk.nothing(), descriptor }))
    }
}

// === impl DiskBodyWriter ===

impl DiskBodyWriter {
    /// Returns the bytes that were written.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends bytes. Fails with `BuffersFull` if the budget is used up.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        let more = bytes.len() as u64;
        if !self.held.grow(more) {
            return Err(Error::new(FailureKind::BuffersFull));
        }
        let (file, at) = (Arc::clone(&self.file), self.length);
        let written =
            spawn_blocking(move || file.get().and_then(|file| file.write_all_at(&bytes, at))).await;
        written.map_err(io::Error::other).and_then(|result| result).map_err(failed)?;
        self.length += more;
        Ok(())
    }

    /// Ends the body.
    pub fn finish(self) -> Result<DiskBody, Error> {
        let Self { file, length, held, descriptor } = self;
        let metadata = file.get().and_then(|file| file.metadata()).map_err(failed)?;
        let version = FileVersion::of(&metadata);
        Ok(DiskBody { file, version, length, _held: (held, descriptor) })
    }
}

// === impl DiskBody ===

impl DiskBody {
    /// Returns the length in bytes.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Returns a part of the body, to be sent. `self` and its budget last as long as the stream.
    pub fn stream(self: &Arc<Self>, range: Range<u64>) -> Result<FileStream, Error> {
        let file = self.file.get().map_err(failed)?;
        let range = range.start.min(self.length)..range.end.min(self.length);
        let keeper = Arc::clone(self) as Arc<dyn Send + Sync>;
        Ok(FileStream::new(Arc::clone(file), range, self.version).write_once().keeping(keeper))
    }
}

// === impl DiskFile ===

impl DiskFile {
    fn get(&self) -> io::Result<&Arc<File>> {
        self.0.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Drop for DiskFile {
    fn drop(&mut self) {
        // Closing the last handle frees its blocks, which may take a disk a while.
        if let Some(file) = mem::take(&mut self.0)
            && let Ok(runtime) = Handle::try_current()
        {
            drop(runtime.spawn_blocking(move || drop(file)));
        }
    }
}
