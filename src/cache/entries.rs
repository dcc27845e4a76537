//! All entries of the cache: where they are found, in which order they are evicted, what purges have made of them, and
//! the memory that they share with bodies that are being read.
//!
//! Lookups lock one shard of many, for a moment. Every change locks the eviction queue first, then one shard.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use super::{
    eviction::EvictionQueue,
    generations::{Generations, Purged},
    key::CacheKey,
    shard::Shard,
    stored::StoredResponse,
    tags::PurgeMode,
};
use crate::{
    body::{Budget, Reservation},
    rfc::caching::VaryNames,
    sync::{Mutex, MutexGuard, lock},
    telemetry::CacheCounts,
};

/// The entries, shared by all workers.
#[derive(Debug)]
pub(super) struct Entries {
    shards: Box<[Mutex<Shard>]>,
    queue: Mutex<EvictionQueue<Arc<StoredResponse>>>,
    pub(super) generations: Generations,
    /// Everything that is stored or being read, until its last reader is done.
    memory: Budget,
    /// Stored bytes that bodies being read do not evict.
    kept: u64,
    counts: Arc<CacheCounts>,
}

/// The result of a lookup.
#[derive(Clone, Debug)]
pub enum Found {
    Stored(Arc<StoredResponse>, PurgeState),
    /// Responses of this key could not be stored a short while ago: its requests must not wait for each other.
    Pass,
    Miss {
        /// The names by which the newest response of the key varies.
        vary: Option<VaryNames>,
    },
}

/// Whether a usable response was purged softly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeState {
    Valid,
    /// It is stale since the purge, and needs to be revalidated.
    SoftPurged,
}

/// The limits of the entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct EntryLimits {
    /// Bytes.
    pub(super) memory: u64,
    pub(super) shards: usize,
    pub(super) purge_slots: usize,
}

/// Many more than there are workers, so that two rarely wait for each other.
const SHARDS: usize = 64;
/// Bytes of memory for each marker; markers alone may have a hundredth of the memory.
const MARKER_MEMORY: u64 = 48;
const MARKER_SHARE: u64 = 100;

// === impl EntryLimits ===

impl EntryLimits {
    /// Returns the limits for so many bytes.
    pub(super) fn of(memory: u64) -> Self {
        Self { memory, shards: SHARDS, purge_slots: Generations::slots_for(memory) }
    }
}

// === impl Entries ===

impl Entries {
    pub(super) fn new(limits: EntryLimits, counts: Arc<CacheCounts>) -> Self {
        let EntryLimits { memory, shards, purge_slots } = limits;
        let shards = shards.max(1);
        let markers = memory / MARKER_SHARE / MARKER_MEMORY / shards as u64;
        let markers = usize::try_from(markers).unwrap_or(usize::MAX).clamp(4, 1024);
        Self {
            shards: (0..shards).map(|_| Mutex::new(Shard::new(markers))).collect(),
            queue: Mutex::new(EvictionQueue::default()),
            generations: Generations::new(purge_slots),
            memory: Budget::new(memory, Arc::clone(&counts.memory)),
            kept: memory / 8 * 5,
            counts,
        }
    }

    /// Finds the newest response of a key that `wants` accepts. Counts the use.
    pub(super) fn find(
        &self,
        key: &CacheKey,
        mut wants: impl FnMut(&StoredResponse) -> bool,
    ) -> Found {
        let mut shard = self.shard(key.hash());
        let variants = shard.variants(key);
        let mut purged = None;
        for response in variants.iter().filter(|one| wants(one)) {
            let state = match self.purged(response) {
                Purged::No => PurgeState::Valid,
                Purged::Soft => PurgeState::SoftPurged,
                Purged::Hard => {
                    purged = Some(Arc::clone(response));
                    continue;
                }
            };
            response.uses.count();
            return Found::Stored(Arc::clone(response), state);
        }
        let vary = variants.first().map(|newest| newest.policy.vary().clone());
        let is_marked = shard.markers.has(key.hash(), Instant::now);
        drop(shard);
        if let Some(purged) = purged {
            // Otherwise it would take memory until it is evicted.
            self.remove(key.hash(), &purged);
        }
        if is_marked { Found::Pass } else { Found::Miss { vary } }
    }

