//! Selects the response to drop when the cache is full: S3-FIFO (Yang et al., 2023), aware of sizes. New responses wait
//! in a small queue, and get into the main queue only if they are used there. So a crawler that requests every page
//! once evicts nothing that is in use. A response that was dropped from the small queue and comes again was dropped too
//! early: it gets into the main queue at once.
//!
//! A response stays if it was used; the larger it is, compared with the mean, the more often. It takes the memory of
//! several that would be used as often together.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::atomic::{AtomicU8, Ordering},
};

use super::key::PassThrough;

/// How often something was used lately. Counting costs a read if it is used all the time.
#[derive(Debug, Default)]
pub(super) struct UseCount(AtomicU8);

/// Something that is evicted if it is not used.
pub(super) trait Evictable {
    fn uses(&self) -> &UseCount;
}

/// The queues of everything that is kept.
#[derive(Debug)]
pub(super) struct EvictionQueue<T> {
    entries: HashMap<u64, QueuedEntry<T>, PassThrough>,
    /// The numbers of entries, oldest first. Those of removed entries stay until they are at the front, or too many.
    small: VecDeque<u64>,
    main: VecDeque<u64>,
    small_bytes: u64,
    main_bytes: u64,
    /// Hashes of what was dropped from the small queue, oldest first.
    dropped: VecDeque<u64>,
    dropped_set: HashSet<u64, PassThrough>,
    next: u64,
}

#[derive(Debug)]
struct QueuedEntry<T> {
    item: T,
    hash: u64,
    bytes: u64,
    is_main: bool,
}

/// One of the queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum QueueName {
    Small,
    Main,
}

/// The small queue has a tenth of the bytes.
const SMALL_SHARE: u64 = 10;
/// Counting stops here.
const MAX_USES: u8 = 15;
/// Entries that get another round before one is dropped nevertheless, so that an eviction takes a bounded time.
const MAX_SPARED: usize = 64;
/// Hashes that are remembered in any case.
const MIN_REMEMBERED: usize = 256;

// === impl UseCount ===

impl UseCount {
    /// Counts a use. A race loses a count, and no more.
    pub(super) fn count(&self) {
        let uses = self.0.load(Ordering::Relaxed);
        if uses < MAX_USES {
            self.0.store(uses + 1, Ordering::Relaxed);
        }
    }

    /// Takes so many uses away; `false` if there are fewer.
    fn spend(&self, uses: u8) -> bool {
        let left = self.0.load(Ordering::Relaxed).checked_sub(uses);
        if let Some(left) = left {
            self.0.store(left, Ordering::Relaxed);
        }
        left.is_some()
    }

