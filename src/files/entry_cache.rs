//! The cache of entries: sixteen maps under sixteen short locks. It is limited in bytes, entries and open descriptors,
//! and evicts entries without recent requests (the CLOCK algorithm). Files that are requested only once evict nothing.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::entry::FileEntry;
use crate::telemetry::StoreCounts;

const SHARDS: usize = 16;

/// All entries of a store, by the hash of their key.
#[derive(Debug)]
pub(super) struct EntryCache {
    /// Bytes.
    budget: u64,
    max: u64,
    most_descriptors: u64,
    descriptors: AtomicU64,
    /// Disk files that are kept open.
    open_files: AtomicU64,
    counts: Arc<StoreCounts>,
    /// Set once nothing is kept any more.
    is_closed: AtomicBool,
    shards: [Mutex<CacheShard>; SHARDS],
}

#[derive(Debug, Default)]
struct CacheShard {
    entries: HashMap<u64, Arc<FileEntry>, BuildHasherDefault<PassThroughHasher>>,
    /// Candidates for eviction, oldest first; those in use get a second chance.
    queue: VecDeque<u64>,
}

/// Passes on a key that is a hash already.
#[derive(Debug, Default)]
struct PassThroughHasher(u64);

// === impl EntryCache ===

impl EntryCache {
    /// Creates a cache for so many bytes, entries and open descriptors.
    pub(super) fn new(
        budget: u64,
        max: usize,
        most_descriptors: u64,
        counts: Arc<StoreCounts>,
    ) -> Self {
        Self {
            budget,
            max: max as u64,
            most_descriptors,
            descriptors: AtomicU64::default(),
            open_files: AtomicU64::default(),
            counts,
            is_closed: AtomicBool::new(false),
            shards: Default::default(),
        }
    }

    /// Returns the entry under a hash; the caller compares the key.
    pub(super) fn get(&self, hash: u64) -> Option<Arc<FileEntry>> {
        self.shard(hash).entries.get(&hash).map(Arc::clone)
    }