    /// Adds a response as the newest of its key. It replaces the same variant, and `old`, from which it was made: also
    /// if there is no room for it, because nothing older may be found from now on. It is returned in any case.
    pub(super) fn insert(
        &self,
        key: CacheKey,
        response: StoredResponse,
        old: Option<&Arc<StoredResponse>>,
    ) -> Arc<StoredResponse> {
        let response = Arc::new(response);
        let mut head = self.memory.nothing();
        let has_room = self.make_room(&mut head, response.head_memory(key.as_bytes().len()));
        response.keep(head);
        let bytes = response.head_memory(key.as_bytes().len()) + response.body_memory();
        // Freed after the locks.
        let mut removed = Vec::new();
        let mut queue = lock(&self.queue);
        if self.purged(&response) == Purged::Hard {
            return response;
        }
        let mut shard = self.shard(key.hash());
        let mut replaced = shard.replaced_by(&key, &response);
        replaced
            .extend(old.filter(|old| !replaced.iter().any(|one| Arc::ptr_eq(one, old))).cloned());
        let mut number = None;
        for old in replaced {
            let is_same = number.is_none() && old.is_same_variant(&response);
            let known = queue.get(old.number()).is_some_and(|known| Arc::ptr_eq(known, &old));
            if !known {
                continue;
            }
            shard.remove(key.hash(), old.number());
            self.generations.uncount(&old.tags, old.sent);
            if is_same && has_room {
                response.uses.continue_from(&old.uses);
                queue.replace(old.number(), Arc::clone(&response), bytes);
                number = Some(old.number());
            } else {
                queue.remove(old.number());
            }
            removed.push(old);
        }
        if !has_room {
            drop(shard);
            self.count_entries(&queue);
            return response;
        }
        let number = number.unwrap_or_else(|| queue.add(Arc::clone(&response), key.hash(), bytes));
        response.set_number(number);
        self.generations.count(&response.tags, response.sent);
        shard.markers.remove(key.hash());
        shard.add(key, Arc::clone(&response));
        drop(shard);
        self.count_entries(&queue);
        drop(queue);
        response
    }

    /// Counts more bytes of a response that is still stored; `false` if it is not.
    pub(super) fn enlarge(&self, response: &Arc<StoredResponse>, more: u64) -> bool {
        let mut queue = lock(&self.queue);
        let is_known =
            queue.get(response.number()).is_some_and(|known| Arc::ptr_eq(known, response));
        is_known && queue.enlarge(response.number(), more)
    }

    /// Marks a key whose responses may not be stored.
    pub(super) fn mark_pass(&self, key: &CacheKey, until: Instant, now: Instant) {
        self.shard(key.hash()).markers.set(key.hash(), until, now);
    }

    /// Purges the slots, and returns the number of entries that they had.
    pub(super) fn purge(&self, slots: impl IntoIterator<Item = u32>, mode: PurgeMode) -> u64 {
        // The lock for all changes.
        let queue = lock(&self.queue);
        let purged = self.generations.purge(slots, mode);
        drop(queue);
        self.counts.purged.fetch_add(purged, Ordering::Relaxed);
        purged
    }

    /// Returns an empty reservation of the memory.
    pub(super) fn nothing(&self) -> Reservation {
        self.memory.nothing()
    }

    /// Reserves more bytes, and evicts entries for them. `false` if what is being read, or sent to slow clients after
    /// it was evicted, takes too much already.
    pub(super) fn make_room(&self, held: &mut Reservation, more: u64) -> bool {
        if held.grow(more) {
            return true;
        }
        let mut queue = lock(&self.queue);
        let has_room = loop {
            if held.grow(more) {
                break true;
            }
            if queue.bytes() <= self.kept {
                break false;
            }
            let is_purged = |one: &Arc<StoredResponse>| self.purged(one) == Purged::Hard;
            let Some((hash, evicted)) = queue.evict(is_purged) else { break false };
            self.shard(hash).remove(hash, evicted.number());
            self.generations.uncount(&evicted.tags, evicted.sent);
            self.counts.evicted.fetch_add(1, Ordering::Relaxed);
        };
        self.count_entries(&queue);
        drop(queue);
        if !has_room {
            self.counts.refused.fetch_add(1, Ordering::Relaxed);
        }
        has_room
    }

    /// Removes a response, unless another one has taken its place.
    pub(super) fn remove(&self, hash: u64, response: &Arc<StoredResponse>) {
        let mut queue = lock(&self.queue);
        let number = response.number();
        if !queue.get(number).is_some_and(|known| Arc::ptr_eq(known, response)) {
            return;
        }
        let removed = queue.remove(number);
        self.shard(hash).remove(hash, number);
        self.generations.uncount(&response.tags, response.sent);
        self.count_entries(&queue);
        drop((queue, removed));
    }

    /// Returns what purges have made of a response.
    pub(super) fn purged(&self, response: &StoredResponse) -> Purged {
        self.generations.state(&response.tags, response.sent, &response.check)
    }

    /// Panics if maps and queue do not agree.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let queue = lock(&self.queue);
        let mut bytes = 0;
        let mut count = 0;
        for shard in &self.shards {
            for (key, one) in lock(shard).all() {
                assert!(queue.get(one.number()).is_some_and(|known| Arc::ptr_eq(known, one)));
                bytes += one.head_memory(key) + one.body_memory();
                count += 1;
            }
        }
        assert_eq!((queue.len(), queue.bytes()), (count, bytes));
    }

    fn count_entries(&self, queue: &EvictionQueue<Arc<StoredResponse>>) {
        self.counts.entries.store(queue.len() as u64, Ordering::Relaxed);
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        #[expect(clippy::indexing_slicing, reason = "the index is a remainder of the length")]
        let shard = &self.shards[(hash % self.shards.len() as u64) as usize];
        lock(shard)
    }
}
