//! The hashes of files that are too large to be held in memory. A file is read for its hash once: one that was
//! thrown out of memory and comes back is not read again from its beginning to its end.

use std::{
    collections::HashMap,
    fs::{File, Metadata},
    io,
    os::unix::fs::FileExt,
    sync::{Mutex, PoisonError},
};

use xxhash_rust::xxh3::Xxh3;

use super::{entry::Stamp, open::Effort};
use crate::body::Version;

/// Files up to this size are read for their hash before their first response, which takes some
/// milliseconds; larger ones would keep their first client waiting.
pub(super) const HASHED: u64 = 16 * 1024 * 1024;

/// Hashes kept: about half a megabyte.
const MOST: usize = 4096;

/// Bytes of one read.
const CHUNK: usize = 256 * 1024;

/// Content hashes, by what would show that the contents are others.
#[derive(Debug, Default)]
pub(super) struct Hashes {
    known: Mutex<HashMap<Stamp, u128>>,
    /// Held while a file is hashed: of many who ask for the same file at once only one reads it.
    turn: Mutex<()>,
}

// === impl Hashes ===

impl Hashes {
    /// The hash of a file's contents; `None` if they are others than those that `metadata` describe. Reads the
    /// file if it must.
    pub(super) fn of(
        &self,
        file: &File,
        metadata: &Metadata,
        effort: Effort,
    ) -> io::Result<Option<u128>> {
        let stamp = Stamp::of(metadata);
        if let Some(hash) = self.get(&stamp) {
            return Ok(Some(hash));
        }
        if effort == Effort::Memory {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hash) = self.get(&stamp) {
            return Ok(Some(hash));
        }
        let (hash, size) = read(file, metadata.len())?;
        let after = file.metadata()?;
        if size != metadata.len() || Version::of(&after) != Version::of(metadata) {
            return Ok(None);
        }
        self.insert(stamp, hash);
        Ok(Some(hash))
    }

    fn get(&self, stamp: &Stamp) -> Option<u128> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(stamp).copied()
    }

    fn insert(&self, stamp: Stamp, hash: u128) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // So many large files are rare: who has them pays for hashing some of them again.
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(stamp, hash);
    }
}

/// The hash of the first `size` bytes, and how many there were of them.
fn read(file: &File, size: u64) -> io::Result<(u128, u64)> {
    let (mut hasher, mut at) = (Xxh3::new(), 0);
    let mut memory = vec![0; CHUNK];
    while at < size {
        let wanted = usize::try_from(size - at).unwrap_or(CHUNK).min(CHUNK);
        let target = memory.get_mut(..wanted).unwrap_or_default();
        match file.read_at(target, at) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(target.get(..count).unwrap_or_default());
                at += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok((hasher.digest128(), at))
}