    /// Adds an entry, replacing any other under this hash. An entry that alone exceeds the budget is not kept.
    ///
    /// If there is no room, an entry without an earlier request is not kept, and the result is `false`. Otherwise, in a
    /// tree that is larger than memory, each file would evict another one before that is requested again.
    pub(super) fn insert(&self, hash: u64, entry: Arc<FileEntry>, is_repeated: bool) -> bool {
        if !is_repeated && self.fits(&entry) && !self.has_room(&entry) {
            self.counts.evicted.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        if is_repeated {
            // Otherwise the next insertion might evict it at once.
            entry.mark_used();
        }
        let mut shard = self.shard(hash);
        self.put(&mut shard, hash, entry);
        drop(shard);
        self.shrink(hash, 0);
        true
    }

    /// Replaces the entry that `new` was made from, if that is still cached.
    pub(super) fn replace(&self, hash: u64, old: &Arc<FileEntry>, new: Arc<FileEntry>) {
        // Room comes first: the size must never exceed the budget.
        self.shrink(hash, new.cost().saturating_sub(old.cost()));
        let mut shard = self.shard(hash);
        if shard.entries.get(&hash).is_some_and(|known| Arc::ptr_eq(known, old)) {
            self.put(&mut shard, hash, new);
        }
        drop(shard);
        self.shrink(hash, 0);
    }

    /// Evicts entries that are not in demand until there is room for `bytes` more; `false` if that is not enough. The
    /// entry under this hash stays.
    pub(super) fn make_room(&self, bytes: u64, hash: u64) -> bool {
        let has_room =
            || self.counts.bytes.load(Ordering::Relaxed).saturating_add(bytes) <= self.budget;
        for step in 0..SHARDS as u64 {
            let mut shard = self.shard(hash.wrapping_add(step));
            for _ in 0..shard.queue.len() {
                if has_room() {
                    return true;
                }
                let Some(next) = shard.queue.pop_front() else { break };
                let stays = |entry: &Arc<FileEntry>| next == hash || entry.is_in_demand();
                if shard.entries.get(&next).is_some_and(stays) {
                    shard.queue.push_back(next);
                } else if let Some(entry) = shard.entries.remove(&next) {
                    self.subtract(&entry);
                    self.counts.evicted.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        has_room()
    }

    /// Evicts an entry, unless another has replaced it.
    pub(super) fn remove(&self, hash: u64, entry: &Arc<FileEntry>) {
        let mut shard = self.shard(hash);
        if shard.entries.get(&hash).is_some_and(|known| Arc::ptr_eq(known, entry)) {
            shard.entries.remove(&hash);
            shard.queue.retain(|queued| *queued != hash);
            self.subtract(entry);
        }
    }

    /// Whether more than three quarters of the budget are used.
    pub(super) fn is_tight(&self) -> bool {
        self.counts.bytes.load(Ordering::Relaxed) > self.budget / 4 * 3
    }

    /// Whether the cache could keep an entry if it were the only one.
    pub(super) fn fits(&self, entry: &FileEntry) -> bool {
        entry.cost() <= self.budget
    }

    /// Whether disk files are kept open.
    pub(super) fn has_open_files(&self) -> bool {
        self.open_files.load(Ordering::SeqCst) > 0
    }

    /// Returns the entries, with their hashes, that keep disk files open and were checked before `moment` (milliseconds
    /// on the store's clock).
    pub(super) fn open_since(&self, moment: u64) -> Vec<(u64, Arc<FileEntry>)> {
        let is_wanted = |entry: &Arc<FileEntry>| entry.open_files() > 0 && entry.checked() < moment;
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let entries = shard.entries.iter().filter(|(_, entry)| is_wanted(entry));
            found.extend(entries.map(|(hash, entry)| (*hash, Arc::clone(entry))));
        }
        found
    }

    /// Evicts everything, and keeps nothing from now on.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.entries.values().for_each(|entry| self.subtract(entry));
            *shard = CacheShard::default();
        }
    }

    fn put(&self, shard: &mut CacheShard, hash: u64, entry: Arc<FileEntry>) {
        // Checked under the shard's lock, which `close` takes afterwards.
        if !self.fits(&entry) || self.is_closed.load(Ordering::SeqCst) {
            return;
        }
        self.descriptors.fetch_add(entry.descriptors(), Ordering::Relaxed);
        self.open_files.fetch_add(entry.open_files(), Ordering::SeqCst);
        let cost = entry.cost();
        let Some(replaced) = shard.entries.insert(hash, entry) else {
            self.counts.bytes.fetch_add(cost, Ordering::Relaxed);
            self.counts.entries.fetch_add(1, Ordering::Relaxed);
            shard.queue.push_back(hash);
            return;
        };
        // A single step with wrap-around, so that both entries are never counted at once.
        self.counts.bytes.fetch_add(cost.wrapping_sub(replaced.cost()), Ordering::Relaxed);
        self.descriptors.fetch_sub(replaced.descriptors(), Ordering::Relaxed);
        self.open_files.fetch_sub(replaced.open_files(), Ordering::SeqCst);
    }

    fn subtract(&self, entry: &FileEntry) {
        self.counts.bytes.fetch_sub(entry.cost(), Ordering::Relaxed);
        self.counts.entries.fetch_sub(1, Ordering::Relaxed);
        self.descriptors.fetch_sub(entry.descriptors(), Ordering::Relaxed);
        self.open_files.fetch_sub(entry.open_files(), Ordering::SeqCst);
    }

    /// Whether an entry can be kept without an eviction.
    fn has_room(&self, entry: &FileEntry) -> bool {
        let left = |max: u64, taken: &AtomicU64| max.saturating_sub(taken.load(Ordering::Relaxed));
        entry.cost() <= left(self.budget, &self.counts.bytes)
            && left(self.max, &self.counts.entries) > 0
            && entry.descriptors() <= left(self.most_descriptors, &self.descriptors)
    }

    /// Whether the cache exceeds its limits, or would with `more` bytes.
    fn is_over(&self, more: u64) -> bool {
        self.counts.bytes.load(Ordering::Relaxed).saturating_add(more) > self.budget
            || self.counts.entries.load(Ordering::Relaxed) > self.max
            || self.descriptors.load(Ordering::Relaxed) > self.most_descriptors
    }

    /// Evicts entries without recent requests until the limits hold with `more` bytes. It begins behind the shard of
    /// the latest entry, so that this shard comes last.
    fn shrink(&self, latest: u64, more: u64) {
        // One round over all shards removes every second chance, and two leave nothing. Entries that are used again
        // meanwhile need more rounds.
        for step in 1..=SHARDS as u64 * 4 {
            if !self.is_over(more) {
                return;
            }
            let mut shard = self.shard(latest.wrapping_add(step));
            for _ in 0..shard.queue.len() {
                if !self.is_over(more) {
                    return;
                }
                let Some(hash) = shard.queue.pop_front() else { break };
                match shard.entries.get(&hash) {
                    Some(entry) if entry.take_used() => shard.queue.push_back(hash),
                    Some(_) => {
                        if let Some(entry) = shard.entries.remove(&hash) {
                            self.subtract(&entry);
                            self.counts.evicted.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    None => {}
                }
            }
        }
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, CacheShard> {
        #[expect(clippy::indexing_slicing, reason = "the index is a remainder of the length")]
        let shard = &self.shards[(hash % SHARDS as u64) as usize];
        // A panic while the lock was held leaves the queue and the map inconsistent at worst.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl PassThroughHasher ===

impl Hasher for PassThroughHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("the keys are u64");
    }

    fn write_u64(&mut self, hash: u64) {
        // The low bits chose the shard; the map needs bits that still differ within it.
        self.0 = hash.rotate_right(4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        body::FileVersion,
        files::entry::{FileContent, FileKey, Representation, Stamp, Stamps},
        rfc::encoding::Coding,
    };
    use bytes::Bytes;
    use http::HeaderMap;
    use std::fs::File;

    /// An entry of some bytes, which holds a descriptor if it is on disk.
    fn entry(number: u8, is_on_disk: bool) -> Arc<FileEntry> {
        let file = File::open("/dev/null").unwrap();
        let metadata = file.metadata().unwrap();
        let original = Stamp::of(&metadata);
        let content = match is_on_disk {
            true => FileContent::Disk(Arc::new(file), FileVersion::of(&metadata)),
            false => FileContent::Memory(Bytes::from(vec![number; 100]), None),
        };
        let one = Representation::new((Coding::Identity, 100), content, HeaderMap::new(), None);
        let key = FileKey { root: 0, name: vec![number].into() };
        let stamps = Stamps { directory: 0, original, precompressed: [None; 3], generation: 0 };
        Arc::new(FileEntry::new(key, stamps, vec![one]))
    }

    fn counted(cache: &EntryCache) -> (u64, u64, u64) {
        let EntryCache { counts, descriptors, .. } = cache;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&counts.entries), read(&counts.bytes), read(descriptors))
    }

    #[test]
    fn descriptors_are_bounded_apart_from_bytes() {
        let cache = EntryCache::new(u64::MAX, usize::MAX, 4, Arc::default());
        for number in 0..100 {
            assert!(cache.insert(u64::from(number), entry(number, number % 2 == 0), true));
            assert!(counted(&cache).2 <= 4, "{number}");
        }
        let evicted = cache.counts.evicted.load(Ordering::Relaxed);
        assert_eq!(counted(&cache).0 + evicted, 100);
        assert!(cache.has_open_files());
        assert_eq!(cache.open_since(1).len() as u64, counted(&cache).2);
        assert_eq!(cache.open_since(0).len(), 0);
    }

    #[test]
    fn a_full_store_keeps_what_is_asked_for_again() {
        for (budget, max, descriptors) in
            [(u64::MAX, 4, u64::MAX), (4 * entry(0, true).cost(), 99, u64::MAX), (u64::MAX, 99, 4)]
        {
            let cache = EntryCache::new(budget, max, descriptors, Arc::default());
            for number in 0..4 {
                assert!(cache.insert(u64::from(number), entry(number, true), false), "{number}");
            }
            let kept = counted(&cache);
            assert!(!cache.insert(4, entry(4, true), false));
            assert_eq!((counted(&cache), cache.get(4).is_none()), (kept, true));
            assert_eq!(cache.counts.evicted.load(Ordering::Relaxed), 1);
            assert!(cache.insert(4, entry(4, true), true));
            assert_eq!((counted(&cache), cache.get(4).is_some()), (kept, true));
            assert_eq!(cache.counts.evicted.load(Ordering::Relaxed), 2);
        }
    }

    #[test]
    fn the_counts_return_to_zero() {
        let cache = EntryCache::new(1 << 20, 20, 8, Arc::default());
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..2000 {
            let hash = random.u64(..40);
            let new = entry(random.u8(..), random.bool());
            match (random.u8(..4), cache.get(hash)) {
                (0, Some(old)) => cache.remove(hash, &old),
                (1, Some(old)) => cache.replace(hash, &old, new),
                // An entry that was evicted meanwhile is neither evicted again nor replaced.
                (2, _) => {
                    cache.remove(hash, &new);
                    cache.replace(hash, &entry(0, true), new);
                }
                (_, old) => {
                    let _ = old.map(|old| old.mark_used());
                    cache.insert(hash, new, random.bool());
                }
            }
            let (entries, _, descriptors) = counted(&cache);
            assert!(entries <= 20 && descriptors <= 8, "{entries} {descriptors}");
        }
        assert!(counted(&cache).0 > 0);
        for hash in 0..40 {
            if let Some(old) = cache.get(hash) {
                cache.remove(hash, &old);
            }
        }
        assert_eq!(counted(&cache), (0, 0, 0));
        assert!(!cache.has_open_files());
        assert!(cache.shards.iter().all(|shard| shard.lock().unwrap().queue.is_empty()));
    }
}
