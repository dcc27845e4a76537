//! The hashes of files that are too large for memory. A file is read for its hash once, even if its entry is evicted
//! and loaded again. The settings limit the bytes read per second, so clients that request one byte of each of many
//! files cannot keep the disk busy.

use std::{
    collections::HashMap,
    fs::{File, Metadata},
    io,
    os::unix::fs::FileExt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use xxhash_rust::xxh3::Xxh3;

use super::{entry::Stamp, open::LookupEffort};
use crate::body::FileVersion;

/// Files up to this size are read for their hash before their first response, which takes some milliseconds. Larger
/// ones would delay their first client.
pub(super) const MAX_HASHED_INLINE: u64 = 16 * 1024 * 1024;

/// The maximum number of hashes kept: about half a megabyte.
const MAX_HASHES: usize = 4096;

/// Bytes of one read.
const READ_SIZE: usize = 256 * 1024;

/// How much of the coming time may be spent at once, in milliseconds.
const MAX_BURST: u64 = 1000;

/// Content hashes, by the identity of the file's version.
#[derive(Debug)]
pub(super) struct Hashes {
    /// Bytes a second.
    rate: Option<u64>,
    /// When all that was read would have been read at that rate, in milliseconds on the store's clock.
    busy_until: AtomicU64,
    known: Mutex<HashMap<Stamp, u128>>,
    /// Held while a file is hashed: of concurrent requests for one file only one reads it.
    turn: Mutex<()>,
}

/// The result for a file's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentHash {
    Of(u128),
    /// The contents have changed since the check.
    Changed,
    /// The contents may be read after this time, not now.
    Later(Duration),
}

// === impl Hashes ===

impl Hashes {
    /// Creates an empty cache; at most `rate` bytes a second may be read.
    pub(super) fn new(rate: Option<u64>) -> Self {
        Self {
            rate,
            busy_until: AtomicU64::new(0),
            known: Mutex::default(),
            turn: Mutex::default(),
        }
    }

    /// Returns the hash of a file's contents. `metadata` was read at `now` (milliseconds on the store's clock). Reads
    /// the file if necessary.
    pub(super) fn of(
        &self,
        file: &File,
        metadata: &Metadata,
        (effort, now): (LookupEffort, u64),
    ) -> io::Result<ContentHash> {
        let stamp = Stamp::of(metadata);
        if let Some(hash) = self.get(&stamp) {
            return Ok(ContentHash::Of(hash));
        }
        if let Some(wait) = self.wait(now) {
            return Ok(ContentHash::Later(wait));
        }
        if effort == LookupEffort::Memory {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hash) = self.get(&stamp) {
            return Ok(ContentHash::Of(hash));
        }
        if let Some(wait) = self.wait(now) {
            return Ok(ContentHash::Later(wait));
        }
        self.spend(metadata.len(), now);
        let (hash, size) = read(file, metadata.len())?;
        let after = file.metadata()?;
        if size != metadata.len() || FileVersion::of(&after) != FileVersion::of(metadata) {
            return Ok(ContentHash::Changed);
        }
        self.insert(stamp, hash);
        Ok(ContentHash::Of(hash))
    }

    /// Returns how long nothing may be read.
    fn wait(&self, now: u64) -> Option<Duration> {
        let busy = self.busy_until.load(Ordering::Relaxed).saturating_sub(now);
        busy.checked_sub(MAX_BURST).filter(|wait| *wait > 0).map(Duration::from_millis)
    }

    /// Accounts for bytes that are read. The caller must be the only reader.
    fn spend(&self, bytes: u64, now: u64) {
        let Some(rate) = self.rate else { return };
        let took = bytes.saturating_mul(1000).div_ceil(rate.max(1));
        let from = self.busy_until.load(Ordering::Relaxed).max(now);
        self.busy_until.store(from.saturating_add(took), Ordering::Relaxed);
    }

    fn get(&self, stamp: &Stamp) -> Option<u128> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(stamp).copied()
    }

    fn insert(&self, stamp: Stamp, hash: u128) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // So many large files are rare. A site that has them hashes some of them again.
        if known.len() >= MAX_HASHES {
            known.clear();
        }
        known.insert(stamp, hash);
    }
}

/// Returns the hash of the first `size` bytes, and the number of bytes read.
fn read(file: &File, size: u64) -> io::Result<(u128, u64)> {
    let (mut hasher, mut at) = (Xxh3::new(), 0);
    let mut memory = vec![0; READ_SIZE];
    while at < size {
        let wanted = usize::try_from(size - at).unwrap_or(READ_SIZE).min(READ_SIZE);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_in_a_second_than_is_allowed() {
        let hashes = Hashes::new(Some(1000));
        assert_eq!(hashes.wait(0), None);
        // More than a second's bytes at once, because one file must always be possible.
        hashes.spend(5000, 0);
        assert_eq!(hashes.wait(0), Some(Duration::from_secs(4)));
        assert_eq!(hashes.wait(3999), Some(Duration::from_millis(1)));
        assert_eq!(hashes.wait(4000), None);
        hashes.spend(1, 4000);
        assert_eq!(hashes.wait(4000), Some(Duration::from_millis(1)));
        // Unused time does not accumulate.
        hashes.spend(1500, 100_000);
        assert_eq!(hashes.wait(100_000), Some(Duration::from_millis(500)));
        let unlimited = Hashes::new(None);
        unlimited.spend(u64::MAX, 0);
        assert_eq!(unlimited.wait(0), None);
    }
}
