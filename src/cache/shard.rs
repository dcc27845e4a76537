//! One part of all keys, under one short lock: the stored responses of each key, and the markers.

use std::{collections::HashMap, sync::Arc};

use super::{
    key::{CacheKey, PassThrough},
    markers::Markers,
    stored::StoredResponse,
};

/// The keys whose hashes select this shard.
#[derive(Debug)]
pub(super) struct Shard {
    keys: HashMap<u64, KeyEntry, PassThrough>,
    pub(super) markers: Markers,
}

/// The responses of one key.
#[derive(Debug)]
struct KeyEntry {
    key: Box<[u8]>,
    /// The newest first.
    variants: Vec<Arc<StoredResponse>>,
}

/// The number of variants of one key. With more, the oldest is dropped.
pub(super) const MAX_VARIANTS: usize = 32;

// === impl Shard ===

impl Shard {
    pub(super) fn new(max_markers: usize) -> Self {
        Self { keys: HashMap::default(), markers: Markers::new(max_markers) }
    }

    /// Returns the responses of a key, the newest first.
    pub(super) fn variants(&self, key: &CacheKey) -> &[Arc<StoredResponse>] {
        match self.keys.get(&key.hash()) {
            Some(entry) if *entry.key == *key.as_bytes() => &entry.variants,
            Some(_) | None => &[],
        }
    }

    /// Iterates over all responses, with the lengths of their keys.
    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, &Arc<StoredResponse>)> {
        self.keys.values().flat_map(|entry| entry.variants.iter().map(|one| (entry.key.len(), one)))
    }

    /// Adds a response as the newest of its key.
    pub(super) fn add(&mut self, key: CacheKey, response: Arc<StoredResponse>) {
        let hash = key.hash();
        let key = key.into_bytes();
        let entry = self
            .keys
            .entry(hash)
            .or_insert_with(|| KeyEntry { key: Box::default(), variants: Vec::with_capacity(1) });
        // Nobody can make two keys with one hash; if it happens, the old one was removed before.
        entry.key = key;
        entry.variants.insert(0, response);
    }

    /// Removes the response with this number, and its key if it was the last one.
    pub(super) fn remove(&mut self, hash: u64, number: u64) {
        let Some(entry) = self.keys.get_mut(&hash) else { return };
        entry.variants.retain(|one| one.number() != number);
        if entry.variants.is_empty() {
            self.keys.remove(&hash);
        }
    }

    /// Returns what must be removed before a response is added: what it replaces, the oldest of too many variants, and
    /// all of another key with the same hash.
    pub(super) fn replaced_by(
        &self,
        key: &CacheKey,
        new: &StoredResponse,
    ) -> Vec<Arc<StoredResponse>> {
        let Some(entry) = self.keys.get(&key.hash()) else { return Vec::new() };
        if *entry.key != *key.as_bytes() {
            return entry.variants.clone();
        }
        let same = entry.variants.iter().find(|one| one.is_same_variant(new));
        match (same, entry.variants.last()) {
            (Some(same), _) => vec![Arc::clone(same)],
            (None, Some(oldest)) if entry.variants.len() >= MAX_VARIANTS => {
                vec![Arc::clone(oldest)]
            }
            (None, _) => Vec::new(),
        }
    }
}