    /// Takes over the uses of what this replaces.
    pub(super) fn continue_from(&self, other: &Self) {
        self.0.store(other.0.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

// === impl EvictionQueue ===

impl<T> Default for EvictionQueue<T> {
    fn default() -> Self {
        Self {
            entries: HashMap::default(),
            small: VecDeque::new(),
            main: VecDeque::new(),
            small_bytes: 0,
            main_bytes: 0,
            dropped: VecDeque::new(),
            dropped_set: HashSet::default(),
            next: 0,
        }
    }
}

impl<T: Evictable> EvictionQueue<T> {
    /// Returns the bytes of all entries.
    pub(super) fn bytes(&self) -> u64 {
        self.small_bytes + self.main_bytes
    }

    /// Returns the number of entries.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds an entry, and returns its number.
    pub(super) fn add(&mut self, item: T, hash: u64, bytes: u64) -> u64 {
        let number = self.next;
        self.next += 1;
        let is_main = self.dropped_set.remove(&hash);
        self.entries.insert(number, QueuedEntry { item, hash, bytes, is_main });
        let queue = if is_main { QueueName::Main } else { QueueName::Small };
        self.queue(queue).push_back(number);
        *self.bytes_of(queue) += bytes;
        self.forget_removed();
        number
    }

    /// Replaces the item of an entry, which keeps its position; `None` if it was removed.
    pub(super) fn replace(&mut self, number: u64, item: T, bytes: u64) -> Option<T> {
        let entry = self.entries.get_mut(&number)?;
        let old = std::mem::replace(&mut entry.item, item);
        let before = std::mem::replace(&mut entry.bytes, bytes);
        let queue = entry.queue();
        let total = self.bytes_of(queue);
        *total = total.saturating_sub(before) + bytes;
        Some(old)
    }

    /// Counts more bytes for an entry; `false` if it was removed.
    pub(super) fn enlarge(&mut self, number: u64, more: u64) -> bool {
        let Some(entry) = self.entries.get_mut(&number) else { return false };
        entry.bytes += more;
        let queue = entry.queue();
        *self.bytes_of(queue) += more;
        true
    }

    /// Removes an entry.
    pub(super) fn remove(&mut self, number: u64) -> Option<T> {
        let entry = self.entries.remove(&number)?;
        let total = self.bytes_of(entry.queue());
        *total = total.saturating_sub(entry.bytes);
        Some(entry.item)
    }

    /// Returns an entry.
    pub(super) fn get(&self, number: u64) -> Option<&T> {
        self.entries.get(&number).map(|entry| &entry.item)
    }

    /// Removes the entry that is worth least, and returns its hash and its item. `is_useless` is for entries that
    /// nobody will use again.
    pub(super) fn evict(&mut self, is_useless: impl Fn(&T) -> bool) -> Option<(u64, T)> {
        let mut spared = 0;
        loop {
            let queue = self.next_queue()?;
            let Some(number) = self.queue(queue).pop_front() else { continue };
            let mean = self.bytes() / (self.entries.len() as u64).max(1);
            // Removed before, or moved to the other queue.
            let Some(entry) = self.entries.get_mut(&number).filter(|entry| entry.queue() == queue)
            else {
                continue;
            };
            let toll = toll(entry.bytes, mean);
            if spared < MAX_SPARED && !is_useless(&entry.item) && entry.item.uses().spend(toll) {
                spared += 1;
                let bytes = entry.bytes;
                entry.is_main = true;
                if queue == QueueName::Small {
                    self.small_bytes = self.small_bytes.saturating_sub(bytes);
                    self.main_bytes += bytes;
                }
                self.main.push_back(number);
                continue;
            }
            let hash = entry.hash;
            let item = self.remove(number)?;
            if queue == QueueName::Small {
                self.remember(hash);
            }
            return Some((hash, item));
        }
    }

    /// Returns the queue from which to evict; `None` if nothing is left.
    fn next_queue(&self) -> Option<QueueName> {
        let is_small_due = self.small_bytes > self.bytes() / SMALL_SHARE || self.main.is_empty();
        match (self.small.is_empty(), self.main.is_empty()) {
            (true, true) => None,
            (false, _) if is_small_due => Some(QueueName::Small),
            (_, false) => Some(QueueName::Main),
            (false, true) => Some(QueueName::Small),
        }
    }

    fn queue(&mut self, queue: QueueName) -> &mut VecDeque<u64> {
        match queue {
            QueueName::Small => &mut self.small,
            QueueName::Main => &mut self.main,
        }
    }

    fn bytes_of(&mut self, queue: QueueName) -> &mut u64 {
        match queue {
            QueueName::Small => &mut self.small_bytes,
            QueueName::Main => &mut self.main_bytes,
        }
    }

    /// Remembers a hash. There are as many as entries, at most.
    fn remember(&mut self, hash: u64) {
        if self.dropped_set.insert(hash) {
            self.dropped.push_back(hash);
        }
        let max = self.entries.len().max(MIN_REMEMBERED);
        while self.dropped.len() > max {
            if let Some(oldest) = self.dropped.pop_front() {
                self.dropped_set.remove(&oldest);
            }
        }
    }

    /// Removes the numbers of removed entries if they are more than the others.
    fn forget_removed(&mut self) {
        let entries = self.entries.len();
        if self.small.len() + self.main.len() > 2 * entries + MIN_REMEMBERED {
            self.small.retain(|number| self.entries.get(number).is_some_and(|one| !one.is_main));
            self.main.retain(|number| self.entries.get(number).is_some_and(|one| one.is_main));
        }
    }
}

impl<T> QueuedEntry<T> {
    fn queue(&self) -> QueueName {
        if self.is_main { QueueName::Main } else { QueueName::Small }
    }
}

/// Returns the number of uses for which an entry of this size stays.
fn toll(bytes: u64, mean: u64) -> u8 {
    let times = bytes / mean.max(1);
    let extra = times.checked_ilog2().unwrap_or(0);
    u8::try_from(extra + 1).unwrap_or(MAX_USES).min(MAX_USES)
}
