//! Reads a file from disk into an entry. Blocking: runs on the blocking pool only.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::{
    entry::{Content, Entry, Key, Stamp},
    kind::is_hashed,
    open::open_beneath,
};

/// Files up to this size are kept in memory.
const SMALL: u64 = 1024 * 1024;

/// From this size on it costs half as much to let the kernel send a file from the page cache; below,
/// the second system call costs more than the copy (measured on loopback).
const SENDABLE: u64 = 32 * 1024;

/// What there is under a name.
#[derive(Clone, Debug)]
pub enum Found {
    File(Arc<Entry>),
    Directory,
    Missing,
}

/// Opens and reads a file. Only trouble that is not the name's fault is an error.
pub(super) fn load(root: &Path, key: &Key, max_age: Duration) -> io::Result<Found> {
    // A file written to while it is read is read again; one that never rests is an error.
    for _ in 0..4 {
        let Some(file) = open(root, key)? else { return Ok(Found::Missing) };
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Ok(Found::Directory);
        }
        if !metadata.is_file() {
            return Ok(Found::Missing);
        }
        if metadata.len() > SMALL {
            let content = Content::Disk(Arc::new(file));
            let entry = Entry::new(key.clone(), &metadata, content, None, max_age);
            return Ok(Found::File(Arc::new(entry)));
        }
        if let Some(bytes) = read_whole(&file, &metadata)? {
            let hash = xxh3_128(&bytes);
            // Without a content hash in its name, a file's contents could change while it is sent.
            let is_sendable = metadata.len() >= SENDABLE && is_hashed(&key.name);
            let content = Content::Memory(bytes, is_sendable.then(|| Arc::new(file)));
            let entry = Entry::new(key.clone(), &metadata, content, Some(hash), max_age);
            return Ok(Found::File(Arc::new(entry)));
        }
    }
    Err(io::Error::other("the file changes faster than it can be read"))
}

/// Whether the name still stands for the file of the entry, unchanged.
pub(super) fn is_current(root: &Path, entry: &Entry) -> io::Result<bool> {
    match open(root, &entry.key)? {
        Some(file) => Ok(Stamp::of(&file.metadata()?) == entry.stamp),
        None => Ok(false),
    }
}

/// Hashes a large file and gives the entry with its strong tag, if it did not change meanwhile.
pub(super) fn strengthen(entry: &Entry, max_age: Duration) -> io::Result<Option<Entry>> {
    let Content::Disk(file) = &entry.content else { return Ok(None) };
    let mut hasher = Xxh3::new();
    let mut chunk = vec![0; 256 * 1024];
    let mut offset = 0;
    loop {
        let count = std::os::unix::fs::FileExt::read_at(&**file, &mut chunk, offset)?;
        let Some(read) = chunk.get(..count).filter(|read| !read.is_empty()) else { break };
        hasher.update(read);
        offset += count as u64;
    }
    let metadata = file.metadata()?;
    if Stamp::of(&metadata) != entry.stamp || offset != metadata.len() {
        return Ok(None);
    }
    let (key, content) = (entry.key.clone(), entry.content.clone());
    Ok(Some(Entry::new(key, &metadata, content, Some(hasher.digest128()), max_age)))
}

fn open(root: &Path, key: &Key) -> io::Result<Option<File>> {
    use io::ErrorKind;
    match open_beneath(root, &key.name) {
        Ok(file) => Ok(Some(file)),
        // Also what a name says that leads out of the root (EXDEV), through a file (ENOTDIR), in
        // circles (ELOOP), to a socket or device without a driver (ENXIO), or that is too long.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound
                    | ErrorKind::NotADirectory
                    | ErrorKind::CrossesDevices
                    | ErrorKind::InvalidFilename
            ) || matches!(
                rustix::io::Errno::from_io_error(&error),
                Some(rustix::io::Errno::LOOP | rustix::io::Errno::NXIO)
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The contents, or `None` if they changed while they were read.
fn read_whole(file: &File, metadata: &Metadata) -> io::Result<Option<Bytes>> {
    let size = metadata.len();
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
    // One byte more than expected would show that the file has grown.
    file.take(size + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != size || Stamp::of(&file.metadata()?) != Stamp::of(metadata) {
        return Ok(None);
    }
    bytes.shrink_to_fit();
    Ok(Some(Bytes::from(bytes)))
}
