//! The hashes of large files that are known already: one that was thrown out of memory and comes back
//! is not read again from its beginning to its end.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::entry::Stamp;

/// Hashes kept: about half a megabyte.
const MOST: usize = 4096;

/// Content hashes, by what would show that the contents are others.
#[derive(Debug, Default)]
pub(super) struct Hashes(Mutex<HashMap<Stamp, u128>>);

// === impl Hashes ===

impl Hashes {
    /// The hash of the file that has this stamp, if it is known.
    pub(super) fn get(&self, stamp: &Stamp) -> Option<u128> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(stamp).copied()
    }

    /// Notes a hash.
    pub(super) fn insert(&self, stamp: Stamp, hash: u128) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // So many large files are rare: who has them pays for hashing some of them again.
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(stamp, hash);
    }
}
